/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/format.h"
#include "engine/image/store.h"
#include "state/container_store.h"

struct images_opts {
	bool quiet;
	const char *format;
};
static const char *const formats[] = { "table", "json", NULL };
static const struct opt images_rows[] = {
	OPT_CHOICE(0, "format", struct images_opts, format, "FORMAT", "table or json", formats),
	OPT('q', "quiet", OPT_BOOL, struct images_opts, quiet, NULL, "Only ids"),
	OPT_END
};
static const struct format_column columns[] = {
	{ "ContainerName", "CONTAINER" }, { "Repository", "REPOSITORY" }, { "Tag", "TAG" }, { "ShortID", "IMAGE ID" },
	{ "SizeText", "SIZE" }, { NULL, NULL }
};

/* "docker.io/library/nginx:1.25" and what the user wrote -> repository as written, tag */
static void split_ref(const char *ref, char **repo, char **tag)
{
	const char *at = strchr(ref, '@'), *slash = strrchr(ref, '/'), *colon = strrchr(ref, ':');
	size_t end = at ? (size_t)(at - ref) : strlen(ref);

	if (colon && (!slash || colon > slash) && colon < ref + end) {
		*repo = xstrndup(ref, (size_t)(colon - ref));
		*tag = xstrndup(colon + 1, (size_t)(ref + end - colon - 1));
	} else {
		*repo = xstrndup(ref, end);
		*tag = xstrdup(at ? "<none>" : "latest");
	}
}

static int print_one(struct app *app, struct format *f, const struct ctr_row *c, bool json, struct err *e)
{
	AUTO(json_free) struct cJSON *row = json_object();
	struct image_row img = { 0 };
	auto_free char *repo = NULL, *tag = NULL, *size = NULL;
	const char *hex = str_after(str0(c->image_id), "sha256:");
	auto_free char *brief = xstrndup(hex ? hex : "", 12);
	int r = c->image_id ? image_get(app->db, c->image_id, &img, e) : 1;

	if (r < 0)
		return r;
	split_ref(str0(c->image_ref), &repo, &tag);
	size = num_size_units(r == 0 ? (uint64_t)img.size : 0, 1000, 3);
	json_add_str(row, "ID", c->image_id);
	json_add_str(row, "ContainerName", c->name);
	json_add_str(row, "Repository", repo);
	json_add_str(row, "Tag", tag);
	json_add_int(row, "Size", r == 0 ? img.size : 0);
	if (!json) { /* for the table only */
		json_add_str(row, "ShortID", brief);
		json_add_str(row, "SizeText", size);
	}
	image_row_done(&img);
	return format_row(f, row, e);
}

static int images_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct images_opts *o = opts;
	struct ctr_rows rows = CTR_ROWS_INIT;
	struct format *f;
	int r = 0;

	TRY(app_containers(app, args, false, &rows, e));
	TRY(format_new(o->format, columns, 5, true, &f, e));
	AUTO_STRV(ids);
	for (size_t i = 0; r >= 0 && i < rows.n; i++) {
		if (o->quiet)
			strv_add_unique(&ids, str0(str_after(str0(rows.v[i].image_id), "sha256:")));
		else
			r = print_one(app, f, &rows.v[i], o->format && streq(o->format, "json"), e);
	}
	for (size_t i = 0; i < ids.n; i++)
		printf("%s\n", ids.v[i]);
	if (r < 0 || o->quiet)
		format_free(f);
	else
		format_end(f, stdout);
	ctr_rows_done(&rows);
	return r < 0 ? r : 0;
}

const struct cmd cmd_images = { "images", images_run, CMD_PROJECT_NAME | CMD_STATE_READ | CMD_ALL_PROFILES, images_rows,
				sizeof(struct images_opts), "[OPTIONS] [SERVICE...]", "List the images that containers were made from", 0, -1,
				NULL, NULL, NULL, true };
