/* SPDX-License-Identifier: MIT */
#include "base/proc.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/num.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { STAT_MAX = 4096, NET_MAX = 64 << 20 };

/* State and start time of PID: fields 3 and 22 of proc_pid_stat(5), behind a name that may hold anything. */
static int read_stat(pid_t pid, char *state, uint64_t *start, struct err *e)
{
	auto_free char *path = xasprintf("/proc/%d/stat", (int)pid), *text = NULL;
	const char *p;
	unsigned long long v;
	int r = file_read(path, STAT_MAX, &text, NULL, e);

	if (r < 0)
		return r;
	p = strrchr(text, ')');
	if (p)
		*state = p[1] ? p[2] : '?';
	for (int field = 2; p && field < 22; field++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	if (!p || sscanf(p, "%llu", &v) != 1)
		return err_set(e, EPROTO, "'%s': not understood", path);
	*start = v;
	return 0;
}

int proc_id_of(pid_t pid, struct proc_id *ret, struct err *e)
{
	AUTO_ERR(why);
	uint64_t start;
	char state;
	int r = read_stat(pid, &state, &start, &why);

	if (r == -ENOENT || r == -ESRCH)
		return err_code(e, ESRCH, "process %d", (int)pid);
	if (r < 0)
		return err_move(e, &why);
	*ret = (struct proc_id){ .pid = pid, .start = start };
	return 0;
}

bool proc_alive(const struct proc_id *p)
{
	AUTO_ERR(scratch);
	uint64_t start;
	char state;

	return p->pid > 0 && read_stat(p->pid, &state, &start, &scratch) == 0 && start == p->start &&
	       state != 'Z' && state != 'X';
}

int proc_pidfd(const struct proc_id *p, struct err *e)
{
	auto_close int fd = p->pid > 0 ? (int)syscall(SYS_pidfd_open, p->pid, 0) : -1;
	AUTO_ERR(scratch);
	struct proc_id now;

	if (p->pid > 0 && fd < 0 && errno != ESRCH)
		return err_sys(e, "process %d", (int)p->pid);
	/* read after the pidfd: it is still the same process, or the pidfd is of one that came later */
	if (fd < 0 || proc_id_of(p->pid, &now, &scratch) < 0 || now.start != p->start)
		return err_code(e, ESRCH, "process %d", (int)p->pid);
	return TAKE_FD(fd);
}

int proc_kill_fd(int pidfd, int sig, struct err *e)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? err_sys(e, "send signal %d", sig)
								       : 0;
}

int proc_exit_code(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

int proc_wait(pid_t pid, int *ret_status, struct err *e)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "wait for process %d", (int)pid);
	*ret_status = proc_exit_code(status);
	return 0;
}

/* Inode of the socket that listens on PORT according to one table of proc_pid_net(5), 0: none. */
static unsigned long listener_inode(const char *table, unsigned state, uint16_t port)
{
	AUTO_ERR(scratch);
	auto_free char *path = xasprintf("/proc/net/%s", table), *text = NULL;

	if (file_read(path, NET_MAX, &text, NULL, &scratch) < 0)
		return 0;
	for (const char *line = strchr(text, '\n'); line; line = strchr(line + 1, '\n')) {
		unsigned local, st;
		unsigned long inode;

		if (sscanf(line + 1, "%*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %lu",
			   &local, &st, &inode) == 3 && local == port && st == state && inode)
			return inode;
	}
	return 0;
}

static bool is_number(const char *s)
{
	return *s && s[strspn(s, "0123456789")] == '\0';
}

static bool holds(const char *pid, const char *target)
{
	auto_free char *path = xasprintf("/proc/%s/fd", pid);
	DIR *dir = opendir(path);
	struct dirent *d;
	bool found = false;

	while (dir && !found && (d = readdir(dir))) {
		char text[64];
		ssize_t n = readlinkat(dirfd(dir), d->d_name, text, sizeof(text) - 1);

		if (n <= 0)
			continue;
		text[n] = '\0';
		found = streq(text, target);
	}
	if (dir)
		closedir(dir);
	return found;
}

static char *name_of(const char *pid)
{
	AUTO_ERR(scratch);
	auto_free char *path = xasprintf("/proc/%s/comm", pid), *text = NULL, *shown = NULL;

	if (file_read(path, 256, &text, NULL, &scratch) < 0)
		return xasprintf("process %s", pid);
	shown = str_visible(text, strcspn(text, "\n"));
	return xasprintf("%s (pid %s)", shown, pid);
}

