/* SPDX-License-Identifier: MIT
 *
 * engine/monitor/probe.c - commands inside a container on the monitor's account: health checks, hooks, exec -d
 *
 * Each runs under a helper H, forked from the monitor, so that nothing of it blocks the loop: H enters the container (container_exec), reads the
 * output, kills at the timeout, and answers in one message. When the monitor drops the socket (stop, pause, its own death),
 * H kills the command with its descendants.
 *
 *   monitor ── socket pair ── H ── container_exec ──► command
 *                                └─ pipe ◄────────── its output, first HEALTH_OUTPUT bytes kept, the rest read and dropped
 */
#include "engine/monitor/client.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "base/strv.h"
#include "base/time.h"
#include "engine/container/exec.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum answer_kind { ANSWER_ENDED, ANSWER_TIMEOUT, ANSWER_STARTED, ANSWER_ERROR };
struct answer {
	uint32_t kind;
	int32_t code;
	uint32_t len;                /* of text */
	char text[HEALTH_OUTPUT];    /* output, or an encoded error */
};
struct probe {
	struct mctr *c;
	struct client *client;       /* exec -d; NULL: a health check */
	struct probe *next;          /* exec -d: list of the monitor's */
	int sock;
	struct watch watch;
	int64_t start_ns;
};

/* ---- H ---- */
struct h {
	const struct mctr *c;
	int sock;
	struct exec_started p;
	struct answer a;
};
static _Noreturn void h_answer(struct h *h, enum answer_kind kind, int code)
{
	h->a.kind = kind;
	h->a.code = code;
	(void)!send(h->sock, &h->a, offsetof(struct answer, text) + h->a.len, MSG_NOSIGNAL);
	_exit(0);
}
static _Noreturn void h_error(struct h *h, const struct err *e)
{
	size_t n;
	auto_free char *text = err_encode(e, &n);

	h->a.len = (uint32_t)MIN(n, sizeof(h->a.text));
	memcpy(h->a.text, text, h->a.len);
	h_answer(h, ANSWER_ERROR, e->exit ? e->exit : 126);
}
/* Deepest first would let a parent make new ones: stop each on the way down, kill on the way up. */
static void kill_tree(pid_t pid, int depth)
{
	char path[64], text[4096];
	ssize_t n = 0;
	int fd;

	(void)kill(pid, SIGSTOP);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	text[MAX(n, 0)] = '\0';
	for (char *p = text, *end; depth < 32; p = end) {
		long child = strtol(p, &end, 10);

		if (end == p)
			break;
		kill_tree((pid_t)child, depth + 1);
	}
	(void)kill(pid, SIGKILL);
}
static void keep_output(struct h *h, int fd)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		size_t room = sizeof(h->a.text) - h->a.len, take = MIN(room, (size_t)n);

		memcpy(h->a.text + h->a.len, buf, take);
		h->a.len += (uint32_t)take;
		if (n < (ssize_t)sizeof(buf))
			break;
	}
}
/* TIMEOUT_NS < 0: none. *RET_CODE when it ENDED. */
static enum answer_kind h_watch(struct h *h, int out, int64_t timeout_ns, int *ret_code)
{
	int64_t deadline = timeout_ns < 0 ? INT64_MAX : time_mono_ns() + timeout_ns;
	AUTO_ERR(e);
	int status;

	for (;;) {
		struct pollfd p[3] = { { h->p.pidfd, POLLIN, 0 }, { h->sock, POLLIN, 0 }, { out, POLLIN, 0 } };
		int64_t left = deadline - time_mono_ns();
		int n = poll(p, 3, left <= 0 ? 0 : (int)MIN(left / 1000000 + 1, INT32_MAX));

		if (p[2].revents & POLLIN)
			keep_output(h, out);
		else if (p[2].revents)
			out = -1; /* all its ends are closed */
		if (p[0].revents) {
			if (out >= 0)
				keep_output(h, out);
			*ret_code = proc_wait(h->p.pid, &status, &e) < 0 ? 126 : status;
			return ANSWER_ENDED;
		}
		if (p[1].revents || (n == 0 && time_mono_ns() >= deadline)) {
			kill_tree(h->p.pid, 0);
			(void)waitpid(h->p.pid, &status, 0);
			if (p[1].revents)
				_exit(0); /* nobody wants to know any more */
			*ret_code = HEALTH_TIMEOUT_CODE;
			return ANSWER_TIMEOUT;
		}
	}
}
/* Runs one command to its end. */
static enum answer_kind h_run(struct h *h, struct exec_opts *o, int64_t timeout_ns, int *ret_code)
{
	const struct mctr *c = h->c;
	enum answer_kind kind;
	AUTO_ERR(e);
	int out[2];

