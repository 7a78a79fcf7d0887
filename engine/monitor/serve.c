/* SPDX-License-Identifier: MIT
 *
 * engine/monitor/serve.c - ctl.sock, the monitor's side: requests, and who waits for what
 *
 * One request at a time per connection; its answer is sent at the end of the turn in which it became true, after the rows were written.
 */
#include "engine/monitor/client.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "base/tty.h"
#include "engine/container/container.h"
#include "engine/monitor/control.h"
#include "state/db.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { CLIENTS_MAX = 512 };

/* ---- answers ---- */
static void put_reply(struct client *cl, const struct cJSON *o)
{
	free(cl->reply);
	cl->reply = json_text(o, false);
	cl->wait = WAIT_NONE;
	cl->m->replies = true;
	cl->m->dirty = true;
}
void client_reply(struct client *cl, struct cJSON *obj)
{
	AUTO(json_free) struct cJSON *o = obj ? obj : json_object();

	json_add_bool(o, "ok", true);
	put_reply(cl, o);
}
void client_fail(struct client *cl, const struct err *e)
{
	AUTO(json_free) struct cJSON *o = json_object();
	struct cJSON *x;

	json_add_bool(o, "ok", false);
	x = json_add_object(o, "error");
	json_add_int(x, "code", e->code);
	json_add_int(x, "exit", e->exit);
	json_add_str(x, "text", err_text(e));
	json_add_str(x, "hint", e->hint);
	put_reply(cl, o);
}
static void reply_code(struct client *cl)
{
	struct cJSON *o = json_object();

	json_add_int(o, "code", cl->ctr->exit_code);
	json_add_bool(o, "known", cl->ctr->exit_known);
	client_reply(cl, o);
}
static void reply_running(struct client *cl)
{
	struct cJSON *o = json_object();

	json_add_int(o, "pid", cl->ctr->pid.pid);
	client_reply(cl, o);
}

/* ---- operations ---- */
struct request {
	struct cJSON *json;
	int fds[FD_PASS_MAX];
	size_t nfds;
};
typedef int op_fn(struct client *cl, struct request *r, struct err *e);

