/* SPDX-License-Identifier: MIT
 *
 * up and plan: the same options, the same list. `plan` (and `up --dry-run`) prints what `up` runs.
 *
 *   load - lock - observe - plan_up - apply ─ -d: done
 *                                           └ else: follow the logs until all have ended or Ctrl-C (once: stop, twice: kill)
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/build_services.h"
#include "cli/commands.h"
#include "cli/each.h"
#include "cli/log_view.h"
#include "cli/pin.h"
#include "cli/progress.h"
#include "cli/run_plan.h"
#include "compose/project.h"
#include "net/network.h"
#include "plan/apply.h"
#include "plan/observe.h"
#include "plan/op_labels.h"
#include "state/container_store.h"
#include "state/lock.h"
#include <errno.h>

struct up_opts {
	bool build, detach, abort_on_exit, abort_on_failure, always_recreate_deps, attach_deps, force_recreate, no_build, no_color, no_deps,
		no_prefix, no_recreate, no_start, quiet_pull, quiet_build, remove_orphans, renew, timestamps, wait, yes, menu;
	int64_t timeout, wait_timeout;
	const char *exit_code_from, *pull;
	struct strv attach, no_attach, scale;
};
static const char *const pulls[] = { "always", "missing", "never", "policy", "build", NULL };

/* Rows of up that plan and create share. */
#define UP_SHARED_ROWS                                                                                                                   \
	OPT(0, "always-recreate-deps", OPT_BOOL, struct up_opts, always_recreate_deps, NULL, "Recreate what the services depend on too"), \
		OPT(0, "force-recreate", OPT_BOOL, struct up_opts, force_recreate, NULL, "Recreate containers although nothing changed"), \
		OPT(0, "no-build", OPT_BOOL, struct up_opts, no_build, NULL, "Do not build images"),                              \
		OPT(0, "no-deps", OPT_BOOL, struct up_opts, no_deps, NULL, "Leave the services alone that these depend on"),      \
		OPT(0, "no-recreate", OPT_BOOL, struct up_opts, no_recreate, NULL, "Keep containers although their service changed"), \
		OPT_CHOICE(0, "pull", struct up_opts, pull, "POLICY", "Fetch images: always, missing, never, policy", pulls),     \
		OPT(0, "quiet-pull", OPT_BOOL, struct up_opts, quiet_pull, NULL, "Fetch without progress"),                       \
		OPT(0, "quiet-build", OPT_BOOL, struct up_opts, quiet_build, NULL, "Build without progress"),                                      \
		OPT(0, "remove-orphans", OPT_BOOL, struct up_opts, remove_orphans, NULL,                                          \
		    "Remove containers of services that the file does not declare"),                                              \
		OPT('V', "renew-anon-volumes", OPT_BOOL, struct up_opts, renew, NULL, "Fresh anonymous volumes for recreated containers"), \
		OPT(0, "scale", OPT_LIST, struct up_opts, scale, "SERVICE=N", "This many containers of the service, repeatable"), \
		OPT('t', "timeout", OPT_INT, struct up_opts, timeout, "SECS", "How long a container may take to stop"),           \
		OPT('y', "yes", OPT_BOOL, struct up_opts, yes, NULL, "Answer yes to questions"),                                  \
		OPT(0, "build", OPT_BOOL, struct up_opts, build, NULL, "Build images before, although they are there")

