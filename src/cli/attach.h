/* SPDX-License-Identifier: MIT
 *
 * cli/attach.h - this terminal <-> the streams of a process in a container
 *
 * The process gets pipes (or a pty) of ours, never the caller's own descriptors: a container must not be able to reopen the file
 * that our output goes to, nor to push characters into our terminal.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <sys/types.h>

struct attach;
struct err;
/* A process that somebody else watches for us: the project's monitor. The descriptors of struct attach are closed as soon as nobody wants them. */
struct attach_remote {
	int sock[2];      /* polled for reading, -1: none */
	/* Something came on sock[I]. 1: the process has ended and all of its output is in the pipes; 2: the streams are other ones now. */
	int (*readable)(void *arg, int i, struct err *e);
	int (*signal)(void *arg, int sig, struct err *e);
	void (*resize)(void *arg, unsigned short rows, unsigned short cols);
	void *arg;
};
struct attach {
	int stdin_to;     /* write end of its stdin, -1: none. Closed at our end of file */
	int stdout_from;  /* read ends, -1: none */
	int stderr_from;
	int pty;          /* master, used for all three instead; -1: none */
	int pidfd;        /* ends the attachment when it exits and its output is read */
	bool raw;         /* put our terminal into raw mode and pass its size on (pty) */
	bool proxy;       /* SIGINT, SIGTERM, SIGHUP, SIGQUIT go to the process */
	const char *detach_keys; /* "ctrl-p,ctrl-q", NULL: none */
	struct attach_remote *remote; /* instead of pty and pidfd, NULL: none */
};
enum { ATTACH_ENDED, ATTACH_DETACHED };
/* Runs until the process has ended (0) or the detach keys were typed (ATTACH_DETACHED). Closes nothing but stdin_to. */
int attach_run(struct attach *a, struct err *e);