static void started(struct client *cl);
static void want(struct mctr *c, enum ctr_desired desired)
{
	if (c->desired == desired)
		return;
	c->desired = desired;
	c->dirty_desired = true;
	monitor_dirty(c);
}
/* The terminal's size, which stays as it is when the request says nothing. */
static int read_size(const struct request *r, struct mctr *c, struct err *e)
{
	int64_t rows = json_int(r->json, "rows", c->rows), cols = json_int(r->json, "cols", c->cols);

	if (rows < 0 || cols < 0 || rows > UINT16_MAX || cols > UINT16_MAX)
		return err_set(e, EINVAL, "a terminal cannot be %lld x %lld", (long long)rows, (long long)cols);
	c->rows = (unsigned short)rows;
	c->cols = (unsigned short)cols;
	return 0;
}
static int op_start(struct client *cl, struct request *r, struct err *e)
{
	struct mctr *c = cl->ctr;

	TRY(read_size(r, c, e));
	if (c->m->stopping)
		return err_set(e, ESHUTDOWN, "the host is being shut down");
	if (c->state == M_PAUSED)
		return err_set(e, EBUSY, "container '%s' is paused: unpause it", c->spec->name);
	want(c, DESIRED_RUNNING);
	cl->wait = WAIT_RUNNING;
	if (c->state == M_RUNNING) {
		started(cl);
		return 0;
	}
	c->asked = true;
	c->stopped = false;
	c->restarts = (struct restart_state){ 0 };
	if (c->state == M_STOPPING || c->state == M_ENDING) {
		c->again = true;
		c->again_after_ns = 0;
		err_clear(&c->failed);
	} else {
		ctr_event(c, EV_START);
	}
	return 0;
}
static int read_signal(const struct request *r, int dflt, int *ret, struct err *e)
{
	const char *name = json_str(r->json, "signal");

	*ret = dflt;
	return name ? proc_signal_parse(name, ret, e) : 0;
}
static void stop(struct mctr *c, int64_t grace_ns, int sig)
{
	c->grace_ns = grace_ns;
	c->stop_signal = sig;
	c->stopped = true;
	c->again = false;
	ctr_event(c, EV_STOP);
}
static int op_stop(struct client *cl, struct request *r, struct err *e)
{
	struct mctr *c = cl->ctr;
	int sig;

	TRY(read_signal(r, ctr_stop_signal(c), &sig, e));
	if (!json_bool(r->json, "host", false)) /* after the boot it is wanted as it was */
		want(c, DESIRED_STOPPED);
	cl->wait = WAIT_DOWN;
	if (c->state == M_DOWN)
		reply_code(cl);
	else
		stop(c, json_int(r->json, "timeout_ns", -1), sig);
	return 0;
}
static int op_restart(struct client *cl, struct request *r, struct err *e)
{
	struct mctr *c = cl->ctr;

	if (c->state == M_DOWN || c->state == M_BACKOFF)
		return op_start(cl, r, e);
	want(c, DESIRED_RUNNING);
	cl->wait = WAIT_RUNNING;
	c->asked = true;
	if (c->state != M_ENDING && c->state != M_STARTING)
		stop(c, json_int(r->json, "timeout_ns", -1), ctr_stop_signal(c));
	c->stopped = false;
	if (c->state != M_STARTING) {
		c->again = true;
		c->again_after_ns = 0;
		c->restarted = true;
	}
	return 0;
}
static int need_process(const struct mctr *c, struct err *e)
{
	return c->pid.pid ? 0 : err_set(e, ESRCH, "container '%s' is not running", c->spec->name);
}
static int op_kill(struct client *cl, struct request *r, struct err *e)
{
	struct mctr *c = cl->ctr;
	char num[16];
	int sig;

	TRY(read_signal(r, SIGKILL, &sig, e));
	if (c->state == M_BACKOFF && sig == SIGKILL)
		return op_stop(cl, r, e);
	TRY(need_process(c, e));
	if (sig == SIGKILL || sig == ctr_stop_signal(c)) {
		c->stopped = true; /* as docker: these two mean that it shall not come back */
		c->again = false;
		want(c, DESIRED_STOPPED);
	}
	if (c->state == M_PAUSED && sig == SIGKILL) {
		TRY(ctr_freeze(c, false, e));
		ctr_event(c, EV_UNPAUSE);
	}
	TRY(ctr_signal(c, sig, e));
	snprintf(num, sizeof(num), "%d", sig);
	monitor_event(c, "kill", "signal", num);
	if (sig == SIGKILL)
		cl->wait = WAIT_DOWN;
	else
		client_reply(cl, NULL);
	return 0;
}
static int set_paused(struct client *cl, bool paused, struct err *e)
{
	struct mctr *c = cl->ctr;

	TRY(need_process(c, e));
	if (c->state != M_RUNNING && c->state != M_PAUSED)
		return err_set(e, EBUSY, "container '%s' is %s", c->spec->name, mstate_name(c->state));
	if (paused && c->state == M_PAUSED)
		return err_set(e, EALREADY, "container '%s' is paused already", c->spec->name);
	if (!paused && c->state == M_RUNNING)
		return err_set(e, EALREADY, "container '%s' is not paused", c->spec->name);
	TRY(ctr_freeze(c, paused, e));
	ctr_event(c, paused ? EV_PAUSE : EV_UNPAUSE);
	client_reply(cl, NULL);
	return 0;
}
static int op_pause(struct client *cl, struct request *r, struct err *e)
{
	(void)r;
	return set_paused(cl, true, e);
}
static int op_unpause(struct client *cl, struct request *r, struct err *e)
{
	(void)r;
	return set_paused(cl, false, e);
}
static int op_wait(struct client *cl, struct request *r, struct err *e)
{
	(void)r;
	(void)e;
	cl->wait = WAIT_CODE;
	if (cl->ctr->state == M_DOWN)
		reply_code(cl);
	return 0;
}
static int op_attach(struct client *cl, struct request *r, struct err *e)
{
	AUTO(json_free) struct cJSON *o = json_object();

	TRY(attach_begin(cl, json_bool(r->json, "stdin", false), r->fds, r->nfds, e));
	r->nfds = 0;
	cl->wait = WAIT_ATTACH;
	/* Also for one that is down: its output is caught from the first byte when it is started after this message. */
	json_add_str(o, "event", "attached");
	cl->reply = json_text(o, false);
	cl->m->replies = cl->m->dirty = true;
	return 0;
}
static int op_resize(struct client *cl, struct request *r, struct err *e)
{
	struct mctr *c = cl->ctr;

	TRY(need_process(c, e));
	if (c->pty < 0)
		return err_set(e, ENOTTY, "container '%s' has no terminal", c->spec->name);
	TRY(read_size(r, c, e));
	if (tty_set_size(c->pty, c->rows, c->cols) < 0)
		return err_sys(e, "resize the terminal of '%s'", c->spec->name);
	client_reply(cl, NULL);
	return 0;
}
static int op_exec(struct client *cl, struct request *r, struct err *e)
{
	TRY(need_process(cl->ctr, e));
	if (cl->ctr->state == M_PAUSED)
		return err_set(e, EBUSY, "container '%s' is paused", cl->ctr->spec->name);
	cl->wait = WAIT_EXEC;
	return probe_exec(cl->ctr, cl, r->json, e);
}
static int op_health(struct client *cl, struct request *r, struct err *e)
{
	struct cJSON *o = json_object();
	auto_free char *log = health_json(&cl->ctr->health);

	(void)r;
	(void)e;
	json_add_str(o, "status", ctr_health_name(cl->ctr->health.status));
	json_add_int(o, "streak", cl->ctr->health.streak);
	json_add_raw(o, "log", log);
	client_reply(cl, o);
	return 0;
}
void serve_shutdown(struct monitor *m)
{
	if (m->stopping)
		return;
	m->stopping = true;
	for (struct mctr *c = m->ctrs; c; c = c->next)
		if (c->state != M_DOWN)
			stop(c, -1, ctr_stop_signal(c));
}
static bool all_down(const struct monitor *m)
{
	for (const struct mctr *c = m->ctrs; c; c = c->next)
		if (c->state != M_DOWN)
			return false;
	return true;
}
static int op_shutdown(struct client *cl, struct request *r, struct err *e)
{
	(void)r;
	(void)e;
	cl->wait = WAIT_ALL_DOWN;
	serve_shutdown(cl->m);
	if (all_down(cl->m))
		client_reply(cl, NULL);
	return 0;
}
static int op_ping(struct client *cl, struct request *r, struct err *e)
{
	struct cJSON *o = json_object();

	(void)r;
	(void)e;
	json_add_int(o, "pid", getpid());
	json_add_str(o, "version", PACKAGE_VERSION);
	client_reply(cl, o);
	return 0;
}
static const struct op {
	const char *name;
	op_fn *fn;
	bool ctr; /* needs {id} */
} ops[] = {
	{ "start", op_start, true },     { "stop", op_stop, true },     { "kill", op_kill, true },     { "restart", op_restart, true },
	{ "pause", op_pause, true },     { "unpause", op_unpause, true }, { "wait", op_wait, true },   { "attach", op_attach, true },
	{ "resize", op_resize, true },   { "exec", op_exec, true },     { "health", op_health, true }, { "shutdown", op_shutdown, false },
	{ "ping", op_ping, false },
};
static int dispatch(struct client *cl, struct request *r, struct err *e)
{
	const char *name = json_str(r->json, "op"), *id = json_str(r->json, "id");

	if (json_int(r->json, "v", 0) != CONTROL_VERSION)
		return err_set(e, EPROTO, "this project's monitor is of another version of gantry (%s)", PACKAGE_VERSION);
	for (size_t i = 0; name && i < ARRAY_LEN(ops); i++) {
		if (!streq(ops[i].name, name))
			continue;
		if (ops[i].ctr) {
			cl->ctr = monitor_ctr(cl->m, str0(id), e);
			if (!cl->ctr)
				return -e->code;
		}
		return ops[i].fn(cl, r, e);
	}
	return err_set(e, ENOSYS, "this project's monitor (gantry %s) does not know '%s'", PACKAGE_VERSION, str0(name));
}

