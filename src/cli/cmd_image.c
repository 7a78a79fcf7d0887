/* SPDX-License-Identifier: MIT
 *
 * gantry image …: the store of images that every project shares. Options and output as docker image's.
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "base/time.h"
#include "base/tty.h"
#include "cli/commands.h"
#include "cli/format.h"
#include "cli/image_filter.h"
#include "cli/object_view.h"
#include "engine/image/inspect.h"
#include "engine/image/load.h"
#include "engine/image/store.h"
#include "state/db.h"
#include <errno.h>
#include <fcntl.h>

/* ---- load, import ---- */

struct load_opts {
	const char *input, *max_size;
	bool quiet;
};
static const struct opt load_rows[] = {
	OPT('i', "input", OPT_STR, struct load_opts, input, "FILE", "Read from this file or folder, not from standard input"),
	OPT(0, "max-size", OPT_STR, struct load_opts, max_size, "SIZE", "Refuse layers that unpack to more (GANTRY_MAX_LAYER, 128g)"),
	OPT('q', "quiet", OPT_BOOL, struct load_opts, quiet, NULL, "Do not show layers as they are unpacked"),
	OPT_END
};

static void show_note(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s\n", text);
}

/* "-" and NULL: standard input. The descriptor is the caller's to close when it is not 0. */
static int source_open(const char *path, const char *max_size, bool quiet, struct image_source *ret, struct err *e)
{
	int64_t max = 0;

	if (max_size)
		TRY(num_bytes(max_size, &max, e));
	*ret = (struct image_source){ .fd = 0, .what = "standard input", .max_bytes = (uint64_t)max,
				      .note = quiet || !tty_is(2) ? NULL : show_note };
	if (!path || streq(path, "-")) {
		if (!tty_is(0))
			return 0;
		err_set(e, EINVAL, "standard input is a terminal");
		err_hint(e, "name a file, or redirect one: < FILE");
		return -EINVAL;
	}
	ret->what = path;
	ret->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (ret->fd >= 0)
		return 0;
	if (errno == ENOENT && strstr(path, "://")) {
		err_set(e, ENOTSUP, "'%s': only files and folders can be read", path);
		err_hint(e, "fetch it first: curl -L '%s' | gantry image … -", path);
		return -ENOTSUP;
	}
	return err_sys(e, "open '%s'", path);
}

static void source_close(struct image_source *src)
{
	if (src->fd > 0)
		close(src->fd);
}

static void print_lines(const struct strv *lines)
{
	for (size_t i = 0; i < lines->n; i++)
		printf("%s\n", lines->v[i]);
}

static int load_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct load_opts *o = opts;
	const char *path = o->input ? o->input : args->n ? args->v[0] : NULL;
	struct image_source src;
	AUTO_STRV(report);
	int r;

	if (o->input && args->n)
		return err_set(e, EINVAL, "both --input and '%s' are given", args->v[0]);
	TRY(source_open(path, o->max_size, o->quiet, &src, e));
	r = image_load(app->db, &src, &report, e);
	source_close(&src);
	print_lines(&report);
	return r;
}

static const struct cmd cmd_load = { "load", load_run, CMD_STATE | CMD_ROOT, load_rows, sizeof(struct load_opts), "[OPTIONS] [FILE|DIR]",
				     "Load images from a docker-archive or OCI layout", 0, 1 };

struct import_opts {
	struct strv change;
	const char *message, *platform, *max_size;
};
static const struct opt import_rows[] = {
	OPT('c', "change", OPT_LIST, struct import_opts, change, "INSTRUCTION", "Apply a Dockerfile instruction to the image's config"),
	OPT('m', "message", OPT_STR, struct import_opts, message, "TEXT", "Comment of the image"),
	OPT(0, "platform", OPT_STR, struct import_opts, platform, "OS/ARCH", "Platform of the image, if it is not this machine's"),
	OPT(0, "max-size", OPT_STR, struct import_opts, max_size, "SIZE", "Refuse a tree that unpacks to more (GANTRY_MAX_LAYER, 128g)"),
	OPT_END
};

