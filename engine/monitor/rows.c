/* SPDX-License-Identifier: MIT
 *
 * engine/monitor/rows.c - memory -> rows: all that changed in a turn, in one transaction
 */
#include "engine/monitor/monitor.h"
#include "base/alloc.h"
#include "base/fail.h"
#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/container/container.h"
#include "state/db.h"

static const int64_t retry_after = 1000000000;

void monitor_dirty(struct mctr *c)
{
	c->dirty = true;
	c->m->dirty = true;
}
void monitor_event(struct mctr *c, const char *action, const char *key, const char *value)
{
	monitor_event_with(c, action, (const char *const[]){ key, value, NULL });
}
void monitor_event_with(struct mctr *c, const char *action, const char *const *pairs)
{
	struct monitor *m = c->m;
	AUTO(json_free) struct cJSON *o = container_event_attributes(c->spec);
	struct event *ev;

	m->dirty = true;
	if (m->nevents >= EVENTS_MAX) /* only when the database cannot be written for long */
		return;
	for (; pairs[0]; pairs += 2)
		json_add_str(o, pairs[0], pairs[1]);
	ev = xcalloc(1, sizeof(*ev));
	ev->row = (struct event_row){ .time_ns = time_now_ns(), .type = xstrdup("container"), .action = xstrdup(action),
		.project = xstrdup(m->project), .service = xstrdup0(c->spec->service), .actor = xstrdup(c->id), .attributes = json_text(o, false) };
	*m->events_end = ev;
	m->events_end = &ev->next;
	m->nevents++;
}

static int write_exit(struct db *db, const struct mctr *c, struct err *e)
{
	if (c->failed.code)
		return ctr_set_error(db, c->id, err_text(&c->failed), c->exit_code, e);
	return ctr_set_exited(db, c->id, c->exit_code, c->exit_known, c->oom, c->finished_ns, e);
}
static int write_row(struct db *db, const struct mctr *c, struct err *e)
{
	if (c->dirty_desired)
		TRY(ctr_set_desired(db, c->id, c->desired, e));
	if (c->dirty_health) {
		auto_free char *log = health_json(&c->health);

		TRY(ctr_set_health(db, c->id, c->health.status, log, e));
	}
	switch (c->state) {
	case M_STARTING:
		return ctr_set_starting(db, c->id, e);
	case M_RUNNING:
		TRY(ctr_set_running(db, c->id, &c->pid, &c->keeper, c->m->dirs.boot_id, c->started_ns, e));
		return ctr_set_restarts(db, c->id, c->restarts.count, e);
	case M_PAUSED:
	case M_STOPPING:
		TRY(ctr_set_keeper(db, c->id, &c->keeper, e));
		return ctr_set_state(db, c->id, ctr_row_state(c), e);
	case M_BACKOFF:
		TRY(write_exit(db, c, e));
		TRY(ctr_set_restarts(db, c->id, c->restarts.count, e));
		return ctr_set_state(db, c->id, CTR_RESTARTING, e);
	case M_DOWN:
		return c->finished_ns || c->failed.code ? write_exit(db, c, e) : 0;
	default:
		return 0; /* ending: told when it has */
	}
}
static int commit(struct db *db, struct err *e)
{
	FP("monitor.commit", e);
	return db_commit(db, e);
}
static int write_rows(struct monitor *m, struct err *e)
{
	struct db *db = monitor_db(m, e);

	if (!db)
		return -e->code;
	FP("monitor.rows", e);
	TRY(db_begin(db, e));
	for (struct mctr *c = m->ctrs; c; c = c->next)
		if (c->dirty && write_row(db, c, e) < 0)
			goto failed;
	for (struct event *ev = m->events; ev; ev = ev->next)
		if (event_add(db, &ev->row, e) < 0)
			goto failed;
	db_touch(db, m->project);
	if (commit(db, e) < 0)
		goto failed;
	return 0;
failed:
	if (db_in_transaction(db))
		db_rollback(db);
	return -e->code;
}
static void events_clear(struct monitor *m)
{
	while (m->events) {
		struct event *ev = m->events;

		m->events = ev->next;
		event_row_done(&ev->row);
		free(ev);
	}
	m->events_end = &m->events;
	m->nevents = 0;
}
static bool rows_pending(const struct monitor *m)
{
	for (const struct mctr *c = m->ctrs; c; c = c->next)
		if (c->dirty)
			return true;
	return m->events != NULL;
}
void rows_flush(struct monitor *m)
{
	AUTO_ERR(e);

	if (!rows_pending(m))
		return;
	if (write_rows(m, &e) < 0) {
		monitor_report(m, "state", &e);
		watch_arm(&m->retry, retry_after);
		return;
	}
	for (struct mctr *c = m->ctrs; c; c = c->next)
		c->dirty = c->dirty_health = c->dirty_desired = false;
	events_clear(m);
}
int rows_retry(struct watch *w, uint32_t events)
{
	(void)events;
	CONTAINER_OF(w, struct monitor, retry)->dirty = true;
	return 0;
}
