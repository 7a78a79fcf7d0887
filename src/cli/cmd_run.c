/* SPDX-License-Identifier: MIT
 *
 * run: one more container of a service, with another command; attach: the terminal to one that runs.
 *
 *   load - adjust the service - lock - plan: what it depends on, then one container, not started - unlock
 *        - attach, then start ─ ended: its status is ours; --rm removes it
 *                             └ detached: it runs on
 */
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/num.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/tty.h"
#include "cli/attach.h"
#include "cli/attach_ctr.h"
#include "cli/build_services.h"
#include "cli/commands.h"
#include "cli/run_plan.h"
#include "compose/adjust.h"
#include "engine/container/container.h"
#include "engine/monitor/control.h"
#include "net/network.h"
#include "net/sandbox.h"
#include "plan/observe.h"
#include "state/container_store.h"
#include "state/db.h"
#include "state/lock.h"
#include <errno.h>
#include <poll.h>

static const char default_keys[] = "ctrl-p,ctrl-q";

struct run_opts {
	bool build, detach, no_tty, tty, interactive, no_deps, quiet, quiet_pull, quiet_build, remove_orphans, rm, service_ports, use_aliases;
	const char *entrypoint, *name, *pull, *user, *workdir;
	struct strv cap_add, cap_drop, env, env_files, labels, ports, volumes;
};
static const char *const pulls[] = { "always", "missing", "never", "policy", "build", NULL };
static const struct opt run_rows[] = {
	OPT(0, "build", OPT_BOOL, struct run_opts, build, NULL, "Build the image first"),
	OPT(0, "cap-add", OPT_LIST, struct run_opts, cap_add, "CAP", "Add a capability, repeatable"),
	OPT(0, "cap-drop", OPT_LIST, struct run_opts, cap_drop, "CAP", "Drop a capability, repeatable"),
	OPT('d', "detach", OPT_BOOL, struct run_opts, detach, NULL, "Leave the container in the background and print its id"),
	OPT(0, "entrypoint", OPT_STR, struct run_opts, entrypoint, "COMMAND", "Instead of the image's entrypoint"),
	OPT('e', "env", OPT_LIST, struct run_opts, env, "KEY=VALUE", "Set a variable, repeatable"),
	OPT(0, "env-from-file", OPT_LIST, struct run_opts, env_files, "FILE", "Set the variables of a file, repeatable"),
	OPT('i', "interactive", OPT_BOOL, struct run_opts, interactive, NULL, "Pass our input on (default)"),
	OPT('l', "label", OPT_LIST, struct run_opts, labels, "KEY=VALUE", "Add a label, repeatable"),
	OPT(0, "name", OPT_STR, struct run_opts, name, "NAME", "Name of the container"),
	OPT(0, "no-deps", OPT_BOOL, struct run_opts, no_deps, NULL, "Do not start what the service depends on"),
	OPT('T', "no-tty", OPT_BOOL, struct run_opts, no_tty, NULL, "No terminal (default when input or output is none)"),
	OPT_HIDE(0, "no-TTY", OPT_BOOL, struct run_opts, no_tty, NULL, ""),
	OPT('p', "publish", OPT_LIST, struct run_opts, ports, "PORT", "Publish a port, repeatable"),
	OPT_CHOICE(0, "pull", struct run_opts, pull, "POLICY", "Fetch the image: always, missing, never, policy", pulls),
	OPT('q', "quiet", OPT_BOOL, struct run_opts, quiet, NULL, "Print nothing but the output"),
	OPT(0, "quiet-build", OPT_BOOL, struct run_opts, quiet_build, NULL, "Build without progress"),
	OPT(0, "quiet-pull", OPT_BOOL, struct run_opts, quiet_pull, NULL, "Fetch without progress"),
	OPT(0, "remove-orphans", OPT_BOOL, struct run_opts, remove_orphans, NULL,
	    "Remove containers of services that the file does not declare"),
	OPT(0, "rm", OPT_BOOL, struct run_opts, rm, NULL, "Remove the container when it ends"),
	OPT('P', "service-ports", OPT_BOOL, struct run_opts, service_ports, NULL, "Publish the ports of the service"),
	OPT_HIDE('t', "tty", OPT_BOOL, struct run_opts, tty, NULL, ""),
	OPT(0, "use-aliases", OPT_BOOL, struct run_opts, use_aliases, NULL, "Answer to the names of the service in its networks"),
	OPT('u', "user", OPT_STR, struct run_opts, user, "USER", "Run as this user"),
	OPT('v', "volume", OPT_LIST, struct run_opts, volumes, "VOLUME", "Mount a folder or a volume, repeatable"),
	OPT('w', "workdir", OPT_STR, struct run_opts, workdir, "DIR", "Run in this folder"),
	OPT_END
};

