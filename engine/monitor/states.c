/* SPDX-License-Identifier: MIT
 *
 * engine/monitor/states.c - one container's states
 *
 *                    START                    READY                      ENDED
 *      ┌───────┐ ─────────────► ┌──────────┐ ───────► ┌─────────┐ ──────────────────┐
 *      │ DOWN  │                │ STARTING │          │ RUNNING │ ◄─┐ UNPAUSE       │
 *      └───────┘ ◄───────────── └──────────┘          └─────────┘ ──┴─► ┌────────┐  │
 *        ▲   ▲   FAILED, cleaned  ▲      │ STOP: K is      │ STOP       │ PAUSED │  │
 *        │   │                    │      │ told, then as   ▼            └────────┘  │
 *        │   │          TIMER,    │      │ RUNNING   ┌──────────┐ ◄────────┘ STOP   │ ENDED
 *        │   │          START     │      └─────────► │ STOPPING │                   ▼
 *        │   │ STOP   ┌─────────┐ │                  └──────────┘ ── ENDED ─► ┌────────┐
 *        │   └─────── │ BACKOFF │ ┘                    TIMER: kill all        │ ENDING │
 *        │            └─────────┘ ◄──────── CLEAN, to be started again ────── └────────┘
 *        └────────────────────────────────  CLEAN ────────────────────────────────┘
 *
 * ENDING: the first process is gone; a cleanup kills what is left in its cgroup and removes it, in a process of its own, while
 * the last output is read. Only then is it `exited` for everybody: rows, waiters, a new start. An event that has no entry below is
 * ignored and logged at debug.
 */
#include "engine/monitor/monitor.h"
#include "base/alloc.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/names.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/container/cgroup_of.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>

static const int64_t second = 1000000000, grace_default = 10 * second, told_within = 3 * second;

static const char *const state_names[M_STATES] = {
	[M_DOWN] = "down", [M_STARTING] = "starting", [M_RUNNING] = "running", [M_PAUSED] = "paused",
	[M_STOPPING] = "stopping", [M_ENDING] = "ending", [M_BACKOFF] = "backoff",
};
const char *mstate_name(int s)
{
	return s >= 0 && s < M_STATES ? state_names[s] : "?";
}
static const char *const event_names[M_EVENTS] = {
	[EV_START] = "start", [EV_READY] = "ready", [EV_FAILED] = "failed", [EV_ENDED] = "ended", [EV_CLEAN] = "clean",
	[EV_STOP] = "stop", [EV_TIMER] = "timer", [EV_PAUSE] = "pause", [EV_UNPAUSE] = "unpause", [EV_HOOK] = "hook",
};
bool ctr_active(const struct mctr *c)
{
	return c->state != M_DOWN;
}
/* What the row says. */
enum ctr_state ctr_row_state(const struct mctr *c)
{
	static const enum ctr_state map[M_STATES] = {
		[M_STARTING] = CTR_STARTING, [M_RUNNING] = CTR_RUNNING, [M_PAUSED] = CTR_PAUSED, [M_STOPPING] = CTR_STOPPING,
		[M_ENDING] = CTR_STOPPING, [M_BACKOFF] = CTR_RESTARTING, [M_DOWN] = CTR_EXITED,
	};

	return map[c->state];
}
static void enter(struct mctr *c, enum mstate s)
{
	net_plan_free(TAKE(c->plan));
	log_debug("%s: %s -> %s", c->spec->name, mstate_name(c->state), mstate_name(s));
	c->state = s;
	monitor_dirty(c);
	serve_ctr(c);
}

int ctr_stop_signal(const struct mctr *c)
{
	AUTO_ERR(e);
	int sig = SIGTERM;

	if (c->spec->stop_signal && proc_signal_parse(c->spec->stop_signal, &sig, &e) < 0)
		return SIGTERM; /* checked when it was created */
	return sig;
}
int ctr_signal(struct mctr *c, int sig, struct err *e)
{
	if (c->pidfd < 0)
		return err_set(e, ESRCH, "container '%s' is not running", c->spec->name);
	return proc_kill_fd(c->pidfd, sig, e);
}
int ctr_freeze(struct mctr *c, bool frozen, struct err *e)
{
	auto_free char *cgroup = container_cgroup(&c->m->dirs, c->spec, c->id);

	return cgroup_freeze(cgroup, frozen, e);
}
/* Frozen processes take SIGKILL on cgroup v2 only; thaw what we stop. */
static void thaw(struct mctr *c)
{
	AUTO_ERR(e);

	if (ctr_freeze(c, false, &e) < 0)
		monitor_report(c->m, "unpause before the stop", &e);
}
static void kill_all(struct mctr *c)
{
	auto_free char *cgroup = container_cgroup(&c->m->dirs, c->spec, c->id);
	AUTO_ERR(e);

	/* All of its cgroup; the first process too, should that have failed. */
	if (cgroup_kill(cgroup, &e) < 0)
		monitor_report(c->m, "kill", &e);
	err_clear(&e);
	(void)ctr_signal(c, SIGKILL, &e);
}