static const struct opt up_rows[] = {
	OPT('d', "detach", OPT_BOOL, struct up_opts, detach, NULL, "Leave the containers in the background"),
	OPT(0, "abort-on-container-exit", OPT_BOOL, struct up_opts, abort_on_exit, NULL, "Stop all when one ends"),
	OPT(0, "abort-on-container-failure", OPT_BOOL, struct up_opts, abort_on_failure, NULL, "Stop all when one fails"),
	OPT(0, "attach", OPT_LIST, struct up_opts, attach, "SERVICE", "Show the output of these only, repeatable"),
	OPT(0, "attach-dependencies", OPT_BOOL, struct up_opts, attach_deps, NULL, "Show the output of dependencies too"),
	OPT(0, "exit-code-from", OPT_STR, struct up_opts, exit_code_from, "SERVICE", "End with its status; stops all when one ends"),
	OPT(0, "no-attach", OPT_LIST, struct up_opts, no_attach, "SERVICE", "Do not show the output of these, repeatable"),
	OPT(0, "no-color", OPT_BOOL, struct up_opts, no_color, NULL, "Output without colours"),
	OPT(0, "no-log-prefix", OPT_BOOL, struct up_opts, no_prefix, NULL, "Output without the name before each line"),
	OPT(0, "no-start", OPT_BOOL, struct up_opts, no_start, NULL, "Create, but do not start"),
	OPT(0, "timestamps", OPT_BOOL, struct up_opts, timestamps, NULL, "The time before each line"),
	OPT(0, "wait", OPT_BOOL, struct up_opts, wait, NULL, "Wait until all run or are healthy; implies -d"),
	OPT(0, "wait-timeout", OPT_INT, struct up_opts, wait_timeout, "SECS", "How long --wait may take"),
	OPT_REFUSE('w', "watch", NULL, "watching sources is not there yet"),
	OPT(0, "menu", OPT_BOOL, struct up_opts, menu, NULL, "Shortcuts while attached: there are none, Ctrl-C stops"),
	UP_SHARED_ROWS,
	OPT_END
};
static const struct opt create_rows[] = { UP_SHARED_ROWS, OPT_END };

static void up_init(void *opts)
{
	((struct up_opts *)opts)->timeout = -1;
}

static void up_before(struct app *app, const void *opts)
{
	app->no_deps = ((const struct up_opts *)opts)->no_deps;
}

static bool env_on(const struct app *app, const char *name)
{
	const char *v = strv_env_get(&app->environ, name);

	return v && (streq(v, "1") || streq(v, "true") || streq(v, "TRUE") || streq(v, "True") || streq(v, "t"));
}

static int check_opts(const struct up_opts *o, struct err *e)
{
	bool aborts = o->abort_on_exit || o->abort_on_failure || o->exit_code_from;

	if (o->detach && (aborts || o->attach.n || o->attach_deps))
		err_set(e, EINVAL, "--detach cannot be combined with --abort-on-container-exit, --abort-on-container-failure, "
			"--exit-code-from, --attach or --attach-dependencies");
	else if (o->wait && (aborts || o->attach.n || o->attach_deps))
		err_set(e, EINVAL, "--wait cannot be combined with --abort-on-container-exit, --exit-code-from or --attach");
	else if (o->force_recreate && o->no_recreate)
		err_set(e, EINVAL, "--force-recreate and --no-recreate are incompatible");
	else if (o->build && o->no_build)
		err_set(e, EINVAL, "--build and --no-build are incompatible");
	else if (o->always_recreate_deps && o->no_recreate)
		err_set(e, EINVAL, "--always-recreate-deps and --no-recreate are incompatible");
	else if (o->renew && o->no_recreate)
		err_set(e, EINVAL, "--no-recreate and --renew-anon-volumes are incompatible");
	else
		return 0;
	return err_exit(e, 1);
}

/* The options of a plan. Lists are borrowed: SCALE and NAMES live on in the caller. */
struct up_plan {
	struct plan_options opt;
	struct plan_scale *scale;
	struct strv names;
};

static int fill_plan(const struct app *app, const struct up_opts *o, const struct strv *args, struct up_plan *ret, struct err *e)
{
	*ret = (struct up_plan){ .opt = PLAN_OPTIONS_INIT };
	struct plan_options *p = &ret->opt;

	p->services = args;
	p->pull = o->pull && !streq(o->pull, "policy") ? o->pull : NULL;
	p->stop_timeout_ns = timeout_ns(o->timeout);
	p->wait_timeout_ns = o->wait_timeout > 0 ? o->wait_timeout * 1000000000 : 0;
	p->no_deps = o->no_deps;
	p->force_recreate = o->force_recreate;
	p->no_recreate = o->no_recreate;
	p->always_recreate_deps = o->always_recreate_deps;
	p->renew_anon_volumes = o->renew;
	p->remove_orphans = o->remove_orphans || env_on(app, "COMPOSE_REMOVE_ORPHANS");
	p->ignore_orphans = env_on(app, "COMPOSE_IGNORE_ORPHANS");
	p->no_start = o->no_start;
	p->build = o->build;
	p->no_build = o->no_build;
	p->wait = o->wait;
	TRY(scale_parse(app, &o->scale, &ret->scale, &p->nscale, &ret->names, e));
	p->scale = ret->scale;
	return 0;
}

