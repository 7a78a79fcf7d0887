/* SPDX-License-Identifier: MIT
 *
 * The loop over the plan: launch what is ready, wait for sockets of the monitor and for rows, report, until nothing is under way and nothing
 * can begin. Reports of success come after one sync for all that ended since the last (db_sync: what is acknowledged survives a power cut).
 */
#include "plan/apply.h"
#include "base/alloc.h"
#include "plan/apply_task.h"
#include "plan/op_image.h"
#include "plan/sweep.h"
#include "state/db.h"
#include <errno.h>
#include <unistd.h>

static task_fn *const ops[OP_KINDS] = {
	[OP_IMAGE_PULL] = op_image_pull, [OP_IMAGE_REMOVE] = op_image_remove, /* OP_IMAGE_BUILD: never in a plan that is carried out */
	[OP_NETWORK_CREATE] = op_network_create, /* OP_NETWORK_REMOVE: op_networks_remove */
	[OP_VOLUME_CREATE] = op_volume_create, [OP_VOLUME_REMOVE] = op_volume_remove,
	[OP_CTR_CREATE] = op_ctr_create, [OP_CTR_RECREATE] = op_ctr_recreate, [OP_CTR_REMOVE] = op_ctr_remove,
	[OP_CTR_START] = op_ctr_start, [OP_CTR_STOP] = op_ctr_stop, [OP_CTR_RESTART] = op_ctr_restart,
	[OP_CTR_KILL] = op_ctr_kill, [OP_CTR_PAUSE] = op_ctr_pause, [OP_CTR_UNPAUSE] = op_ctr_unpause,
	[OP_WAIT] = op_wait, [OP_PROJECT_REMOVE] = op_project_remove,
};

struct apply *apply_new(struct db *db, struct loop *loop, const struct project *p, const struct plan *plan, const struct apply_options *o)
{
	struct apply *a = xcalloc(1, sizeof *a);

	a->db = db;
	a->loop = loop;
	a->p = p;
	a->plan = plan;
	a->o = *o;
	a->gen = a->watched_monitor = -1;
	a->images = MAP_INIT(apply_image_free);
	a->remover = REMOVER_INIT;
	a->tasks = xcalloc(plan->n + 1, sizeof *a->tasks);
	for (size_t i = 0; i < plan->n; i++)
		a->tasks[i] = (struct task){ .a = a, .op = &plan->ops[i], .sock = -1 };
	return a;
}

static void news_clear(struct apply *a)
{
	for (size_t i = 0; i < a->nnews; i++) {
		free(a->news[i].id);
		free(a->news[i].text);
	}
	a->nnews = 0;
}

void apply_free(struct apply *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->plan->n; i++) {
		struct task *t = &a->tasks[i];

		task_done(t);
	}
	watch_done(&a->gen_watch);
	watch_done(&a->recheck);
	watch_done(&a->monitor_watch);
	if (a->gen >= 0)
		close(a->gen);
	if (a->watched_monitor >= 0)
		close(a->watched_monitor);
	remover_done(&a->remover);
	op_images_done(a);
	map_done(&a->images);
	news_clear(a);
	free(a->news);
	free(a->tasks);
	free(a);
}

/* What is said to be done is safe on the disk before. */
static int tell_news(struct apply *a, struct err *e)
{
	bool sync = false;

	for (size_t i = 0; i < a->nnews; i++)
		sync = sync || (a->news[i].state == APPLY_DONE && a->news[i].op->kind != OP_WAIT);
	if (sync)
		TRY(db_sync(a->db, e));
	for (size_t i = 0; i < a->nnews; i++)
		a->o.report(a->o.arg, a->news[i].op, a->news[i].state, a->news[i].id, a->news[i].text);
	news_clear(a);
	return 0;
}

/* Which services are not started because T failed, for its message. */
static void add_blocked(struct apply *a, const struct task *failed, struct strv *out)
{
	bool *hit = xcalloc(a->plan->n + 1, sizeof *hit);

	hit[failed->op->index] = true;
	for (size_t pass = 0, changed = 1; changed && pass < a->plan->n; pass++) {
		changed = 0;
		for (size_t i = 0; i < a->plan->n; i++) {
			const struct op *op = &a->plan->ops[i];

			for (size_t k = 0; !hit[i] && k < op->ndeps; k++)
				if (hit[op->deps[k].op] && !op->deps[k].optional) {
					hit[i] = true;
					changed = 1;
				}
			if (hit[i] && op->kind == OP_CTR_START && op->service_name)
				strv_add_unique(out, op->service_name);
		}
	}
	free(hit);
}

/* ---- launching ---- */

static bool phase_open(const struct apply *a, enum op_phase phase)
{
	for (size_t i = 0; i < a->plan->n; i++)
		if (a->tasks[i].op->phase < phase && a->tasks[i].state < TASK_ENDED)
			return false;
	return true;
}