static void run_init(void *opts)
{
	((struct run_opts *)opts)->interactive = true;
}

static void run_before(struct app *app, const void *opts)
{
	const struct run_opts *o = opts;

	app->no_deps = o->no_deps;
	if (o->quiet)
		app->progress = PROGRESS_QUIET;
}

/* --- the service as the options want it -------------------------------------------------------------------------- */

static void add_strs(struct project *p, struct strs *to, const struct strv *more)
{
	const char **v = arena_alloc(p->arena, (to->n + more->n + 1) * sizeof *v);

	for (size_t i = 0; i < to->n; i++)
		v[i] = to->v[i];
	for (size_t i = 0; i < more->n; i++)
		v[to->n++] = arena_strdup(p->arena, more->v[i]);
	to->v = v;
}

static void drop_strs(struct strs *l, const struct strv *gone)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (!strv_has(gone, l->v[i]))
			l->v[n++] = l->v[i];
	l->n = n;
}

/* What is added is not dropped any more, and the other way round. */
static void adjust_caps(struct project *p, struct service *s, const struct run_opts *o)
{
	drop_strs(&s->cap_drop, &o->cap_add);
	drop_strs(&s->cap_add, &o->cap_drop);
	add_strs(p, &s->cap_add, &o->cap_add);
	add_strs(p, &s->cap_drop, &o->cap_drop);
}

/* The service's own containers keep its names, unless --use-aliases shares them. */
static void adjust_aliases(struct project *p, struct service *s, bool use)
{
	AUTO_STRV(name);

	strv_add(&name, s->name);
	for (size_t i = 0; i < s->networks.n; i++) {
		if (use)
			add_strs(p, &s->networks.v[i].aliases, &name);
		else
			s->networks.v[i].aliases.n = 0;
	}
}

static int adjust(struct app *app, struct service *s, const struct run_opts *o, const struct strv *args, struct err *e)
{
	struct project *p = app->project;
	auto_free char *cwd = path_cwd();

	if (o->ports.n || !o->service_ports)
		TRY(service_set_ports(p, s, &o->ports, e));
	TRY(service_add_volumes(p, s, &o->volumes, cwd ? cwd : p->dir, e));
	for (size_t i = 0; i < o->env_files.n; i++)
		TRY(service_add_env_file(p, s, o->env_files.v[i], e));
	service_add_env(p, s, &o->env);
	service_add_labels(p, s, &o->labels);
	if (o->entrypoint)
		TRY(service_set_entrypoint(p, s, o->entrypoint, e));
	if (args->n > 1 || o->entrypoint)
		service_set_command(p, s, args->v + 1, args->n - 1);
	s->user = o->user ? o->user : s->user;
	s->working_dir = o->workdir ? o->workdir : s->working_dir;
	s->pull_policy = o->pull && !streq(o->pull, "policy") ? o->pull : s->pull_policy;
	s->container_name = NULL;
	adjust_caps(p, s, o);
	adjust_aliases(p, s, o->use_aliases);
	if (!o->detach) {
		s->stdin_open = o->interactive;
		s->tty = !o->no_tty && tty_is(STDIN_FILENO) && tty_is(STDOUT_FILENO);
	} else if (o->no_tty) {
		s->tty = false;
	}
	return 0;
}

/* --- making it --------------------------------------------------------------------------------------------------- */

static int make(struct app *app, const struct run_opts *o, struct service *s, const char *name, struct err *e)
{
	AUTO(observed_free) struct observed *seen = NULL;
	AUTO(plan_free) struct plan *plan = NULL;
	struct plan_options opt = PLAN_OPTIONS_INIT;
	struct plan_runner r;
	AUTO_STRV(services);
	const struct build_services b = { .services = &services, .quiet = o->quiet || o->quiet_build, .with_deps = !o->no_deps, .all = o->build };
	int res;

	strv_add(&services, s->name);
	opt.services = &services;
	opt.no_deps = o->no_deps;
	opt.remove_orphans = o->remove_orphans;
	opt.ignore_orphans = true; /* other one-off containers would be among them */
	opt.oneoff = s->name;
	opt.oneoff_name = name;
	opt.builds = app->g.dry_run;
	opt.build = o->build;
	TRY(plan_check_networks(app->project, e));
	TRY(plan_fetch_due(app, &opt, o->quiet_pull, e));
	if (!app->g.dry_run)
		TRY(build_services(app, &b, e));
	TRY(observe(app->db, app->name, app->project, OBSERVE_ORDER, &seen, e));
	if (!app->g.dry_run)
		TRY(network_repair(app->db, app->name, e));
	TRY(plan_up(app->project, seen, &opt, &plan, e));
	TRY(plan_runner_init(&r, app, e));
	res = plan_runner_run(&r, plan, "Creating", e);
	plan_runner_done(&r);
	return res;
}