char *proc_find_listener(const char *proto, uint16_t port)
{
	static const char *const suffixes[] = { "", "6" };
	bool udp = str_starts(proto, "udp");
	unsigned long inode = 0;
	auto_free char *target = NULL;
	char *found = NULL;
	struct dirent *d;
	DIR *dir;

	for (size_t i = 0; !inode && i < ARRAY_LEN(suffixes); i++) {
		auto_free char *table = xasprintf("%s%s", udp ? "udp" : "tcp", suffixes[i]);

		inode = listener_inode(table, udp ? 7 : 10, port); /* TCP_CLOSE: unconnected; TCP_LISTEN */
	}
	if (!inode)
		return NULL;
	target = xasprintf("socket:[%lu]", inode);
	dir = opendir("/proc");
	while (dir && !found && (d = readdir(dir)))
		if (is_number(d->d_name) && holds(d->d_name, target))
			found = name_of(d->d_name);
	if (dir)
		closedir(dir);
	return found;
}

/* Linux' own numbers (signal(7)); the real-time ones as docker counts them, from 34. */
enum { RTMIN = 34, RTMAX = 64 };
static const char *const signal_names[] = {
	[SIGHUP] = "SIGHUP",       [SIGINT] = "SIGINT",     [SIGQUIT] = "SIGQUIT",   [SIGILL] = "SIGILL",
	[SIGTRAP] = "SIGTRAP",     [SIGABRT] = "SIGABRT",   [SIGBUS] = "SIGBUS",     [SIGFPE] = "SIGFPE",
	[SIGKILL] = "SIGKILL",     [SIGUSR1] = "SIGUSR1",   [SIGSEGV] = "SIGSEGV",   [SIGUSR2] = "SIGUSR2",
	[SIGPIPE] = "SIGPIPE",     [SIGALRM] = "SIGALRM",   [SIGTERM] = "SIGTERM",
	[SIGSTKFLT] = "SIGSTKFLT", [SIGCHLD] = "SIGCHLD",   [SIGCONT] = "SIGCONT",   [SIGSTOP] = "SIGSTOP",
	[SIGTSTP] = "SIGTSTP",     [SIGTTIN] = "SIGTTIN",   [SIGTTOU] = "SIGTTOU",   [SIGURG] = "SIGURG",
	[SIGXCPU] = "SIGXCPU",     [SIGXFSZ] = "SIGXFSZ",   [SIGVTALRM] = "SIGVTALRM",
	[SIGPROF] = "SIGPROF",     [SIGWINCH] = "SIGWINCH", [SIGIO] = "SIGIO",       [SIGPWR] = "SIGPWR",
	[SIGSYS] = "SIGSYS",
};
static const struct {
	const char *name;
	int sig;
} signal_aliases[] = {
	{ "IOT", SIGABRT }, { "CLD", SIGCHLD }, { "POLL", SIGIO }, { "UNUSED", SIGSYS },
	{ "RTMIN", RTMIN }, { "RTMAX", RTMAX },
};

/* "RTMIN+3", "RTMAX-2"; 0: not one. */
static int real_time(const char *s)
{
	AUTO_ERR(scratch);
	bool low = strncasecmp(s, "RTMIN+", 6) == 0;
	int64_t n;

	if (!low && strncasecmp(s, "RTMAX-", 6) != 0)
		return 0;
	if (num_int(s + 6, 0, RTMAX - RTMIN, &n, &scratch) < 0 || !is_number(s + 6))
		return 0;
	return low ? RTMIN + (int)n : RTMAX - (int)n;
}

static int by_name(const char *s)
{
	if (strncasecmp(s, "SIG", 3) == 0)
		s += 3;
	for (size_t i = 0; i < ARRAY_LEN(signal_names); i++)
		if (signal_names[i] && strcasecmp(signal_names[i] + 3, s) == 0)
			return (int)i;
	for (size_t i = 0; i < ARRAY_LEN(signal_aliases); i++)
		if (strcasecmp(signal_aliases[i].name, s) == 0)
			return signal_aliases[i].sig;
	return real_time(s);
}

int proc_signal_parse(const char *s, int *ret_sig, struct err *e)
{
	AUTO_ERR(scratch);
	auto_free char *shown = NULL;
	const char *near;
	int64_t n = 0;
	int r;

	if (is_number(s) ? num_int(s, 1, RTMAX, &n, &scratch) == 0 : (n = by_name(s)) > 0) {
		*ret_sig = (int)n;
		return 0;
	}
	shown = str_visible(s, strnlen(s, 64));
	r = err_set(e, EINVAL, "'%s': not a signal", shown);
	near = str_nearest(s, signal_names, ARRAY_LEN(signal_names), sizeof(*signal_names));
	if (near)
		err_hint(e, "did you mean '%s'?", near);
	return r;
}

const char *proc_signal_name(int sig)
{
	static char real[RTMAX - RTMIN + 1][16];

	if (sig > 0 && sig < (int)ARRAY_LEN(signal_names))
		return signal_names[sig];
	if (sig < RTMIN || sig > RTMAX)
		return NULL;
	if (sig == RTMIN || sig == RTMAX)
		return sig == RTMIN ? "SIGRTMIN" : "SIGRTMAX";
	snprintf(real[sig - RTMIN], sizeof(real[0]), "SIGRTMIN+%d", sig - RTMIN);
	return real[sig - RTMIN];
}
