/* SPDX-License-Identifier: MIT
 *
 * engine/monitor/keeper.c - the monitor's side of keep.h: descriptors from and to keepers, and how a process ended
 *
 * K's socket becomes the first connection, so a start's READY is the new keeper's HELLO. A monitor that finds containers running connects
 * to each keep.sock and gets the same HELLO. When a keeper dies before its container, the monitor has copies of all and starts another, which is
 * not the parent then; nor may the monitor be. Who knows how the process ended, in this order: its keeper; we ourselves, when it fell to
 * us (the monitor is a subreaper); the zombie's /proc/PID/stat; PIDFD_GET_INFO (Linux 6.15); run/c/ID/exit; nobody.
 */
#include "engine/monitor/monitor.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "base/strv.h"
#include "base/time.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- argv of gantry-keep, see its head ---- */
void keeper_argv(struct strv *argv, const struct mctr *c, const struct proc_id *pid, const char *monitor_path)
{
	strv_add(argv, "gantry-keep");
	strv_add(argv, c->m->project);
	strv_add(argv, c->spec->name);
	strv_add(argv, c->id);
	strv_addf(argv, "%d", (int)pid->pid);
	strv_addf(argv, "%llu", (unsigned long long)pid->start);
	strv_add(argv, monitor_path);
}
void keeper_arg(struct strv *argv, enum keep_tag tag, int fd)
{
	if (fd < 0)
		return;
	strv_addf(argv, "%d=%d", (int)tag, fd);
	(void)fd_cloexec(fd, false);
}

/* ---- descriptors by tag ---- */
static int *fd_slot(struct mctr *c, int tag)
{
	switch (tag) {
	case KEEP_STDIN: return &c->stdin_fd;
	case KEEP_STDOUT: return &c->out[LOG_STDOUT].src;
	case KEEP_STDERR: return &c->out[LOG_STDERR].src;
	case KEEP_HOLD_OUT_R: return &c->out[LOG_STDOUT].hold_r;
	case KEEP_HOLD_OUT_W: return &c->out[LOG_STDOUT].hold_w;
	case KEEP_HOLD_ERR_R: return &c->out[LOG_STDERR].hold_r;
	case KEEP_HOLD_ERR_W: return &c->out[LOG_STDERR].hold_w;
	case KEEP_PTY: return &c->pty;
	case KEEP_PIDFD: return &c->pidfd;
	case KEEP_NETNS: return c->sandbox ? &c->sandbox->fds.netns : NULL;
	case KEEP_DNS_UDP: return c->sandbox ? &c->sandbox->fds.dns_udp : NULL;
	case KEEP_DNS_TCP: return c->sandbox ? &c->sandbox->fds.dns_tcp : NULL;
	default: return NULL;
	}
}
static bool of_sandbox(int tag)
{
	return tag >= KEEP_NETNS && tag <= KEEP_PORT;
}
static void take_fd(struct mctr *c, int tag, int fd)
{
	int *slot = fd_slot(c, tag);

	if (of_sandbox(tag) && (!c->sandbox || c->sandbox->phase == SANDBOX_UP)) {
		close(fd); /* another member of the sandbox brought it already */
	} else if (tag == KEEP_PORT) {
		if (c->sandbox->fds.nports < ARRAY_LEN(c->sandbox->fds.ports))
			c->sandbox->fds.ports[c->sandbox->fds.nports++] = fd;
		else
			close(fd);
	} else if (!slot || *slot >= 0) {
		close(fd); /* ours is watched already: a second keeper gives back what it got from us */
	} else {
		*slot = fd;
	}
}
static void complete(struct mctr *c)
{
	c->netup = false;
	if (c->sandbox && c->sandbox->phase != SANDBOX_UP)
		sandbox_up(c);
}

