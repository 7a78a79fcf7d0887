/* SPDX-License-Identifier: MIT
 *
 * base/loop.h - epoll, level-triggered. A watch is embedded in its owner; watch_done() is safe from any handler, its own too.
 * Handlers never block, never run the loop, and return < 0 (a negative errno value) to end it.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stdint.h>
#include <signal.h>

struct err;
struct loop;
struct watch;
typedef int watch_fn(struct watch *w, uint32_t events); /* EPOLL* bits */
struct watch {
	struct loop *loop;
	int fd;           /* borrowed, except of timers and signals, which own theirs */
	uint32_t events;
	watch_fn *fn;
	bool timer, owned; /* internal */
	struct watch *next; /* internal */
};
struct loop *loop_new(struct err *e);
/* Ends the watches that are left: their owners must still be there. */
void loop_free(struct loop *l);
DEFINE_AUTO(struct loop *, loop_free)
/* W: zeroed, or done with. A regular file is -EPERM (epoll(7)): it is always ready. */
int watch_fd(struct loop *l, struct watch *w, int fd, uint32_t events, watch_fn *fn, struct err *e);
int watch_events(struct watch *w, uint32_t events); /* change the mask; 0 keeps it registered but deaf */
/* A timer (CLOCK_MONOTONIC): not armed yet. */
int watch_timer(struct loop *l, struct watch *w, watch_fn *fn, struct err *e);
void watch_arm(struct watch *w, int64_t after_ns); /* <= 0 fires at once; INT64_MAX disarms */
/* Forgets the watch (closing a timer's or signals' fd); a zeroed watch is fine. Before the fd is closed. */
void watch_done(struct watch *w);
bool watch_active(const struct watch *w);
/* Signals by signalfd; blocks them in this process. read the siginfo with read(2) of w->fd. */
int watch_signals(struct loop *l, struct watch *w, const int *sigs, watch_fn *fn, struct err *e); /* 0-terminated */
int loop_run(struct loop *l); /* until a handler returns < 0 (returned) or loop_quit (returns 0) */
int loop_once(struct loop *l, int timeout_ms); /* < 0: a handler's end; 0: nothing; 1: something */
void loop_quit(struct loop *l);
