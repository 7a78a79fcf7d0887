/* SPDX-License-Identifier: MIT
 *
 * host shutdown, host boot: what the systemd unit and the OpenRC script call
 *
 * shutdown stops every project in dependency order and remembers which containers ran (desired "after boot"); boot starts those again, and after
 * a crash those whose restart policy is always or unless-stopped.
 */
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/run_plan.h"
#include "engine/container/container.h"
#include "state/container_store.h"
#include "state/db.h"
#include "state/lock.h"
#include "state/project_store.h"
#include <errno.h>

static bool runs(const struct app *app, const struct ctr_row *c)
{
	return ctr_row_alive(c, app->dirs.boot_id) || c->state == CTR_RESTARTING;
}

/* After a crash of the host: wanted running, not running, and the policy says that it comes back. */
static bool policy_revives(const struct app *app, const struct ctr_row *c)
{
	AUTO(ctr_spec_free) struct ctr_spec *spec = NULL;
	AUTO_ERR(ignored);

	if (c->desired != DESIRED_RUNNING || ctr_row_alive(c, app->dirs.boot_id) || !c->boot_id || streq(c->boot_id, app->dirs.boot_id))
		return false;
	if (container_load_spec(&app->dirs, c->id, &spec, &ignored) < 0)
		return false;
	return spec->restart.policy == RESTART_ALWAYS || spec->restart.policy == RESTART_UNLESS_STOPPED;
}

static int mark(struct app *app, const struct ctr_rows *rows, const struct strv *ids, struct err *e)
{
	TRY(db_begin(app->db, e));
	for (size_t i = 0; i < rows->n; i++)
		if (strv_has(ids, rows->v[i].id) && ctr_set_desired(app->db, rows->v[i].id, DESIRED_AFTER_BOOT, e) < 0) {
			db_rollback(app->db);
			return -e->code;
		}
	TRY(db_commit(app->db, e));
	return db_sync(app->db, e);
}

/* Marked first: a shutdown that is cut off must not lose what ran. */
static int shutdown_project(struct app *app, const struct ctr_rows *rows, struct err *e)
{
	struct plan_options p = PLAN_OPTIONS_INIT;
	AUTO_STRV(ids);

	for (size_t i = 0; i < rows->n; i++)
		if (runs(app, &rows->v[i]))
			strv_add(&ids, rows->v[i].id);
	if (!ids.n)
		return 0;
	TRY(mark(app, rows, &ids, e));
	app->host_shutdown = true;
	return run_plan_services(app, OP_CTR_STOP, &p, "Stopping", e);
}

static int boot_project(struct app *app, const struct ctr_rows *rows, struct err *e)
{
	struct plan_options p = PLAN_OPTIONS_INIT;
	AUTO_STRV(services);

	for (size_t i = 0; i < rows->n; i++)
		if (rows->v[i].service && (rows->v[i].desired == DESIRED_AFTER_BOOT || policy_revives(app, &rows->v[i])))
			strv_add_unique(&services, rows->v[i].service);
	if (!services.n)
		return 0;
	p.services = &services;
	return run_plan_services(app, OP_CTR_START, &p, "Running", e);
}

/* All projects, one after the other; a failure of one does not keep the others from being served. */
static int each_project(struct app *app, int (*serve)(struct app *, const struct ctr_rows *, struct err *), struct err *e)
{
	AUTO_STRV(names);

	TRY(project_list(app->db, &names, e));
	for (size_t i = 0; i < names.n; i++) {
		struct ctr_rows rows = CTR_ROWS_INIT;
		AUTO_ERR(one);
		int r;

		app->name = names.v[i];
		r = lock_project(&app->dirs, app->name, NULL, NULL, &app->lock, &one);
		if (r >= 0)
			r = ctr_list(app->db, app->name, NULL, &rows, &one);
		if (r >= 0)
			r = serve(app, &rows, &one);
		ctr_rows_done(&rows);
		app_unlock(app);
		if (r < 0) {
			err_wrap(&one, "project '%s'", names.v[i]);
			log_err(&one);
			if (!e->code)
				err_move(e, &one);
		}
	}
	app->name = NULL;
	return e->code ? -e->code : 0;
}

static int shutdown_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	return each_project(app, shutdown_project, e);
}

static int boot_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	return each_project(app, boot_project, e);
}

static const struct cmd cmd_boot = { "boot", boot_run, CMD_STATE | CMD_ROOT, NULL, 0, "", "Start again what ran before the host went down", 0, 0 };
static const struct cmd cmd_shutdown = { "shutdown", shutdown_run, CMD_STATE | CMD_ROOT, NULL, 0, "",
					 "Stop all projects and remember what ran", 0, 0 };
static const struct cmd *const host_commands[] = { &cmd_boot, &cmd_shutdown, NULL };
const struct cmd cmd_host = { "host", NULL, CMD_HIDDEN, NULL, 0, "COMMAND", "What the host's start and stop call", 0, 0, NULL, host_commands };
