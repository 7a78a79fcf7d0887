/* SPDX-License-Identifier: MIT
 *
 * gantry volume …: volumes of all projects and those made by hand (a compose file's external ones). Options and output as docker volume's.
 * gantry volumes: those of a project, as docker compose prints them.
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/commands.h"
#include "cli/filters.h"
#include "cli/format.h"
#include "cli/object_view.h"
#include "engine/volume/volume.h"
#include "state/container_store.h"
#include "state/db.h"
#include <errno.h>

/* ---- create ---- */

struct create_opts {
	const char *driver, *name;
	struct strv labels, options;
};
static const struct opt create_rows[] = {
	OPT('d', "driver", OPT_STR, struct create_opts, driver, "DRIVER", "Volume driver (local)"),
	OPT(0, "label", OPT_LIST, struct create_opts, labels, "KEY=VALUE", "Set a label, repeatable"),
	OPT('o', "opt", OPT_LIST, struct create_opts, options, "KEY=VALUE", "Option of the driver (type, o, device), repeatable"),
	OPT_HIDE(0, "name", OPT_STR, struct create_opts, name, "NAME", ""),
	OPT_END
};

static int create_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct create_opts *o = opts;
	auto_free char *labels = NULL, *options = NULL;
	char random[ID_LEN + 1];
	const char *name = args->n ? args->v[0] : o->name;
	bool anonymous = !name || !*name;

	if (args->n && o->name)
		return err_set(e, EINVAL, "conflicting options: cannot specify a volume-name through both --name and as a positional arg");
	TRY(object_options(&o->labels, "--label", false, &labels, e));
	TRY(object_options(&o->options, "--opt", true, &options, e));
	id_hex(random, ID_LEN);
	if (anonymous) {
		AUTO(json_free) struct cJSON *l = NULL;

		TRY(json_parse(labels, strlen(labels), "labels", &l, e));
		json_add_str(l, "com.docker.volume.anonymous", "");
		free(labels);
		labels = json_text(l, false);
		name = random;
	}

	const struct volume_row row = {
		.name = (char *)name, .driver = (char *)(o->driver ? o->driver : "local"), .options = options, .labels = labels,
		.anonymous = anonymous, .created_ns = time_now_ns(),
	};

	if (!app->g.dry_run)
		TRY(volume_create(app->db, &row, e));
	printf("%s\n", name);
	return 0;
}

static const struct cmd cmd_create_ = { "create", create_run, CMD_STATE | CMD_ROOT, create_rows, sizeof(struct create_opts),
					"[OPTIONS] [VOLUME]", "Make a volume", 0, 1 };

/* ---- ls ---- */

struct ls_opts {
	bool quiet;
	const char *format;
	struct strv filter;
};
static const struct opt ls_rows[] = {
	OPT('f', "filter", OPT_LIST, struct ls_opts, filter, "KEY=VALUE", "dangling=BOOL, driver=NAME, label=KEY[=VALUE], name=PART"),
	OPT(0, "format", OPT_STR, struct ls_opts, format, "FORMAT", "table, json or a Go template"),
	OPT('q', "quiet", OPT_BOOL, struct ls_opts, quiet, NULL, "Only names"),
	OPT_END
};
static const struct format_column columns[] = {
	{ "Driver", "DRIVER" }, { "Name", "VOLUME NAME" }, { "Labels", "LABELS" }, { "Mountpoint", "MOUNTPOINT" }, { "Scope", "SCOPE" },
	{ "Availability", "AVAILABILITY" }, { "Group", "GROUP" }, { "Links", "LINKS" }, { "Size", "SIZE" }, { "Status", "STATUS" },
	{ NULL, NULL }
};