/* ---- steps ---- */
typedef void step_fn(struct mctr *c);

static void do_spawn(struct mctr *c)
{
	watch_arm(&c->timer, INT64_MAX);
	err_clear(&c->failed);
	c->stopped = c->again = c->asked_to_end = false;
	c->oom = c->exit_known = false;
	c->exit_code = 0;
	c->launched = false;
	c->launch = true; /* at the end of the turn, when the row says `starting` */
	enter(c, M_STARTING);
}
static void do_running(struct mctr *c)
{
	AUTO_ERR(e);

	(void)fail_point("monitor.ready");
	c->launched = false;
	c->started_ns = time_now_ns();
	c->finished_ns = 0;
	health_begin(&c->health, &c->spec->health);
	c->dirty_health = true;
	if (logio_start(c, &e) < 0)
		monitor_report(c->m, "log", &e);
	monitor_event(c, "start", NULL, NULL);
	if (c->restarted)
		monitor_event(c, "restart", NULL, NULL);
	c->restarted = false;
	probe_schedule(c);
	if (c->asked && !c->stopped)
		(void)probe_hooks(c, "post_start"); /* who asked for the start is answered after them */
	c->asked = false;
	enter(c, M_RUNNING);
	if (c->stopped)
		ctr_event(c, EV_STOP);
}
/* post_start hooks have ended. */
static void do_hooked(struct mctr *c)
{
	serve_ctr(c);
}
/* K has undone its own work when it could tell why (cleanup_begin is idempotent). */
static void do_failed(struct mctr *c)
{
	c->launched = false;
	c->finished_ns = time_now_ns();
	c->exit_code = c->failed.exit ? c->failed.exit : 128;
	c->exit_known = true;
	enter(c, M_ENDING);
	cleanup_begin(c, true);
}
/* STOP while K is at work: nothing is killed half-way, K is seldom longer than a few ms. do_running looks at c->stopped. One that was not
 * launched yet is simply not launched. */