static void up_plan_done(struct up_plan *p)
{
	free(p->scale);
	strv_done(&p->names);
}

/* --- attached ------------------------------------------------------------------------------------------------ */

struct attached {
	struct app *app;
	const struct up_opts *o;
	struct plan_runner runner;
	struct log_view *view;
	const struct strv *args; /* services that were named; none: all */
	struct strv shown;       /* services whose output is shown */
	bool applied;            /* everything was started: an end counts now */
	bool stopping;           /* stop is under way: the next Ctrl-C kills */
	bool aborted;            /* one ended, and that ends all */
	int code;                /* exit code to end with */
	bool code_known;         /* else it is that of --exit-code-from, which is being stopped */
};

/* A one-shot service that others wait for: that it ends is no reason to end the rest. */
static bool waited_for(const struct project *p, const char *service)
{
	for (size_t i = 0; i < p->services.n; i++)
		for (size_t k = 0; k < p->services.v[i].depends_on.n; k++)
			if (p->services.v[i].depends_on.v[k].condition == DEP_COMPLETED && streq(p->services.v[i].depends_on.v[k].name, service))
				return true;
	return false;
}

static int on_ended(const struct ctr_row *c, void *arg)
{
	struct attached *a = arg;
	const char *from = a->o->exit_code_from;
	bool wanted = from ? streq(from, str0(c->service)) || c->exit_code != 0 || !waited_for(a->app->project, str0(c->service))
			   : a->o->abort_on_exit || (a->o->abort_on_failure && c->exit_code != 0);

	if (!wanted || a->aborted || c->state != CTR_EXITED)
		return 0;
	a->aborted = true;
	a->code = (int)c->exit_code;
	a->code_known = !from || streq(from, str0(c->service));
	return a->applied && !a->stopping ? -ECANCELED : 0;
}

static void on_printing(void *arg)
{
	struct attached *a = arg;

	if (a->runner.progress)
		progress_pause(a->runner.progress);
}

static int kill_all(struct attached *a)
{
	static const struct each x = { .op = "kill", .doing = "Killing", .done = "Killed", .signal = "SIGKILL" };
	struct ctr_rows rows = CTR_ROWS_INIT;
	AUTO_ERR(e);

	if (app_containers(a->app, a->args, false, &rows, &e) >= 0 && each_container(a->app, &rows, &x, &e) < 0)
		log_err(&e);
	ctr_rows_done(&rows);
	return 0;
}

static int on_interrupt(void *arg)
{
	struct attached *a = arg;

	if (a->stopping)
		return kill_all(a);
	if (!a->applied) {
		if (a->runner.apply)
			apply_cancel(a->runner.apply);
		return 0;
	}
	return -ECANCELED;
}

/* Stops what this command was asked for, with progress and the last lines of output. */
static int stop_all(struct attached *a, struct err *e)
{
	AUTO(observed_free) struct observed *o = NULL;
	AUTO(plan_free) struct plan *plan = NULL;
	struct plan_options opt = PLAN_OPTIONS_INIT;
	struct app *app = a->app;

	a->stopping = true;
	opt.services = a->args; /* not only what is shown: what was asked for */
	opt.stop_timeout_ns = timeout_ns(a->o->timeout);
	fprintf(stderr, "%s\n", a->aborted ? "Aborting on container exit..." : "Gracefully stopping... (press Ctrl+C again to force)");
	if (app->lock < 0)
		TRY(lock_project(&app->dirs, app->name, NULL, NULL, &app->lock, e));
	TRY(observe(app->db, app->name, app->project, OBSERVE_ORDER, &o, e));
	TRY(plan_services(OP_CTR_STOP, app->project, o, &opt, &plan, e));
	return plan_runner_run(&a->runner, plan, "Stopping", e);
}