	h->a.len = 0;
	if (fd_pipe(out, &e) < 0)
		h_error(h, &e);
	o->stdin_fd = -1;
	o->stdout_fd = o->stderr_fd = out[1];
	if (container_exec(&c->m->dirs, c->spec, &c->pid, o, &h->p, &e) < 0)
		h_error(h, &e);
	close(out[1]);
	(void)fd_nonblock(out[0], true, &e);
	kind = h_watch(h, out[0], timeout_ns, ret_code);
	close(out[0]);
	close(h->p.pidfd);
	return kind;
}
static _Noreturn void h_health(struct mctr *c, int sock)
{
	struct h h = { .c = c, .sock = sock };
	AUTO_STRV(argv);
	enum answer_kind kind;
	int code;

	prctl(PR_SET_NAME, "gantry-health");
	health_argv(&c->spec->health, &argv);
	kind = h_run(&h, &(struct exec_opts){ .argv = &argv }, health_timeout(&c->spec->health), &code);
	h_answer(&h, kind, code);
}
/* Hooks run one after the other; the first that fails ends it. */
static _Noreturn void h_hooks(struct mctr *c, const char *which, int sock)
{
	struct h h = { .c = c, .sock = sock };
	AUTO(json_free) struct cJSON *all = NULL;
	AUTO_ERR(e);
	int n = 0;

	prctl(PR_SET_NAME, "gantry-hook");
	if (json_parse(c->spec->hooks, strlen(c->spec->hooks), "hooks", &all, &e) < 0)
		h_error(&h, &e);
	for (struct cJSON *k = json_first(json_get(all, which)); k; k = json_next(k)) {
		AUTO_STRV(argv);
		AUTO_STRV(env);
		struct exec_opts o = { .argv = &argv, .env = &env, .user = json_str(k, "user"), .cwd = json_str(k, "working_dir"),
				       .privileged = json_bool(k, "privileged", false) };
		int code;

		n++;
		json_strv(k, "command", &argv);
		json_strv(k, "environment", &env);
		(void)h_run(&h, &o, -1, &code);
		if (code == 0)
			continue;
		(void)err_set(&e, ECANCELED, "%s hook %d ended with status %d%s%.*s", which, n, code, h.a.len ? ": " : "", (int)MIN(h.a.len, 1024U), h.a.text);
		h_error(&h, &e);
	}
	h_answer(&h, ANSWER_ENDED, 0);
}
/* A terminal nobody looks at: its output is read and dropped as long as the command lives. */
static _Noreturn void h_terminal(struct h *h)
{
	char buf[4096];

	(void)send(h->sock, &h->a, offsetof(struct answer, text), MSG_NOSIGNAL);
	close(h->sock);
	while (read(h->p.pty_master, buf, sizeof(buf)) > 0)
		;
	_exit(0);
}
static _Noreturn void h_exec(struct mctr *c, const struct cJSON *req, int sock)
{
	struct h h = { .c = c, .sock = sock };
	AUTO_STRV(argv);
	AUTO_STRV(env);
	struct exec_opts o = { .argv = &argv, .env = &env, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1,
		.user = json_str(req, "user"), .cwd = json_str(req, "cwd"), .privileged = json_bool(req, "privileged", false),
		.tty = json_bool(req, "tty", false), .rows = 24, .cols = 80 };
	AUTO_ERR(e);

	prctl(PR_SET_NAME, "gantry-exec");
	json_strv(req, "argv", &argv);
	json_strv(req, "env", &env);
	if (container_exec(&c->m->dirs, c->spec, &c->pid, &o, &h.p, &e) < 0)
		h_error(&h, &e);
	h.a.kind = ANSWER_STARTED;
	h.a.code = h.p.pid;
	if (h.p.pty_master >= 0)
		h_terminal(&h);
	h_answer(&h, ANSWER_STARTED, h.p.pid); /* it is an orphan then: the monitor reaps it */
}

