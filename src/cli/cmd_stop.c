/* SPDX-License-Identifier: MIT
 *
 * stop, start, restart, rm, scale: plans over containers that are there
 */
#include "base/err.h"
#include "base/str.h"
#include "base/tty.h"
#include "cli/commands.h"
#include "cli/run_plan.h"
#include "compose/project.h"
#include "state/container_store.h"
#include <errno.h>

struct stop_opts {
	int64_t timeout, wait_timeout;
	bool wait, no_deps;                 /* start, restart, scale */
	bool all, force, stop, volumes;     /* rm */
};

static const struct opt stop_rows[] = {
	OPT('t', "timeout", OPT_INT, struct stop_opts, timeout, "SECS", "How long a container may take to stop"),
	OPT_END
};
static const struct opt start_rows[] = {
	OPT(0, "wait", OPT_BOOL, struct stop_opts, wait, NULL, "Wait until they run or are healthy"),
	OPT(0, "wait-timeout", OPT_INT, struct stop_opts, wait_timeout, "SECS", "How long --wait may take"),
	OPT_END
};
static const struct opt restart_rows[] = {
	OPT(0, "no-deps", OPT_BOOL, struct stop_opts, no_deps, NULL, "Leave services alone that depend on these with restart: true"),
	OPT('t', "timeout", OPT_INT, struct stop_opts, timeout, "SECS", "How long a container may take to stop"),
	OPT_END
};
static const struct opt rm_rows[] = {
	OPT('f', "force", OPT_BOOL, struct stop_opts, force, NULL, "Do not ask"),
	OPT('s', "stop", OPT_BOOL, struct stop_opts, stop, NULL, "Stop them first"),
	OPT('v', "volumes", OPT_BOOL, struct stop_opts, volumes, NULL, "Remove their anonymous volumes too"),
	OPT_HIDE('a', "all", OPT_BOOL, struct stop_opts, all, NULL, ""),
	OPT_END
};
static const struct opt scale_rows[] = {
	OPT(0, "no-deps", OPT_BOOL, struct stop_opts, no_deps, NULL, "Leave the services alone that these depend on"),
	OPT_END
};

static void stop_init(void *opts)
{
	((struct stop_opts *)opts)->timeout = -1;
}

static struct plan_options options_of(const struct stop_opts *o, const struct strv *services)
{
	struct plan_options p = PLAN_OPTIONS_INIT;

	p.services = services;
	p.stop_timeout_ns = timeout_ns(o->timeout);
	p.wait_timeout_ns = o->wait_timeout > 0 ? o->wait_timeout * 1000000000 : 0;
	p.wait = o->wait;
	p.no_deps = o->no_deps;
	p.stop = o->stop;
	p.volumes = o->volumes;
	return p;
}

static int stop_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	struct plan_options p = options_of(opts, args);

	return run_plan_services(app, OP_CTR_STOP, &p, "Stopping", e);
}

/* docker compose: start of a service that has no container is an error; restart has nothing to do then. */
static int need_containers(struct app *app, const struct strv *services, struct err *e)
{
	struct ctr_rows rows = CTR_ROWS_INIT;
	size_t n;

	TRY(app_meant_containers(app, services, false, &rows, e));
	n = rows.n;
	ctr_rows_done(&rows);
	if (n)
		return 0;
	if (services->n)
		err_set(e, ENOENT, "service \"%s\" has no container to start", services->v[0]);
	else
		err_set(e, ENOENT, "no container found for project \"%s\"", app->name);
	err_hint(e, "'gantry up -d' creates them");
	return err_exit(e, 1);
}

static int start_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	struct plan_options p = options_of(opts, args);

	TRY(need_containers(app, args, e));
	return run_plan_services(app, OP_CTR_START, &p, "Running", e);
}

static int restart_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	struct plan_options p = options_of(opts, args);

	return run_plan_services(app, OP_CTR_RESTART, &p, "Restarting", e);
}

/* Lists what would go and asks. 1: no. */
static int confirm_rm(struct app *app, const struct stop_opts *o, const struct strv *services, struct err *e)
{
	struct ctr_rows rows = CTR_ROWS_INIT;
	AUTO_STRV(names);
	int c, answer;

	TRY(app_meant_containers(app, services, false, &rows, e));
	for (size_t i = 0; i < rows.n; i++)
		if (o->stop || rows.v[i].state == CTR_EXITED || rows.v[i].state == CTR_CREATED || rows.v[i].state == CTR_DEAD)
			strv_add(&names, rows.v[i].name);
	ctr_rows_done(&rows);
	if (!names.n) {
		fprintf(stderr, "No stopped containers\n");
		return 1;
	}
	if (app->g.dry_run)
		return 0;
	auto_free char *list = strv_join(&names, ", ");

	if (o->force) {
		printf("Going to remove %s\n", list);
		fflush(stdout);
		return 0;
	}
	fprintf(stderr, "? Going to remove %s (y/N) ", list);
	answer = c = getchar();
	while (c != '\n' && c != EOF)
		c = getchar();
	return answer == 'y' || answer == 'Y' ? 0 : 1;
}

static int rm_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	struct plan_options p = options_of(opts, args);
	int r = confirm_rm(app, opts, args, e);

	if (r != 0)
		return r < 0 ? r : 0;
	return run_plan_services(app, OP_CTR_REMOVE, &p, "Removing", e);
}

static int scale_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	struct plan_options p = options_of(opts, NULL);
	auto_free struct plan_scale *scale = NULL;
	AUTO_STRV(names);

	TRY(scale_parse(app, args, &scale, &p.nscale, &names, e));
	p.scale = scale;
	p.services = &names;
	p.no_recreate = true;
	p.ignore_orphans = true;
	return run_plan(app, plan_up, &p, "Running", e);
}

enum { STOP_FLAGS = CMD_PROJECT_NAME | CMD_STATE | CMD_LOCK | CMD_ROOT | CMD_ALL_PROFILES };
const struct cmd cmd_stop = { "stop", stop_run, STOP_FLAGS, stop_rows, sizeof(struct stop_opts), "[OPTIONS] [SERVICE...]", "Stop containers",
			      0, -1, NULL, NULL, stop_init, true };
const struct cmd cmd_start = { "start", start_run, STOP_FLAGS, start_rows, sizeof(struct stop_opts), "[OPTIONS] [SERVICE...]",
			       "Start containers that are there", 0, -1, NULL, NULL, stop_init, true };
const struct cmd cmd_restart = { "restart", restart_run, STOP_FLAGS, restart_rows, sizeof(struct stop_opts), "[OPTIONS] [SERVICE...]",
				 "Stop and start containers as they are", 0, -1, NULL, NULL, stop_init, true };
const struct cmd cmd_rm = { "rm", rm_run, STOP_FLAGS, rm_rows, sizeof(struct stop_opts), "[OPTIONS] [SERVICE...]",
			    "Remove stopped containers", 0, -1, NULL, NULL, stop_init, true };
const struct cmd cmd_scale = { "scale", scale_run, CMD_PROJECT | CMD_STATE | CMD_LOCK | CMD_ROOT | CMD_STARTS, scale_rows,
			       sizeof(struct stop_opts), "[OPTIONS] SERVICE=N [SERVICE=N...]", "Change how many containers a service has", 1,
			       -1, NULL, NULL, stop_init };
