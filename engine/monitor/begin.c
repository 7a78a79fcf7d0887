/* SPDX-License-Identifier: MIT
 *
 * engine/monitor/begin.c - becoming the monitor of a project, and ceasing to be
 *
 *   gantry-monitor PROJECT [--lock FD] [--ready FD]      environment: GANTRY_ROOT, GANTRY_RUN
 *
 * --lock: the project's lock, taken by the keeper that starts us. --ready: 'R' is written when ctl.sock is there, else an encoded error; the
 * descriptor closed without a word: another monitor was faster.
 */
#include "engine/monitor/monitor.h"
#include "base/alloc.h"
#include "base/fail.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "base/path.h"
#include "engine/container/cgroup_of.h"
#include "engine/kernel/ns.h"
#include "engine/kernel/rlimit.h"
#include "engine/kernel/selfexe.h"
#include "engine/monitor/control.h"
#include "net/dns.h"
#include "net/guard.h"
#include "state/db.h"
#include "state/lock.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>

enum { REPORT_MAX = 256 << 10 };

void report_open(const struct monitor *m)
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

	if (inherited >= 0 && file_is(inherited, path)) {
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
	static const int sigs[] = { SIGCHLD, SIGTERM, SIGIO, 0 };
	int r;

	r = take_lock(m, a->lock, e);
	if (r != 0)
		return r;
	tell_pid(m);
	report_open(m);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (const int *s = (const int[]){ SIGPIPE, SIGINT, SIGHUP, SIGQUIT, 0 }; *s; s++)
		signal(*s, SIG_IGN);
	m->loop = loop_new(e);
	if (!m->loop)
		return -e->code;
	TRY(watch_signals(m->loop, &m->signals, sigs, monitor_signal, e));
	TRY(watch_timer(m->loop, &m->idle, monitor_idle, e));
	TRY(watch_timer(m->loop, &m->retry, rows_retry, e));
	TRY(fd_pipe(m->scratch, e));
	TRY(serve_listen(m, e));
	home_watch(m);
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
	struct monitor m = { .lock = -1, .listen_fd = -1, .home = -1, .scratch = { -1, -1 } };
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
	rlimit_lift(); /* the caller's shell is no measure for us or, by inheritance, for anybody; a keeper may have started us */
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
		r = monitor_run(&m, &e);
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
