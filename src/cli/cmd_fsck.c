/* SPDX-License-Identifier: MIT
 *
 * gantry fsck: what of the store is not as it was put there, file by file. Ends with 0 when all is whole (or was repaired), with 4, as fsck(8), when
 * damage is left.
 */
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/commands.h"
#include "engine/image/fsck.h"
#include "engine/image/ref.h"
#include <errno.h>

enum { EXIT_DAMAGED = 4 };

struct fsck_opts {
	bool fast, repair, quiet;
	const char *format;
};
static const char *const formats[] = { "text", "json", NULL };
static const struct opt fsck_rows[] = {
	OPT(0, "fast", OPT_BOOL, struct fsck_opts, fast, NULL, "Names, types, owners, modes, sizes, times, attributes: no content is read"),
	OPT_CHOICE(0, "format", struct fsck_opts, format, "FORMAT", "text or json", formats),
	OPT('q', "quiet", OPT_BOOL, struct fsck_opts, quiet, NULL, "Only what is wrong"),
	OPT(0, "repair", OPT_BOOL, struct fsck_opts, repair, NULL, "Unpack or fetch damaged layers again, just those"),
	OPT_END
};
static const char *const kind_names[] = { [FSCK_ROWS] = "database", [FSCK_LAYER] = "layer", [FSCK_BLOB] = "blob" };
static const char *const state_names[] = { [FSCK_DAMAGED] = "damaged", [FSCK_REPAIRED] = "repaired", [FSCK_NOTED] = "noted" };

static void print_text(const struct fsck *f, bool quiet)
{
	size_t n[ARRAY_LEN(state_names)] = { 0 };

	for (size_t i = 0; i < f->n; i++) {
		const struct fsck_finding *one = &f->v[i];

		n[one->state]++;
		if (quiet && one->state == FSCK_NOTED)
			continue;
		for (size_t k = 0; k < one->lines.n; k++)
			printf("%s%s%s: %s\n", kind_names[one->kind], one->id ? " " : "", one->id ? one->id : "", one->lines.v[k]);
	}
	if (!quiet)
		printf("%zu layers%s, %zu blobs: %zu damaged, %zu repaired\n", f->layers, f->fast ? " (contents not read)" : "", f->blobs, n[FSCK_DAMAGED],
			n[FSCK_REPAIRED]);
}

static void print_json(const struct fsck *f)
{
	AUTO(json_free) struct cJSON *o = json_object();
	struct cJSON *list = json_add_array(o, "findings");
	auto_free char *text = NULL;

	json_add_int(o, "layers", (int64_t)f->layers);
	json_add_int(o, "blobs", (int64_t)f->blobs);
	json_add_bool(o, "whole", fsck_whole(f));
	for (size_t i = 0; i < f->n; i++) {
		struct cJSON *one = json_add_object(list, NULL);

		json_add_str(one, "kind", kind_names[f->v[i].kind]);
		json_add_str(one, "id", f->v[i].id);
		json_add_str(one, "state", state_names[f->v[i].state]);
		json_add_strv(one, "lines", &f->v[i].lines);
	}
	text = json_text(o, false);
	printf("%s\n", text);
}

static int fsck_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct fsck_opts *o = opts;
	AUTO_DONE(fsck_done) struct fsck f = { .fast = o->fast };
	bool whole;

	(void)args;
	TRY(image_fsck(app->db, &f, e));
	if (o->repair && !fsck_whole(&f))
		TRY(image_fsck_repair(app->db, &f, e));
	whole = fsck_whole(&f);
	if (o->format && streq(o->format, "json"))
		print_json(&f);
	else
		print_text(&f, o->quiet);
	if (!whole && !o->repair)
		fprintf(stderr, "hint: 'gantry fsck --repair' unpacks or fetches damaged layers again\n");
	return whole ? 0 : EXIT_DAMAGED;
}

const struct cmd cmd_fsck = { "fsck", fsck_run, CMD_STATE | CMD_ROOT, fsck_rows, sizeof(struct fsck_opts), "[OPTIONS]",
			      "Find damage of images and layers, and repair it", 0, 0 };
