/* SPDX-License-Identifier: MIT
 *
 * engine/container/exec.h - one more process in a running container: the caller joins its namespaces and cgroup itself, applies the same
 * seccomp, capabilities, user and limits, and execs. No monitor involved.
 */
#pragma once
#include "base/auto.h"
#include "base/proc.h"
#include "base/strv.h"
#include "engine/container/spec.h"

struct dirs;
struct err;
struct exec_opts {
	const struct strv *argv;
	const struct strv *env;    /* K=V, or K (the caller's value) on top of the container's; NULL */
	const char *user;          /* NULL: the container's */
	const char *cwd;           /* NULL: the container's */
	bool privileged, tty;
	int stdin_fd, stdout_fd, stderr_fd; /* -1: /dev/null; ignored with tty */
	unsigned short rows, cols; /* tty */
};
struct exec_started {
	pid_t pid;                 /* a child of the caller: wait for it */
	int pidfd;
	int pty_master;            /* -1 without tty */
};
/* CTR is the container's first process. Errors as container_start: e->exit 127 not found, 126 not executable. */
int container_exec(const struct dirs *d, const struct ctr_spec *spec, const struct proc_id *ctr, const struct exec_opts *o,
		   struct exec_started *ret, struct err *e);