static int format_volume(struct app *app, struct format *f, const struct volume_row *v, struct err *e)
{
	AUTO(json_free) struct cJSON *o = json_object();
	auto_free char *labels = object_labels_text(v->labels), *path = volume_path(&app->dirs, v->name);

	json_add_str(o, "Availability", "N/A");
	json_add_str(o, "Driver", v->driver ? v->driver : "local");
	json_add_str(o, "Group", "N/A");
	json_add_str(o, "Labels", labels);
	json_add_str(o, "Links", "N/A");
	json_add_str(o, "Mountpoint", path);
	json_add_str(o, "Name", v->name);
	json_add_str(o, "Scope", "local");
	json_add_str(o, "Size", "N/A");
	json_add_str(o, "Status", "N/A");
	return format_row(f, o, e);
}

enum filter { FILTER_DANGLING, FILTER_DRIVER, FILTER_LABEL, FILTER_NAME, FILTER_ALL, FILTERS };
static const char *const filter_names[FILTERS] = {
	[FILTER_DANGLING] = "dangling", [FILTER_DRIVER] = "driver", [FILTER_LABEL] = "label", [FILTER_NAME] = "name", [FILTER_ALL] = "all",
};

/* One filter against one volume: 1 it passes, 0 not. */
static int filter_one(struct db *db, const void *object, int kind, const char *value, struct err *e)
{
	const struct volume_row *v = object;
	int64_t users = 0;
	bool want;

	switch ((enum filter)kind) {
	case FILTER_DANGLING:
		if (num_bool(value, &want, e) < 0)
			return err_wrap(e, "--filter dangling");
		TRY(volume_users(db, v->name, &users, e));
		return want == (users == 0);
	case FILTER_DRIVER:
		return streq(v->driver ? v->driver : "local", value);
	case FILTER_LABEL:
		return object_has_label(v->labels, value);
	case FILTER_NAME:
		return strstr(v->name, value) != NULL;
	default:
		return 1;
	}
}

enum { LS_FILTERS = 1 << FILTER_DANGLING | 1 << FILTER_DRIVER | 1 << FILTER_LABEL | 1 << FILTER_NAME };
static const struct volume_row no_volume = { .name = (char *)"", .labels = (char *)"{}" };
static const struct filters ls_filters = { filter_names, FILTERS, LS_FILTERS, FILTER_LABEL, &no_volume, filter_one };
static const struct filters prune_filters = { filter_names, FILTERS, 1 << FILTER_LABEL | 1 << FILTER_ALL, FILTER_LABEL, &no_volume, filter_one };

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct volume_row *)a)->name, ((const struct volume_row *)b)->name);
}

static int list(struct app *app, const struct ls_opts *o, struct volume_rows *all, const struct strv *only, struct err *e)
{
	struct format *f;
	int r;

	TRY(filters_check(&ls_filters, &o->filter, app->db, e));
	TRY(format_new(o->format, columns, 2, false, &f, e));
	if (all->n)
		qsort(all->v, all->n, sizeof(*all->v), by_name);
	r = 0;
	for (size_t i = 0; r >= 0 && i < all->n; i++) {
		const struct volume_row *v = &all->v[i];

		if (v->deleting || (only && !strv_has(only, v->name)))
			continue;
		r = filters_pass(&ls_filters, &o->filter, app->db, v, e);
		if (r > 0 && o->quiet)
			printf("%s\n", v->name);
		else if (r > 0)
			r = format_volume(app, f, v, e);
	}
	if (r < 0 || o->quiet)
		format_free(f);
	else
		format_end(f, stdout);
	return MIN(r, 0);
}

static int ls_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	AUTO_DONE(volume_rows_done) struct volume_rows all = { 0 };

	(void)args;
	TRY(volume_list(app->db, NULL, &all, e));
	return list(app, opts, &all, NULL, e);
}

static const struct cmd cmd_ls_ = { "ls", ls_run, CMD_STATE_READ, ls_rows, sizeof(struct ls_opts), "[OPTIONS]", "List volumes", 0, 0, "list" };

/* ---- inspect ---- */

