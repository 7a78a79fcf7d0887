/* SPDX-License-Identifier: MIT
 *
 * fork + exec. The child gets no signal of ours (all are blocked across the fork, dispositions and mask are reset before
 * exec) and no descriptor but those that were named; a pipe that closes by itself at exec brings the error back.
 */
#include "base/proc.h"

#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { STEP_STDIO, STEP_FDS, STEP_SESSION, STEP_EXEC };
static const char *const steps[] = {
	[STEP_STDIO] = "prepare the standard streams of",
	[STEP_FDS] = "prepare the descriptors of",
	[STEP_SESSION] = "make a session for",
	[STEP_EXEC] = "run",
};
struct report {
	int32_t step, code;
};

static _Noreturn void fail(int pipe, int step, int code)
{
	struct report r = { .step = step, .code = code };

	(void)!write(pipe, &r, sizeof(r));
	_exit(127);
}

/* The three may stand in each other's way (stdout given as fd 0): first all out of the way, then into place. */
static int set_stdio(const int *stdio)
{
	int high[3];

	for (int i = 0; i < 3; i++) {
		if (stdio[i] >= 0) {
			high[i] = fcntl(stdio[i], F_DUPFD_CLOEXEC, 3);
		} else {
			int null = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);

			high[i] = null < 0 ? -1 : fcntl(null, F_DUPFD_CLOEXEC, 3);
		}
		if (high[i] < 0)
			return -errno;
	}
	for (int i = 0; i < 3; i++)
		if (dup2(high[i], i) < 0)
			return -errno;
	return 0;
}

/* Everything from 3 on closes at exec (not now: the pipe is among them), except what is kept. */
static int set_fds(const int *fds)
{
	if (syscall(SYS_close_range, 3, ~0u, CLOSE_RANGE_CLOEXEC) < 0) { /* before 5.11 */
		struct rlimit limit = { 0 };
		int end = 65536;

		if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 1 << 20)
			end = (int)limit.rlim_cur;
		for (int fd = 3; fd < end; fd++)
			(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	for (; fds && *fds >= 0; fds++)
		if (fcntl(*fds, F_SETFD, 0) < 0)
			return -errno;
	return 0;
}

/* By system call: libc refuses to touch 32 and 33, which it uses itself, but they too may come to us ignored (from make). */
static void reset_signals(void)
{
	static const uint64_t dfl[8]; /* the kernel's struct sigaction is smaller; all zero: SIG_DFL, no flags, no mask */
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)syscall(SYS_rt_sigaction, sig, dfl, NULL, (NSIG - 1) / 8); /* KILL and STOP refuse */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void child(const struct proc_spawn *s, int pipe)
{
	int r = 0, high;

	/* fd 0, 1, 2 may have been closed in us, and then the pipe could have got their numbers */
	high = fcntl(pipe, F_DUPFD_CLOEXEC, 3);
	if (high < 0)
		fail(pipe, STEP_FDS, errno);
	pipe = high;
	if (s->stdio)
		r = set_stdio(s->stdio);
	if (r < 0)
		fail(pipe, STEP_STDIO, -r);
	r = set_fds(s->fds);
	if (r < 0)
		fail(pipe, STEP_FDS, -r);
	if (s->setsid && setsid() < 0)
		fail(pipe, STEP_SESSION, errno);
	reset_signals();
	execve(s->path, s->argv, s->env ? s->env : environ);
	fail(pipe, STEP_EXEC, errno);
}

/* 0: exec went through. */
static int read_report(int pipe, struct report *report)
{
	ssize_t n;

	do
		n = read(pipe, report, sizeof(*report));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*report);
}

int proc_spawn(const struct proc_spawn *s, pid_t *ret_pid, int *ret_pidfd, struct err *e)
{
	auto_close int in = -1, out = -1, pidfd = -1;
	int ends[2], code, status;
	struct report report;
	sigset_t all, before;
	pid_t pid;

	TRY(fd_pipe(ends, e));
	in = ends[0];
	out = ends[1];
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	code = errno;
	if (pid == 0)
		child(s, out);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid < 0)
		return err_code(e, code, "start '%s'", s->path);
	close(TAKE_FD(out));
	if (ret_pidfd)
		pidfd = (int)syscall(SYS_pidfd_open, pid, 0); /* ours and not waited for: the pid is sure */
	code = errno;
	if (read_report(in, &report)) {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		return err_code(e, report.code, "%s '%s'", steps[report.step], s->path);
	}
	if (ret_pidfd && pidfd < 0) {
		(void)kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		return err_code(e, code, "watch '%s'", s->path);
	}
	if (ret_pid)
		*ret_pid = pid;
	if (ret_pidfd)
		*ret_pidfd = TAKE_FD(pidfd);
	return 0;
}
