/* SPDX-License-Identifier: MIT */
#include "cli/attach.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/tty.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <termios.h>

enum { CHUNK = 64 << 10, KEYS_MAX = 16 };

/* poll(2) and not the epoll loop: standard input and output may be regular files, which epoll refuses. */
enum { P_STDIN, P_STDIN_TO, P_OUT, P_ERR, P_PID, P_SIGNAL, P_REMOTE, P_REMOTE2, P_COUNT };

struct pump {
	struct attach *a;
	char in[CHUNK];           /* what stdin gave and the process has not taken */
	size_t in_len, in_off;
	bool in_open, out_open, err_open, exited;
	unsigned char keys[KEYS_MAX];
	size_t nkeys, matched;
	int sigfd;
};

/* "ctrl-p,ctrl-q" or plain characters, docker's --detach-keys */
static int parse_keys(struct pump *p, const char *text, struct err *e)
{
	for (const char *c = text; c && *c;) {
		size_t n = strcspn(c, ",");
		unsigned char key;

		if (n == 1)
			key = (unsigned char)*c;
		else if (n == 6 && strncmp(c, "ctrl-", 5) == 0 && c[5] >= '@' && c[5] <= 'z')
			key = (unsigned char)toupper((unsigned char)c[5]) & 0x1f;
		else
			return err_set(e, EINVAL, "--detach-keys: '%.*s' is no key (a letter, or ctrl- and a letter)", (int)n, c);
		if (p->nkeys == KEYS_MAX)
			return err_set(e, EINVAL, "--detach-keys: more than %d keys", KEYS_MAX);
		p->keys[p->nkeys++] = key;
		c += n + (c[n] == ',');
	}
	return 0;
}

static bool saw_detach(struct pump *p, const char *s, size_t n)
{
	for (size_t i = 0; i < n && p->nkeys; i++) {
		unsigned char c = (unsigned char)s[i];

		p->matched = c == p->keys[p->matched] ? p->matched + 1 : c == p->keys[0];
		if (p->matched == p->nkeys)
			return true;
	}
	return false;
}

static void pass_size(const struct attach *a)
{
	unsigned short rows, cols;

	if ((a->pty < 0 && !a->remote) || (tty_size(STDIN_FILENO, &rows, &cols) < 0 && tty_size(STDOUT_FILENO, &rows, &cols) < 0))
		return;
	if (a->pty >= 0)
		(void)tty_set_size(a->pty, rows, cols);
	else
		a->remote->resize(a->remote->arg, rows, cols);
}

static void close_stdin(struct pump *p)
{
	static const char eot = 4;

	if (p->a->pty >= 0 && !p->a->raw) /* a pty has no half close: end of file is a character */
		(void)!write(p->a->pty, &eot, 1);
	else if (p->a->pty < 0 && p->a->stdin_to >= 0)
		close(TAKE_FD(p->a->stdin_to));
}

static int in_fd(const struct attach *a)
{
	return a->pty >= 0 ? a->pty : a->stdin_to;
}

/* Returns 1 when the detach keys were typed. */
static int read_stdin(struct pump *p)
{
	ssize_t n = read(STDIN_FILENO, p->in, sizeof p->in);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		p->in_open = false;
		close_stdin(p);
		return 0;
	}
	p->in_off = 0;
	p->in_len = (size_t)n;
	return saw_detach(p, p->in, (size_t)n);
}

static void write_stdin(struct pump *p)
{
	ssize_t n = write(in_fd(p->a), p->in + p->in_off, p->in_len - p->in_off);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) { /* the process closed its end: what is typed goes nowhere */
		p->in_open = false;
		p->in_len = p->in_off = 0;
		close_stdin(p);
		return;
	}
	p->in_off += (size_t)n;
	if (p->in_off == p->in_len)
		p->in_len = p->in_off = 0;
}

/* Copies one chunk. Returns 0 when there is nothing now, 1 when something was copied; *open turns false at the end. */
static int copy_out(const struct attach *a, int from, int to, bool *open, struct err *e)
{
	char buf[CHUNK];
	ssize_t n = read(from, buf, sizeof buf);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) { /* EIO: the last slave of a pty was closed */
		*open = false;
		return 0;
	}
	if (fd_write_all(to, buf, (size_t)n, e) < 0) {
		if (!err_is(e, EPIPE))
			return err_wrap(e, "write output");
		if (a->remote) /* nobody reads any more: that ends us, not the process (docker compose run … | head) */
			return err_instead(e, EPIPE, "write /dev/std%s: broken pipe", to == STDOUT_FILENO ? "out" : "err");
		err_clear(e);
		*open = false;
	}
	return 1;
}