/* ---- in the monitor ---- */
static void probe_free(struct probe *p)
{
	watch_done(&p->watch);
	close(p->sock);
	free(p);
}
static void health_result(struct mctr *c, const struct probe *p, const struct answer *a)
{
	struct health_result r = { .start_ns = p->start_ns, .end_ns = time_now_ns(), .code = a->code };
	int what;

	if (a->kind == ANSWER_TIMEOUT) {
		auto_free char *t = num_duration_text(health_timeout(&c->spec->health));

		r.output = xasprintf("the check took longer than %s%s%.*s", t, a->len ? "; it printed: " : "", (int)a->len, a->text);
	} else if (a->kind == ANSWER_ERROR) {
		AUTO_ERR(e);

		(void)err_decode(&e, a->text, a->len);
		r.output = xstrdup(err_text(&e));
	} else {
		r.output = str_utf8_valid(a->text, a->len) ? xstrndup(a->text, a->len) : str_visible(a->text, a->len);
	}
	what = health_take(&c->health, &c->spec->health, c->started_ns, &r);
	if (what) {
		c->dirty_health = true;
		monitor_dirty(c);
	}
	if (what == HEALTH_STATUS) {
		auto_free char *action = xasprintf("health_status: %s", ctr_health_name(c->health.status));

		monitor_event(c, action, NULL, NULL);
	}
	probe_schedule(c);
}
static int health_readable(struct watch *w, uint32_t events)
{
	struct probe *p = CONTAINER_OF(w, struct probe, watch);
	struct mctr *c = p->c;
	struct answer a = { .kind = ANSWER_ENDED };
	ssize_t n = recv(p->sock, &a, sizeof(a), MSG_DONTWAIT);

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < (ssize_t)offsetof(struct answer, text) || a.len > sizeof(a.text)) { /* H was killed */
		a.kind = ANSWER_ENDED;
		a.code = 137;
		a.len = 0;
	}
	c->probe = NULL;
	watch_done(&p->watch);
	health_result(c, p, &a);
	probe_free(p);
	return 0;
}
/* In H runs exec -d of EXEC_REQ, the HOOKS of a name, or (both NULL) the health check. */
static struct probe *begin(struct mctr *c, const struct cJSON *exec_req, const char *hooks, watch_fn *fn, struct err *e)
{
	struct probe *p;
	pid_t pid;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		err_sys(e, "make a socket pair");
		return NULL;
	}
	pid = monitor_fork(c->m, &pair[1], 1, e);
	if (pid == 0) {
		if (exec_req)
			h_exec(c, exec_req, pair[1]);
		if (hooks)
			h_hooks(c, hooks, pair[1]);
		h_health(c, pair[1]);
	}
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return NULL;
	}
	p = xcalloc(1, sizeof(*p));
	p->c = c;
	p->sock = pair[0];
	p->start_ns = time_now_ns();
	if (watch_fd(c->m->loop, &p->watch, p->sock, EPOLLIN, fn, e) < 0) {
		probe_free(p);
		return NULL;
	}
	return p;
}
static int on_health_timer(struct watch *w, uint32_t events)
{
	struct mctr *c = CONTAINER_OF(w, struct mctr, health_timer);
	AUTO_ERR(e);

	(void)events;
	if (c->state != M_RUNNING || c->probe)
		return 0;
	c->probe = begin(c, NULL, NULL, health_readable, &e);
	if (!c->probe) {
		monitor_report(c->m, "health check", &e);
		probe_schedule(c);
	}
	return 0;
}
void probe_schedule(struct mctr *c)
{
	AUTO_ERR(e);

	if (!health_wanted(&c->spec->health) || c->state == M_STOPPING || c->state == M_ENDING || c->m->stopping)
		return;
	if (!watch_active(&c->health_timer) && watch_timer(c->m->loop, &c->health_timer, on_health_timer, &e) < 0) {
		monitor_report(c->m, "health check", &e);
		return;
	}
	watch_arm(&c->health_timer, health_pause(&c->health, &c->spec->health, time_now_ns() - c->started_ns));
}
void probe_cancel(struct mctr *c)
{
	if (watch_active(&c->health_timer))
		watch_arm(&c->health_timer, INT64_MAX);
	if (c->probe)
		probe_free(TAKE(c->probe)); /* H sees the socket close and kills the command */
}