/* Somebody else (down, rm, the other one of run and its reaper) may have done it meanwhile. */
static int remove_again(struct app *app, const char *id, struct err *e)
{
	AUTO_DONE(ctr_row_done) struct ctr_row c = { 0 };
	int r;

	TRY(lock_project(&app->dirs, app->name, NULL, NULL, &app->lock, e));
	r = ctr_get(app->db, id, &c, e);
	if (r)
		return MIN(r, 0);
	TRY(container_remove(app->db, c.id, true, NULL, e));
	if (c.sandbox)
		TRY(net_sandbox_release(app->db, c.sandbox, e));
	return db_sync(app->db, e);
}

/* --- running it -------------------------------------------------------------------------------------------------- */

/* --rm: a process of its own waits for the end, which we may not see: we are detached, killed, or our output was closed. */
static int spawn_reaper(struct app *app, const struct ctr_row *c, struct err *e)
{
	static const int null[] = { -1, -1, -1 };
	auto_free char *owner = xasprintf("%d", (int)getpid());
	char *const argv[] = { (char *)"gantry", (char *)"--root", app->dirs.root, (char *)"--run", app->dirs.run, (char *)"reap",
			       (char *)app->name, c->id, owner, NULL };

	return proc_spawn(&(struct proc_spawn){ .path = "/proc/self/exe", .argv = argv, .stdio = null, .setsid = true }, NULL, NULL, e);
}

static int start_detached(struct app *app, const struct ctr_row *c, struct err *e)
{
	AUTO(json_free) struct cJSON *req = monitor_request("start", c->id);

	TRY(monitor_call(&app->dirs, app->name, req, NULL, e));
	TRY(db_sync(app->db, e));
	printf("%s\n", c->id);
	return 0;
}

static int run_it(struct app *app, const struct run_opts *o, const struct service *s, const struct ctr_row *c, struct err *e)
{
	const struct attach_ctr x = { .app = app, .ctr = c, .tty = s->tty, .with_stdin = s->stdin_open, .start = true, .proxy = true,
				      .detach_keys = s->tty ? default_keys : NULL };
	AUTO_ERR(why);
	int code = 0, r;

	TRY(ctr_set_desired(app->db, c->id, DESIRED_RUNNING, e));
	if (o->rm)
		TRY(spawn_reaper(app, c, e));
	app_unlock(app);
	r = o->detach ? start_detached(app, c, e) : attach_container(&x, &code, e);
	if (r < 0)
		err_wrap(e, "service '%s'", s->name);
	if (r == ATTACH_DETACHED || (r >= 0 && o->detach)) /* it runs on */
		return code;
	if (r == -EPIPE) /* so it does here */
		return r;
	if (o->rm && remove_again(app, c->id, &why) < 0) {
		err_wrap(&why, "remove container '%s'", c->name);
		log_err(&why);
	}
	return r < 0 ? r : code;
}

static int run_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct run_opts *o = opts;
	struct service *s = project_service(app->project, args->v[0]);
	AUTO_DONE(ctr_row_done) struct ctr_row c = { 0 };
	auto_free char *name = NULL;
	char hex[13];
	int r;

	if (o->ports.n && o->service_ports) {
		err_set(e, EINVAL, "--service-ports and --publish are incompatible");
		return err_exit(e, 1);
	}
	if (o->name && !name_is_container(o->name))
		return err_set(e, EINVAL, "--name '%s': a name has letters, digits, '_', '.' and '-'", o->name);
	id_hex(hex, 12);
	name = o->name ? xstrdup(o->name) : xasprintf("%s-%s-run-%s", app->name, s->name, hex);
	TRY(adjust(app, s, o, args, e));
	TRY(make(app, o, s, name, e));
	if (app->g.dry_run)
		return 0;
	TRY(r = ctr_find(app->db, name, &c, e));
	if (r == 1)
		return err_set(e, ENOENT, "container '%s' was removed at once", name);
	return run_it(app, o, s, &c, e);
}

const struct cmd cmd_run = { "run", run_run, CMD_PROJECT | CMD_STATE | CMD_LOCK | CMD_ROOT | CMD_STARTS | CMD_STOP | CMD_ONE_SERVICE, run_rows,
			     sizeof(struct run_opts), "[OPTIONS] SERVICE [COMMAND] [ARG...]", "Run a one-off command in a new container of a service",
			     1, -1, NULL, NULL, run_init, false, run_before };

