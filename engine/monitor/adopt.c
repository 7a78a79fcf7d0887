/* SPDX-License-Identifier: MIT
 *
 * engine/monitor/adopt.c - a monitor that has just begun finds what runs: rows say what may, keepers what does
 *
 *   row            keeper answers        no keeper
 *   starting       running now           K was killed or has undone itself: the start failed
 *   running …      as the row says       process lives: another keeper, with what the old one has when it only cannot be reached;
 *                                        else it ended, as run/c/ID/exit says
 *   restarting     (it stays between     wait for the rest of its backoff
 *                  two runs)
 */
#include "engine/monitor/monitor.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "state/db.h"
#include <errno.h>
#include <signal.h>

/* Between two runs. How much of the pause is over is not known: all of it again. */
static void resume_backoff(struct mctr *c)
{
	static const int64_t first = 100000000, most = 60000000000;

	c->state = M_BACKOFF;
	c->again = true;
	watch_arm(&c->timer, MIN(first << MIN(MAX(c->restarts.count - 1, 0), 10), most));
}
static void adopt_unkept(struct mctr *c, const struct ctr_row *row)
{
	struct monitor *m = c->m;
	AUTO_ERR(e);
	int code = -1;
	int64_t when = 0;
	bool taken = false;

	if (streq0(row->boot_id, m->dirs.boot_id))
		taken = keeper_take_over(c, &row->keeper);
	if (ctr_row_alive(row, m->dirs.boot_id) && c->pidfd < 0)
		c->pidfd = proc_pidfd(&row->pid, &e);
	err_clear(&e);
	if (c->pidfd >= 0 || taken)
		c->pid = row->pid;
	if (!keeper_process_over(c)) { /* without a keeper (both were killed) it runs without our ends of its stdio */
		monitor_adopted(c);
		if (keeper_respawn(c, &e) < 0)
			monitor_report(m, "another keeper", &e);
		return;
	}
	(void)keeper_how_ended(c, &code, &when);
	if (row->state == CTR_STARTING && !taken) {
		(void)err_set(&c->failed, EINTR, "the start was interrupted");
		c->state = M_STARTING;
		ctr_event(c, EV_FAILED);
		return;
	}
	if (row->state == CTR_RESTARTING && !taken && streq0(row->boot_id, m->dirs.boot_id)) {
		resume_backoff(c);
		return;
	}
	if (!streq0(row->boot_id, m->dirs.boot_id))
		c->stopped = true; /* before a reboot; what shall run again is up to who brings the project up */
	c->state = M_RUNNING;
	if (taken)
		monitor_adopted(c); /* its last words */
	ctr_ended(c, code >= 0, code >= 0 ? code : 255, when);
}
/* Its keeper has told all; the row says what was going on. */
void monitor_adopted(struct mctr *c)
{
	AUTO_ERR(e);
	static const enum mstate map[CTR_STATES] = {
		[CTR_PAUSED] = M_PAUSED, [CTR_STOPPING] = M_STOPPING, [CTR_RESTARTING] = M_RUNNING,
	};

	c->adopting = false;
	c->state = map[c->adopt_as] ? map[c->adopt_as] : M_RUNNING;
	if (!c->started_ns)
		c->started_ns = time_now_ns();
	health_begin(&c->health, &c->spec->health);
	if (c->health.status != HEALTH_NONE)
		c->health.status = c->adopt_health;
	if (c->out[LOG_STDOUT].hold_r >= 0 && logio_start(c, &e) < 0)
		monitor_report(c->m, "log", &e);
	if (c->adopt_as == CTR_RESTARTING) { /* its keeper has stayed for this */
		logio_stop(c);
		resume_backoff(c);
	}
	if (c->state == M_RUNNING)
		probe_schedule(c);
	if (c->state == M_STOPPING) { /* how long it had waited is not known: once more */
		c->stopped = c->desired == DESIRED_STOPPED;
		c->state = M_RUNNING;
		c->stop_signal = ctr_stop_signal(c);
		ctr_event(c, EV_STOP);
	}
	monitor_dirty(c);
}
/* The row has all that its keeper knows; who told it was killed before it could say goodbye. The next start would wait for it. */
static void dismiss(const struct monitor *m, const struct ctr_row *row)
{
	AUTO_ERR(gone);
	auto_close int keeper = row->keeper.pid && streq0(row->boot_id, m->dirs.boot_id) ? proc_pidfd(&row->keeper, &gone) : -1;

	if (keeper >= 0)
		(void)proc_kill_fd(keeper, SIGKILL, &gone);
}
int adopt_all(struct monitor *m, struct err *e)
{
	AUTO_DONE(ctr_rows_done) struct ctr_rows rows = CTR_ROWS_INIT;
	int64_t deadline = time_mono_ns() + 3000000000;
	struct db *db = monitor_db(m, e);
	bool waiting = true;

	if (!db)
		return -e->code;
	TRY(ctr_list(db, m->project, NULL, &rows, e));
	for (size_t i = 0; i < rows.n; i++) {
		struct ctr_row *row = &rows.v[i];
		AUTO_ERR(why);
		struct mctr *c;
		int r;

		if (row->state < CTR_STARTING || row->state > CTR_RESTARTING) {
			dismiss(m, row);
			continue;
		}
		c = monitor_ctr_make(m, row, &why);
		if (!c) {
			monitor_report(m, row->name, &why);
			continue;
		}
		c->adopt_as = row->state;
		c->adopt_health = row->health;
		c->adopting = true;
		r = keeper_adopt(c, &why);
		if (r == 0)
			continue;
		if (r < 0)
			monitor_report(m, row->name, &why);
		c->adopting = false;
		adopt_unkept(c, row);
	}
	while (waiting && time_mono_ns() < deadline) {
		waiting = false;
		for (struct mctr *c = m->ctrs; c; c = c->next)
			waiting |= c->adopting;
		if (waiting)
			TRY(loop_once(m->loop, 100));
	}
	return 0;
}