/* ---- hooks ---- */
static int hook_readable(struct watch *w, uint32_t events)
{
	struct probe *p = CONTAINER_OF(w, struct probe, watch);
	struct mctr *c = p->c;
	struct answer a = { .kind = ANSWER_ERROR };
	ssize_t n = recv(p->sock, &a, sizeof(a), MSG_DONTWAIT);

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return 0;
	err_clear(&c->hook_failed);
	if (n < (ssize_t)offsetof(struct answer, text) || a.len > sizeof(a.text))
		(void)err_set(&c->hook_failed, ECHILD, "the process that ran a hook was killed");
	else if (a.kind == ANSWER_ERROR)
		(void)err_decode(&c->hook_failed, a.text, a.len);
	if (c->hook_failed.code)
		(void)err_wrap(&c->hook_failed, "container '%s'", c->spec->name);
	probe_free(TAKE(c->hook));
	ctr_event(c, EV_HOOK);
	return 0;
}
bool probe_hooks(struct mctr *c, const char *which)
{
	AUTO(json_free) struct cJSON *all = NULL;
	AUTO_ERR(e);

	err_clear(&c->hook_failed);
	if (!c->spec->hooks || json_parse(c->spec->hooks, strlen(c->spec->hooks), "hooks", &all, &e) < 0 || json_count(json_get(all, which)) == 0)
		return false;
	c->hook = begin(c, NULL, which, hook_readable, &e);
	if (!c->hook)
		monitor_report(c->m, which, &e);
	return c->hook != NULL;
}
void probe_hooks_cancel(struct mctr *c)
{
	if (c->hook)
		probe_free(TAKE(c->hook));
}

/* ---- exec -d ---- */
static int exec_readable(struct watch *w, uint32_t events)
{
	struct probe *p = CONTAINER_OF(w, struct probe, watch);
	struct monitor *m = p->c->m;
	struct answer a = { .kind = ANSWER_ERROR };
	ssize_t n = recv(p->sock, &a, sizeof(a), MSG_DONTWAIT);
	AUTO_ERR(e);

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return 0;
	for (struct probe **q = &m->execs; *q; q = &(*q)->next)
		if (*q == p) {
			*q = p->next;
			break;
		}
	if (p->client && n >= (ssize_t)offsetof(struct answer, text) && a.kind == ANSWER_STARTED) {
		struct cJSON *o = json_object();

		json_add_int(o, "pid", a.code);
		client_reply(p->client, o);
	} else if (p->client) {
		if (n < (ssize_t)offsetof(struct answer, text) || a.len > sizeof(a.text) || err_decode(&e, a.text, a.len) >= 0)
			(void)err_set(&e, ECHILD, "the process that was starting the command ended in the middle");
		client_fail(p->client, &e);
	}
	probe_free(p);
	return 0;
}
int probe_exec(struct mctr *c, struct client *cl, const struct cJSON *req, struct err *e)
{
	struct probe *p;

	if (json_count(json_get(req, "argv")) == 0)
		return err_set(e, EINVAL, "exec needs a command");
	p = begin(c, req, NULL, exec_readable, e);
	if (!p)
		return -e->code;
	p->client = cl;
	p->next = c->m->execs;
	c->m->execs = p;
	return 0;
}
void probe_client_gone(struct monitor *m, const struct client *cl)
{
	for (struct probe *p = m->execs; p; p = p->next)
		if (p->client == cl)
			p->client = NULL;
}