static int import_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct import_opts *o = opts;
	const struct image_import how = { args->n > 1 ? args->v[1] : NULL, &o->change, o->message, o->platform };
	struct image_source src;
	auto_free char *id = NULL;
	int r;

	TRY(source_open(args->v[0], o->max_size, true, &src, e));
	r = image_import(app->db, &src, &how, &id, e);
	source_close(&src);
	if (r >= 0)
		printf("%s\n", id);
	return r;
}

static const struct cmd cmd_import = { "import", import_run, CMD_STATE | CMD_ROOT, import_rows, sizeof(struct import_opts),
				       "[OPTIONS] FILE|DIR|- [REPOSITORY[:TAG]]", "Make an image of a root file system (tar or folder)", 1, 2 };

/* ---- ls ---- */

struct ls_opts {
	bool all, quiet, no_trunc, digests;
	const char *format;
	struct strv filter;
};
static const struct opt ls_rows[] = {
	OPT('a', "all", OPT_BOOL, struct ls_opts, all, NULL, "Show all images (the default: there are no hidden ones)"),
	OPT(0, "digests", OPT_BOOL, struct ls_opts, digests, NULL, "Show digests"),
	OPT('f', "filter", OPT_LIST, struct ls_opts, filter, "KEY=VALUE", IMAGE_FILTER_LS),
	OPT(0, "format", OPT_STR, struct ls_opts, format, "FORMAT", "table, json or a Go template"),
	OPT(0, "no-trunc", OPT_BOOL, struct ls_opts, no_trunc, NULL, "Do not shorten ids"),
	OPT('q', "quiet", OPT_BOOL, struct ls_opts, quiet, NULL, "Only ids"),
	OPT_END
};
static const struct format_column ls_columns[] = {
	{ "Repository", "REPOSITORY" }, { "Tag", "TAG" }, { "ID", "IMAGE ID" }, { "CreatedSince", "CREATED" }, { "Size", "SIZE" },
	{ "Digest", "DIGEST" }, { "CreatedAt", "CREATED AT" }, { NULL, NULL }
};
static const struct format_column ls_digest_columns[] = {
	{ "Repository", "REPOSITORY" }, { "Tag", "TAG" }, { "Digest", "DIGEST" }, { "ID", "IMAGE ID" }, { "CreatedSince", "CREATED" },
	{ "Size", "SIZE" }, { "CreatedAt", "CREATED AT" }, { NULL, NULL }
};

static char *shown_id(const char *id, bool whole)
{
	const char *hex = str_after(id, "sha256:");

	return whole || !hex ? xstrdup(id) : xstrndup(hex, ID_SHORT);
}

static int ls_line(struct app *app, struct format *f, const struct image_row *row, const char *name, bool whole, struct err *e)
{
	AUTO(json_free) struct cJSON *o = json_object();
	auto_free char *id = shown_id(row->id, whole), *size = num_size_units((uint64_t)row->size, 1000, 3), *since = object_ago(row->created_ns);
	auto_free char *repository = image_repository_text(name);
	const char *at = strchr(name, '@');
	AUTO_DONE(image_remote_done) struct image_remote remote = { 0 };
	char created[TIME_TEXT] = "N/A";

	TRY(image_remote_get(app->db, name, &remote, e));
	if (row->created_ns > 0)
		time_rfc3339(row->created_ns, created);
	json_add_str(o, "Containers", "N/A");
	json_add_str(o, "CreatedAt", created);
	json_add_str(o, "CreatedSince", since);
	/* what the name stands for in its registry: of the index, where there is one */
	json_add_str(o, "Digest", at ? at + 1 : remote.digest && streq(remote.id, row->id) ? remote.digest : row->manifest ? row->manifest : "<none>");
	json_add_str(o, "ID", id);
	json_add_str(o, "Repository", repository);
	json_add_str(o, "SharedSize", "N/A");
	json_add_str(o, "Size", size);
	json_add_str(o, "Tag", image_tag_text(name));
	json_add_str(o, "UniqueSize", "N/A");
	json_add_str(o, "VirtualSize", size);
	return format_row(f, o, e);
}

