/* SPDX-License-Identifier: MIT
 *
 * engine/monitor/monitor.c - lock, adopt what runs, loop
 *
 *   gantry-monitor PROJECT [--lock FD] [--ready FD]      environment: GANTRY_ROOT, GANTRY_RUN
 *
 * --lock: the project's lock, taken by the keeper that starts us. --ready: 'R' is written when ctl.sock is there, else an encoded error; the
 * descriptor closed without a word: another monitor was faster. Each turn of the loop ends with: rows, launches, answers.
 */
#include "engine/monitor/monitor.h"
#include "base/alloc.h"
#include "base/fail.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "base/time.h"
#include "base/path.h"
#include "engine/container/cgroup_of.h"
#include "engine/container/container.h"
#include "engine/kernel/ns.h"
#include "engine/kernel/selfexe.h"
#include "engine/monitor/control.h"
#include "net/dns.h"
#include "net/guard.h"
#include "state/db.h"
#include "state/event_store.h"
#include "state/lock.h"
#include "state/project_store.h"
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const int64_t idle_after = 500000000;
enum { REPORT_MAX = 256 << 10 };

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
static int on_idle(struct watch *w, uint32_t events)
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
static int on_signal(struct watch *w, uint32_t events)
{
	struct monitor *m = CONTAINER_OF(w, struct monitor, signals);
	struct signalfd_siginfo si;
	int status;
	pid_t pid;

	(void)events;
	while (read(w->fd, &si, sizeof(si)) == sizeof(si))
		if (si.ssi_signo == SIGTERM)
			serve_shutdown(m);
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

/* ---- begin ---- */
static void reset_limits(void)
{
	struct rlimit r;

	/* The caller's shell is no measure for us or, by inheritance, for anybody. */
	setrlimit(RLIMIT_FSIZE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY });
	setrlimit(RLIMIT_CPU, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY });
	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}
static void open_report(const struct monitor *m)
{
	auto_free char *path = dirs_run(&m->dirs, "p/%s/monitor.log", m->project);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fd;
	struct stat st;

	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > REPORT_MAX)
		(void)!ftruncate(fd, 0);
	dup2(null, 0);
	dup2(null, 1);
	dup2(fd >= 0 ? fd : null, 2);
	if (fd > 2)
		close(fd);
	if (null > 2)
		close(null);
}
static void close_report(const struct monitor *m)
{
	auto_free char *path = dirs_run(&m->dirs, "p/%s/monitor.log", m->project);
	struct stat st;

	if (fstat(2, &st) == 0 && st.st_size == 0)
		(void)unlink(path);
}
/* ---- our own cgroup ---- */
static void write_tasks(const struct cgroup_join *j, bool joined_unified)
{
	for (size_t i = 0; i < j->ntasks; i++)
		(void)!write(j->tasks[i], "0", 1);
	if (!joined_unified && j->unified_procs >= 0)
		(void)!write(j->unified_procs, "0", 1);
}
/* Monitor and keepers leave the cgroup of whoever started them: the end of a login session, a cron job or a oneshot unit must not take the
 * containers' keepers along. It is beside the project's containers. Nobody's child, too:
 * the first process ends at once, so that whoever started us has nothing to wait for. Where cgroups cannot be made we stay where we are. */
