/* SPDX-License-Identifier: MIT
 *
 * One operation under way: how it begins, what it says, what it asks the monitor, how it ends.
 */
#include "plan/apply_task.h"
#include "base/alloc.h"
#include "base/fail.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/monitor/control.h"
#include "state/db.h"
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { REQUEST_TRIES = 5 };

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

/* ---- beginning and end ---- */

/* Point I of T's operation: 0 before it, 1 after. */
static int at_point(struct task *t, int i)
{
	const char *name = points[t->op->kind][i];
	int fp = name ? fail_point(name) : 0;

	return fp < 0 ? err_code(&t->e, -fp, "fail point '%s'", name) : 0;
}

int task_begin(struct task *t)
{
	t->state = TASK_RUNNING;
	t->a->running++;
	report(t, APPLY_BEGIN, op_words(t->op->kind)->doing);
	return at_point(t, 0);
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

static void off(struct task *t)
{
	if (t->state == TASK_RUNNING)
		t->a->running--;
	watch_done(&t->timer);
	request_done(t);
}

void task_skip(struct task *t)
{
	off(t);
	t->state = TASK_SKIPPED;
	report_end(t);
}

/* A failure that the plan can live with: an optional wait; an image that others still use. */
static bool is_warning(const struct task *t)
{
	return (t->op->kind == OP_WAIT && t->op->optional) || (t->op->kind == OP_IMAGE_REMOVE && err_is(&t->e, EBUSY));
}

void task_end(struct task *t, int r)
{
	struct apply *a = t->a;

	off(t);
	if (r >= 0)
		r = at_point(t, 1);
	t->warned = r < 0 && is_warning(t);
	t->state = r >= 0 || t->warned ? TASK_ENDED : TASK_FAILED;
	report_end(t);
	if (r >= 0)
		return;
	if (!t->warned && !a->plan->carry_on)
		a->stopped = true;
}

void task_done(struct task *t)
{
	request_done(t);
	watch_done(&t->timer);
	err_clear(&t->e);
	free(t->id);
	if (t->free_data)
		t->free_data(t->data);
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