enum readiness { NOT_YET, READY, NEVER };
static enum readiness readiness(const struct apply *a, const struct task *t)
{
	enum readiness r = READY;

	for (size_t i = 0; i < t->op->ndeps; i++) {
		const struct op_dep *d = &t->op->deps[i];
		enum task_state s = a->tasks[d->op].state;

		if ((s == TASK_FAILED || s == TASK_SKIPPED) && !d->optional)
			return NEVER;
		if (s < TASK_ENDED)
			r = NOT_YET;
	}
	return r;
}

static void launch(struct task *t)
{
	int r = task_begin(t);

	if (r >= 0)
		r = ops[t->op->kind](t);
	if (r != TASK_WAITING)
		task_end(t, r);
}

static size_t launch_network_removals(struct apply *a)
{
	struct task **l = xcalloc(a->plan->n + 1, sizeof(struct task *));
	size_t n = 0;

	for (size_t i = 0; i < a->plan->n; i++) {
		struct task *t = &a->tasks[i];

		if (t->op->kind != OP_NETWORK_REMOVE || t->state != TASK_PENDING || readiness(a, t) != READY ||
		    !phase_open(a, t->op->phase))
			continue;
		if (task_begin(t) < 0)
			task_end(t, -t->e.code);
		else
			l[n++] = t;
	}
	if (n)
		op_networks_remove(l, n);
	free(l);
	return n;
}

/* Begins what can begin. Returns how many tasks changed their state. */
static size_t launch_ready(struct apply *a)
{
	enum op_phase open = PHASE_IMAGE;
	size_t changed = 0;

	while (open + 1 < PHASES && phase_open(a, open + 1))
		open++;
	for (size_t i = 0; i < a->plan->n; i++) {
		struct task *t = &a->tasks[i];
		enum readiness r;

		if (t->state != TASK_PENDING)
			continue;
		r = a->cancelled || a->stopped ? NEVER : readiness(a, t);
		if (r == NEVER) {
			task_skip(t);
			changed++;
		} else if (r == READY && t->op->phase <= open && t->op->kind != OP_NETWORK_REMOVE &&
			   (a->o.parallel <= 0 || a->running < (size_t)a->o.parallel)) {
			launch(t);
			changed++;
		}
	}
	if (!a->cancelled && !a->stopped)
		changed += launch_network_removals(a);
	return changed;
}

/* A failure elsewhere ends what can be ended: nobody waits for a health check whose dependents will not start. */
static void end_waits(struct apply *a)
{
	for (size_t i = 0; i < a->plan->n; i++) {
		struct task *t = &a->tasks[i];

		if (t->state == TASK_RUNNING && t->cancel && t->cancel(t) == TASK_DONE && t->state == TASK_RUNNING)
			task_skip(t);
	}
}

void apply_cancel(struct apply *a)
{
	a->cancelled = true;
}

/* ---- the run ---- */

static int outcome(struct apply *a, struct err *e)
{
	AUTO_STRV(blocked);
	auto_free char *names = NULL;
	struct task *first = NULL;

	for (size_t i = 0; i < a->plan->n && !first; i++)
		if (a->tasks[i].state == TASK_FAILED)
			first = &a->tasks[i];
	if (!first)
		return a->cancelled ? err_set(e, ECANCELED, "interrupted") : 0;
	err_move(e, &first->e);
	add_blocked(a, first, &blocked);
	names = strv_join(&blocked, "', '");
	if (blocked.n && !a->plan->carry_on && first->op->kind == OP_WAIT)
		err_hint(e, "not started because of it: '%s'", names);
	return -e->code;
}

/* Everything that can be done without waiting. */
static void advance(struct apply *a, bool *ended_waits)
{
	while (launch_ready(a))
		op_images_fetch(a);
	if ((a->stopped || a->cancelled) && !*ended_waits) {
		*ended_waits = true;
		end_waits(a);
		while (launch_ready(a))
			;
	}
}

static bool starts_something(const struct plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->ops[i].kind == OP_CTR_START || p->ops[i].kind == OP_CTR_RESTART)
			return true;
	return false;
}

int apply_run(struct apply *a, struct err *e)
{
	bool ended_waits = false;
	int r;

	TRY(sweep_begin(a->db, a->plan->project, starts_something(a->plan), e));
	for (;;) {
		advance(a, &ended_waits);
		TRY(tell_news(a, e));
		if (a->running == 0)
			break;
		if (loop_once(a->loop, -1) < 0)
			apply_cancel(a);
	}
	remover_done(&a->remover);
	if (!a->o.report)
		TRY(db_sync(a->db, e));
	r = outcome(a, e);
	if (r >= 0) /* after a failure the next command looks for what it left */
		sweep_end(a->db, a->plan->project);
	return r;
}

bool apply_did(const struct apply *a, const struct op *op)
{
	return a->tasks[op->index].state == TASK_ENDED && !a->tasks[op->index].warned;
}

const char *apply_made(const struct apply *a, const struct op *op)
{
	return a->tasks[op->index].id;
}
