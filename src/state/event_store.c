/* SPDX-License-Identifier: MIT */
#include "state/event_store.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/time.h"
#include "state/db.h"
#include "state/sql.h"
#include "state/stmt.h"

enum {
	EVENTS_KEPT = 10000,
	TRIM_EVERY = 256,
};

void event_row_done(struct event_row *ev)
{
	free(ev->type);
	free(ev->action);
	free(ev->project);
	free(ev->service);
	free(ev->actor);
	free(ev->attributes);
	*ev = (struct event_row){ 0 };
}

void event_rows_done(struct event_rows *l)
{
	for (size_t i = 0; i < l->n; i++)
		event_row_done(&l->v[i]);
	free(l->v);
	*l = (struct event_rows){ 0 };
}

static int add(struct db *db, const struct event_row *ev, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_EVENT_ADD, e, V(ev->time_ns ? ev->time_ns : time_now_ns()), V(ev->type), V(ev->action), V(ev->project),
				V(ev->service), V(ev->actor), V(ev->attributes));
	int64_t seq;

	TRY(stmt_run(s, e));
	db_touch(db, ev->project);
	seq = db_last_id(db);
	if (seq % TRIM_EVERY != 0 || seq <= EVENTS_KEPT)
		return 0;
	s = DB_STMT(db, SQL_EVENT_TRIM, e, V(seq - EVENTS_KEPT));
	return stmt_do(s, e);
}

int event_add(struct db *db, const struct event_row *ev, struct err *e)
{
	TRY(db_begin(db, e));
	return db_end(db, add(db, ev, e), e);
}

int event_since(struct db *db, const char *project, int64_t seq, struct event_rows *ret, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_EVENT_SINCE, e, V(project), V(seq));
	int r;

	while ((r = stmt_step(s, e)) == 1) {
		xgrow(&ret->v, ret->n, &ret->cap, sizeof *ret->v);
		ret->v[ret->n++] = (struct event_row){
			.seq = stmt_int(s, 0), .time_ns = stmt_int(s, 1), .type = stmt_dup(s, 2), .action = stmt_dup(s, 3),
			.project = stmt_dup(s, 4), .service = stmt_dup(s, 5), .actor = stmt_dup(s, 6), .attributes = stmt_dup(s, 7),
		};
	}
	return r;
}
