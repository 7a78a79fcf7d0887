/* SPDX-License-Identifier: MIT
 *
 * engine/kernel/sys.h - numbers and constants that the C library's headers may be too old for
 *
 * System calls from clone3 on have the same number on every architecture but alpha, which we do not run on.
 */
#pragma once
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_open_tree
#define SYS_open_tree 428
#define SYS_move_mount 429
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

/* mount API: enum values in some headers, so under names of our own */
enum {
	SYS_FSCONFIG_FLAG = 0,
	SYS_FSCONFIG_STRING = 1,
	SYS_FSCONFIG_FD = 5,
	SYS_FSCONFIG_CREATE = 6,
	SYS_OPEN_TREE_CLONE = 1,
	SYS_OPEN_TREE_CLOEXEC = O_CLOEXEC,
	SYS_AT_RECURSIVE = 0x8000,
	SYS_FSOPEN_CLOEXEC = 1,
	SYS_FSMOUNT_CLOEXEC = 1,
	SYS_MOVE_F_EMPTY_PATH = 0x4,
	SYS_MOVE_T_EMPTY_PATH = 0x40,
};
enum {
	ATTR_RDONLY = 0x1,
	ATTR_NOSUID = 0x2,
	ATTR_NODEV = 0x4,
	ATTR_NOEXEC = 0x8,
	ATTR_NOATIME = 0x10,
	ATTR_STRICTATIME = 0x20,
	ATTR_ATIME = 0x70, /* the field of the two above */
	ATTR_NODIRATIME = 0x80,
};
struct sys_mount_attr {
	uint64_t attr_set, attr_clr, propagation, userns_fd;
};

/* clone3 */
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif
#define SYS_CLONE_INTO_CGROUP UINT64_C(0x200000000)
struct sys_clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

/* openat2 */
struct sys_open_how {
	uint64_t flags, mode, resolve;
};
enum { SYS_RESOLVE_NO_XDEV = 1, SYS_RESOLVE_NO_MAGICLINKS = 2, SYS_RESOLVE_NO_SYMLINKS = 4, SYS_RESOLVE_BENEATH = 8, SYS_RESOLVE_IN_ROOT = 0x10 };

/* statfs(2) magic numbers that we check */
#define MAGIC_PROC 0x9fa0
#define MAGIC_DEVPTS 0x1cd1
#define MAGIC_SYSFS 0x62656572
#define MAGIC_CGROUP 0x27e0eb
#define MAGIC_CGROUP2 0x63677270