static void go_apart(const struct monitor *m)
{
	struct cgroup_join j = CGROUP_JOIN_NONE;
	struct cgroup_limits none = CGROUP_LIMITS_NONE;
	auto_free char *path = monitor_cgroup(&m->dirs, m->project);
	AUTO_ERR(e);
	bool joined = false;
	pid_t pid;

	if (cgroup_open(path, &j, &e) < 0) { /* keepers of a killed monitor may be in it */
		err_clear(&e);
		if (cgroup_make(path, &none, NULL, &j, &e) < 0)
			log_debug("own cgroup: %s", err_text(&e));
	}
	pid = ns_clone(0, j.unified, NULL, &joined);
	if (pid < 0 && j.unified >= 0)
		pid = ns_clone(0, -1, NULL, &joined);
	if (pid != 0)
		_exit(pid < 0);
	write_tasks(&j, joined);
	cgroup_join_close(&j);
	setsid();
	prctl(PR_SET_NAME, "gantry-monitor");
}
/* The last container's end leaves nothing, not even the common parent of cgroups; other projects may have some there. */
static void leave_cgroup(const struct monitor *m)
{
	struct cgroup_join j = CGROUP_JOIN_NONE;
	auto_free char *own = monitor_cgroup(&m->dirs, m->project);
	auto_free char *parent = path_parent(own);
	AUTO_ERR(e);

	if (cgroup_open("", &j, &e) >= 0)
		write_tasks(&j, false);
	cgroup_join_close(&j);
	cgroup_prune(own);
	cgroup_prune(parent);
}
struct monitor_args {
	const char *project;
	int lock, ready;
};
static int parse_args(int argc, char **argv, struct monitor_args *a, struct err *e)
{
	*a = (struct monitor_args){ .project = argc > 1 ? argv[1] : "", .lock = -1, .ready = -1 };
	for (int i = 2; i < argc; i += 2) {
		int64_t fd;

		if (i + 1 >= argc || num_int(argv[i + 1], 3, INT32_MAX, &fd, e) < 0)
			return err_set(e, EINVAL, "option '%s' needs a descriptor", argv[i]);
		if (streq(argv[i], "--lock"))
			a->lock = (int)fd;
		else if (streq(argv[i], "--ready"))
			a->ready = (int)fd;
		else
			return err_set(e, EINVAL, "unknown option '%s'", argv[i]);
	}
	if (!name_is_project(a->project))
		return err_set(e, EINVAL, "usage: gantry-monitor PROJECT (started by gantry)");
	return 0;
}
/* 1: somebody else is the monitor. */
static int take_lock(struct monitor *m, int inherited, struct err *e)
{
	auto_free char *path = dirs_run(&m->dirs, "p/%s/lock", m->project);
	struct stat a, b;

	if (inherited >= 0 && fstat(inherited, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino) {
		m->lock = inherited;
		return fd_cloexec(inherited, true);
	}
	return lock_monitor(&m->dirs, m->project, &m->lock, e);
}
static void tell_pid(const struct monitor *m)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (ftruncate(m->lock, 0) < 0 || pwrite(m->lock, text, (size_t)n, 0) < 0)
		log_debug("the lock file: %m");
}
static int begin(struct monitor *m, const struct monitor_args *a, struct err *e)
{
	static const int sigs[] = { SIGCHLD, SIGTERM, 0 };
	int r;

	r = take_lock(m, a->lock, e);
	if (r != 0)
		return r;
	tell_pid(m);
	open_report(m);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (const int *s = (const int[]){ SIGPIPE, SIGINT, SIGHUP, SIGQUIT, 0 }; *s; s++)
		signal(*s, SIG_IGN);
	m->loop = loop_new(e);
	if (!m->loop)
		return -e->code;
	TRY(watch_signals(m->loop, &m->signals, sigs, on_signal, e));
	TRY(watch_timer(m->loop, &m->idle, on_idle, e));
	TRY(watch_timer(m->loop, &m->retry, rows_retry, e));
	TRY(fd_pipe(m->scratch, e));
	TRY(serve_listen(m, e));
	FP("monitor.adopt", e);
	TRY(adopt_all(m, e));
	return serve_open(m, e);
}
static void tell_ready(int fd, int r, const struct err *e)
{
	if (fd < 0)
		return;
	if (r == 0) {
		(void)!write(fd, "R", 1);
	} else if (r < 0) {
		size_t n;
		auto_free char *text = err_encode(e, &n);

		(void)!write(fd, text, n);
	}
	close(fd);
}
static __attribute__((hot)) int run(struct monitor *m, struct err *e)
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
/* We enter containers (probes, K), so we run from a clone of ourselves that nobody can write to. It has no folder: remember ours for the
 * programs beside it. */
static int protect(char **argv, struct err *e)
{
	if (!selfexe_is_protected() && !getenv("GANTRY_LIBEXEC")) {
		auto_free char *path = NULL, *dir = NULL;

		TRY(dirs_program("gantry-monitor", &path, e));
		dir = path_parent(path);
		setenv("GANTRY_LIBEXEC", dir, 1);
	}
	TRY(selfexe_protect(argv, e));
	prctl(PR_SET_NAME, "gantry-monitor");
	return 0;
}
int monitor_main(int argc, char **argv)
{
	struct monitor m = { .lock = -1, .listen_fd = -1, .scratch = { -1, -1 } };
	struct monitor_args a;
	AUTO_ERR(e);
	int r;

	log_setup("gantry-monitor", 2, getenv("GANTRY_DEBUG") != NULL);
	m.events_end = &m.events;
	r = parse_args(argc, argv, &a, &e);
	if (r >= 0)
		r = protect(argv, &e);
	if (r < 0) {
		log_err(&e);
		return 2;
	}
	umask(077);
	(void)!chdir("/");
	reset_limits();
	m.project = xstrdup(a.project);
	m.expecting = a.ready >= 0;
	dirs_init(&m.dirs, NULL, NULL);
	r = dirs_prepare(&m.dirs, &e);
	if (r < 0) {
		tell_ready(a.ready, r, &e);
		return 1;
	}
	go_apart(&m);
	r = begin(&m, &a, &e);
	if (a.ready >= 0)
		tell_ready(a.ready, r, &e);
	if (r > 0)
		return 0;
	if (r == 0)
		r = run(&m, &e);
	if (r < 0)
		monitor_report(&m, "end", &e);
	serve_close(&m);
	if (m.dns) /* before the cgroup, which gantry-dns is in */
		dns_host_free(m.dns);
	net_guard_free(m.guard);
	if (r == 0)
		leave_cgroup(&m);
	close_report(&m);
	db_close(m.db);
	/* The rest goes with the process; the lock last of all. */
	return r < 0;
}
