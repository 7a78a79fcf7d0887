/* SPDX-License-Identifier: MIT
 *
 * gantry-keep - one per container: the parent of its first process, and the hands that hold its descriptors
 *
 * A monitor may be killed at any time; its containers must not notice. So what a container cannot lose is held here: the other ends of
 * its stdio, its pty, its network namespace and the sockets in it. Whoever is monitor connects to run/c/ID/keep.sock and gets copies
 * (engine/monitor/keep.h). When the first process ends, this writes run/c/ID/exit ("CODE NANOSECONDS\n", CODE -1: unknown), tells the
 * monitor and waits for its BYE. When there is no monitor it starts one: the project's lock is taken first and handed to it, so of many
 * keepers exactly one does.
 *
 *   gantry-keep PROJECT NAME ID PID START MONITOR TAG=FD…        environment: GANTRY_ROOT, GANTRY_RUN for the monitor
 *
 * There is one of these for each container, so it is freestanding: no libc, no allocation, a few pages. Nothing here can be
 * reached by the container; the only peer is root's monitor, in a folder of mode 0700.
 */
#include "engine/monitor/keep.h"
#include "freestanding.h"
#include <linux/fcntl.h>
#include <stddef.h>

FREESTANDING_START(keep_start)

/* Kernel ABI that lives in headers we cannot take without libc. */
enum { E_AGAIN = 11, OFD_SETLK = 37, IN = 1, P_PIDFD_ = 3, EXITED = 4, NOHANG = 1, SIGCHLD_ = 17 };
enum { SOL_SOCKET_ = 1, SCM_RIGHTS_ = 1, DONTWAIT = 0x40, NOSIGNAL = 0x4000, SOCK_FLAGS = 02000000 | 04000, PIPE_FULL = 1 << 20 };
struct pollfd_ {
	int fd;
	short events, revents;
};
struct iovec_ {
	void *p;
	size_t n;
};
struct msghdr_ {
	void *name;
	int namelen;
	struct iovec_ *iov;
	size_t iovlen;
	void *control;
	size_t controllen;
	unsigned flags;
};
struct cmsg_ {
	size_t len;
	int level, type;
	int fds[KEEP_CHUNK];
};
struct pidfd_info_ { /* PIDFD_GET_INFO, Linux 6.13; exit_code since 6.15 */
	uint64_t mask, cgroupid;
	uint32_t ids[11];
	int32_t exit_code;
};
struct flock_ { /* 64-bit */
	short type, whence;
	long start, len;
	int pid;
};
#define PIDFD_GET_INFO_ 0xC040FF0BUL /* _IOWR(0xFF, 11, 64 bytes) */
#define PIDFD_INFO_EXIT_ (1UL << 3)

static struct keep {
	const char *project, *monitor, *pid_text;
	char *const *envp;
	int listen, dir, conn, pidfd;
	int fds[KEEP_MAX];
	uint8_t tags[KEEP_MAX];
	unsigned nfds;
	struct keep_msg me;  /* who we are and what is known, ready to be sent */
	int retry_ms;        /* until the next attempt to have a monitor; -1: has one */
} k;

/* ---- text ---- */
static uint64_t number(const char *s)
{
	uint64_t n = 0;

	for (; *s >= '0' && *s <= '9'; s++)
		n = n * 10 + (uint64_t)(*s - '0');
	return n;
}
static char *put_number(char *p, int64_t v)
{
	char tmp[24];
	unsigned n = 0;
	uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;

	if (v < 0)
		*p++ = '-';
	do
		tmp[n++] = (char)('0' + u % 10);
	while (u /= 10);
	while (n)
		*p++ = tmp[--n];
	return p;
}
static char *put_text(char *p, const char *s)
{
	while (*s)
		*p++ = *s++;
	return p;
}

