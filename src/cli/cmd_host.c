/* SPDX-License-Identifier: MIT
 *
 * host shutdown, host boot: what the systemd unit and the OpenRC script call
 *
 * shutdown stops all containers of a project, what depends on another first, each within its own stop_grace_period. What is wanted of them stays as
 * it is, so a shutdown that is cut off, and a power cut without any, lose nothing. boot starts those whose restart policy says so
 * (restart_after_boot), in the order of depends_on.
 * Projects know nothing of each other: with several, each gets a process of its own, so that the longest one says how long it takes.
 */
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/proc.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/run_plan.h"
#include "engine/container/container.h"
#include "engine/monitor/restart.h"
#include "state/container_store.h"
#include "state/lock.h"
#include "state/project_store.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { AT_ONCE = 32 /* projects */ };
static const int64_t boot_wait_ns = INT64_C(300000000000); /* for a dependency's health: then its dependents start without it */

typedef bool wants_fn(const struct app *app, const struct ctr_row *c);
struct action {
	const char *name, *doing, *failed;
	wants_fn *wants;
	enum op_kind kind;
};

/* ---- which containers ---- */

static bool stops(const struct app *app, const struct ctr_row *c)
{
	(void)app;
	return ctr_state_live(c->state);
}

static bool comes_back(const struct app *app, const struct ctr_row *c)
{
	AUTO(ctr_spec_free) struct ctr_spec *spec = NULL;
	AUTO_ERR(why);
	struct restart_past past = {
		.started = c->desired != DESIRED_CREATED, .stopped = c->desired == DESIRED_STOPPED,
		.exit_code = c->exit_code, .exit_known = c->exit_known, .count = c->restart_count,
	};

	if (stops(app, c) || c->oneoff || !c->service || c->state == CTR_REMOVING || c->state == CTR_DEAD)
		return false;
	if (container_load_spec(&app->dirs, c->id, &spec, &why) < 0) {
		log_warning("container '%s' is left as it is: %s", c->name, err_text(&why));
		return false;
	}
	return restart_after_boot(&spec->restart, &past);
}

static int find(struct app *app, const char *project, wants_fn *wants, struct strv *ids, struct err *e)
{
	AUTO_DONE(ctr_rows_done) struct ctr_rows rows = CTR_ROWS_INIT;

	TRY(app_rows(app, project, NULL, &rows, e));
	for (size_t i = 0; i < rows.n; i++)
		if (wants(app, &rows.v[i]))
			strv_add(ids, rows.v[i].id);
	return 0;
}

/* ---- one project ---- */

static void tell_waiting(int pid, void *arg)
{
	log_warning("project '%s' is being changed by another command (pid %d), waiting", (const char *)arg, pid);
}

static int serve_locked(struct app *app, const struct action *a, struct err *e)
{
	struct plan_options p = PLAN_OPTIONS_INIT;
	AUTO_STRV(ids);

	TRY(find(app, app->name, a->wants, &ids, e));
	if (!ids.n)
		return 0;
	p.host = true;
	if (a->kind == OP_CTR_START) {
		p.ids = &ids;
		p.wait_timeout_ns = boot_wait_ns;
	}
	return run_plan_services(app, a->kind, &p, a->doing, e);
}

static int serve(struct app *app, const struct action *a, const char *project, struct err *e)
{
	int r;

	app->name = project;
	r = lock_project(&app->dirs, project, tell_waiting, (void *)project, &app->lock, e);
	if (r >= 0)
		r = serve_locked(app, a, e);
	app_unlock(app);
	app->name = NULL;
	return r < 0 ? err_wrap(e, "project '%s'", project) : 0;
}

/* ---- several: a process for each ---- */

struct crew {
	struct loop *loop;
	struct watch signals;
	struct member {
		struct watch watch;
		struct crew *crew;
		pid_t pid;
		int pidfd;
	} v[AT_ONCE];
	size_t busy, failed;
	int signal;              /* came: handed on, nobody else begins */
};

static int on_ended(struct watch *w, uint32_t events)
{
	struct member *m = CONTAINER_OF(w, struct member, watch);
	AUTO_ERR(e);
	int status = 0;

	(void)events;
	watch_done(w);
	if (proc_wait(m->pid, &status, &e) < 0 || status != 0)
		m->crew->failed++; /* it has said why */
	close(m->pidfd);
	m->pid = 0;
	m->crew->busy--;
	return 0;
}

static int on_signal(struct watch *w, uint32_t events)
{
	struct crew *c = CONTAINER_OF(w, struct crew, signals);
	struct signalfd_siginfo si;

	(void)events;
	if (read(w->fd, &si, sizeof si) != sizeof si)
		return 0;
	c->signal = (int)si.ssi_signo;
	for (size_t i = 0; i < AT_ONCE; i++) {
		AUTO_ERR(gone);

		if (c->v[i].pid)
			(void)proc_kill_fd(c->v[i].pidfd, c->signal, &gone);
	}
	return 0;
}

