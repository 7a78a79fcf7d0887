/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/tty.h"
#include "cli/attach.h"
#include "cli/commands.h"
#include "engine/container/container.h"
#include "engine/container/exec.h"
#include "engine/monitor/control.h"
#include "state/container_store.h"
#include <errno.h>

enum { ENGINE_FAILED = 125, CANNOT_RUN = 126 };

struct exec_cmd_opts {
	bool detach, privileged, no_tty, interactive, tty;
	int64_t index;
	const char *user, *workdir;
	struct strv env;
};
static const struct opt exec_rows[] = {
	OPT('d', "detach", OPT_BOOL, struct exec_cmd_opts, detach, NULL, "Leave the process in the background"),
	OPT('e', "env", OPT_LIST, struct exec_cmd_opts, env, "KEY=VALUE", "Set a variable, repeatable"),
	OPT(0, "index", OPT_INT, struct exec_cmd_opts, index, "N", "Which replica (the lowest that runs)"),
	OPT('T', "no-tty", OPT_BOOL, struct exec_cmd_opts, no_tty, NULL, "No terminal (default when input or output is none)"),
	OPT_HIDE(0, "no-TTY", OPT_BOOL, struct exec_cmd_opts, no_tty, NULL, ""),
	OPT(0, "privileged", OPT_BOOL, struct exec_cmd_opts, privileged, NULL, "With all capabilities"),
	OPT('u', "user", OPT_STR, struct exec_cmd_opts, user, "USER", "Run as this user"),
	OPT('w', "workdir", OPT_STR, struct exec_cmd_opts, workdir, "DIR", "Run in this folder"),
	OPT_HIDE('i', "interactive", OPT_BOOL, struct exec_cmd_opts, interactive, NULL, ""),
	OPT_HIDE('t', "tty", OPT_BOOL, struct exec_cmd_opts, tty, NULL, ""),
	OPT_END
};

static void exec_init(void *opts)
{
	struct exec_cmd_opts *o = opts;

	o->interactive = o->tty = true;
}

/* KEY without a value takes ours; without one it is not set. */
static void resolve_env(const struct app *app, const struct strv *given, struct strv *ret)
{
	for (size_t i = 0; i < given->n; i++) {
		const char *value = strchr(given->v[i], '=') ? NULL : strv_env_get(&app->environ, given->v[i]);

		if (strchr(given->v[i], '='))
			strv_add(ret, given->v[i]);
		else if (value)
			strv_addf(ret, "%s=%s", given->v[i], value);
	}
}

/* The monitor outlives this command, so it starts and reaps what is left in the background. */
static int exec_detached(struct app *app, const struct exec_cmd_opts *o, const struct ctr_row *c, const struct strv *argv, struct err *e)
{
	AUTO(json_free) struct cJSON *req = monitor_request("exec", c->id);
	AUTO_STRV(env);

	resolve_env(app, &o->env, &env);
	json_add_strv(req, "argv", argv);
	json_add_strv(req, "env", &env);
	json_add_str(req, "user", o->user);
	json_add_str(req, "cwd", o->workdir);
	json_add_bool(req, "privileged", o->privileged);
	TRY(monitor_call(&app->dirs, c->project, req, NULL, e));
	return 0;
}

struct exec_pipes {
	int in[2], out[2], err[2];
};

static void pipes_close(struct exec_pipes *p)
{
	int *all[] = { p->in, p->out, p->err };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		for (int k = 0; k < 2; k++)
			if (all[i][k] >= 0)
				close(TAKE_FD(all[i][k]));
}

static int exec_attached(struct app *app, const struct exec_cmd_opts *o, const struct ctr_spec *spec, const struct ctr_row *c,
			 const struct strv *argv, struct err *e)
{
	bool tty = o->tty && !o->no_tty && tty_is(STDIN_FILENO) && tty_is(STDOUT_FILENO);
	struct exec_pipes p = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	AUTO_STRV(env);
	struct exec_started st = { .pid = 0, .pidfd = -1, .pty_master = -1 };
	struct exec_opts x = { .argv = argv, .env = &env, .user = o->user, .cwd = o->workdir, .privileged = o->privileged, .tty = tty };
	int r = 0, code = 1;

	resolve_env(app, &o->env, &env);
	if (tty)
		(void)tty_size(STDIN_FILENO, &x.rows, &x.cols);
	else if ((r = fd_pipe(p.in, e)) >= 0 && (r = fd_pipe(p.out, e)) >= 0)
		r = fd_pipe(p.err, e);
	x.stdin_fd = p.in[0];
	x.stdout_fd = p.out[1];
	x.stderr_fd = p.err[1];
	if (r >= 0)
		r = container_exec(&app->dirs, spec, &c->pid, &x, &st, e);
	if (r < 0) {
		if (e->exit == ENGINE_FAILED) /* a user or folder that is not there: 126 from docker's exec too */
			err_exit(e, CANNOT_RUN);
		pipes_close(&p);
		return r;
	}
	for (int i = 0; i < 3; i++) { /* the child's ends */
		int *end = i == 0 ? &p.in[0] : i == 1 ? &p.out[1] : &p.err[1];

		if (*end >= 0)
			close(TAKE_FD(*end));
	}
	struct attach a = { .stdin_to = TAKE_FD(p.in[1]), .stdout_from = p.out[0], .stderr_from = p.err[0], .pty = st.pty_master,
			    .pidfd = st.pidfd, .raw = tty, .proxy = true };

	if (!o->interactive && a.stdin_to >= 0)
		close(TAKE_FD(a.stdin_to));
	r = attach_run(&a, e);
	if (r >= 0)
		r = proc_wait(st.pid, &code, e);
	if (a.stdin_to >= 0)
		close(a.stdin_to);
	if (st.pty_master >= 0)
		close(st.pty_master);
	close(st.pidfd);
	pipes_close(&p);
	return r < 0 ? r : code;
}

static int exec_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct exec_cmd_opts *o = opts;
	AUTO(ctr_spec_free) struct ctr_spec *spec = NULL;
	struct ctr_row c = { 0 };
	AUTO_STRV(argv);
	AUTO_STRV(service);
	int r;

	strv_add(&service, args->v[0]);
	strv_add_all(&argv, args->v + 1);
	TRY(app_check_services(app, &service, e));
	TRY(app_replica(app, args->v[0], o->index, true, &c, e));
	if (c.state == CTR_PAUSED) {
		err_set(e, EBUSY, "container '%s' is paused", c.name);
		err_hint(e, "'gantry unpause %s' lets it go on", args->v[0]);
		r = -EBUSY;
	} else if (o->detach) {
		r = exec_detached(app, o, &c, &argv, e);
	} else {
		r = container_load_spec(&app->dirs, c.id, &spec, e);
		if (r >= 0)
			r = exec_attached(app, o, spec, &c, &argv, e);
	}
	ctr_row_done(&c);
	return r;
}

const struct cmd cmd_exec = { "exec", exec_run, CMD_ENTERS | CMD_PROJECT_NAME | CMD_STATE_READ | CMD_ROOT | CMD_STOP | CMD_ALL_PROFILES, exec_rows,
			      sizeof(struct exec_cmd_opts), "[OPTIONS] SERVICE COMMAND [ARG...]", "Run a command in a running container", 2,
			      -1, NULL, NULL, exec_init };
