/* SPDX-License-Identifier: MIT
 *
 * Lock files may be unlinked by whoever holds them (a project that is gone leaves nothing), so after a lock is had, the name must still lead to
 * the locked file; else it is opened again.
 */
#include "state/lock.h"
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "base/strv.h"
#include "base/time.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>

/* ---- who holds a flock: /proc/locks, "1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF" ---- */

static int flock_holder(int fd)
{
	AUTO_ERR(why);
	auto_free char *text = NULL;
	auto_free char *want = NULL;
	struct stat st;
	int pid = 0;

	if (fstat(fd, &st) < 0 || file_read("/proc/locks", 4 << 20, &text, NULL, &why) < 0)
		return 0;
	want = xasprintf(" %02x:%02x:%llu ", major(st.st_dev), minor(st.st_dev), (unsigned long long)st.st_ino);
	for (char *line = text, *next; line && *line; line = next) {
		unsigned id;
		char kind[16];

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (strstr(line, want) && sscanf(line, "%u: %15s %*s %*s %d", &id, kind, &pid) == 3 && streq(kind, "FLOCK"))
			return pid;
	}
	return 0;
}

static void process_name(int pid, char buf[32])
{
	AUTO_ERR(why);
	auto_free char *path = xasprintf("/proc/%d/comm", pid);
	auto_free char *text = NULL;

	snprintf(buf, 32, "?");
	if (file_read(path, 256, &text, NULL, &why) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	snprintf(buf, 32, "%s", text);
}

/* ---- the ticket ---- */

static void on_alarm(int sig)
{
	(void)sig; /* only ends flock(2) with EINTR */
}

/* flock(2) knows no timeout: an interval timer interrupts it. Only reached when somebody else has the ticket, so the signal's set-up costs nobody. */
static int flock_timed(int fd, int ms)
{
	const int64_t deadline = time_mono_ns() + ms * INT64_C(1000000);
	const struct sigaction act = { .sa_handler = on_alarm };
	const struct itimerval every = { .it_value = { .tv_usec = 200000 }, .it_interval = { .tv_usec = 200000 } };
	struct itimerval old_timer;
	struct sigaction old_act;
	sigset_t set, old_set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigaction(SIGALRM, &act, &old_act);
	sigprocmask(SIG_UNBLOCK, &set, &old_set);
	setitimer(ITIMER_REAL, &every, &old_timer);
	do
		r = flock(fd, LOCK_EX) < 0 ? -errno : 0;
	while (r == -EINTR && time_mono_ns() < deadline);
	setitimer(ITIMER_REAL, &old_timer, NULL);
	sigprocmask(SIG_SETMASK, &old_set, NULL);
	sigaction(SIGALRM, &old_act, NULL);
	return r;
}

int lock_ticket(int fd, int ms, struct err *e)
{
	int r;

	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK && errno != EINTR)
		return err_sys(e, "lock the database");
	r = flock_timed(fd, ms);
	if (r == -EINTR) {
		int pid = flock_holder(fd);
		char name[32];

		process_name(pid, name);
		err_set(e, EBUSY, "the database is locked by process %d (%s) for more than %d s", pid, name, ms / 1000);
		err_hint(e, "is it stopped (SIGSTOP)? 'kill -CONT %d' lets it go on", pid);
		return -EBUSY;
	}
	return r < 0 ? err_code(e, -r, "lock the database") : 0;
}

void lock_ticket_drop(int fd)
{
	if (fd >= 0)
		(void)flock(fd, LOCK_UN);
}

/* ---- locks by project ---- */

static int project_dir(const struct dirs *d, const char *project, struct err *e)
{
	auto_free char *dir = NULL;

	if (!name_is_project(project))
		return err_set(e, EINVAL, "'%s' is not a project name", project);
	dir = dirs_run(d, "p/%s", project);
	return file_mkdir_p(dir, 0700, e);
}

int lock_project(const struct dirs *d, const char *project, void (*waiting)(int pid, void *arg), void *arg, int *ret_fd, struct err *e)
{
	auto_free char *path = dirs_run(d, "p/%s/cmd.lock", project);
	bool told = false;

	FP("state.lock_project", e);
	for (;;) {
		auto_close int fd = -1;
		int r;

		TRY(project_dir(d, project, e));
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0 && errno == ENOENT)
			continue; /* its holder just removed the project's folder */
		if (fd < 0)
			return err_sys(e, "open '%s'", path);
		r = flock(fd, LOCK_EX | LOCK_NB);
		if (r < 0 && errno == EWOULDBLOCK) {
			if (waiting && !told)
				waiting(flock_holder(fd), arg);
			told = true;
			do
				r = flock(fd, LOCK_EX);
			while (r < 0 && errno == EINTR);
		}
		if (r < 0)
			return err_sys(e, "lock '%s'", path);
		if (file_is(fd, path)) {
			*ret_fd = TAKE_FD(fd);
			return 0;
		}
	}
}

static int monitor_lock(int fd, int op)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, op, &l) < 0)
		return -errno;
	return op == F_OFD_GETLK ? l.l_type != F_UNLCK : 0;
}

int lock_monitor(const struct dirs *d, const char *project, int *ret_fd, struct err *e)
{
	auto_free char *path = dirs_run(d, "p/%s/lock", project);

	for (;;) {
		auto_close int fd = -1;
		int r;

		TRY(project_dir(d, project, e));
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return err_sys(e, "open '%s'", path);
		r = monitor_lock(fd, F_OFD_SETLK);
		if (r == -EAGAIN || r == -EACCES)
			return 1;
		if (r < 0)
			return err_code(e, -r, "lock '%s'", path);
		if (file_is(fd, path)) {
			auto_free char *pid = xasprintf("%d\n", getpid());

			/* for people and tests; nothing relies on it */
			if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, strlen(pid), 0) < 0)
				log_debug("'%s': %m", path);
			*ret_fd = TAKE_FD(fd);
			return 0;
		}
	}
}

bool lock_monitor_held(const struct dirs *d, const char *project)
{
	auto_free char *path = dirs_run(d, "p/%s/lock", project);
	auto_close int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 && monitor_lock(fd, F_OFD_GETLK) == 1;
}

/* ---- waking up ---- */

int gen_watch(const struct dirs *d, const char *project, struct err *e)
{
	auto_free char *path = dirs_run(d, "gen/%s", project);
	auto_close int touched = -1;
	auto_close int fd = -1;

	if (!name_is_project(project))
		return err_set(e, EINVAL, "'%s' is not a project name", project);
	touched = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (touched < 0)
		return err_sys(e, "make '%s'", path);
	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0) {
		int r = err_sys(e, "inotify");

		if (r == -EMFILE)
			err_hint(e, "raise the sysctl fs.inotify.max_user_instances");
		return r;
	}
	if (inotify_add_watch(fd, path, IN_ATTRIB) < 0) {
		int r = err_sys(e, "watch '%s'", path);

		if (r == -ENOSPC)
			err_hint(e, "raise the sysctl fs.inotify.max_user_watches");
		return r;
	}
	return TAKE_FD(fd);
}

void gen_drain(int fd)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	while (read(fd, buf, sizeof buf) > 0)
		;
}
