/* SPDX-License-Identifier: MIT
 *
 * engine/monitor/client.h - one connection to ctl.sock, shared by serve.c (requests) and attach.c (streams)
 */
#pragma once
#include "engine/monitor/monitor.h"

enum client_wait {
	WAIT_NONE,     /* no request under way */
	WAIT_RUNNING,  /* start, restart */
	WAIT_DOWN,     /* stop, kill -9 */
	WAIT_CODE,     /* wait */
	WAIT_ATTACH,
	WAIT_EXEC,     /* probe.c answers */
	WAIT_ALL_DOWN, /* shutdown */
};
struct client_out {
	struct watch watch; /* active: bytes wait */
	int fd;             /* -1: none */
	char *buf;
	size_t len, off;
	struct client *client;
};
struct client {
	struct client *next;
	struct monitor *m;
	struct watch watch;
	int sock;
	enum client_wait wait;
	struct mctr *ctr;
	char *reply;        /* to be sent at the turn's end */
	bool gone;          /* to be freed at the turn's end */

	struct client *next_attached;
	bool finishing;     /* the container is down: the answer comes when all output has gone out */
	struct client_out out[LOG_STREAMS];
	int in_fd;          /* its stdin, -1 */
	struct watch in;
	int to_fd;          /* our own descriptor of the container's stdin or pty, -1 */
	struct watch to;    /* active: bytes wait */
	char *to_buf;       /* IN_BUF bytes while attached with stdin */
	size_t to_len, to_off;
};

int attach_begin(struct client *cl, bool with_stdin, int *fds, size_t nfds, struct err *e); /* takes FDS on success */
void attach_state(struct client *cl);  /* its container's state has changed */
void attach_end(struct client *cl);    /* forgets streams; idempotent */