static int begin(struct crew *c, const struct app *app, const struct action *a, const char *project, struct err *e)
{
	const char *const argv[] = {
		app->argv[0], "--progress", app->progress == PROGRESS_AUTO || app->progress == PROGRESS_TTY ? "plain" : app->g.progress,
		"--root", app->dirs.root, "--run", app->dirs.run, "host", a->name, project, NULL,
	};
	struct proc_spawn s = { .path = "/proc/self/exe", .argv = (char *const *)argv };
	struct member *m = c->v;

	while (m->pid)
		m++;
	m->crew = c;
	TRY(proc_spawn(&s, &m->pid, &m->pidfd, e));
	c->busy++;
	return watch_fd(c->loop, &m->watch, m->pidfd, EPOLLIN, on_ended, e);
}

static int run_crew(struct crew *c, const struct app *app, const struct action *a, const struct strv *projects, struct err *e)
{
	static const int sigs[] = { SIGINT, SIGTERM, SIGHUP, 0 };
	size_t next = 0;

	c->loop = loop_new(e);
	if (!c->loop)
		return -e->code;
	TRY(watch_signals(c->loop, &c->signals, sigs, on_signal, e));
	while (c->busy || (next < projects->n && !c->signal)) {
		while (c->busy < AT_ONCE && next < projects->n && !c->signal)
			TRY(begin(c, app, a, projects->v[next++], e));
		TRY(loop_once(c->loop, -1));
	}
	return 0;
}

static int serve_several(const struct app *app, const struct action *a, const struct strv *projects, struct err *e)
{
	struct crew c = { 0 };
	int r = run_crew(&c, app, a, projects, e);

	watch_done(&c.signals);
	loop_free(c.loop);
	if (r < 0)
		return r;
	if (c.signal) {
		err_set(e, ECANCELED, "interrupted");
		return err_exit(e, 130);
	}
	return c.failed ? err_set(e, ECHILD, "%zu of %zu projects could not be %s", c.failed, projects->n, a->failed) : 0;
}

/* ---- commands ---- */

/* Those that were named, else those that have something to be done. */
static int pick(struct app *app, const struct action *a, const struct strv *args, struct strv *ret, struct err *e)
{
	AUTO_STRV(names);

	for (size_t i = 0; i < args->n; i++) {
		AUTO_DONE(project_row_done) struct project_row row = { 0 };
		int r = project_get(app->db, args->v[i], &row, e);

		TRY(r);
		if (r > 0) {
			err_set(e, ENOENT, "no such project: %s", args->v[i]);
			err_hint(e, "'gantry ls -a' lists them");
			return err_exit(e, 1);
		}
		strv_add_unique(ret, args->v[i]);
	}
	if (args->n)
		return 0;
	TRY(project_list(app->db, &names, e));
	for (size_t i = 0; i < names.n; i++) {
		AUTO_STRV(ids);

		TRY(find(app, names.v[i], a->wants, &ids, e));
		if (ids.n)
			strv_add(ret, names.v[i]);
	}
	return 0;
}

static int host(struct app *app, const struct action *a, const struct strv *args, struct err *e)
{
	AUTO_STRV(projects);

	TRY(pick(app, a, args, &projects, e));
	if (projects.n > 1 && !app->g.dry_run)
		return serve_several(app, a, &projects, e);
	for (size_t i = 0; i < projects.n; i++)
		TRY(serve(app, a, projects.v[i], e));
	return 0;
}

static int shutdown_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	static const struct action stop = { "shutdown", "Stopping", "stopped", stops, OP_CTR_STOP };

	(void)opts;
	return host(app, &stop, args, e);
}

static int boot_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	static const struct action start = { "boot", "Running", "started as they were", comes_back, OP_CTR_START };

	(void)opts;
	return host(app, &start, args, e);
}

static const struct cmd cmd_boot = { "boot", boot_run, CMD_STATE | CMD_ROOT, NULL, 0, "[PROJECT...]",
				     "Start the containers whose restart policy brings them back after a boot", 0, -1 };
static const struct cmd cmd_shutdown = { "shutdown", shutdown_run, CMD_STATE | CMD_ROOT, NULL, 0, "[PROJECT...]",
					 "Stop all projects in the order of their dependencies; boot brings them back", 0, -1 };
static const struct cmd *const host_commands[] = { &cmd_boot, &cmd_shutdown, NULL };
const struct cmd cmd_host = { "host", NULL, 0, NULL, 0, "COMMAND", "What the host calls when it goes down and has come up", 0, 0, NULL, host_commands };
