/* SPDX-License-Identifier: MIT
 *
 * engine/image/worker.h - a child by fork(2) that talks with its parent through wire.h, and never outlives it
 */
#pragma once
#include "base/auto.h"
#include <sys/types.h>

struct err;
struct worker {
	pid_t pid;   /* 0: none */
	int sock;    /* the parent's end, -1: none */
};
#define WORKER_INIT ((struct worker){ .sock = -1 })
/* Forks. In the child W->pid is 0 and *RET_SOCK its end of the socket; it ends with _exit(2). WHAT names it in errors; a failure leaves W as
 * WORKER_INIT. */
int worker_fork(struct worker *w, const char *what, int *ret_sock, struct err *e);
/* Kills and reaps it; nothing for WORKER_INIT. */
void worker_end(struct worker *w);
