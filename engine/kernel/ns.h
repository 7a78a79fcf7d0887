/* SPDX-License-Identifier: MIT
 *
 * engine/kernel/ns.h - make a process, enter namespaces
 *
 * Nothing here allocates: all may be called between clone and exec. >= 0, or a negative errno value.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Like fork(): 0 in the child, the pid in the parent. FLAGS: CLONE_NEW*, CLONE_VFORK, CLONE_PARENT (never CLONE_VM). CGROUP_FD >= 0 is a v2
 * directory to be born in. *RET_PIDFD (may be NULL) gets a pidfd, -1 where the kernel cannot give one.
 * 1 in *RET_JOINED (may be NULL): the child is in the cgroup already; 0: the kernel is too old, the child must join by itself. */
pid_t ns_clone(uint64_t flags, int cgroup_fd, int *ret_pidfd, bool *ret_joined);
int ns_unshare(int flags);
/* TYPE: CLONE_NEW* of a namespace fd, or several of them for a pidfd. */
int ns_enter(int fd, int type);
/* /proc/self/ns/NAME of the caller */
int ns_open(const char *name);
