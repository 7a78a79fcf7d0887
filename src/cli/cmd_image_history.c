/* SPDX-License-Identifier: MIT
 *
 * gantry image history: docker's columns. The config's history tells what was done, newest first; entries that made no layer have size 0.
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/commands.h"
#include "cli/format.h"
#include "cli/object_view.h"
#include "engine/image/manifest.h"
#include "engine/image/ref.h"
#include "engine/image/store.h"
#include "state/db.h"
#include "state/image_store.h"
#include <errno.h>
#include <string.h>

enum { SHORT_TEXT = 45, HISTORY_MAX = 10000 };

struct history_opts {
	bool no_trunc, quiet, exact;
	const char *format;
};
static const struct opt history_rows[] = {
	OPT(0, "format", OPT_STR, struct history_opts, format, "FORMAT", "table, json or a Go template"),
	OPT('H', "human", OPT_UNBOOL, struct history_opts, exact, NULL, "Sizes and dates for people (the default; --human=false: exact ones)"),
	OPT(0, "no-trunc", OPT_BOOL, struct history_opts, no_trunc, NULL, "Do not shorten ids and commands"),
	OPT('q', "quiet", OPT_BOOL, struct history_opts, quiet, NULL, "Only ids"),
	OPT_END
};
static const struct format_column human_columns[] = {
	{ "ID", "IMAGE" }, { "CreatedSince", "CREATED" }, { "CreatedBy", "CREATED BY" }, { "Size", "SIZE" }, { "Comment", "COMMENT" },
	{ "CreatedAt", "CREATED AT" }, { NULL, NULL }
};
static const struct format_column exact_columns[] = {
	{ "ID", "IMAGE" }, { "CreatedAt", "CREATED AT" }, { "CreatedBy", "CREATED BY" }, { "Size", "SIZE" }, { "Comment", "COMMENT" },
	{ "CreatedSince", "CREATED" }, { NULL, NULL }
};

struct history {
	const struct history_opts *o;
	struct format *f;
	char *id;
};

/* At most SHORT_TEXT characters: never a part of one. */
static char *shortened(const char *text)
{
	size_t n = 0, chars = 0;

	while (text[n] && chars < SHORT_TEXT - 1)
		if (((unsigned char)text[++n] & 0xc0) != 0x80)
			chars++;
	return text[n] && text[n + 1] ? xasprintf("%.*s…", (int)n, text) : xstrdup(text);
}

static char *one_line(const char *text)
{
	auto_free char *copy = xstrdup(text);

	for (char *p = copy; *p; p++)
		if (*p == '\t' || *p == '\n')
			*p = ' ';
	return str_visible(copy, strlen(copy));
}

/* "2026-11-25T02:38:36Z" */
static const char *time_seconds(int64_t ns, char at[TIME_TEXT])
{
	time_rfc3339(ns, at);
	memcpy(at + strcspn(at, "."), "Z", 2);
	return at;
}

static int history_line(struct history *h, const char *id, const struct cJSON *entry, int64_t size, struct err *e)
{
	AUTO(json_free) struct cJSON *o = json_object();
	auto_free char *by = one_line(str0(json_str(entry, "created_by"))), *comment = one_line(str0(json_str(entry, "comment")));
	auto_free char *brief = h->o->no_trunc ? xstrdup(by) : shortened(by), *since = NULL;
	auto_free char *bytes = num_size_text((uint64_t)size), *exact = xasprintf("%lld", (long long)size);
	char at[TIME_TEXT];
	int64_t created = 0;
	AUTO_ERR(no_time);

	if (json_str(entry, "created"))
		(void)time_parse(json_str(entry, "created"), 0, &created, &no_time);
	since = object_ago(created);
	json_add_str(o, "Comment", comment);
	json_add_str(o, "CreatedAt", created > 0 ? time_seconds(created, at) : "");
	json_add_str(o, "CreatedBy", brief);
	json_add_str(o, "CreatedSince", since);
	json_add_str(o, "ID", id);
	json_add_str(o, "Size", h->o->exact ? exact : bytes);
	return format_row(h->f, o, e);
}

/* Sizes of all layers, lowest first, whether the image mounts them or not. */
static int layer_sizes(struct app *app, const struct image_row *row, int64_t *sizes, size_t *n, struct err *e)
{
	AUTO_DONE(config_info_done) struct config_info info = { 0 };
	AUTO_STRV(chain);

	TRY(config_info_parse(row->config, strlen(row->config), &info, e));
	chain_ids(&info.diff_ids, &chain);
	*n = chain.n;
	for (size_t i = 0; i < chain.n; i++) {
		AUTO_DONE(layer_row_done) struct layer_row layer = { 0 };
		int r = layer_get(app->db, chain.v[i], &layer, e);

		TRY(r);
		sizes[i] = r == 0 ? layer.size : 0;
	}
	return 0;
}

/* Newest first. Only the top is an image, as docker says since it has no images per step: "<missing>". */
static int history_lines(struct history *h, const struct cJSON *list, const int64_t *sizes, size_t nsizes, struct strv *ids, struct err *e)
{
	size_t n = MIN(json_count(list), (size_t)HISTORY_MAX), i = 0, layer = 0;
	auto_free const struct cJSON **entries = xcalloc(n + 1, sizeof(*entries));
	auto_free int64_t *size = xcalloc(n + 1, sizeof(*size));

	for (const struct cJSON *c = json_first(list); c && i < n; c = json_next(c), i++) {
		entries[i] = c;
		size[i] = !json_bool(c, "empty_layer", false) && layer < nsizes ? sizes[layer++] : 0;
	}
	while (i-- > 0) {
		const char *id = i + 1 == n ? h->id : "<missing>";

		strv_add(ids, id);
		TRY(history_line(h, id, entries[i], size[i], e));
	}
	return 0;
}

static int history_show(struct app *app, struct history *h, const struct image_row *row, struct strv *ids, struct err *e)
{
	AUTO(json_free) struct cJSON *config = NULL;
	auto_free int64_t *sizes = xcalloc(LAYERS_MAX + 1, sizeof(*sizes));
	size_t n = 0;

	TRY(json_parse(row->config, strlen(row->config), "config", &config, e));
	if (json_count(json_get(json_get(config, "rootfs"), "diff_ids")) > LAYERS_MAX)
		return err_set(e, E2BIG, "more than %d layers", LAYERS_MAX);
	TRY(layer_sizes(app, row, sizes, &n, e));
	return history_lines(h, json_get(config, "history"), sizes, n, ids, e);
}

static int history_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	struct history h = { .o = opts };
	AUTO_STRV(ids);
	int r;

	TRY(image_need(app->db, args->v[0], &row, e));
	TRY(format_new(h.o->format, h.o->exact ? exact_columns : human_columns, 5, false, &h.f, e));
	h.id = h.o->no_trunc ? xstrdup(row.id) : xstrndup(digest_hex_part(row.id), ID_SHORT);
	r = history_show(app, &h, &row, &ids, e);
	free(h.id);
	for (size_t i = 0; r >= 0 && h.o->quiet && i < ids.n; i++)
		printf("%s\n", ids.v[i]);
	if (r < 0 || h.o->quiet)
		format_free(h.f);
	else
		format_end(h.f, stdout);
	return r;
}

const struct cmd cmd_image_history = { "history", history_run, CMD_STATE_READ, history_rows, sizeof(struct history_opts), "[OPTIONS] IMAGE",
				       "Show how an image was made", 1, 1 };