/* Which services' output is shown: --attach, else the named ones (all), less --no-attach and `attach: false`. */
static int choose_shown(struct attached *a, const struct strv *args, struct err *e)
{
	const struct project *p = a->app->project;
	const struct up_opts *o = a->o;
	const struct strv *lists[] = { &o->attach, &o->no_attach };

	for (size_t l = 0; l < ARRAY_LEN(lists); l++)
		TRY(app_check_services(a->app, lists[l], e));
	if (o->exit_code_from && !project_service(p, o->exit_code_from))
		return err_set(e, ENOENT, "no such service: %s", o->exit_code_from);
	for (size_t i = 0; i < p->services.n; i++) {
		const struct service *s = &p->services.v[i];
		bool named = o->attach.n ? strv_has(&o->attach, s->name) : !args->n || o->attach_deps || strv_has(args, s->name);

		if (!s->disabled && named && !strv_has(&o->no_attach, s->name) && (s->attach != TRI_FALSE || o->attach.n))
			strv_add(&a->shown, s->name);
	}
	return 0;
}

/* Another service ended first: the code is what the wanted one ended with when it was stopped for that. */
static int code_of_stopped(const struct attached *a, struct err *e)
{
	struct ctr_rows rows = CTR_ROWS_INIT;
	AUTO_STRV(service);
	int code = 0;

	strv_add(&service, a->o->exit_code_from);
	TRY(app_containers(a->app, &service, false, &rows, e));
	for (size_t i = 0; i < rows.n && !code; i++)
		code = (int)rows.v[i].exit_code;
	ctr_rows_done(&rows);
	return code;
}

static int follow(struct attached *a, struct err *e)
{
	int r = 0;

	a->applied = true;
	app_unlock(a->app);
	log_view_quit_when_over(a->view);
	if (!a->aborted && !a->runner.interrupted && !log_view_over(a->view))
		r = loop_run(a->runner.loop);
	if (log_view_error(a->view, e) < 0)
		return -e->code;
	if (r == -ECANCELED || a->aborted || a->runner.interrupted)
		r = stop_all(a, e);
	if (r < 0)
		return r;
	TRY(log_view_print(a->view, e));
	if (a->aborted && !a->code_known)
		return code_of_stopped(a, e);
	return a->aborted ? a->code : a->runner.interrupted ? 130 : 0;
}

static void add_shown(const struct attached *a, const char *service, const char *name, int64_t number, struct strv *ret)
{
	auto_free char *shown = log_view_name(&(struct ctr_row){ .name = (char *)name, .project = (char *)a->app->name, .service = (char *)service,
								  .number = number });

	if (service && strv_has(&a->shown, service))
		strv_add_unique(ret, shown);
}

/* "Attaching to db-1, web-1": what is started here, and what runs already. */
static void say_attaching(const struct attached *a, const struct plan *plan, const struct observed *seen)
{
	AUTO_STRV(names);

	for (size_t i = 0; i < plan->n; i++)
		if (plan->ops[i].kind == OP_CTR_START)
			add_shown(a, plan->ops[i].service_name, plan->ops[i].name, plan->ops[i].number, &names);
	for (size_t i = 0; i < seen->nctrs; i++)
		if (strv_has(&plan->kept, seen->ctrs[i].row.name))
			add_shown(a, seen->ctrs[i].row.service, seen->ctrs[i].row.name, seen->ctrs[i].row.number, &names);
	strv_sort(&names);
	auto_free char *list = strv_join(&names, ", ");

	if (names.n)
		printf("Attaching to %s\n", list);
	fflush(stdout);
}