struct inspect_opts {
	const char *format;
};
static const struct opt inspect_rows[] = {
	OPT('f', "format", OPT_STR, struct inspect_opts, format, "FORMAT", "json or a Go template, per volume"),
	OPT_END
};

static int not_found(const char *name, struct err *e)
{
	err_set(e, ENOENT, "get %s: no such volume", name);
	err_hint(e, "'gantry volume ls' lists them");
	return -ENOENT;
}

/* -ENOENT: there is none. */
static int find(struct db *db, const char *name, struct volume_row *ret, struct err *e)
{
	int r = volume_get(db, name, ret, e);

	return r == 1 || (r == 0 && ret->deleting) ? not_found(name, e) : r;
}

static int inspect_add(struct app *app, const char *name, void *arg, struct cJSON *list, struct err *e)
{
	AUTO_DONE(volume_row_done) struct volume_row v = { 0 };

	(void)arg;
	TRY(find(app->db, name, &v, e));
	json_add(list, NULL, volume_view(&app->dirs, &v));
	return 0;
}

static int inspect_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct inspect_opts *o = opts;

	return object_inspect(app, args, inspect_add, NULL, o->format, e);
}

static const struct cmd cmd_inspect_ = { "inspect", inspect_run, CMD_STATE_READ, inspect_rows, sizeof(struct inspect_opts),
					 "[OPTIONS] VOLUME [VOLUME...]", "Show all about volumes", 1, -1 };

/* ---- rm, prune ---- */

struct rm_opts {
	bool force;
};
static const struct opt rm_rows[] = {
	OPT('f', "force", OPT_BOOL, struct rm_opts, force, NULL, "That there is no such volume is fine"),
	OPT_END
};

static int rm_one(struct app *app, const char *name, void *arg, struct err *e)
{
	const struct rm_opts *o = arg;
	AUTO_DONE(volume_row_done) struct volume_row v = { 0 };
	int r = volume_get(app->db, name, &v, e);

	if (r == 1 && !o->force)
		return not_found(name, e);
	if (r == 0 && !app->g.dry_run)
		r = volume_remove(app->db, name, e);
	if (r >= 0)
		printf("%s\n", name);
	return MIN(r, 0);
}

static int rm_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	return object_each(app, args, rm_one, opts, e);
}

static const struct cmd cmd_rm_ = { "rm", rm_run, CMD_STATE | CMD_ROOT, rm_rows, sizeof(struct rm_opts), "[OPTIONS] VOLUME [VOLUME...]",
				    "Remove volumes and what is in them", 1, -1, "remove" };

struct prune_opts {
	bool all, force;
	struct strv filter;
};
static const struct opt prune_rows[] = {
	OPT('a', "all", OPT_BOOL, struct prune_opts, all, NULL, "Also volumes that have a name"),
	OPT(0, "filter", OPT_LIST, struct prune_opts, filter, "KEY=VALUE", "label=KEY[=VALUE], all=BOOL"),
	OPT('f', "force", OPT_BOOL, struct prune_opts, force, NULL, "Do not ask"),
	OPT_END
};

static int filter_all(const struct prune_opts *o, bool *ret, struct err *e)
{
	*ret = o->all;
	for (size_t i = 0; i < o->filter.n; i++) {
		const char *value = str_after(o->filter.v[i], "all=");

		if (value)
			TRY(num_bool(value, ret, e));
	}
	return 0;
}

/* What somebody took into use meanwhile stays: volume_remove looks again. */
static int prune_one(struct app *app, const struct volume_row *v, struct strv *gone, uint64_t *size, struct err *e)
{
	auto_free char *path = volume_path(&app->dirs, v->name);
	int64_t users = 0;
	uint64_t bytes = 0;

	TRY(volume_users(app->db, v->name, &users, e));
	if (users)
		return 0;
	TRY(file_tree_size(path, &bytes, e));
	if (!app->g.dry_run) {
		AUTO_ERR(failure);
		int r = volume_remove(app->db, v->name, &failure);

		if (r == -EBUSY)
			return 0;
		if (r < 0)
			return err_move(e, &failure);
	}
	strv_add(gone, v->name);
	*size += bytes;
	return 0;
}

