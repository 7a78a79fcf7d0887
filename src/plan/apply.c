/* SPDX-License-Identifier: MIT
 *
 * The loop over the plan: launch what is ready, wait for sockets of the monitor and for rows, report, until nothing is under way and nothing
 * can begin. Reports of success come after one sync for all that ended since the last (db_sync: what is acknowledged survives a power cut).
 */
#include "plan/apply.h"
#include "base/alloc.h"
#include "base/fail.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/monitor/control.h"
#include "plan/apply_task.h"
#include "plan/op_image.h"
#include "plan/sweep.h"
#include "state/db.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { REQUEST_TRIES = 5 };

static task_fn *const ops[OP_KINDS] = {
	[OP_IMAGE_PULL] = op_image_pull, [OP_IMAGE_REMOVE] = op_image_remove, /* OP_IMAGE_BUILD: never in a plan that is carried out */
	[OP_NETWORK_CREATE] = op_network_create, /* OP_NETWORK_REMOVE: op_networks_remove */
	[OP_VOLUME_CREATE] = op_volume_create, [OP_VOLUME_REMOVE] = op_volume_remove,
	[OP_CTR_CREATE] = op_ctr_create, [OP_CTR_RECREATE] = op_ctr_recreate, [OP_CTR_REMOVE] = op_ctr_remove,
	[OP_CTR_START] = op_ctr_start, [OP_CTR_STOP] = op_ctr_stop, [OP_CTR_RESTART] = op_ctr_restart,
	[OP_CTR_KILL] = op_ctr_kill, [OP_CTR_PAUSE] = op_ctr_pause, [OP_CTR_UNPAUSE] = op_ctr_unpause,
	[OP_WAIT] = op_wait, [OP_PROJECT_REMOVE] = op_project_remove,
};
/* One per kind and per step boundary: what a test kills at. */
static const char *const points[OP_KINDS][2] = {
	[OP_IMAGE_PULL] = { "plan.pull", "plan.pulled" }, [OP_IMAGE_REMOVE] = { "plan.image_remove", "plan.image_removed" },
	[OP_NETWORK_CREATE] = { "plan.network", "plan.network_done" }, [OP_NETWORK_REMOVE] = { "plan.network_remove", "plan.network_removed" },
	[OP_VOLUME_CREATE] = { "plan.volume", "plan.volume_done" }, [OP_VOLUME_REMOVE] = { "plan.volume_remove", "plan.volume_removed" },
	[OP_CTR_CREATE] = { "plan.create", "plan.created" }, [OP_CTR_RECREATE] = { "plan.recreate", "plan.recreated" },
	[OP_CTR_REMOVE] = { "plan.remove", "plan.removed" }, [OP_CTR_START] = { "plan.start", "plan.started" },
	[OP_CTR_STOP] = { "plan.stop", "plan.stopped" }, [OP_CTR_RESTART] = { "plan.restart", "plan.restarted" },
	[OP_CTR_KILL] = { "plan.kill", "plan.killed" }, [OP_CTR_PAUSE] = { "plan.pause", "plan.paused" },
	[OP_CTR_UNPAUSE] = { "plan.unpause", "plan.unpaused" }, [OP_WAIT] = { "plan.wait", "plan.waited" },
	[OP_PROJECT_REMOVE] = { "plan.forget", "plan.forgotten" },
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

static void request_done(struct task *t)
{
	watch_done(&t->w);
	if (t->sock >= 0)
		close(t->sock);
	t->sock = -1;
	json_free(t->request);
	t->request = NULL;
}

void apply_free(struct apply *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->plan->n; i++) {
		struct task *t = &a->tasks[i];

		request_done(t);
		watch_done(&t->timer);
		err_clear(&t->e);
		free(t->id);
		if (t->free_data)
			t->free_data(t->data);
	}
	watch_done(&a->gen_watch);
	watch_done(&a->recheck);
	watch_done(&a->monitor_watch);
	if (a->gen >= 0)
		close(a->gen);
	if (a->watched_monitor >= 0)
		close(a->watched_monitor);
	op_images_done(a);
	map_done(&a->images);
	news_clear(a);
	free(a->news);
	free(a->tasks);
	free(a);
}

int task_wrap(struct task *t, const char *noun, const char *name)
{
	auto_free char *what = xasprintf("%s '%s'", noun, name);

	return str_starts(err_text(&t->e), what) ? -t->e.code : err_wrap(&t->e, "%s", what);
}

/* ---- reports ---- */

static const char *const object_titles[OP_KINDS] = {
	[OP_IMAGE_PULL] = "Image", [OP_IMAGE_BUILD] = "Image", [OP_IMAGE_REMOVE] = "Image", [OP_NETWORK_CREATE] = "Network", [OP_NETWORK_REMOVE] = "Network",
	[OP_VOLUME_CREATE] = "Volume", [OP_VOLUME_REMOVE] = "Volume", [OP_WAIT] = "Service",
};

char *task_id(const struct op *op)
{
	const char *title = object_titles[op->kind] ? object_titles[op->kind] : "Container";

	/* docker compose quotes the one and not the other */
	return op->kind == OP_VOLUME_CREATE ? xasprintf("%s \"%s\"", title, op->name) : xasprintf("%s %s", title, op->name);
}