static void do_stop_starting(struct mctr *c)
{
	if (c->launched)
		return;
	c->launch = false;
	enter(c, M_DOWN);
}
static void do_signal(struct mctr *c)
{
	char num[16];
	AUTO_ERR(e);

	if (c->hook_failed.code)
		monitor_report(c->m, "pre_stop", &c->hook_failed); /* it is stopped all the same */
	if (ctr_signal(c, c->stop_signal, &e) < 0)
		log_debug("%s", err_text(&e)); /* ended just now: ENDED is on its way */
	snprintf(num, sizeof(num), "%d", c->stop_signal);
	monitor_event(c, "kill", "signal", num);
}
static void do_term(struct mctr *c)
{
	bool paused = c->state == M_PAUSED;
	int64_t grace = c->grace_ns >= 0 ? c->grace_ns : c->spec->stop_grace_ns >= 0 ? c->spec->stop_grace_ns : grace_default;

	c->asked_to_end = true;
	c->killed = false;
	probe_cancel(c);
	probe_hooks_cancel(c);
	if (paused)
		thaw(c);
	watch_arm(&c->timer, grace); /* for hooks and process together */
	(void)probe_hooks(c, "pre_stop");
	enter(c, M_STOPPING);
	if (!c->hook)
		do_signal(c);
}
/* Another stop while one is under way: the shorter patience wins. */
static void do_term_again(struct mctr *c)
{
	if (c->grace_ns >= 0)
		watch_arm(&c->timer, c->grace_ns);
}
/* Comes again until its end is told. One that is over and of which its keeper says nothing (somebody stopped that): without the keeper, then. */
static void do_kill(struct mctr *c)
{
	watch_arm(&c->timer, told_within);
	if (keeper_process_over(c)) {
		keeper_kill(c);
		return;
	}
	probe_hooks_cancel(c);
	kill_all(c);
	if (!c->killed)
		monitor_event(c, "kill", "signal", "9");
	c->killed = true;
}
static void do_pause(struct mctr *c)
{
	probe_cancel(c);
	monitor_event(c, "pause", NULL, NULL);
	enter(c, M_PAUSED);
}
static void do_unpause(struct mctr *c)
{
	monitor_event(c, "unpause", NULL, NULL);
	enter(c, M_RUNNING);
	probe_schedule(c);
}
static void do_ending(struct mctr *c)
{
	struct restart_end end = {
		.exit_code = c->exit_code, .exit_known = c->exit_known, .ran_ns = c->finished_ns - c->started_ns, .stopped = c->stopped,
	};

	(void)fail_point("monitor.ended");
	watch_arm(&c->timer, INT64_MAX);
	probe_cancel(c);
	probe_hooks_cancel(c);
	c->again_after_ns = 0;
	if (!c->again && !c->m->stopping)
		c->again = restart_decide(&c->spec->restart, &c->restarts, &end, &c->again_after_ns);
	enter(c, M_ENDING);
	cleanup_begin(c, !c->again);
}
static void do_ended(struct mctr *c)
{
	bool failed = c->failed.code != 0;
	struct sandbox *s = c->sandbox;
	char code[24], ran[24];

	(void)fail_point("monitor.clean");
	logio_drain(c);
	logio_stop(c);
	if (!failed && !c->clean_only) {
		snprintf(code, sizeof(code), "%lld", (long long)c->exit_code);
		snprintf(ran, sizeof(ran), "%lld", (long long)((c->finished_ns - c->started_ns) / 1000000000));
		monitor_event_with(c, "die", (const char *const[]){ "execDuration", ran, "exitCode", c->exit_known ? code : "unknown", NULL });
		if (c->asked_to_end)
			monitor_event(c, "stop", NULL, NULL);
	}
	if (c->again && !failed) {
		/* Its keeper stays: should the monitor be killed now, the keeper starts one that goes on waiting. */
		enter(c, M_BACKOFF);
		watch_arm(&c->timer, c->again_after_ns);
		return;
	}
	keeper_bye(c);
	c->again = c->restarted = false;
	if (s && s->phase == SANDBOX_UP && !sandbox_used(c->m, s, c)) { /* it was to start again, and then was not */
		c->clean_only = true;
		cleanup_begin(c, true);
		return;
	}
	c->clean_only = false;
	enter(c, M_DOWN);
}
/* A policy's restart, or the second half of the restart operation. */
static void do_again(struct mctr *c)
{
	do_spawn(c);
}
static void do_stop_backoff(struct mctr *c)
{
	struct sandbox *s = c->sandbox;

	watch_arm(&c->timer, INT64_MAX);
	keeper_bye(c);
	c->again = false;
	if (s && s->phase == SANDBOX_UP && !sandbox_used(c->m, s, c)) {
		c->clean_only = true;
		enter(c, M_ENDING);
		cleanup_begin(c, true);
		return;
	}
	enter(c, M_DOWN);
}

static step_fn *const steps[M_STATES][M_EVENTS] = {
	[M_DOWN]     = { [EV_START] = do_spawn },
	[M_STARTING] = { [EV_READY] = do_running, [EV_FAILED] = do_failed, [EV_STOP] = do_stop_starting },
	[M_RUNNING]  = { [EV_ENDED] = do_ending, [EV_STOP] = do_term, [EV_PAUSE] = do_pause, [EV_HOOK] = do_hooked },
	[M_PAUSED]   = { [EV_ENDED] = do_ending, [EV_STOP] = do_term, [EV_UNPAUSE] = do_unpause },
	[M_STOPPING] = { [EV_ENDED] = do_ending, [EV_STOP] = do_term_again, [EV_TIMER] = do_kill, [EV_HOOK] = do_signal },
	[M_ENDING]   = { [EV_CLEAN] = do_ended },
	[M_BACKOFF]  = { [EV_TIMER] = do_again, [EV_START] = do_again, [EV_STOP] = do_stop_backoff },
};
void ctr_event(struct mctr *c, enum mevent ev)
{
	step_fn *step = steps[c->state][ev];

	if (step)
		step(c);
	else
		log_debug("%s: %s ignored while %s", c->spec->name, event_names[ev], mstate_name(c->state));
}

void ctr_ended(struct mctr *c, bool known, int code, int64_t when_ns)
{
	c->exit_known = known;
	c->exit_code = code;
	c->finished_ns = MAX(when_ns ? when_ns : time_now_ns(), c->started_ns); /* it may end before we hear that it runs */
	c->reaped = -1;
	c->pid = (struct proc_id){ 0 };
	if (c->pidfd >= 0)
		close(TAKE_FD(c->pidfd));
	ctr_event(c, EV_ENDED);
}
