/* SPDX-License-Identifier: MIT */
#include "net/netns.h"
#include "base/auto.h"
#include "base/err.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>

int netns_open(struct err *e)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? err_sys(e, "open the network namespace") : fd;
}

int netns_new(struct err *e)
{
	if (unshare(CLONE_NEWNET) < 0)
		return err_sys(e, "make a network namespace");
	return netns_open(e);
}

int netns_enter(int fd, struct err *e)
{
	return setns(fd, CLONE_NEWNET) < 0 ? err_sys(e, "enter a network namespace") : 0;
}

int netns_of_socket(int sock, struct err *e)
{
	int fd = ioctl(sock, SIOCGSKNS);

	if (fd < 0)
		return err_sys(e, "network namespace of a socket");
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

int netns_run(int fd, int (*fn)(void *arg, struct err *e), void *arg, struct err *e)
{
	auto_close int here = netns_open(e);
	AUTO_ERR(t);
	int r;

	TRY(here);
	TRY(netns_enter(fd, e));
	r = fn(arg, e);
	/* A process that stays in the wrong namespace would do its next steps to somebody else. */
	if (netns_enter(here, &t) < 0)
		BUG("cannot return to the host's network namespace: %s", err_text(&t));
	return r;
}
