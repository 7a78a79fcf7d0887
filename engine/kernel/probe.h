/* SPDX-License-Identifier: MIT
 *
 * engine/kernel/probe.h - what this kernel has, asked once a process
 *
 * Each feature is asked by a call with arguments that cannot succeed: ENOSYS says "not there", anything else "there".
 * A seccomp filter that answers ENOSYS therefore runs the fallbacks, which is how the tests run them.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>

struct kernel_probe {
	bool clone3;      /* 5.3; with CLONE_INTO_CGROUP since 5.7 */
	bool openat2;     /* 5.6 */
	bool new_mount;   /* 5.12: open_tree, fsopen, fsmount, move_mount and mount_setattr, all of them */
	bool close_range; /* 5.9; CLOSE_RANGE_CLOEXEC 5.11 */
	bool pidfd;       /* 5.3 pidfd_open; setns(pidfd) 5.8 */
};
const struct kernel_probe *kernel_probe(void);
/* "6.18.44" -> 6018 for "6.18"; 0 when it cannot be known. Only for what cannot be asked. */
int kernel_version(void);
