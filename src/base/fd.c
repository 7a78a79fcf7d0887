/* SPDX-License-Identifier: MIT */
#include "base/fd.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/id.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

int fd_read_all(int fd, size_t max, char **ret_text, size_t *ret_len, struct err *e)
{
	auto_free char *text = NULL;
	size_t len = 0, cap = 4096;
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		cap = MIN((size_t)st.st_size, max) + 2; /* one more shows the end, and the NUL */
	text = xmalloc(cap);
	for (;;) {
		ssize_t n;

		if (cap - len < 2) {
			cap *= 2;
			text = xrealloc(text, cap);
		}
		n = read(fd, text + len, cap - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read");
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > max)
			return err_set(e, EFBIG, "larger than %zu bytes", max);
	}
	text[len] = '\0';
	*ret_text = TAKE(text);
	if (ret_len)
		*ret_len = len;
	return 0;
}

int fd_write_all(int fd, const void *p, size_t n, struct err *e)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_sys(e, "write");
		p = (const char *)p + done;
		n -= (size_t)done;
	}
	return 0;
}

int fd_pipe(int ret[2], struct err *e)
{
	return pipe2(ret, O_CLOEXEC) < 0 ? err_sys(e, "make a pipe") : 0;
}

int fd_nonblock(int fd, bool on, struct err *e)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0)
		return err_sys(e, "change a descriptor's blocking");
	return 0;
}

int fd_cloexec(int fd, bool on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(FD_PASS_MAX * sizeof(int))];
};

int fd_send(int sock, const void *p, size_t n, const int *fds, size_t nfds, struct err *e)
{
	union control control = { 0 };
	struct iovec io = { .iov_base = (void *)(uintptr_t)p, .iov_len = n };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1 };

	BUG_ON(nfds > FD_PASS_MAX);
	if (nfds) {
		struct cmsghdr *c;

		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	do {
		ssize_t done = sendmsg(sock, &m, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return err_sys(e, "send a message");
		/* a stream may take a part; the descriptors went with its first byte */
		io.iov_base = (char *)io.iov_base + done;
		io.iov_len -= (size_t)done;
		m.msg_control = NULL;
		m.msg_controllen = 0;
	} while (io.iov_len > 0);
	return 0;
}

/* What came along: up to FD_PASS_MAX (the kernel drops what does not fit in the control buffer). */
static size_t take_fds(struct msghdr *m, int got[FD_PASS_MAX])
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		here = MIN(here, FD_PASS_MAX - n);
		memcpy(got + n, CMSG_DATA(c), here * sizeof(int));
		n += here;
	}
	return n;
}

ssize_t fd_recv(int sock, void *p, size_t n, int *fds, size_t *nfds, struct err *e)
{
	union control control;
	struct iovec io = { .iov_base = p, .iov_len = n };
	struct msghdr m = {
		.msg_iov = &io, .msg_iovlen = 1,
		.msg_control = control.bytes, .msg_controllen = sizeof(control.bytes),
	};
	size_t room = nfds ? MIN(*nfds, (size_t)FD_PASS_MAX) : 0, count;
	int got[FD_PASS_MAX];
	ssize_t done;

	do
		done = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	while (done < 0 && errno == EINTR);
	if (done < 0)
		return err_sys(e, "receive a message");
	count = take_fds(&m, got);
	if (count > room || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		for (size_t i = 0; i < count; i++)
			close(got[i]);
		return err_set(e, EMSGSIZE, "a message was longer than %zu bytes or %zu descriptors",
			       n, room);
	}
	if (count)
		memcpy(fds, got, count * sizeof(int));
	if (nfds)
		*nfds = count;
	return done;
}

/* The address of NAME in the folder of PATH; *DIR keeps that folder open where PATH itself would be too long. */
static int address(const char *path, const char *name, struct sockaddr_un *a, int *dir, struct err *e)
{
	auto_free char *parent = path_parent(path), *full = path_join(parent, name);
	int n;

	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(a->sun_path, sizeof(a->sun_path), "%s", full);
	if (n > 0 && (size_t)n < sizeof(a->sun_path))
		return 0;
	*dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*dir < 0)
		return err_sys(e, "open '%s'", parent);
	n = snprintf(a->sun_path, sizeof(a->sun_path), "/proc/self/fd/%d/%s", *dir, name);
	if ((size_t)n >= sizeof(a->sun_path))
		return err_code(e, ENAMETOOLONG, "socket '%s'", path);
	return 0;
}

static int socket_new(int flags, struct err *e)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);

	return fd < 0 ? err_sys(e, "make a socket") : fd;
}

static int connect_to(const char *path, int flags, struct err *e)
{
	auto_close int dir = -1, fd = socket_new(flags, e);
	struct sockaddr_un a;

	if (fd < 0)
		return fd;
	TRY(address(path, path_base(path), &a, &dir, e));
	while (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		if (errno != EINTR)
			return err_sys(e, "connect to '%s'", path);
	return TAKE_FD(fd);
}

int fd_connect(const char *path, struct err *e)
{
	return connect_to(path, 0, e);
}

/* Somebody listens at PATH. One whose queue is full (-EAGAIN) does too. */
static bool answered(const char *path)
{
	AUTO_ERR(scratch);
	auto_close int fd = connect_to(path, SOCK_NONBLOCK, &scratch);

	return fd >= 0 || fd == -EAGAIN;
}

/*
 * Made under another name and renamed once it listens, so that whoever finds PATH is answered. The file gets the mode that
 * the socket has at bind (unix(7)).
 */
int fd_listen(const char *path, struct err *e)
{
	auto_close int dir = -1, fd = -1;
	auto_free char *parent = path_parent(path), *temp = NULL;
	struct sockaddr_un a;
	char name[16] = ".s";

	if (answered(path))
		return err_code(e, EADDRINUSE, "listen on '%s'", path);
	fd = socket_new(SOCK_NONBLOCK, e);
	if (fd < 0)
		return fd;
	id_hex(name + 2, 8);
	temp = path_join(parent, name);
	TRY(address(path, name, &a, &dir, e));
	if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return err_sys(e, "listen on '%s'", path);
	if (listen(fd, 128) < 0 || rename(temp, path) < 0) {
		int r = err_sys(e, "listen on '%s'", path);

		(void)unlink(temp);
		return r;
	}
	return TAKE_FD(fd);
}