static int prune_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct prune_opts *o = opts;
	AUTO_DONE(volume_rows_done) struct volume_rows all = { 0 };
	AUTO_STRV(gone);
	uint64_t size = 0;
	bool named;

	(void)args;
	TRY(filter_all(o, &named, e));
	TRY(filters_check(&prune_filters, &o->filter, app->db, e));
	if (!o->force && !app->g.dry_run &&
	    !object_agreed(named ? "Remove all volumes that no container uses?" : "Remove all anonymous volumes that no container uses?"))
		return 0;
	TRY(volume_list(app->db, NULL, &all, e));
	for (size_t i = 0; i < all.n; i++) {
		int r = filters_pass(&prune_filters, &o->filter, app->db, &all.v[i], e);

		if (r > 0 && (named || all.v[i].anonymous))
			r = prune_one(app, &all.v[i], &gone, &size, e);
		if (r < 0)
			return r;
	}
	if (gone.n) {
		auto_free char *names = strv_join(&gone, "\n");

		printf("Deleted Volumes:\n%s\n\n", names);
	}
	auto_free char *text = num_size_text(size);

	printf("Total reclaimed space: %s\n", text);
	return 0;
}

static const struct cmd cmd_prune_ = { "prune", prune_run, CMD_STATE | CMD_ROOT, prune_rows, sizeof(struct prune_opts), "[OPTIONS]",
				       "Remove volumes that nobody uses", 0, 0 };

static const struct cmd *const volume_commands[] = { &cmd_create_, &cmd_inspect_, &cmd_ls_, &cmd_prune_, &cmd_rm_, NULL };

const struct cmd cmd_volume = { "volume", NULL, 0, NULL, 0, "COMMAND", "Volumes: create, list, inspect, remove", 0, -1, NULL, volume_commands };

/* ---- volumes ---- */

static const struct opt volumes_rows[] = {
	OPT(0, "format", OPT_STR, struct ls_opts, format, "FORMAT", "table, json or a Go template"),
	OPT('q', "quiet", OPT_BOOL, struct ls_opts, quiet, NULL, "Only names"),
	OPT_END
};

/* Names of the volumes that containers of SERVICES use. */
static int used_by(struct app *app, const struct strv *services, struct strv *ret, struct err *e)
{
	AUTO_DONE(ctr_rows_done) struct ctr_rows ctrs = CTR_ROWS_INIT;
	AUTO_DONE(volume_uses_done) struct volume_uses uses = { 0 };

	TRY(app_containers(app, services, true, &ctrs, e));
	TRY(volume_uses_of_project(app->db, app->name, &uses, e));
	for (size_t i = 0; i < uses.n; i++)
		for (size_t k = 0; k < ctrs.n; k++)
			if (streq(uses.v[i].container, ctrs.v[k].id))
				strv_add_unique(ret, uses.v[i].volume);
	return 0;
}

static int volumes_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	AUTO_DONE(volume_rows_done) struct volume_rows all = { 0 };
	AUTO_STRV(only);

	TRY(volume_list(app->db, app->name, &all, e));
	if (args->n)
		TRY(used_by(app, args, &only, e));
	return list(app, opts, &all, args->n ? &only : NULL, e);
}

const struct cmd cmd_volumes = { "volumes", volumes_run, CMD_PROJECT_NAME | CMD_STATE_READ | CMD_ALL_PROFILES, volumes_rows, sizeof(struct ls_opts),
				 "[OPTIONS] [SERVICE...]", "List the volumes of the project", 0, -1, NULL, NULL, NULL, true };