/* --- run --rm: the end ------------------------------------------------------------------------------------------- */

/* `run` itself removes what ended while it was there. One that is `created` without it will never be started. */
static bool is_over(const struct ctr_row *c)
{
	return c->state == CTR_EXITED || c->state == CTR_DEAD || c->state == CTR_CREATED;
}

/* Until our parent, the `run` whose pid is OWNER, is gone. */
static int await_owner(const char *owner, struct err *e)
{
	struct proc_id id;
	int64_t pid;
	AUTO_ERR(gone);

	TRY(num_int(owner, 1, INT32_MAX, &pid, e));
	if (proc_id_of((pid_t)pid, &id, &gone) < 0)
		return 0;

	auto_close int fd = proc_pidfd(&id, &gone);

	while (fd >= 0 && getppid() == pid) {
		struct pollfd p = { fd, POLLIN, 0 };

		if (poll(&p, 1, -1) == 1)
			break;
	}
	return 0;
}

/* Removed by others meanwhile (down, rm) is fine. */
static int reap_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	auto_close int fd = gen_watch(&app->dirs, args->v[0], e);

	(void)opts;
	if (fd < 0)
		return fd;
	app->name = args->v[0];
	if (chdir("/") < 0) /* nobody's folder is kept busy */
		return err_sys(e, "chdir '/'");
	TRY(await_owner(args->v[2], e));
	for (;;) {
		AUTO_DONE(ctr_row_done) struct ctr_row c = { 0 };
		struct pollfd p = { fd, POLLIN, 0 };
		int r = ctr_get(app->db, args->v[1], &c, e);

		if (r != 0 || c.state == CTR_REMOVING)
			return r < 0 ? r : 0;
		if (is_over(&c))
			return remove_again(app, c.id, e);
		if (poll(&p, 1, -1) > 0)
			gen_drain(fd);
	}
}

const struct cmd cmd_reap = { "reap", reap_run, CMD_STATE | CMD_ROOT | CMD_HIDDEN, NULL, 0, "PROJECT ID PID",
			      "What run --rm leaves behind: waits for the container, removes it", 3, 3 };

/* --- attach ------------------------------------------------------------------------------------------------------ */

struct attach_opts {
	const char *keys;
	int64_t index;
	bool no_stdin, sig_proxy;
};
static const struct opt attach_rows[] = {
	OPT(0, "detach-keys", OPT_STR, struct attach_opts, keys, "KEYS", "What to type to leave it running (ctrl-p,ctrl-q)"),
	OPT(0, "index", OPT_INT, struct attach_opts, index, "N", "Which replica (the lowest that runs)"),
	OPT(0, "no-stdin", OPT_BOOL, struct attach_opts, no_stdin, NULL, "Do not pass our input on"),
	OPT(0, "sig-proxy", OPT_BOOL, struct attach_opts, sig_proxy, NULL, "Pass signals on (default)"),
	OPT_END
};

static void attach_init(void *opts)
{
	*(struct attach_opts *)opts = (struct attach_opts){ .sig_proxy = true, .keys = default_keys };
}

static int attach_cmd(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct attach_opts *o = opts;
	AUTO(ctr_spec_free) struct ctr_spec *spec = NULL;
	AUTO_DONE(ctr_row_done) struct ctr_row c = { 0 };
	struct attach_ctr x = { .app = app, .ctr = &c, .proxy = o->sig_proxy };
	int code = 0, r;

	TRY(app_replica(app, args->v[0], o->index, true, &c, e));
	if (c.state == CTR_PAUSED) {
		err_set(e, EBUSY, "container '%s' is paused", c.name);
		err_hint(e, "'gantry unpause %s' lets it go on", args->v[0]);
		return -EBUSY;
	}
	TRY(container_load_spec(&app->dirs, c.id, &spec, e));
	x.tty = spec->tty;
	x.with_stdin = !o->no_stdin && (spec->tty || spec->stdin_open);
	x.detach_keys = spec->tty ? o->keys : NULL;
	r = attach_container(&x, &code, e);
	if (r < 0)
		return r;
	return r == ATTACH_DETACHED ? 0 : code;
}

const struct cmd cmd_attach = { "attach", attach_cmd, CMD_PROJECT_NAME | CMD_STATE_READ | CMD_ROOT | CMD_ALL_PROFILES, attach_rows,
				sizeof(struct attach_opts), "[OPTIONS] SERVICE", "Connect the terminal to a running container", 1, 1, NULL,
				NULL, attach_init, true };