/* ---- those who wait ---- */
static void started(struct client *cl)
{
	struct mctr *c = cl->ctr;

	if (c->state == M_RUNNING && c->hook) {
		return; /* after its post_start hooks */
	} else if (c->state == M_RUNNING && c->hook_failed.code) {
		client_fail(cl, &c->hook_failed);
	} else if (c->state == M_RUNNING) {
		reply_running(cl);
	} else if (c->state == M_DOWN && c->failed.code) {
		client_fail(cl, &c->failed);
	} else if (c->state == M_DOWN) {
		AUTO_ERR(e);

		(void)err_set(&e, ECANCELED, "container '%s' was stopped while it was starting", c->spec->name);
		client_fail(cl, &e);
	}
}
void serve_ctr(struct mctr *c)
{
	bool down = c->state == M_DOWN, none_left = down && all_down(c->m);

	for (struct client *cl = c->m->clients; cl; cl = cl->next) {
		if (cl->wait == WAIT_ALL_DOWN && none_left)
			client_reply(cl, NULL);
		if (cl->ctr != c)
			continue;
		if (cl->wait == WAIT_RUNNING)
			started(cl);
		else if (cl->wait == WAIT_DOWN && (down || c->state == M_BACKOFF))
			reply_code(cl);
		else if (cl->wait == WAIT_CODE && down)
			reply_code(cl);
		else if (cl->wait == WAIT_ATTACH)
			attach_state(cl);
	}
}
bool serve_interested(const struct mctr *c)
{
	for (const struct client *cl = c->m->clients; cl; cl = cl->next)
		if (cl->ctr == c)
			return true;
	return false;
}