/* ---- how it ended ---- */
#ifndef PIDFD_GET_INFO
struct pidfd_info {
	uint64_t mask, cgroupid;
	uint32_t ids[11];
	int32_t exit_code;
};
#define PIDFD_GET_INFO _IOWR(0xFF, 11, struct pidfd_info)
#define PIDFD_INFO_EXIT (1UL << 3)
#endif
static int zombie_status(pid_t pid)
{
	auto_free char *path = xasprintf("/proc/%d/stat", (int)pid);
	auto_free char *text = NULL;
	AUTO_ERR(e);
	char *p;

	if (file_read(path, 4096, &text, NULL, &e) < 0)
		return -1;
	p = strrchr(text, ')'); /* the name may hold anything */
	if (!p || strncmp(p, ") Z", 3) != 0)
		return -1;
	p = strrchr(p, ' ');
	return p ? (int)strtol(p + 1, NULL, 10) : -1;
}
static int info_status(int pidfd)
{
	struct pidfd_info info = { .mask = PIDFD_INFO_EXIT };

	return ioctl(pidfd, PIDFD_GET_INFO, &info) == 0 && (info.mask & PIDFD_INFO_EXIT) ? info.exit_code : -1;
}
/* "CODE NANOSECONDS\n", written by the keeper. */
static bool exit_file(const struct mctr *c, int *ret_code, int64_t *ret_ns)
{
	auto_free char *path = dirs_run(&c->m->dirs, "c/%s/exit", c->id);
	auto_free char *text = NULL;
	AUTO_ERR(e);
	char *end;

	if (file_read(path, 64, &text, NULL, &e) < 0)
		return false;
	*ret_code = (int)strtol(text, &end, 10);
	*ret_ns = strtoll(end, NULL, 10);
	return true;
}
bool keeper_how_ended(const struct mctr *c, int *ret_code, int64_t *ret_ns)
{
	int status;

	if (exit_file(c, ret_code, ret_ns))
		return true;
	status = c->pidfd < 0 ? -1 : info_status(c->pidfd);
	if (status >= 0)
		*ret_code = proc_exit_code(status);
	return status >= 0;
}
static void ended_without_keeper(struct mctr *c)
{
	int status = c->reaped, code = -1;
	int64_t when = 0;

	if (status < 0 && (waitpid(c->pid.pid, &status, WNOHANG) != c->pid.pid))
		status = zombie_status(c->pid.pid);
	if (status < 0)
		status = info_status(c->pidfd);
	if (status >= 0)
		code = proc_exit_code(status);
	else
		(void)exit_file(c, &code, &when);
	ctr_ended(c, code >= 0, code >= 0 ? code : 0, when);
}
bool keeper_process_over(const struct mctr *c)
{
	struct pollfd p = { .fd = c->pidfd, .events = POLLIN };

	return c->pidfd < 0 || poll(&p, 1, 0) > 0;
}
void keeper_reaped(struct mctr *c, int wait_status)
{
	c->reaped = wait_status;
	if (c->keep_sock < 0 && c->pid.pid)
		ended_without_keeper(c);
}

/* ---- messages ---- */
static void keeper_lost(struct mctr *c);
static void keeper_close(struct mctr *c)
{
	watch_done(&c->keep);
	if (c->keep_sock >= 0)
		close(TAKE_FD(c->keep_sock));
	c->expect_fds = 0;
}
static void on_exit_msg(struct mctr *c, const struct keep_msg *msg)
{
	if (!c->pid.pid)
		return;
	if (msg->ended == KEEP_ENDED)
		ctr_ended(c, true, msg->status, msg->finished_ns);
	else if (msg->ended == KEEP_ENDED_UNKNOWN)
		ended_without_keeper(c); /* it does not know; we may */
}
static void got_all(struct mctr *c, const struct keep_msg *msg)
{
	complete(c);
	if (c->state == M_STARTING)
		ctr_event(c, EV_READY);
	else if (c->adopting)
		monitor_adopted(c);
	if (msg->ended != KEEP_RUNS)
		on_exit_msg(c, msg);
}
static void on_message(struct mctr *c, const struct keep_msg *msg, int *fds, size_t nfds)
{
	AUTO_ERR(e);

	for (size_t i = 0; i < nfds; i++)
		take_fd(c, i < msg->nfds && i < KEEP_CHUNK ? msg->tags[i] : 0, fds[i]);
	if (msg->type == KEEP_HELLO) {
		c->pid = (struct proc_id){ msg->pid, msg->start };
		c->expect_fds = msg->total;
		if (proc_id_of(msg->keeper, &c->keeper, &e) < 0)
			c->keeper = (struct proc_id){ msg->keeper, 0 };
		monitor_dirty(c);
	}
	if (msg->type == KEEP_HELLO || msg->type == KEEP_GIVE) {
		c->expect_fds -= MIN(c->expect_fds, (unsigned)nfds);
		if (c->expect_fds == 0)
			got_all(c, msg);
	} else if (msg->type == KEEP_EXIT) {
		on_exit_msg(c, msg);
	}
}
static void k_failed(struct mctr *c, const char *text, size_t n)
{
	keeper_close(c);
	if (n > 0)
		(void)err_decode(&c->failed, text, n);
	else
		(void)err_set(&c->failed, ECHILD, "the process that was starting it ended in the middle");
	ctr_event(c, EV_FAILED);
}
int keeper_readable(struct watch *w, uint32_t events)
{
	struct mctr *c = CONTAINER_OF(w, struct mctr, keep);
	static char buf[sizeof(struct keep_msg) + 2 * (ERR_TEXT + ERR_HINT)]; /* K's error is the longest */
	struct keep_msg msg;
	int fds[FD_PASS_MAX];
	size_t nfds = FD_PASS_MAX;
	AUTO_ERR(e);
	ssize_t n = fd_recv(w->fd, buf, sizeof(buf), fds, &nfds, &e);

	if (n == -EAGAIN)
		return 0;
	if (n < (ssize_t)sizeof(msg)) {
		if (c->state == M_STARTING && !c->pid.pid)
			k_failed(c, NULL, 0);
		else
			keeper_lost(c);
		return 0;
	}
	memcpy(&msg, buf, sizeof(msg));
	if (msg.type == KEEP_FAILED)
		k_failed(c, buf + sizeof(msg), (size_t)n - sizeof(msg));
	else
		on_message(c, &msg, fds, nfds);
	return 0;
}

