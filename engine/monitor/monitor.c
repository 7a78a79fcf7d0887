/* SPDX-License-Identifier: MIT
 *
 * engine/monitor/monitor.c - the loop: containers in memory, children, idle. Each turn ends with: rows, launches, answers.
 */
#include "engine/monitor/monitor.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/container/container.h"
#include "net/dns.h"
#include "net/guard.h"
#include "state/db.h"
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const int64_t idle_after = 500000000;

/* ---- small services for the other files ---- */
void monitor_report(struct monitor *m, const char *what, const struct err *e)
{
	char now[TIME_TEXT];

	(void)m;
	fprintf(stderr, "%s %s: %s\n", time_rfc3339(time_now_ns(), now), what, err_text(e));
}
struct db *monitor_db(struct monitor *m, struct err *e)
{
	if (!m->db && db_open(&m->dirs, DB_RESERVE, &m->db, e) < 0)
		return NULL;
	watch_arm(&m->idle, idle_after);
	return m->db;
}
static struct db *db_for_names(void *arg)
{
	AUTO_ERR(e);
	struct db *db = monitor_db(arg, &e);

	if (!db)
		monitor_report(arg, "database", &e);
	return db;
}
int monitor_dns(struct monitor *m, struct err *e)
{
	return m->dns ? 0 : dns_host_new(m->loop, &m->dirs, m->project, db_for_names, m, &m->dns, e);
}
int monitor_guard(struct monitor *m, struct err *e)
{
	return m->guard ? 0 : net_guard_new(m->loop, &m->dirs, db_for_names, m, &m->guard, e);
}
char *monitor_buf(struct monitor *m)
{
	if (!m->buf) {
		m->buf = xmalloc(MONITOR_BUF);
		watch_arm(&m->idle, idle_after);
	}
	return m->buf;
}
/* Programs and libraries go back to the page cache, where they came from: SQLite's text alone is a megabyte that nobody needs while nothing
 * happens. Only file mappings that cannot be written and hold no page of our own (relocated tables do). */
static __attribute__((hot, noinline)) void drop_text(void)
{
	auto_free char *text = NULL;
	unsigned long from = 0, to = 0, anonymous;
	struct {
		unsigned long from, to;
	} found[64];
	size_t n = 0;
	char mode[5] = "";
	AUTO_ERR(e);

	if (file_read("/proc/self/smaps", 4 << 20, &text, NULL, &e) < 0)
		return;
	for (char *line = text, *next; line && *line; line = next) {
		unsigned long a, b;
		char m[5], path[2] = "";

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %1s", &a, &b, m, path) >= 3) {
			from = a;
			to = *path == '/' ? b : a; /* [heap], [vdso] and nameless ones: nothing */
			memcpy(mode, m, sizeof(mode));
		} else if (sscanf(line, "Anonymous: %lu", &anonymous) == 1 && anonymous == 0 && mode[1] == '-' && to > from && n < ARRAY_LEN(found)) {
			found[n].from = from;
			found[n++].to = to;
		}
	}
	for (size_t i = 0; i < n; i++) /* nothing else here, or its page is back at once, with fifteen neighbours */
		(void)madvise((void *)found[i].from, found[i].to - found[i].from, MADV_DONTNEED);
}
int monitor_idle(struct watch *w, uint32_t events)
{
	struct monitor *m = CONTAINER_OF(w, struct monitor, idle);

	(void)events;
	m->expecting = false;
	db_close(m->db);
	m->db = NULL;
	free(TAKE(m->buf));
	malloc_trim(0);
	m->idling = true;
	return 0;
}
struct sandbox *monitor_sandbox(struct monitor *m, const char *id)
{
	struct sandbox *s;

	for (s = m->sandboxes; s; s = s->next)
		if (streq(s->id, id))
			return s;
	s = xcalloc(1, sizeof(*s));
	s->id = xstrdup(id);
	s->fds = (struct net_sandbox_fds){ .netns = -1, .dns_udp = -1, .dns_tcp = -1 };
	s->next = m->sandboxes;
	m->sandboxes = s;
	return s;
}