static int on_signal(struct pump *p, struct err *e)
{
	struct signalfd_siginfo si;
	struct err ignored = ERR_INIT;

	if (read(p->sigfd, &si, sizeof si) != sizeof si)
		return 0;
	if (si.ssi_signo == SIGWINCH)
		pass_size(p->a);
	else if (p->a->proxy && p->a->remote)
		return p->a->remote->signal(p->a->remote->arg, (int)si.ssi_signo, e);
	else if (p->a->proxy && p->a->pidfd >= 0)
		(void)proc_kill_fd(p->a->pidfd, (int)si.ssi_signo, &ignored);
	else
		err_set(e, EINTR, "interrupted");
	err_clear(&ignored);
	if (e->code)
		return err_exit(e, 130);
	return 0;
}

static void streams_open(struct pump *p)
{
	const struct attach *a = p->a;

	p->in_open = in_fd(a) >= 0;
	p->in_len = p->in_off = 0;
	p->out_open = a->pty >= 0 || a->stdout_from >= 0;
	p->err_open = a->pty < 0 && a->stderr_from >= 0;
}

static int nonblocking(const struct attach *a, struct err *e)
{
	const int fds[] = { a->stdin_to, a->pty, a->stdout_from, a->stderr_from };

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			TRY(fd_nonblock(fds[i], true, e));
	return 0;
}

static int on_remote(struct pump *p, int i, struct err *e)
{
	int r = p->a->remote->readable(p->a->remote->arg, i, e);

	if (r == 1)
		p->exited = true;
	if (r != 2)
		return r;
	TRY(nonblocking(p->a, e));
	streams_open(p);
	return 1;
}

static int step(struct pump *p, struct err *e)
{
	struct attach *a = p->a;
	const struct attach_remote *rem = p->exited ? NULL : a->remote;
	int out = a->pty >= 0 ? a->pty : a->stdout_from;
	struct pollfd fds[P_COUNT] = {
		[P_STDIN] = { p->in_open && !p->in_len ? STDIN_FILENO : -1, POLLIN, 0 },
		[P_STDIN_TO] = { p->in_len ? in_fd(a) : -1, POLLOUT, 0 },
		[P_OUT] = { p->out_open ? out : -1, POLLIN, 0 },
		[P_ERR] = { p->err_open ? a->stderr_from : -1, POLLIN, 0 },
		[P_PID] = { p->exited ? -1 : a->pidfd, POLLIN, 0 },
		[P_SIGNAL] = { p->sigfd, POLLIN, 0 },
		[P_REMOTE] = { rem ? rem->sock[0] : -1, POLLIN, 0 },
		[P_REMOTE2] = { rem ? rem->sock[1] : -1, POLLIN, 0 },
	};
	int more = 0;

	if (poll(fds, P_COUNT, p->exited ? 0 : -1) < 0)
		return errno == EINTR ? 1 : err_sys(e, "poll");
	if (fds[P_SIGNAL].revents)
		TRY(on_signal(p, e));
	if (fds[P_OUT].revents)
		TRY(more |= copy_out(a, out, STDOUT_FILENO, &p->out_open, e));
	if (fds[P_ERR].revents)
		TRY(more |= copy_out(a, a->stderr_from, STDERR_FILENO, &p->err_open, e));
	if (fds[P_PID].revents) {
		p->exited = true;
		return 1;
	}
	for (int i = 0; i < 2; i++)
		if (fds[P_REMOTE + i].revents) { /* the descriptors may be others afterwards */
			TRY(on_remote(p, i, e));
			return 1;
		}
	if (p->exited) /* what its children still hold open is not waited for */
		return more;
	if (fds[P_STDIN_TO].revents)
		write_stdin(p);
	if (fds[P_STDIN].revents && read_stdin(p))
		return -ECANCELED;
	return 1;
}

static int open_signals(const struct attach *a, sigset_t *old)
{
	static const int proxied[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	for (size_t i = 0; i < ARRAY_LEN(proxied); i++)
		sigaddset(&set, proxied[i]);
	sigprocmask(SIG_BLOCK, &set, old);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int attach_run(struct attach *a, struct err *e)
{
	struct pump p = { .a = a };
	struct termios saved;
	bool raw = false;
	sigset_t old;
	int r;

	TRY(parse_keys(&p, a->detach_keys, e));
	streams_open(&p);
	TRY(nonblocking(a, e));
	pass_size(a);
	if (a->raw && tty_is(STDIN_FILENO))
		raw = tty_raw(STDIN_FILENO, &saved, e) >= 0;
	p.sigfd = open_signals(a, &old);
	do
		r = step(&p, e);
	while (r > 0);
	if (raw)
		tty_restore(STDIN_FILENO, &saved);
	close(p.sigfd);
	sigprocmask(SIG_SETMASK, &old, NULL);
	return r == -ECANCELED && !e->code ? ATTACH_DETACHED : r;
}
