/* SPDX-License-Identifier: MIT
 *
 * cli/log_view.h - logs of a project's containers on the terminal: `logs`, attached `up`
 *
 * Reads the files itself, merges what is there by time, then follows: a *service* is followed over restarts, recreates and
 * scaling, woken by inotify (the files, and run/gen/PROJECT for new containers). No monitor is needed to read.
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include <stdbool.h>
#include <stdint.h>

struct app;
struct ctr_row;
struct err;
struct log_view;
struct loop;
struct log_view_opts {
	const struct strv *services;  /* none: all */
	int64_t index;                /* replica, 0: all */
	int64_t tail;                 /* < 0: all */
	int64_t since_ns, until_ns;   /* 0: none */
	bool follow, prefix, timestamps, color;
	bool one_stream;              /* `logs`: standard error of the containers goes to standard output too, so that it can be piped */
	bool announce;                /* attached up: "web-1 exited with code 0" */
	/* Called when a container that was seen running has ended; < 0 ends the loop. NULL: nobody is interested. */
	int (*ended)(const struct ctr_row *c, void *arg);
	/* Called before something is printed: progress moves aside. NULL: nothing to do. */
	void (*printing)(void *arg);
	void *arg;
};
/* LOOP may be NULL without FOLLOW. */
int log_view_new(struct app *app, struct loop *loop, const struct log_view_opts *o, struct log_view **ret, struct err *e);
void log_view_free(struct log_view *v);
DEFINE_AUTO(struct log_view *, log_view_free)
/* Prints what there is now, in order of time. */
int log_view_print(struct log_view *v, struct err *e);
/* Nothing runs, nothing will be started again by a restart policy, all is printed: `logs -f` is over. */
bool log_view_over(const struct log_view *v);
/* From now on the loop is left as soon as that is so. */
void log_view_quit_when_over(struct log_view *v);
/* The error with which a handler ended the loop, if any. */
int log_view_error(struct log_view *v, struct err *e);
/* "web-1", or the container's own name. Caller frees. */
char *log_view_name(const struct ctr_row *c);
