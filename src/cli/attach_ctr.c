/* SPDX-License-Identifier: MIT
 *
 * Two connections to the monitor: on one the streams are attached, and its last word is how the process ended; the other asks for the start, so that
 * output is passed on while post_start hooks still run.
 */
#include "cli/attach_ctr.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/tty.h"
#include "cli/attach.h"
#include "cli/cli.h"
#include "engine/monitor/control.h"
#include "state/container_store.h"
#include "state/db.h"
#include <errno.h>
#include <signal.h>
#include <string.h>

enum { STREAMS, START, INTERRUPTS_MAX = 3 };

struct session {
	const struct attach_ctr *x;
	struct attach a;
	struct attach_remote remote;
	bool starting;           /* the start was asked for and not answered */
	int interrupts;
	int code;
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(TAKE_FD(*fd));
}

static void close_streams(struct session *s)
{
	close_fd(&s->a.stdin_to);
	close_fd(&s->a.stdout_from);
	close_fd(&s->a.stderr_from);
	close_fd(&s->remote.sock[STREAMS]);
	close_fd(&s->remote.sock[START]);
}

/* ---- connecting ---- */

struct stream_pipes {
	int in[2], out[2], err[2];
};

static void pipes_close(struct stream_pipes *p)
{
	int *all[] = { p->in, p->out, p->err };

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		for (int k = 0; k < 2; k++)
			close_fd(&all[i][k]);
}

static int send_streams(struct session *s, struct stream_pipes *p, struct err *e)
{
	AUTO(json_free) struct cJSON *req = monitor_request("attach", s->x->ctr->id), *answer = NULL;
	int fds[3];
	size_t n = 0;

	json_add_bool(req, "stdin", s->x->with_stdin);
	if (s->x->with_stdin) {
		TRY(fd_pipe(p->in, e));
		fds[n++] = p->in[0];
	}
	TRY(fd_pipe(p->out, e));
	fds[n++] = p->out[1];
	if (!s->x->tty) {
		TRY(fd_pipe(p->err, e));
		fds[n++] = p->err[1];
	}
	TRY(monitor_connect(&s->x->app->dirs, s->x->ctr->project, true, &s->remote.sock[STREAMS], e));
	TRY(monitor_send(s->remote.sock[STREAMS], req, fds, n, e));
	TRY(monitor_recv(s->remote.sock[STREAMS], &answer, e));
	s->a.stdin_to = TAKE_FD(p->in[1]);
	s->a.stdout_from = TAKE_FD(p->out[0]);
	s->a.stderr_from = TAKE_FD(p->err[0]);
	return 0;
}

static int connect_streams(struct session *s, struct err *e)
{
	struct stream_pipes p = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	int r = send_streams(s, &p, e);

	pipes_close(&p);
	return r;
}

static int own_size(unsigned short *rows, unsigned short *cols)
{
	return tty_size(STDIN_FILENO, rows, cols) >= 0 ? 0 : tty_size(STDOUT_FILENO, rows, cols);
}

static int ask_start(struct session *s, struct err *e)
{
	AUTO(json_free) struct cJSON *req = monitor_request("start", s->x->ctr->id);
	unsigned short rows, cols;

	s->starting = true;
	if (s->x->tty && own_size(&rows, &cols) >= 0) {
		json_add_int(req, "rows", rows);
		json_add_int(req, "cols", cols);
	}
	TRY(monitor_connect(&s->x->app->dirs, s->x->ctr->project, true, &s->remote.sock[START], e));
	return monitor_send(s->remote.sock[START], req, NULL, 0, e);
}

/* Rows are written before the monitor answers: one that was down when the streams came to it says so here, and its end will not be told. */
static int ended_before(struct session *s, struct err *e)
{
	AUTO_DONE(ctr_row_done) struct ctr_row row = { 0 };
	int r = ctr_get(s->x->app->db, s->x->ctr->id, &row, e);

	TRY(r);
	if (r == 0 && row.state != CTR_EXITED && row.state != CTR_DEAD && row.state != CTR_REMOVING && row.state != CTR_CREATED)
		return 0;
	s->code = r == 1 || !row.exit_known ? 137 : (int)row.exit_code;
	return 1;
}

/* ---- what the monitor says ---- */

static void request_quietly(struct session *s, struct cJSON *req)
{
	AUTO_ERR(why);

	if (monitor_call(&s->x->app->dirs, s->x->ctr->project, req, NULL, &why) < 0)
		log_debug("%s: %s", s->x->ctr->name, err_text(&why));
	json_free(req);
}

static void resize(void *arg, unsigned short rows, unsigned short cols)
{
	struct session *s = arg;
	struct cJSON *req;

	if (!s->x->tty || s->starting)
		return;
	req = monitor_request("resize", s->x->ctr->id);
	json_add_int(req, "rows", rows);
	json_add_int(req, "cols", cols);
	request_quietly(s, req);
}

/* The monitor died; its container did not. The next one gets new streams; what was written in between is in the log only. */
static int reconnect(struct session *s, struct err *e)
{
	bool starting = s->starting;

	err_clear(e);
	close_streams(s);
	TRY(connect_streams(s, e));
	if (starting)
		TRY(ask_start(s, e));
	else if (ended_before(s, e))
		return e->code ? -e->code : 1;
	log_warning("the project's monitor was started again: 'gantry logs' has what may be missing here");
	return 2;
}

static int started(struct session *s)
{
	unsigned short rows, cols;

	s->starting = false;
	close_fd(&s->remote.sock[START]);
	if (own_size(&rows, &cols) >= 0)
		resize(s, rows, cols);
	return 0;
}

static int readable(void *arg, int i, struct err *e)
{
	struct session *s = arg;
	AUTO(json_free) struct cJSON *o = NULL;
	int r = monitor_recv(s->remote.sock[i], &o, e);

	if (r == -EPIPE || r == -ECONNRESET)
		return reconnect(s, e);
	TRY(r);
	if (i == START)
		return started(s);
	if (json_str(o, "event"))
		return 0;
	s->code = (int)json_int(o, "code", 1);
	return 1;
}

static int pass_signal(void *arg, int sig, struct err *e)
{
	struct session *s = arg;
	struct cJSON *req = monitor_request("kill", s->x->ctr->id);
	bool enough = (sig == SIGINT || sig == SIGTERM) && ++s->interrupts >= INTERRUPTS_MAX;

	(void)e;
	json_add_str(req, "signal", enough ? "SIGKILL" : proc_signal_name(sig));
	request_quietly(s, req);
	return 0;
}

int attach_container(const struct attach_ctr *x, int *ret_code, struct err *e)
{
	struct session s = { .x = x };
	int r;

	s.remote = (struct attach_remote){ .sock = { -1, -1 }, .readable = readable, .signal = pass_signal, .resize = resize, .arg = &s };
	s.a = (struct attach){ .stdin_to = -1, .stdout_from = -1, .stderr_from = -1, .pty = -1, .pidfd = -1, .raw = x->tty && x->with_stdin,
			       .proxy = x->proxy, .detach_keys = x->detach_keys, .remote = &s.remote };
	r = connect_streams(&s, e);
	if (r >= 0)
		r = x->start ? ask_start(&s, e) : ended_before(&s, e);
	if (r == 0)
		r = attach_run(&s.a, e);
	else if (r == 1)
		r = ATTACH_ENDED;
	close_streams(&s);
	if (r < 0)
		return r;
	*ret_code = s.code;
	return r;
}