/* ---- connections ---- */
static void client_gone(struct client *cl)
{
	watch_done(&cl->watch);
	attach_end(cl);
	probe_client_gone(cl->m, cl);
	cl->ctr = NULL;
	cl->wait = WAIT_NONE;
	cl->gone = true;
	cl->m->replies = cl->m->dirty = true;
}
void serve_flush(struct monitor *m)
{
	for (struct client **p = &m->clients; *p;) {
		struct client *cl = *p;

		if (cl->reply && !cl->gone && send(cl->sock, cl->reply, strlen(cl->reply), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			client_gone(cl);
		free(TAKE(cl->reply));
		if (cl->wait == WAIT_NONE)
			cl->ctr = NULL;
		if (!cl->gone) {
			p = &cl->next;
			continue;
		}
		*p = cl->next;
		close(cl->sock);
		free(cl);
	}
}
static int client_readable(struct watch *w, uint32_t events)
{
	struct client *cl = CONTAINER_OF(w, struct client, watch);
	struct request r = { .nfds = FD_PASS_MAX };
	auto_free char *buf = NULL;
	AUTO_ERR(e);
	ssize_t n;

	(void)events;
	buf = xmalloc(CONTROL_MAX);
	n = fd_recv(cl->sock, buf, CONTROL_MAX, r.fds, &r.nfds, &e);
	if (n == -EAGAIN)
		return 0;
	if (n <= 0) {
		client_gone(cl);
		return 0;
	}
	if (cl->wait != WAIT_NONE || cl->reply)
		(void)err_set(&e, EBUSY, "a request of this connection is under way");
	else if (json_parse(buf, (size_t)n, "request", &r.json, &e) >= 0)
		(void)dispatch(cl, &r, &e);
	if (e.code)
		client_fail(cl, &e);
	json_free(r.json);
	for (size_t i = 0; i < r.nfds; i++)
		close(r.fds[i]);
	return 0;
}
static int on_connect(struct watch *w, uint32_t events)
{
	struct monitor *m = CONTAINER_OF(w, struct monitor, listen);
	int sock = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *cl;
	AUTO_ERR(e);
	size_t n = 0;

	(void)events;
	if (sock < 0)
		return 0;
	m->expecting = false;
	for (cl = m->clients; cl; cl = cl->next)
		n++;
	cl = xcalloc(1, sizeof(*cl));
	cl->m = m;
	cl->sock = sock;
	cl->in_fd = cl->to_fd = cl->out[0].fd = cl->out[1].fd = -1;
	if (n >= CLIENTS_MAX || watch_fd(m->loop, &cl->watch, sock, EPOLLIN, client_readable, &e) < 0) {
		close(sock);
		free(cl);
		return 0;
	}
	cl->next = m->clients;
	m->clients = cl;
	return 0;
}
static char *sock_path(const struct monitor *m)
{
	return dirs_run(&m->dirs, "p/%s/ctl.sock", m->project);
}
int serve_listen(struct monitor *m, struct err *e)
{
	auto_free char *path = sock_path(m);

	m->listen_fd = fd_listen(path, e);
	return m->listen_fd < 0 ? m->listen_fd : 0;
}
int serve_open(struct monitor *m, struct err *e)
{
	return watch_fd(m->loop, &m->listen, m->listen_fd, EPOLLIN, on_connect, e);
}
void serve_close(struct monitor *m)
{
	auto_free char *path = sock_path(m);

	if (m->listen_fd < 0)
		return;
	(void)unlink(path);
	close(TAKE_FD(m->listen_fd));
}
