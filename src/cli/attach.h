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

struct err;
struct attach {
	int stdin_to;     /* write end of its stdin, -1: none. Closed at our end of file */
	int stdout_from;  /* read ends, -1: none */
	int stderr_from;
	int pty;          /* master, used for all three instead; -1: none */
	int pidfd;        /* ends the attachment when it exits and its output is read */
	bool raw;         /* put our terminal into raw mode and pass its size on (pty) */
	bool proxy;       /* SIGINT, SIGTERM, SIGHUP, SIGQUIT go to the process */
	const char *detach_keys; /* "ctrl-p,ctrl-q", NULL: none */
};
enum { ATTACH_ENDED, ATTACH_DETACHED };
/* Runs until the process has ended (0) or the detach keys were typed (ATTACH_DETACHED). Closes nothing but stdin_to. */
int attach_run(struct attach *a, struct err *e);
