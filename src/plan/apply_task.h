/* SPDX-License-Identifier: MIT
 *
 * plan/apply_task.h - between apply.c, task.c and op_*.c: one task per operation
 *
 * An operation's function returns TASK_DONE, < 0 with t->e set, or TASK_WAITING after it asked for something that calls task_end() later.
 */
#pragma once
#include "base/err.h"
#include "base/loop.h"
#include "base/map.h"
#include "base/remover.h"
#include "plan/apply.h"
#include "plan/plan.h"

enum { TASK_DONE = 0, TASK_WAITING = 1 };
enum task_state { TASK_PENDING, TASK_RUNNING, TASK_ENDED, TASK_FAILED, TASK_SKIPPED };

struct task;
struct cJSON;
typedef int task_fn(struct task *t);
struct task {
	struct apply *a;
	const struct op *op;
	enum task_state state;
	struct err e;
	bool warned;
	bool fetch;          /* an image that op_images_fetch() is to ask for */
	char *id;            /* of the container that it made, or works on */
	task_fn *cancel;     /* ends it early, NULL: it is left to end */
	/* a request to the monitor: task_request() */
	struct cJSON *request;
	int sock, tries;
	struct watch w;
	task_fn *reply;      /* called when the answer is there, t->e set when it was an error; its result counts as the operation's */
	struct watch timer;
	void *data;          /* the operation's own, freed with free_data */
	void (*free_data)(void *);
};
/* News for the caller, in the order of events, given out before the loop waits (and after a sync when something is said to be done). */
struct apply_news {
	const struct op *op;
	enum apply_state state;
	char *id, *text;
};
struct apply {
	struct db *db;
	struct loop *loop;
	const struct project *p;
	const struct plan *plan;
	struct apply_options o;
	struct task *tasks;
	size_t running;
	bool cancelled, stopped /* a failure: nothing more is begun */;
	bool project_put;
	int gen;             /* inotify of run/gen/PROJECT, -1: nobody waits yet */
	struct watch gen_watch, recheck;
	int watched_monitor; /* a connection that tells when the monitor dies, -1 */
	struct watch monitor_watch;
	struct apply_news *news;
	size_t nnews, news_cap;
	struct map images;   /* reference -> struct apply_image */
	struct image_pull **pulls; /* under way */
	size_t npulls, pulls_cap;
	struct remover remover; /* of what removed containers leave in the trash */
};
/* task.c */
/* T counts as running from now on; < 0: a fail point, t->e is set. */
int task_begin(struct task *t);
/* It will never begin, or is not waited for any more. */
void task_skip(struct task *t);
/* Releases what T holds. */
void task_done(struct task *t);
/* Ends T with R (t->e set when R < 0); what waited for it becomes ready. */
void task_end(struct task *t, int r);
void task_report(struct task *t, enum apply_state state, const char *id, const char *text);
/* Puts "NOUN 'NAME': " before t->e's text, unless it begins so already. Returns its code. */
int task_wrap(struct task *t, const char *noun, const char *name);
/* "Container p-web-1" */
char *task_id(const struct op *op);
/* Sends {op, id, …} to the project's monitor; REPLY gets the result. REQ is taken. Connects again when the monitor dies meanwhile. */
int task_request(struct task *t, struct cJSON *req, task_fn *reply);
/* Id of the container that T works on. */
const char *task_container(const struct task *t);

/* ---- operations ---- */
task_fn op_image_pull, op_image_remove;
task_fn op_network_create;
task_fn op_volume_create, op_volume_remove;
task_fn op_ctr_create, op_ctr_recreate, op_ctr_remove;
task_fn op_ctr_start, op_ctr_stop, op_ctr_restart, op_ctr_kill, op_ctr_pause, op_ctr_unpause;
task_fn op_wait;
task_fn op_project_remove;
/* All of N at once: links go in one batch. Each task gets its result. */
void op_networks_remove(struct task **tasks, size_t n);
/* Images that were asked for since the last call: fetched by one program. */
void op_images_fetch(struct apply *a);
void op_images_done(struct apply *a);
/* Looks again at the rows that T waits for. */
void op_wait_look(struct task *t);
