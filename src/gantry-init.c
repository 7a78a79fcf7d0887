/* SPDX-License-Identifier: MIT
 *
 * gantry-init - a container's first process with `init: true`: runs the program, reaps whatever is left to it, hands signals on
 *
 *   gantry-init [--] PROGRAM [ARG…]
 *
 * As tini does it: the program is in a process group of its own, in the foreground of the terminal if there is one; every signal that we get goes
 * to it; when it ends, so do we, with its exit code (128 + signal), and the kernel ends the rest of the pid namespace. Freestanding, as it is in
 * every such container: a few KB.
 */
#include "freestanding.h"

FREESTANDING_START(init_start)

enum {
	SIG_BLOCK_ = 0, SIG_SETMASK_ = 2, SIG_IGN_ = 1, SIGSET = 8, CHLD = 17, TTIN = 21, TTOU = 22, NOHANG = 1, E_INTR = 4, E_ACCES = 13,
	E_NOENT = 2, TIOCSPGRP_ = 0x5410, SET_CHILD_SUBREAPER = 36, NOT_FOUND = 127, NOT_EXECUTABLE = 126, PATH_SIZE = 4096,
};
/* these come from a mistake of our own, and must not wait: ILL TRAP ABRT BUS FPE SEGV SYS */
#define SYNCHRONOUS (1UL << 3 | 1UL << 4 | 1UL << 5 | 1UL << 6 | 1UL << 7 | 1UL << 10 | 1UL << 30)

static size_t length(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

static void say(const char *s)
{
	SYS(write, 2, s, length(s));
}

static const char *path_of(char *const *envp)
{
	for (; *envp; envp++)
		if ((*envp)[0] == 'P' && (*envp)[1] == 'A' && (*envp)[2] == 'T' && (*envp)[3] == 'H' && (*envp)[4] == '=')
			return *envp + 5;
	return "";
}

static int has_slash(const char *s)
{
	for (; *s; s++)
		if (*s == '/')
			return 1;
	return 0;
}

/* As execvp(3). Returns the error worth telling. */
static long run(char *const *argv, char *const *envp)
{
	const char *p = path_of(envp);
	size_t n = length(argv[0]);
	char file[PATH_SIZE];
	long worst = -E_NOENT;

	if (has_slash(argv[0]))
		return SYS(execve, argv[0], argv, envp);
	while (*p) {
		size_t d = 0;
		long r;

		while (p[d] && p[d] != ':')
			d++;
		if (d && d + n + 2 <= sizeof(file)) {
			memcpy(file, p, d);
			file[d] = '/';
			memcpy(file + d + 1, argv[0], n + 1);
			r = SYS(execve, file, argv, envp);
			if (r != -E_NOENT)
				worst = r;
		}
		p += d + (p[d] == ':');
	}
	return worst;
}

static void disposition(int sig, long handler)
{
	/* the kernel's struct sigaction begins with the handler on every architecture that we know; the rest is zero */
	unsigned long action[8] = { (unsigned long)handler };

	SYS6(rt_sigaction, sig, action, 0, SIGSET, 0, 0);
}

static void child(char *const *argv, char *const *envp, unsigned long mask)
{
	int self = (int)SYS(getpid, 0, 0, 0);
	long r;

	SYS(setpgid, 0, 0, 0);
	SYS(ioctl, 0, TIOCSPGRP_, &self); /* no terminal: no matter */
	disposition(TTIN, 0);
	disposition(TTOU, 0);
	SYS6(rt_sigprocmask, SIG_SETMASK_, &mask, 0, SIGSET, 0, 0);
	r = run(argv, envp);
	say("init: ");
	say(argv[0]);
	say(r == -E_NOENT ? ": not found\n" : r == -E_ACCES ? ": permission denied\n" : ": cannot be run\n");
	SYS(exit_group, r == -E_NOENT ? NOT_FOUND : NOT_EXECUTABLE, 0, 0);
}

/* Exit code of MAIN_PID if it is among the dead, else -1. */
static int reap(int main_pid)
{
	int code = -1;

	for (;;) {
		int status = 0;
		long pid = SYS6(wait4, -1, &status, NOHANG, 0, 0, 0);

		if (pid <= 0)
			return code;
		if (pid == main_pid)
			code = status & 0x7f ? 128 + (status & 0x7f) : (status >> 8) & 0xff;
	}
}

__attribute__((used, noreturn)) void init_start(long *sp);
void init_start(long *sp)
{
	char *const *argv = (char *const *)(sp + 1), *const *envp = argv + sp[0] + 1;
	unsigned long all = ~SYNCHRONOUS, before = 0;
	int pid;

	argv += sp[0] > 0;
	if (*argv && (*argv)[0] == '-' && (*argv)[1] == '-' && !(*argv)[2])
		argv++;
	if (!*argv) {
		say("usage: gantry-init [--] PROGRAM [ARG]...\n");
		SYS(exit_group, 2, 0, 0);
	}
	SYS6(rt_sigprocmask, SIG_BLOCK_, &all, &before, SIGSET, 0, 0);
	/* we are in the background of our own terminal then */
	disposition(TTIN, SIG_IGN_);
	disposition(TTOU, SIG_IGN_);
	if (SYS(getpid, 0, 0, 0) != 1)
		SYS6(prctl, SET_CHILD_SUBREAPER, 1, 0, 0, 0, 0);
	pid = (int)SYS6(clone, CHLD, 0, 0, 0, 0, 0);
	if (pid == 0)
		child(argv, envp, before);
	if (pid < 0) {
		say("init: no process to be had\n");
		SYS(exit_group, NOT_EXECUTABLE, 0, 0);
	}
	for (;;) {
		long sig = SYS6(rt_sigtimedwait, &all, 0, 0, SIGSET, 0, 0);

		if (sig == CHLD) {
			int code = reap(pid);

			if (code >= 0)
				SYS(exit_group, code, 0, 0);
		} else if (sig > 0) {
			SYS(kill, pid, sig, 0);
		}
	}
}
