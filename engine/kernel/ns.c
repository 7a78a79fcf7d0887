/* SPDX-License-Identifier: MIT */
#include "engine/kernel/ns.h"

#include "engine/kernel/probe.h"
#include "engine/kernel/sys.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>

pid_t ns_clone(uint64_t flags, int cgroup_fd, int *ret_pidfd, bool *ret_joined)
{
	const struct kernel_probe *k = kernel_probe();
	int pidfd = -1;
	struct sys_clone_args a = {
		.flags = flags | (ret_pidfd ? CLONE_PIDFD : 0) | (cgroup_fd >= 0 ? SYS_CLONE_INTO_CGROUP : 0),
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		/* with CLONE_PARENT the signal is the caller's own, and another is refused */
		.exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD,
		.cgroup = cgroup_fd >= 0 ? (uint64_t)cgroup_fd : 0,
	};
	long r = -1;
	bool joined = cgroup_fd >= 0;

	errno = ENOSYS;
	if (k->clone3)
		r = syscall(SYS_clone3, &a, sizeof(a));
	if (r < 0 && (errno == ENOSYS || (errno == E2BIG && cgroup_fd >= 0))) {
		/* before 5.3, or before 5.7 with a cgroup; the argument order of clone(2) is that of x86, arm, riscv */
		unsigned long f = (unsigned long)flags | (ret_pidfd && k->pidfd ? CLONE_PIDFD : 0) | SIGCHLD;

		joined = false;
		r = syscall(SYS_clone, f, NULL, &pidfd, NULL, NULL);
	}
	if (r < 0)
		return -errno;
	if (ret_pidfd)
		*ret_pidfd = pidfd;
	if (ret_joined)
		*ret_joined = joined;
	return (pid_t)r;
}

int ns_unshare(int flags)
{
	return unshare(flags) < 0 ? -errno : 0;
}

int ns_enter(int fd, int type)
{
	return setns(fd, type) < 0 ? -errno : 0;
}

int ns_open(const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
