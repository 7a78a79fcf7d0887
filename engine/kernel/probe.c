/* SPDX-License-Identifier: MIT */
#include "engine/kernel/probe.h"

#include "engine/kernel/sys.h"
#include <errno.h>
#include <stdio.h>
#include <sys/utsname.h>

static bool there(long r)
{
	return r >= 0 || (errno != ENOSYS && errno != EOPNOTSUPP);
}

const struct kernel_probe *kernel_probe(void)
{
	static struct kernel_probe p; /* a memo of facts that do not change while we run */
	static bool asked;

	if (asked)
		return &p;
	p.clone3 = there(syscall(SYS_clone3, NULL, 0));
	p.openat2 = there(syscall(SYS_openat2, -1, NULL, NULL, 0));
	p.close_range = there(syscall(SYS_close_range, 1, 0, 0));
	p.pidfd = there(syscall(SYS_pidfd_open, -1, 0));
	p.new_mount = there(syscall(SYS_mount_setattr, -1, NULL, ~0u, NULL, 0)) &&
		      there(syscall(SYS_open_tree, -1, NULL, ~0u)) && there(syscall(SYS_fsopen, NULL, ~0u)) &&
		      there(syscall(SYS_fsmount, -1, ~0u, 0)) && there(syscall(SYS_move_mount, -1, NULL, -1, NULL, ~0u));
	asked = true;
	return &p;
}

int kernel_version(void)
{
	struct utsname u;
	int major, minor;

	if (uname(&u) < 0 || sscanf(u.release, "%d.%d", &major, &minor) != 2)
		return 0;
	return major * 1000 + minor;
}