/* ---- children ---- */
void monitor_watch_child(struct monitor *m, struct child *c, pid_t pid, void (*ended)(struct child *, int))
{
	*c = (struct child){ .next = m->children, .pid = pid, .ended = ended };
	m->children = c;
}
static void close_all_but(const int *keep, size_t n)
{
	int from = 3;

	for (;;) {
		int next = -1; /* the lowest kept one from FROM on */

		for (size_t i = 0; i < n; i++)
			if (keep[i] >= from && (next < 0 || keep[i] < next))
				next = keep[i];
		if (next != from && syscall(SYS_close_range, from, next < 0 ? ~0U : (unsigned)next - 1, 0) < 0)
			for (int fd = from; fd < (next < 0 ? 4096 : next); fd++) /* before Linux 5.9 */
				close(fd);
		if (next < 0)
			return;
		from = next + 1;
	}
}
pid_t monitor_fork(struct monitor *m, const int *keep, size_t n, struct err *e)
{
	sigset_t none;
	pid_t pid;

	BUG_ON(m->db && db_in_transaction(m->db));
	fflush(stderr);
	pid = fork();
	if (pid < 0)
		return err_sys(e, "make a process");
	if (pid > 0)
		return pid;
	for (int s = 1; s < 32; s++)
		if (s != SIGKILL && s != SIGSTOP)
			signal(s, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	close_all_but(keep, n);
	return 0;
}
static void reaped(struct monitor *m, pid_t pid, int status)
{
	for (struct child **p = &m->children; *p; p = &(*p)->next)
		if ((*p)->pid == pid) {
			struct child *c = *p;

			*p = c->next;
			c->pid = 0;
			c->ended(c, status);
			return;
		}
	/* K's and keepers tell by their sockets. A container's first process falls to us when its keeper is killed. */
	for (struct mctr *c = m->ctrs; c; c = c->next)
		if (c->pid.pid == pid) {
			keeper_reaped(c, status);
			return;
		}
}
int monitor_signal(struct watch *w, uint32_t events)
{
	struct monitor *m = CONTAINER_OF(w, struct monitor, signals);
	struct signalfd_siginfo si;
	int status;
	pid_t pid;

	(void)events;
	while (read(w->fd, &si, sizeof(si)) == sizeof(si))
		if (si.ssi_signo == SIGTERM)
			serve_shutdown(m);
		else if (si.ssi_signo == SIGIO)
			(void)home_keep(m);
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		reaped(m, pid, status);
	return 0;
}

/* ---- containers in memory ---- */
static int on_ctr_timer(struct watch *w, uint32_t events)
{
	(void)events;
	ctr_event(CONTAINER_OF(w, struct mctr, timer), EV_TIMER);
	return 0;
}
struct mctr *monitor_ctr_make(struct monitor *m, const struct ctr_row *row, struct err *e)
{
	struct mctr *c;
	struct ctr_spec *spec;

	if (!streq0(row->project, m->project)) {
		err_set(e, EINVAL, "container '%s' is not of project '%s'", row->name, m->project);
		return NULL;
	}
	if (container_load_spec(&m->dirs, row->id, &spec, e) < 0)
		return NULL;
	c = xcalloc(1, sizeof(*c));
	c->m = m;
	c->spec = spec;
	memcpy(c->id, row->id, ID_BUF);
	c->sandbox_id = xstrdup0(row->sandbox);
	if (c->sandbox_id)
		c->sandbox = monitor_sandbox(m, c->sandbox_id);
	c->pidfd = c->keep_sock = c->stdin_fd = c->pty = c->reaped = -1;
	for (int i = 0; i < LOG_STREAMS; i++)
		c->out[i] = (struct stream){ .src = -1, .hold_r = -1, .hold_w = -1 };
	c->desired = row->desired;
	c->started_ns = row->started_ns;
	c->finished_ns = row->finished_ns;
	c->exit_code = row->exit_code;
	c->exit_known = row->exit_known;
	c->restarts.count = c->restarts.attempts = row->restart_count; /* the user's start begins at 0 */
	c->grace_ns = -1;
	if (watch_timer(m->loop, &c->timer, on_ctr_timer, e) < 0) {
		ctr_spec_free(spec);
		free(c->sandbox_id);
		free(c);
		return NULL;
	}
	c->next = m->ctrs;
	m->ctrs = c;
	return c;
}
struct mctr *monitor_ctr(struct monitor *m, const char *id, struct err *e)
{
	AUTO_DONE(ctr_row_done) struct ctr_row row = { 0 };
	struct db *db;
	int r;

	for (struct mctr *c = m->ctrs; c; c = c->next)
		if (streq(c->id, id))
			return c;
	db = monitor_db(m, e);
	if (!db)
		return NULL;
	r = ctr_get(db, id, &row, e);
	if (r == 1)
		err_set(e, ENOENT, "there is no container '%.12s'", id);
	return r == 0 ? monitor_ctr_make(m, &row, e) : NULL;
}
static void ctr_free(struct mctr *c)
{
	auto_free char *dir = dirs_run(&c->m->dirs, "c/%s", c->id);
	AUTO_ERR(e);

	watch_done(&c->timer);
	watch_done(&c->health_timer);
	logio_stop(c);
	keeper_bye(c);
	if (c->pidfd >= 0)
		close(c->pidfd);
	if (!c->dirty && file_remove_tree_path(dir, &e) < 0) /* the row has what `exit` said */
		monitor_report(c->m, "run folder", &e);
	health_done(&c->health);
	err_clear(&c->failed);
	err_clear(&c->hook_failed);
	ctr_spec_free(c->spec);
	free(c->sandbox_id);
	free(c);
}
/* Those that are down, written and of no interest to any client. */
static void forget(struct monitor *m)
{
	for (struct mctr **p = &m->ctrs; *p;) {
		struct mctr *c = *p;

		if (c->state == M_DOWN && !c->dirty && !c->adopting && !c->probe && !serve_interested(c)) {
			*p = c->next;
			ctr_free(c);
		} else {
			p = &c->next;
		}
	}
}

static bool anything_left(const struct monitor *m)
{
	if (m->clients || m->children || m->expecting)
		return true;
	for (const struct mctr *c = m->ctrs; c; c = c->next)
		if (c->state != M_DOWN || c->dirty)
			return true;
	return false;
}
static void turn_end(struct monitor *m)
{
	for (int again = 0; m->dirty && again < 4; again++) { /* a launch that fails at once changes rows */
		m->dirty = false;
		rows_flush(m);
		launch_all(m);
	}
	if (m->replies) {
		m->replies = false;
		serve_flush(m);
	}
	forget(m);
}

__attribute__((hot)) int monitor_run(struct monitor *m, struct err *e)
{
	for (;;) {
		turn_end(m);
		if (!anything_left(m))
			return 0;
		if (m->idling) {
			m->idling = false;
			drop_text(); /* last of all: what runs after it is mapped again */
		}
		if (loop_once(m->loop, -1) < 0)
			return err_set(e, EIO, "the event loop ended");
	}
}
