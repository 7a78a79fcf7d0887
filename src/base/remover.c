/* SPDX-License-Identifier: MIT */
#include "base/remover.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void remove_now(const char *path)
{
	AUTO_ERR(left);

	if (file_remove_tree_path(path, &left) < 0)
		log_debug("%s", err_text(&left));
}

/* Paths from FD, until its other end is closed. */
static void remove_all(int fd)
{
	char buf[2 * PATH_MAX];
	size_t have = 0;
	ssize_t n;

	while ((n = read(fd, buf + have, sizeof(buf) - have)) > 0 || (n < 0 && errno == EINTR)) {
		const char *p = buf, *end;

		have += n > 0 ? (size_t)n : 0;
		for (; (end = memchr(p, 0, (size_t)(buf + have - p))); p = end + 1)
			remove_now(p);
		have -= (size_t)(p - buf);
		memmove(buf, p, have);
	}
}

static int start(struct remover *r)
{
	const pid_t parent = getpid();
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	r->pid = fork();
	if (r->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)prctl(PR_SET_NAME, "gantry-remove");
		(void)signal(SIGINT, SIG_IGN); /* the terminal's are the parent's to answer */
		(void)signal(SIGQUIT, SIG_IGN);
		close(fds[1]);
		if (getppid() == parent)
			remove_all(fds[0]);
		_exit(0);
	}
	close(fds[0]);
	if (r->pid < 0) {
		r->pid = 0;
		close(fds[1]);
		return -errno;
	}
	r->fd = fds[1];
	return 0;
}

void remover_add(struct remover *r, const char *path)
{
	AUTO_ERR(e);

	if (!r || strlen(path) >= PATH_MAX || (!r->pid && start(r) < 0) || fd_write_all(r->fd, path, strlen(path) + 1, &e) < 0)
		remove_now(path);
}

void remover_done(struct remover *r)
{
	if (!r->pid)
		return;
	close(r->fd);
	while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
		;
	*r = REMOVER_INIT;
}