/* ---- connections ---- */
/* One K or keeper per container at a time: flock on its folder, held by K and then, with the same open file, by the keeper. A K whose monitor was
 * killed may still be at work when the next monitor wants to start the same container: the next K waits here until it has undone. */
int keeper_lock(const struct mctr *c, struct err *e)
{
	auto_free char *path = dirs_root(&c->m->dirs, "containers/%s", c->id);
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return err_sys(e, "open '%s'", path);
	do
		r = flock(fd, LOCK_EX);
	while (r < 0 && errno == EINTR);
	return r < 0 ? err_sys(e, "lock '%s'", path) : TAKE_FD(fd);
}
/* What becomes a keeper ends by SIGKILL or with its container only; SIG_IGN survives exec. */
void keeper_signals(void)
{
	static const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGQUIT };

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		signal(ignored[i], SIG_IGN);
}
int keeper_adopt(struct mctr *c, struct err *e)
{
	auto_free char *path = dirs_run(&c->m->dirs, "c/%s/keep.sock", c->id);
	AUTO_ERR(why);
	int sock = fd_connect(path, &why);

	if (sock == -ENOENT || sock == -ECONNREFUSED)
		return 1;
	if (sock < 0)
		return err_move(e, &why);
	TRY(fd_nonblock(sock, true, e));
	c->keep_sock = sock;
	return watch_fd(c->m->loop, &c->keep, sock, EPOLLIN, keeper_readable, e);
}
static void tell(struct mctr *c, enum keep_type type, int tag)
{
	struct keep_msg msg = { .version = KEEP_VERSION, .type = type, .tags = { (uint8_t)tag } };

	if (c->keep_sock >= 0 && send(c->keep_sock, &msg, sizeof(msg), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug("%s: keeper: %m", c->spec->name);
}
void keeper_bye(struct mctr *c)
{
	tell(c, KEEP_BYE, 0);
	keeper_close(c);
	c->keeper = (struct proc_id){ 0 };
}
void keeper_drop(struct mctr *c, enum keep_tag tag)
{
	int *slot = fd_slot(c, tag);

	if (slot && *slot >= 0)
		close(TAKE_FD(*slot));
	tell(c, KEEP_DROP, tag);
}

void keeper_kill(struct mctr *c)
{
	AUTO_ERR(gone);
	auto_close int pidfd = c->keep_sock >= 0 && c->keeper.pid ? proc_pidfd(&c->keeper, &gone) : -1;

	if (pidfd >= 0)
		(void)proc_kill_fd(pidfd, SIGKILL, &gone);
}

/* ---- a keeper that cannot be reached ---- */
/* Descriptor FD of the process PIDFD, when it is what TAG says: a number may stand for something else by now (KEEP_DROP). Linux 5.6. */
static int steal_fd(int pidfd, int tag, int fd)
{
	auto_close int got = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	bool fits;
	int domain = 0;
	socklen_t len = sizeof(domain);
	struct stat st;

	if (got < 0 || fstat(got, &st) < 0)
		return -1;
	if (tag == KEEP_DNS_UDP || tag == KEEP_DNS_TCP || tag == KEEP_PORT)
		fits = getsockopt(got, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && (domain == AF_INET || domain == AF_INET6);
	else
		fits = !S_ISSOCK(st.st_mode); /* all that a keeper opens later are connections to monitors */
	return fits ? TAKE_FD(got) : -1;
}
/* What the keeper KEEPER of C holds, read off its arguments, is ours; then it is killed. Its socket is gone, with /run or with a monitor's socket
 * that another one has made anew. */
bool keeper_take_over(struct mctr *c, const struct proc_id *keeper)
{
	AUTO_ERR(gone);
	auto_close int pidfd = proc_pidfd(keeper, &gone);
	auto_free char *path = xasprintf("/proc/%d/cmdline", (int)keeper->pid), *args = NULL;
	struct pollfd end = { .fd = pidfd, .events = POLLIN };
	size_t n = 0;

	if (pidfd < 0 || file_read(path, 64 << 10, &args, &n, &gone) < 0)
		return false;
	for (const char *a = args; a < args + n; a += strlen(a) + 1) {
		char *eq;
		long tag = strtol(a, &eq, 10);
		int fd = eq > a && *eq == '=' && tag >= KEEP_STDIN && tag <= KEEP_PORT ? steal_fd(pidfd, (int)tag, (int)strtol(eq + 1, NULL, 10)) : -1;

		if (fd >= 0)
			take_fd(c, (int)tag, fd);
	}
	complete(c);
	if (proc_kill_fd(pidfd, SIGKILL, &gone) >= 0)
		(void)poll(&end, 1, 1000);
	return true;
}

/* Another keeper for a process that lost its own, or never had one in this life. */
int keeper_respawn(struct mctr *c, struct err *e)
{
	AUTO_STRV(argv);
	auto_free char *keep = NULL, *monitor = NULL;
	auto_free char *dir_path = dirs_run(&c->m->dirs, "c/%s", c->id);
	auto_free char *sock_path = dirs_run(&c->m->dirs, "c/%s/keep.sock", c->id);
	auto_close int dir = -1, listener = -1, theirs = -1;
	int fds[KEEP_MAX], pair[2];
	size_t n = 0;
	pid_t pid;
	const struct sandbox *s = c->sandbox;

	TRY(dirs_program("gantry-keep", &keep, e));
	TRY(dirs_program("gantry-monitor", &monitor, e));
	TRY(file_mkdir_p(dir_path, 0700, e)); /* somebody may have wiped the run folder */
	dir = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "open '%s'", dir_path);
	(void)unlink(sock_path); /* the old keeper's descriptors close one by one: its listener may still answer for a moment */
	listener = fd_listen(sock_path, e);
	if (listener < 0)
		return listener;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "make a socket pair");
	theirs = pair[1];
	c->keep_sock = pair[0];
	TRY(fd_nonblock(pair[0], true, e));
	for (int tag = KEEP_STDIN; tag < KEEP_PORT; tag++) {
		int *slot = fd_slot(c, tag);

		if (slot && *slot >= 0)
			fds[n++] = *slot;
	}
	for (size_t i = 0; s && i < s->fds.nports; i++)
		fds[n++] = s->fds.ports[i];
	fds[n++] = dir;
	fds[n++] = listener;
	fds[n++] = theirs;
	pid = monitor_fork(c->m, fds, n, e);
	if (pid < 0)
		return (int)pid;
	if (pid == 0) {
		keeper_argv(&argv, c, &c->pid, monitor);
		for (int tag = KEEP_STDIN; tag < KEEP_PORT; tag++) {
			int *slot = fd_slot(c, tag);

			if (slot)
				keeper_arg(&argv, (enum keep_tag)tag, *slot);
		}
		for (size_t i = 0; s && i < s->fds.nports; i++)
			keeper_arg(&argv, KEEP_PORT, s->fds.ports[i]);
		keeper_arg(&argv, KEEP_OWN_LISTEN, listener);
		keeper_arg(&argv, KEEP_OWN_DIR, dir);
		keeper_arg(&argv, KEEP_OWN_CONN, theirs);
		keeper_arg(&argv, KEEP_OWN_LOCK, keeper_lock(c, e));
		keeper_signals();
		execv(keep, argv.v);
		_exit(127);
	}
	return watch_fd(c->m->loop, &c->keep, c->keep_sock, EPOLLIN, keeper_readable, e);
}
/* Where even another keeper cannot be had, we watch the process ourselves. */
static int process_readable(struct watch *w, uint32_t events)
{
	struct mctr *c = CONTAINER_OF(w, struct mctr, keep);

	(void)events;
	watch_done(w);
	ended_without_keeper(c);
	return 0;
}
static void keeper_lost(struct mctr *c)
{
	AUTO_ERR(e);
	AUTO_ERR(ignored);

	keeper_close(c);
	c->keeper = (struct proc_id){ 0 };
	if (!c->pid.pid)
		return; /* over already, and told */
	if (keeper_process_over(c)) {
		ended_without_keeper(c);
		return;
	}
	log_debug("%s: its keeper is gone, starting another", c->spec->name);
	(void)home_keep(c->m);
	if (keeper_respawn(c, &e) < 0) {
		monitor_report(c->m, "another keeper", &e);
		keeper_close(c);
		(void)watch_fd(c->m->loop, &c->keep, c->pidfd, EPOLLIN, process_readable, &ignored);
	}
}
