/* SPDX-License-Identifier: MIT
 *
 * base/proc.h - processes: start one of our programs, know one again, how it ended
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
/* A pid is never trusted alone: pid + start time (field 22 of /proc/PID/stat) identify a process within one boot. */
struct proc_id {
	pid_t pid;          /* 0: none */
	uint64_t start;
};
int proc_id_of(pid_t pid, struct proc_id *ret, struct err *e);
bool proc_alive(const struct proc_id *p); /* false for zombies too */
/* A pidfd of exactly that process; -ESRCH: gone. */
int proc_pidfd(const struct proc_id *p, struct err *e);
int proc_kill_fd(int pidfd, int sig, struct err *e);

/* fork + exec. FDS: NULL or -1-terminated list of (fd) that the child keeps under the same number; all others are closed.
 * STDIO: three fds (-1: /dev/null) or NULL for inherit. ENV: NULL inherits. SETSID: own session. Signals are as at boot: none
 * blocked or ignored. Returns 0, pid, and a pidfd (each may be NULL); a failed exec is an error here. */
struct proc_spawn {
	const char *path;
	char *const *argv;
	char *const *env;
	const int *stdio;
	const int *fds;
	bool setsid;
};
int proc_spawn(const struct proc_spawn *s, pid_t *ret_pid, int *ret_pidfd, struct err *e);
/* Waits for it; *ret_status is 0..255, 128+signal. */
int proc_wait(pid_t pid, int *ret_status, struct err *e);
/* wait(2) status -> exit code as shells and docker show it */
int proc_exit_code(int wait_status);
/* "nginx (pid 1234)" of who listens on a port, for "port in use". PROTO: tcp, udp. Caller frees; NULL: not found. */
char *proc_find_listener(const char *proto, uint16_t port);
/* Signal by number, name, or SIGname ("TERM", "SIGTERM", "15", "RTMIN+3"); name back. */
int proc_signal_parse(const char *s, int *ret_sig, struct err *e);
const char *proc_signal_name(int sig); /* "SIGTERM"; NULL: unknown */