static int up_attached(struct attached *a, const struct plan *plan, const struct observed *seen, struct err *e)
{
	struct log_view_opts v = { .services = &a->shown, .tail = -1, .since_ns = time_now_ns(), .follow = true, .prefix = !a->o->no_prefix,
				   .timestamps = a->o->timestamps, .color = !a->o->no_color && app_ansi(a->app, STDOUT_FILENO),
				   .announce = true, .ended = on_ended, .printing = on_printing, .arg = a };
	int r;

	a->runner.on_interrupt = on_interrupt;
	a->runner.arg = a;
	say_attaching(a, plan, seen);
	r = log_view_new(a->app, a->runner.loop, &v, &a->view, e);
	if (r >= 0)
		r = plan_runner_run(&a->runner, plan, "Running", e);
	if (r < 0 && a->runner.interrupted) { /* stops what had been started by then */
		AUTO_ERR(ignored);

		(void)stop_all(a, &ignored);
	}
	return r < 0 ? r : follow(a, e);
}

/* --- images first -------------------------------------------------------------------------------------------- */

/* What is to be built, and is not there or is asked for: the plan then only sees images. A dry run builds nothing. */
static int build_missing(struct app *app, const struct up_opts *o, const struct strv *args, struct plan_options *opt, struct err *e)
{
	const struct build_services b = { .services = args, .quiet = o->quiet_build, .with_deps = !o->no_deps, .all = o->build };

	opt->builds = app->g.dry_run;
	return app->g.dry_run || o->no_build ? 0 : build_services(app, &b, e);
}

/* --- the command --------------------------------------------------------------------------------------------- */

static int up_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct up_opts *o = opts;
	AUTO(observed_free) struct observed *seen = NULL;
	AUTO(plan_free) struct plan *plan = NULL;
	struct attached a = { .app = app, .o = o, .args = args };
	struct up_plan up;
	int r;

	TRY(check_opts(o, e));
	r = fill_plan(app, o, args, &up, e);
	if (r >= 0)
		r = plan_check_networks(app->project, e);
	if (r >= 0)
		r = choose_shown(&a, args, e);
	if (r >= 0)
		r = plan_fetch_due(app, &up.opt, o->quiet_pull, e);
	if (r >= 0)
		r = build_missing(app, o, args, &up.opt, e);
	if (r >= 0)
		r = observe(app->db, app->name, app->project, OBSERVE_ORDER, &seen, e);
	if (r >= 0 && !app->g.dry_run) /* what others removed of networks that are to stay */
		r = network_repair(app->db, app->name, e);
	if (r >= 0)
		r = plan_up(app->project, seen, &up.opt, &plan, e);
	if (r >= 0)
		r = plan_runner_init(&a.runner, app, e);
	if (r >= 0) {
		a.runner.renew_anon_volumes = o->renew;
		if (o->detach || o->wait || o->no_start || app->g.dry_run)
			r = plan_runner_run(&a.runner, plan, "Running", e);
		else
			r = up_attached(&a, plan, seen, e);
		log_view_free(a.view);
		plan_runner_done(&a.runner);
	}
	strv_done(&a.shown);
	up_plan_done(&up);
	return r;
}

static int plan_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	app->g.dry_run = true;
	pin_warn(app->project);
	return up_run(app, opts, args, e);
}

static int create_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	((struct up_opts *)opts)->no_start = true;
	return up_run(app, opts, args, e);
}

enum { UP_FLAGS = CMD_PROJECT | CMD_STATE | CMD_LOCK | CMD_ROOT | CMD_STARTS };
const struct cmd cmd_up = { "up", up_run, UP_FLAGS, up_rows, sizeof(struct up_opts), "[OPTIONS] [SERVICE...]",
			    "Create and start containers", 0, -1, NULL, NULL, up_init, true, up_before };
const struct cmd cmd_plan = { "plan", plan_run, UP_FLAGS, up_rows, sizeof(struct up_opts), "[OPTIONS] [SERVICE...]",
			      "Show what up would do, and why", 0, -1, NULL, NULL, up_init, true, up_before };
const struct cmd cmd_create = { "create", create_run, UP_FLAGS, create_rows, sizeof(struct up_opts), "[OPTIONS] [SERVICE...]",
				"Create containers without starting them", 0, -1, NULL, NULL, up_init, true, up_before };
