/* SPDX-License-Identifier: MIT
 * state/event_store.h - what happened, bounded (the oldest go)
 */
#pragma once
#include "base/auto.h"
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;
struct event_row {
	int64_t seq, time_ns;
	char *type;     /* "container", "network", "volume", "image" */
	char *action;   /* docker's words: create start die stop kill restart health_status destroy … */
	char *project, *service, *actor; /* actor: container id, network name … */
	char *attributes; /* JSON object */
};
void event_row_done(struct event_row *ev);
/* In the same transaction as what it tells of. */
int event_add(struct db *db, const struct event_row *ev, struct err *e);
struct event_rows {
	struct event_row *v;
	size_t n, cap;
};
void event_rows_done(struct event_rows *l);
int event_since(struct db *db, const char *project, int64_t seq, struct event_rows *ret, struct err *e);