void task_report(struct task *t, enum apply_state state, const char *id, const char *text)
{
	struct apply *a = t->a;

	if (!a->o.report)
		return;
	xgrow(&a->news, a->nnews, &a->news_cap, sizeof *a->news);
	a->news[a->nnews++] = (struct apply_news){ .op = t->op, .state = state, .id = xstrdup(id), .text = xstrdup(text) };
}

/* Waits report each container themselves; what is kept of the project is nobody's news. */
static bool is_silent(const struct op *op)
{
	return op->kind == OP_PROJECT_REMOVE || op->kind == OP_WAIT;
}

static void report(struct task *t, enum apply_state state, const char *text)
{
	auto_free char *id = NULL;

	if (is_silent(t->op) && state != APPLY_FAILED && state != APPLY_WARNING)
		return;
	id = task_id(t->op);
	task_report(t, state, id, text);
}

static void report_end(struct task *t)
{
	if (t->state == TASK_ENDED && t->warned)
		report(t, APPLY_WARNING, err_text(&t->e));
	else if (t->state == TASK_ENDED)
		report(t, APPLY_DONE, op_words(t->op->kind)->done);
	else if (t->state == TASK_FAILED)
		report(t, APPLY_FAILED, err_text(&t->e));
	else
		report(t, APPLY_SKIPPED, "Skipped");
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

/* ---- ends ---- */

/* A failure that the plan can live with: an optional wait; an image that others still use. */
static bool is_warning(const struct task *t)
{
	return (t->op->kind == OP_WAIT && t->op->optional) || (t->op->kind == OP_IMAGE_REMOVE && err_is(&t->e, EBUSY));
}

void task_end(struct task *t, int r)
{
	struct apply *a = t->a;

	if (t->state == TASK_RUNNING)
		a->running--;
	watch_done(&t->timer);
	request_done(t);
	if (r >= 0 && points[t->op->kind][1]) {
		int fp = fail_point(points[t->op->kind][1]);

		if (fp < 0)
			r = err_code(&t->e, -fp, "fail point '%s'", points[t->op->kind][1]);
	}
	t->warned = r < 0 && is_warning(t);
	t->state = r >= 0 || t->warned ? TASK_ENDED : TASK_FAILED;
	report_end(t);
	if (r >= 0)
		return;
	if (!t->warned && !a->plan->carry_on)
		a->stopped = true;
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
	const struct op *op = t->op;
	int fp = points[op->kind][0] ? fail_point(points[op->kind][0]) : 0;
	int r;

	t->state = TASK_RUNNING;
	t->a->running++;
	report(t, APPLY_BEGIN, op_words(op->kind)->doing);
	r = fp < 0 ? err_code(&t->e, -fp, "fail point '%s'", points[op->kind][0]) : ops[op->kind](t);
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
		t->state = TASK_RUNNING;
		a->running++;
		report(t, APPLY_BEGIN, op_words(t->op->kind)->doing);
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
			t->state = TASK_SKIPPED;
			report_end(t);
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

		if (t->state == TASK_RUNNING && t->cancel) {
			if (t->cancel(t) == TASK_DONE && t->state == TASK_RUNNING) {
				a->running--;
				watch_done(&t->timer);
				request_done(t);
				t->state = TASK_SKIPPED;
				report_end(t);
			}
		}
	}
}

void apply_cancel(struct apply *a)
{
	a->cancelled = true;
}

/* ---- requests to the monitor ---- */

static int request_send(struct task *t);

/* The monitor died in between: another one comes by itself, or is started; requests may be repeated. */
static int request_again(struct task *t)
{
	watch_done(&t->w);
	close(t->sock);
	t->sock = -1;
	err_clear(&t->e);
	if (++t->tries >= REQUEST_TRIES)
		return err_set(&t->e, EPIPE, "the project's monitor ended again and again");
	return request_send(t);
}

static int on_reply(struct watch *w, uint32_t events)
{
	struct task *t = CONTAINER_OF(w, struct task, w);
	struct cJSON *answer = NULL;
	int r = monitor_recv(t->sock, &answer, &t->e);

	(void)events;
	json_free(answer);
	if (r == -EPIPE) {
		r = request_again(t);
		if (r >= 0)
			return 0;
	}
	request_done(t);
	r = t->reply(t);
	if (r != TASK_WAITING)
		task_end(t, t->e.code ? -t->e.code : r);
	return 0;
}

static int request_send(struct task *t)
{
	int r;

	TRY(monitor_connect(db_dirs(t->a->db), t->a->plan->project, true, &t->sock, &t->e));
	r = monitor_send(t->sock, t->request, NULL, 0, &t->e);
	if (r == -EPIPE || r == -ECONNRESET) /* it had nothing to do, and ended between our connect(2) and this */
		return request_again(t);
	TRY(r);
	return watch_fd(t->a->loop, &t->w, t->sock, EPOLLIN, on_reply, &t->e);
}

int task_request(struct task *t, struct cJSON *req, task_fn *reply)
{
	request_done(t);
	t->request = req;
	t->reply = reply;
	t->tries = 0;
	TRY(request_send(t));
	return TASK_WAITING;
}

const char *task_container(const struct task *t)
{
	return t->op->make == OP_NONE ? t->op->ctr : t->a->tasks[t->op->make].id;
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
