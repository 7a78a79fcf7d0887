/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/commands.h"
#include "cli/ctr_view.h"
#include "cli/format.h"
#include "compose/project.h"
#include "state/container_store.h"
#include <errno.h>

struct ps_opts {
	bool all, no_trunc, quiet, services, orphans;
	const char *filter, *format;
	struct strv status;
};
static const struct opt ps_rows[] = {
	OPT('a', "all", OPT_BOOL, struct ps_opts, all, NULL, "Stopped containers too, and those of run"),
	OPT(0, "filter", OPT_STR, struct ps_opts, filter, "FILTER", "Only those that match, for instance status=running"),
	OPT(0, "format", OPT_STR, struct ps_opts, format, "FORMAT", "table, json, or a template such as '{{.Name}}'"),
	OPT(0, "no-trunc", OPT_BOOL, struct ps_opts, no_trunc, NULL, "Whole ids and commands"),
	OPT(0, "orphans", OPT_BOOL, struct ps_opts, orphans, NULL, "Containers of services that the file does not declare too (default)"),
	OPT('q', "quiet", OPT_BOOL, struct ps_opts, quiet, NULL, "Only ids"),
	OPT(0, "services", OPT_BOOL, struct ps_opts, services, NULL, "Only names of services"),
	OPT(0, "status", OPT_LIST, struct ps_opts, status, "STATUS",
	    "Only paused, restarting, removing, running, dead, created or exited ones"),
	OPT_END
};
static const struct format_column columns[] = {
	{ "Name", "NAME" }, { "Image", "IMAGE" }, { "Command", "COMMAND" }, { "Service", "SERVICE" }, { "RunningFor", "CREATED" },
	{ "Status", "STATUS" }, { "Ports", "PORTS" }, { "ID", "CONTAINER ID" }, { "Names", "NAMES" }, { "Project", "PROJECT" },
	{ "State", "STATE" }, { "Health", "HEALTH" }, { "ExitCode", "EXIT CODE" }, { "Labels", "LABELS" }, { "Mounts", "MOUNTS" },
	{ "Networks", "NETWORKS" }, { "LocalVolumes", "LOCAL VOLUMES" }, { "CreatedAt", "CREATED AT" }, { "Size", "SIZE" }, { NULL, NULL }
};
enum { PS_DEFAULTS = 7 };

static void ps_init(void *opts)
{
	((struct ps_opts *)opts)->orphans = true;
}

static int add_filter(struct ps_opts *o, struct err *e)
{
	const char *value = o->filter ? str_after(o->filter, "status=") : NULL;

	if (!o->filter)
		return 0;
	if (!value)
		return err_set(e, EINVAL, "unknown filter '%s': only status=STATE is known", o->filter);
	strv_add(&o->status, value);
	return 0;
}

static int check_status(const struct ps_opts *o, struct err *e)
{
	static const char *const known[] = { "paused", "restarting", "removing", "running", "dead", "created", "exited", NULL };

	for (size_t i = 0; i < o->status.n; i++)
		if (!str_in(o->status.v[i], known))
			return err_set(e, EINVAL, "unknown status '%s': expected paused, restarting, removing, running, dead, created or exited",
				       o->status.v[i]);
	return 0;
}

static bool shows(const struct app *app, const struct ps_opts *o, const struct ctr_row *c)
{
	const char *state = ctr_view_state(c);
	bool lives = ctr_state_live(c->state) && (c->state != CTR_STARTING || c->started_ns);

	if (!o->orphans && app->project && !project_service(app->project, str0(c->service)))
		return false;
	if (o->status.n)
		return strv_has(&o->status, state);
	return o->all || lives;
}

static int print_services(const struct app *app, const struct ps_opts *o, const struct ctr_rows *rows)
{
	AUTO_STRV(names);

	for (size_t i = 0; i < rows->n; i++)
		if (shows(app, o, &rows->v[i]) && rows->v[i].service)
			strv_add_unique(&names, rows->v[i].service);
	for (size_t i = 0; i < names.n; i++)
		printf("%s\n", names.v[i]);
	return 0;
}

static int print_rows(struct app *app, const struct ps_opts *o, const struct ctr_rows *rows, struct err *e)
{
	int64_t now = time_now_ns();
	struct format *f;

	TRY(format_new(o->format, columns, PS_DEFAULTS, false, &f, e));
	for (size_t i = 0; i < rows->n; i++) {
		AUTO(json_free) struct cJSON *row = NULL;

		if (!shows(app, o, &rows->v[i]))
			continue;
		if (ctr_view_json(app->db, &rows->v[i], now, o->no_trunc, &row, e) < 0 || format_row(f, row, e) < 0) {
			format_free(f);
			return -e->code;
		}
	}
	format_end(f, stdout);
	return 0;
}

static int ps_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	struct ps_opts *o = opts;
	struct ctr_rows rows = CTR_ROWS_INIT;
	int r = 0;

	TRY(add_filter(o, e));
	TRY(check_status(o, e));
	TRY(app_containers(app, args, o->all, &rows, e));
	if (o->quiet)
		for (size_t i = 0; i < rows.n; i++) {
			if (shows(app, o, &rows.v[i]))
				printf("%s\n", rows.v[i].id);
		}
	else if (o->services)
		r = print_services(app, o, &rows);
	else
		r = print_rows(app, o, &rows, e);
	ctr_rows_done(&rows);
	return r;
}

const struct cmd cmd_ps = { "ps", ps_run, CMD_PROJECT_NAME | CMD_STATE_READ | CMD_ALL_PROFILES, ps_rows, sizeof(struct ps_opts),
			    "[OPTIONS] [SERVICE...]", "List containers", 0, -1, NULL, NULL, ps_init, true };