/* One line per name of an image; one for an image without. */
static int ls_image(struct app *app, struct format *f, const char *id, const struct ls_opts *o, const struct image_filter *filter, struct strv *ids, struct err *e)
{
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	AUTO_STRV(names);
	int r = image_get(app->db, id, &row, e);

	if (r)
		return MIN(r, 0);
	TRY(image_names_of(app->db, id, &names, e));
	if (names.n == 0)
		strv_add(&names, "");
	for (size_t i = 0; i < names.n; i++) {
		auto_free char *shown = shown_id(id, o->no_trunc);

		if (!image_filter_passes(filter, &row, names.v[i]))
			continue;
		strv_add_unique(ids, shown);
		TRY(ls_line(app, f, &row, names.v[i], o->no_trunc, e));
	}
	return 0;
}

static int ls_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct ls_opts *o = opts;
	AUTO_DONE(image_filter_done) struct image_filter filter = { 0 };
	AUTO_STRV(all);
	AUTO_STRV(ids);
	struct format *f;
	int r = 0;

	TRY(image_filter_parse(app->db, &o->filter, IMAGE_FILTER_LS, &filter, e));
	if (args->n)
		image_filter_reference(&filter, args->v[0]);
	TRY(image_list(app->db, &all, e));
	TRY(format_new(o->format, o->digests ? ls_digest_columns : ls_columns, o->digests ? 6 : 5, false, &f, e));
	for (size_t i = 0; r >= 0 && i < all.n; i++)
		r = ls_image(app, f, all.v[i], o, &filter, &ids, e);
	if (r >= 0 && o->quiet)
		print_lines(&ids);
	if (r < 0 || o->quiet)
		format_free(f);
	else
		format_end(f, stdout);
	return r;
}

static const struct cmd cmd_image_ls = { "ls", ls_run, CMD_STATE_READ, ls_rows, sizeof(struct ls_opts), "[OPTIONS] [REPOSITORY[:TAG]]", "List images", 0, 1,
					 "list" };

/* ---- rm, tag, inspect ---- */

struct rm_opts {
	bool force;
};
static const struct opt rm_rows[] = {
	OPT('f', "force", OPT_BOOL, struct rm_opts, force, NULL, "All names of an id; also names of images that containers use"),
	OPT_END
};

static int rm_one(struct app *app, const char *name, void *arg, struct err *e)
{
	const struct rm_opts *o = arg;
	AUTO_STRV(report);
	int r = image_remove(app->db, name, o->force, &report, e);

	print_lines(&report);
	return r;
}

static int rm_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	return object_each(app, args, rm_one, opts, e);
}

static const struct cmd cmd_image_rm = { "rm", rm_run, CMD_STATE | CMD_ROOT, rm_rows, sizeof(struct rm_opts), "[OPTIONS] IMAGE [IMAGE...]",
					 "Remove names, and images that have none left", 1, -1, "remove" };

static int tag_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	(void)opts;
	return image_tag(app->db, args->v[0], args->v[1], e);
}

static const struct cmd cmd_image_tag = { "tag", tag_run, CMD_STATE | CMD_ROOT, NULL, 0, "IMAGE NAME[:TAG]", "Give an image another name", 2, 2 };

struct inspect_opts {
	const char *format;
};
static const struct opt inspect_rows[] = {
	OPT('f', "format", OPT_STR, struct inspect_opts, format, "FORMAT", "json or a Go template, per image"),
	OPT_END
};

static int inspect_add(struct app *app, const char *name, void *arg, struct cJSON *list, struct err *e)
{
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	struct cJSON *one = NULL;

	(void)arg;
	TRY(image_need(app->db, name, &row, e));
	TRY(image_inspect(app->db, &row, &one, e));
	json_add(list, NULL, one);
	return 0;
}

static int inspect_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct inspect_opts *o = opts;

	return object_inspect(app, args, inspect_add, NULL, o->format, e);
}

static const struct cmd cmd_image_inspect = { "inspect", inspect_run, CMD_STATE_READ, inspect_rows, sizeof(struct inspect_opts),
					      "[OPTIONS] IMAGE [IMAGE...]", "Show all about images", 1, -1 };

static const struct cmd *const image_commands[] = { &cmd_image_build, &cmd_image_history, &cmd_import, &cmd_image_inspect, &cmd_load, &cmd_image_ls, &cmd_image_prune,
						    &cmd_image_pull, &cmd_image_push, &cmd_image_rm, &cmd_image_save, &cmd_image_tag, NULL };

const struct cmd cmd_image = { "image", NULL, 0, NULL, 0, "COMMAND", "Images: load, import, list, remove", 0, -1, NULL, image_commands };