/* ---- how it ended ---- */
static void write_exit(void)
{
	char text[64], *p = text;
	long fd;

	p = put_number(p, k.me.ended == KEEP_ENDED ? k.me.status : -1);
	*p++ = ' ';
	p = put_number(p, k.me.finished_ns);
	*p++ = '\n';
	fd = SYS6(openat, k.dir, "exit.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600, 0, 0);
	if (fd < 0)
		return; /* the monitor gets it over the socket all the same */
	if (SYS(write, fd, text, p - text) == p - text)
		SYS6(renameat2, k.dir, "exit.tmp", k.dir, "exit", 0, 0);
	SYS(close, fd, 0, 0);
}
static int exit_code(int wait_status)
{
	return wait_status & 0x7f ? 128 + (wait_status & 0x7f) : (wait_status >> 8) & 0xff;
}
/* Not its parent (a keeper that was started after another had been killed): the last field of the zombie's stat, proc(5), which
 * the real parent may take away at any moment, then what the pidfd remembers. Returns a wait status or -1. */
static int foreign_status(void)
{
	char path[48], text[1024];
	struct pidfd_info_ info = { .mask = PIDFD_INFO_EXIT_ };
	long fd, n = -1;

	*put_text(put_text(put_text(path, "/proc/"), k.pid_text), "/stat") = 0;
	fd = SYS6(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
	if (fd >= 0) {
		n = SYS(read, fd, text, sizeof(text) - 1);
		SYS(close, fd, 0, 0);
	}
	if (n > 0) {
		const char *p = text + n, *name_end = text + n;

		while (name_end > text && *name_end != ')')
			name_end--;
		while (p > text && (p[-1] < '0' || p[-1] > '9'))
			p--;
		while (p > text && p[-1] >= '0' && p[-1] <= '9')
			p--;
		text[n] = 0;
		if (name_end + 2 < text + n && name_end[2] == 'Z')
			return (int)number(p);
	}
	if (SYS(ioctl, k.pidfd, PIDFD_GET_INFO_, &info) == 0 && (info.mask & PIDFD_INFO_EXIT_))
		return info.exit_code;
	return -1;
}
static void process_ended(void)
{
	int info[32] = { 0 }; /* siginfo_t: signo errno code, then (64 bit: after padding) pid uid status */
	int64_t now[2];
	long r = SYS6(waitid, P_PIDFD_, k.pidfd, info, EXITED | NOHANG, 0, 0);
	int status = -1;

	if (r == 0 && info[0] == 0)
		return; /* not yet */
	if (r == 0)
		status = info[2] == 1 /* CLD_EXITED */ ? (info[6] & 0xff) << 8 : info[6] & 0x7f;
	else
		status = foreign_status();
	SYS(clock_gettime, 0, now, 0);
	k.me.ended = status < 0 ? KEEP_ENDED_UNKNOWN : KEEP_ENDED;
	k.me.status = status < 0 ? 0 : exit_code(status);
	k.me.finished_ns = now[0] * 1000000000 + now[1];
	write_exit();
}

/* ---- the monitor ---- */
static void conn_lost(void)
{
	SYS(close, k.conn, 0, 0);
	k.conn = -1;
	k.retry_ms = 0;
	/* Nobody reads for a while: let the container write on. EPERM (a limit) costs nothing but that. */
	for (unsigned i = 0; i < k.nfds; i++)
		if (k.tags[i] == KEEP_STDOUT || k.tags[i] == KEEP_STDERR)
			SYS(fcntl, k.fds[i], F_SETPIPE_SZ, PIPE_FULL);
}
static void send_msg(uint32_t type, unsigned from, unsigned n)
{
	struct cmsg_ c = { .len = offsetof(struct cmsg_, fds) + n * sizeof(int), .level = SOL_SOCKET_, .type = SCM_RIGHTS_ };
	struct iovec_ iov = { &k.me, sizeof(k.me) };
	struct msghdr_ h = { .iov = &iov, .iovlen = 1, .control = n ? &c : NULL, .controllen = n ? c.len : 0 };

	if (k.conn < 0)
		return;
	k.me.type = type;
	k.me.nfds = n;
	for (unsigned i = 0; i < n; i++) {
		c.fds[i] = k.fds[from + i];
		k.me.tags[i] = k.tags[from + i];
	}
	if (SYS(sendmsg, k.conn, &h, NOSIGNAL) < 0)
		conn_lost();
}
static void say_hello(void)
{
	unsigned at = 0;

	k.me.total = k.nfds;
	do {
		unsigned n = k.nfds - at < KEEP_CHUNK ? k.nfds - at : KEEP_CHUNK;

		send_msg(at ? KEEP_GIVE : KEEP_HELLO, at, n);
		at += n;
	} while (at < k.nfds);
}
static void hear(void)
{
	struct keep_msg m;
	long n = SYS6(recvfrom, k.conn, &m, sizeof(m), DONTWAIT, 0, 0);

	if (n == -E_AGAIN)
		return;
	if (n != (long)sizeof(m)) {
		conn_lost();
		return;
	}
	if (m.type == KEEP_BYE && k.me.ended != KEEP_RUNS)
		SYS(exit_group, 0, 0, 0);
	if (m.type == KEEP_DROP)
		for (unsigned i = 0; i < k.nfds; i++)
			if (k.tags[i] == m.tags[0]) {
				SYS(close, k.fds[i], 0, 0);
				k.nfds--;
				k.fds[i] = k.fds[k.nfds];
				k.tags[i] = k.tags[k.nfds];
				i--;
			}
}
static void greet(void)
{
	long fd = SYS6(accept4, k.listen, 0, 0, SOCK_FLAGS & ~04000, 0, 0);

	if (fd < 0)
		return;
	if (k.conn >= 0)
		SYS(close, k.conn, 0, 0);
	k.conn = (int)fd;
	k.retry_ms = -1;
	say_hello();
}
/* The lock is taken here and handed over, so that of all keepers of a project one starts a monitor and the others wait for it. */
static void start_monitor(void)
{
	char lock[300], num[24];
	const char *argv[] = { "gantry-monitor", k.project, "--lock", num, NULL };
	struct flock_ whole = { .type = F_WRLCK };
	long fd, pid;

	k.retry_ms = k.retry_ms <= 0 ? 200 : k.retry_ms < 15000 ? k.retry_ms * 2 : 30000;
	*put_text(put_text(put_text(lock, "../../p/"), k.project), "/lock") = 0;
	fd = SYS6(openat, k.dir, lock, O_RDWR | O_CREAT | O_NOFOLLOW, 0600, 0, 0);
	if (fd < 0)
		return;
	if (SYS(fcntl, fd, OFD_SETLK, &whole) == 0) { /* as state/lock.c, lock_monitor */
		*put_number(num, fd) = 0;
		pid = SYS6(clone, SIGCHLD_, 0, 0, 0, 0, 0);
		if (pid == 0) {
			SYS(execve, k.monitor, argv, k.envp);
			SYS(exit_group, 127, 0, 0);
		}
		if (pid > 0) /* it forks at once and its first process ends */
			SYS6(wait4, pid, 0, 0, 0, 0, 0);
	}
	SYS(close, fd, 0, 0);
}

static void own(unsigned tag, int fd)
{
	SYS(fcntl, fd, F_SETFD, FD_CLOEXEC);
	if (tag == KEEP_OWN_LISTEN)
		k.listen = fd;
	else if (tag == KEEP_OWN_DIR)
		k.dir = fd;
	else if (tag == KEEP_OWN_CONN)
		k.conn = fd;
	else if (tag < KEEP_TAGS && k.nfds < KEEP_MAX) {
		k.fds[k.nfds] = fd;
		k.tags[k.nfds++] = (uint8_t)tag;
	}
	if (tag == KEEP_PIDFD)
		k.pidfd = fd;
}

_Noreturn void keep_start(long *sp);
_Noreturn void keep_start(long *sp)
{
	long argc = sp[0];
	char **argv = (char **)(sp + 1);

	k.envp = argv + argc + 1;
	k.listen = k.dir = k.conn = k.pidfd = -1;
	if (argc < 8)
		SYS(exit_group, 2, 0, 0);
	k.project = argv[1]; /* argv[2], argv[3]: the container's name and id, for people who look at ps */
	k.pid_text = argv[4];
	k.monitor = argv[6];
	k.me.version = KEEP_VERSION;
	k.me.keeper = (int32_t)SYS(getpid, 0, 0, 0);
	k.me.pid = (int32_t)number(argv[4]);
	k.me.start = number(argv[5]);
	for (long i = 7; i < argc; i++) {
		const char *eq = argv[i];

		while (*eq && *eq != '=')
			eq++;
		if (*eq)
			own((unsigned)number(argv[i]), (int)number(eq + 1));
	}
	k.retry_ms = k.conn >= 0 ? -1 : 0;
	say_hello();
	for (;;) {
		struct pollfd_ p[3] = { { k.listen, IN, 0 }, { k.conn, IN, 0 }, { k.me.ended ? -1 : k.pidfd, IN, 0 } };
		int64_t ts[2] = { k.retry_ms / 1000, k.retry_ms % 1000 * 1000000L };
		long n = SYS6(ppoll, p, 3, k.retry_ms < 0 ? NULL : ts, NULL, 8, 0);

		if (n == 0 && k.conn < 0)
			start_monitor();
		if (p[2].revents) {
			process_ended();
			if (k.me.ended)
				send_msg(KEEP_EXIT, 0, 0);
		}
		if (p[1].revents && k.conn >= 0)
			hear();
		if (p[0].revents)
			greet();
	}
}
