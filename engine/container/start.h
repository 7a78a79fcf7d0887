/* SPDX-License-Identifier: MIT
 *
 * engine/container/start.h - the parent's side of a start, run by K (the process that becomes gantry-keep)
 *
 * K is single-threaded, forked from the monitor for just this start, already inside the sandbox's network namespace, with the host's
 * in host_netns. The order of steps is written once, at the top of child.c. On failure everything that was made is undone.
 */
#pragma once
#include "base/auto.h"
#include "base/proc.h"
#include "engine/container/spec.h"

struct dirs;
struct err;
struct ctr_start {
	const struct dirs *dirs;
	const struct ctr_spec *spec;
	int stdin_fd;       /* container's ends: stdin (or /dev/null), stdout, stderr; -1 with tty */
	int stdout_fd;
	int stderr_fd;
	int netns;          /* the sandbox's namespace; -1: the host's */
	int host_netns;
	/* namespaces of other containers to join (ipc/pid/uts "container:ID"), -1: own or host as the spec says */
	int join_ipc, join_pid, join_uts;
	int join_ipc_mnt;    /* mount namespace of join_ipc's container, whose /dev/shm is shared too; only looked at with join_ipc */
	unsigned short rows, cols; /* size of its terminal with tty; 0: not known */
	const char *etc_dir; /* folder with hosts, hostname, resolv.conf to bind; NULL: copies of the host's with its network, else none */
};
struct ctr_started {
	struct proc_id pid;
	int pidfd;
	int pty_master;     /* tty: master of a pty inside the container's devpts; -1 */
};
/* Returns when the container's program has been exec'd, or the failing step as a sentence with exit 127/126/125 in e->exit. */
int container_start(const struct ctr_start *a, struct ctr_started *ret, struct err *e);
