/* SPDX-License-Identifier: MIT
 *
 * Waiting for a service to be running, healthy or done (compose.md §36). Rows are read again when run/gen/PROJECT was touched after a commit,
 * or when the monitor's connection ends: then another one is asked for, which puts the rows right. Nothing is polled.
 *
 * A failure ends the wait at once, and says what happened: exit code or last probe, and the end of the container's log.
 */
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/num.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/container/container.h"
#include "engine/container/log.h"
#include "engine/monitor/control.h"
#include "plan/apply_task.h"
#include "state/container_store.h"
#include "state/db.h"
#include "state/lock.h"
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { TAIL_LINES = 10, TAIL_MAX = 2048, PROBE_MAX = 512 };
#define SECOND INT64_C(1000000000)
/* `up --wait`: what has no health check has to run for so long, so that what fails as it starts is seen. docker compose looks at it as late. */
#define SETTLED (SECOND / 2)

/* What the specs say, read once: by container id. */
struct facts {
	bool health;                 /* has a health check */
	enum restart_policy restart;
};
struct waiting {
	struct map facts;            /* id -> struct facts */
	bool begun;
};

static void waiting_free(void *p)
{
	struct waiting *w = p;

	map_done(&w->facts);
	free(w);
}

static const struct facts *facts_of(struct task *t, const char *id)
{
	struct waiting *w = t->data;
	struct facts *f = map_get(&w->facts, id);
	AUTO(ctr_spec_free) struct ctr_spec *spec = NULL;
	AUTO_ERR(why);

	if (f)
		return f;
	f = xcalloc(1, sizeof *f);
	if (container_load_spec(db_dirs(t->a->db), id, &spec, &why) >= 0) {
		f->health = spec->health.test.n > 0;
		f->restart = spec->restart.policy;
	}
	map_set(&w->facts, id, f);
	return f;
}

/* ---- what to say ---- */

static void add_tail(struct task *t, const struct ctr_row *c, struct str *out)
{
	struct log_reader *r = NULL;
	struct log_entry entry;
	AUTO_ERR(why);
	bool first = true;

	if (log_reader_open(db_dirs(t->a->db), c->id, TAIL_LINES, 0, 0, &r, &why) < 0)
		return;
	while (out->len < TAIL_MAX && log_reader_next(r, &entry, &why) == 1) {
		auto_free char *line = str_visible_line(entry.text, MIN(entry.len, (size_t)TAIL_MAX));

		str_addf(out, "%s\n    %.500s", first ? "\n  its last output:" : "", line);
		first = false;
	}
	log_reader_close(r);
}

static void add_probe(const struct ctr_row *c, struct str *out)
{
	AUTO(json_free) struct cJSON *log = NULL;
	const struct cJSON *last = NULL;
	AUTO_ERR(why);
	AUTO_STRV(lines);

	if (!c->health_log || json_parse(c->health_log, strlen(c->health_log), "health log", &log, &why) < 0)
		return;
	for (const struct cJSON *p = json_first(log); p; p = json_next(p))
		last = p;
	if (!last)
		return;
	const char *output = str0(json_str(last, "Output"));
	size_t n = strnlen(output, PROBE_MAX);

	while (n && output[n - 1] == '\n')
		n--;
	auto_free char *text = xstrndup(output, n);

	strv_split(&lines, text, "\n");
	str_addf(out, "\n  its last probe: exit %lld%s", (long long)json_int(last, "ExitCode", -1), n ? ":" : "");
	for (size_t i = 0; n && i < lines.n; i++) {
		auto_free char *line = str_visible_line(lines.v[i], strlen(lines.v[i]));

		str_addf(out, "%s%s", lines.n > 1 ? "\n    " : " ", line);
	}
}

/* Raises TEXT with what is known of C besides. */
static int PRINTF(3, 4) failed(struct task *t, const struct ctr_row *c, const char *fmt, ...)
{
	AUTO_STR(out, ERR_TEXT);
	va_list ap;

	va_start(ap, fmt);
	str_addv(&out, fmt, ap);
	va_end(ap);
	if (c->health == HEALTH_UNHEALTHY)
		add_probe(c, &out);
	add_tail(t, c, &out);
	return err_set(&t->e, ECHILD, "%s", out.s);
}

/* ---- conditions: 1 satisfied, 0 not yet, < 0 it will never be ---- */

static int look_exited(struct task *t, const struct ctr_row *c)
{
	if (c->error)
		return failed(t, c, "container %s could not be started: %s", c->name, c->error);
	if (!c->exit_known)
		return failed(t, c, "container %s exited", c->name);
	return failed(t, c, "container %s exited (%lld)", c->name, (long long)c->exit_code);
}

/* 1, or 0 and it will be looked at again */
static int look_settled(struct task *t, const struct ctr_row *c)
{
	int64_t left = c->started_ns + SETTLED - time_now_ns();

	if (t->op->phase != PHASE_LAST || left <= 0 || left > SETTLED)
		return 1;
	watch_arm(&t->a->recheck, left);
	return 0;
}

static int look_running(struct task *t, const struct ctr_row *c, bool need_check)
{
	if (c->state == CTR_EXITED || c->state == CTR_DEAD)
		return look_exited(t, c);
	if (c->state != CTR_RUNNING)
		return 0;
	if (!facts_of(t, c->id)->health)
		return need_check ? failed(t, c, "container %s has no healthcheck configured", c->name) : look_settled(t, c);
	if (c->health == HEALTH_UNHEALTHY)
		return failed(t, c, "container %s is unhealthy", c->name);
	return c->health == HEALTH_HEALTHY;
}

static int look_completed(struct task *t, const struct ctr_row *c)
{
	enum restart_policy restart = facts_of(t, c->id)->restart;

	if (c->state == CTR_EXITED && !c->error && c->exit_known && c->exit_code == 0)
		return 1;
	if (c->state == CTR_EXITED || c->state == CTR_DEAD) {
		if (c->error || !c->exit_known)
			return look_exited(t, c);
		return failed(t, c, "service \"%s\" didn't complete successfully: exit %lld", t->op->name, (long long)c->exit_code);
	}
	if ((restart == RESTART_ALWAYS || restart == RESTART_UNLESS_STOPPED) && (c->state == CTR_RESTARTING || c->restart_count > 0)) {
		failed(t, c, "service \"%s\" never completes: its restart policy starts it again whenever it ends", t->op->name);
		err_hint(&t->e, "give '%s' restart: \"no\" or on-failure", t->op->name);
		return -t->e.code;
	}
	return 0;
}

static int look_one(struct task *t, const struct ctr_row *c)
{
	switch (t->op->condition) {
	case WAIT_COMPLETED:
		return look_completed(t, c);
	case WAIT_HEALTHY:
		return look_running(t, c, true);
	default:
		return look_running(t, c, false);
	}
}

/* Healthy and running: all of them; completed: any. */
static int look_all(struct task *t, const struct ctr_rows *rows)
{
	size_t good = 0, n = 0;

	for (size_t i = 0; i < rows->n; i++) {
		int r;

		if (rows->v[i].oneoff || rows->v[i].state == CTR_REMOVING)
			continue;
		n++;
		r = look_one(t, &rows->v[i]);
		if (r < 0)
			return t->op->optional ? r : err_wrap(&t->e, "dependency failed to start");
		good += r;
	}
	if (n == 0)
		return err_set(&t->e, ENOENT, "service '%s' has no container to wait for", t->op->name);
	return t->op->condition == WAIT_COMPLETED ? good > 0 : good == n;
}

static void report_all(struct task *t, const struct ctr_rows *rows, enum apply_state state, const char *text)
{
	for (size_t i = 0; i < rows->n; i++) {
		auto_free char *id = xasprintf("Container %s", rows->v[i].name);

		if (!rows->v[i].oneoff)
			task_report(t, state, id, text);
	}
}

/* Why is told once, by the task's own end; the containers' lines only say that they wait no more. */
static int look(struct task *t, struct ctr_rows *rows)
{
	int r;

	TRY(ctr_list(t->a->db, t->a->plan->project, t->op->name, rows, &t->e));
	r = look_all(t, rows);
	if (r > 0)
		report_all(t, rows, APPLY_DONE, t->op->condition == WAIT_COMPLETED ? "Exited" : "Healthy");
	else if (r < 0)
		report_all(t, rows, t->op->optional ? APPLY_SKIPPED : APPLY_FAILED, t->op->optional ? "Error" : err_text(&t->e));
	return r;
}

void op_wait_look(struct task *t)
{
	AUTO_DONE(ctr_rows_done) struct ctr_rows rows = CTR_ROWS_INIT;
	int r = look(t, &rows);

	if (r != 0)
		task_end(t, r < 0 ? r : TASK_DONE);
}

/* ---- waking up ---- */

static void look_again(struct apply *a)
{
	for (size_t i = 0; i < a->plan->n; i++)
		if (a->tasks[i].op->kind == OP_WAIT && a->tasks[i].state == TASK_RUNNING)
			op_wait_look(&a->tasks[i]);
}

static int on_gen(struct watch *w, uint32_t events)
{
	struct apply *a = CONTAINER_OF(w, struct apply, gen_watch);

	(void)events;
	gen_drain(a->gen);
	look_again(a);
	return 0;
}

static int on_monitor_gone(struct watch *w, uint32_t events);

/* A connection to the monitor that says nothing but ends with it. Having it also means that the rows of what it had are being put right. */
static void watch_monitor(struct apply *a)
{
	AUTO_ERR(why);

	if (a->watched_monitor >= 0)
		return;
	if (monitor_connect(db_dirs(a->db), a->plan->project, true, &a->watched_monitor, &why) == 0 &&
	    watch_fd(a->loop, &a->monitor_watch, a->watched_monitor, EPOLLIN, on_monitor_gone, &why) >= 0)
		return;
	log_debug("monitor of '%s': %s", a->plan->project, err_text(&why));
	if (a->watched_monitor >= 0)
		close(a->watched_monitor);
	a->watched_monitor = -1;
}

static int on_recheck(struct watch *w, uint32_t events)
{
	struct apply *a = CONTAINER_OF(w, struct apply, recheck);

	(void)events;
	watch_arm(w, INT64_MAX);
	watch_monitor(a);
	look_again(a);
	return 0;
}

/* Once a second at most, so that a monitor that cannot live is not started in a loop. */
static int on_monitor_gone(struct watch *w, uint32_t events)
{
	struct apply *a = CONTAINER_OF(w, struct apply, monitor_watch);

	(void)events;
	watch_done(w);
	close(a->watched_monitor);
	a->watched_monitor = -1;
	watch_arm(&a->recheck, SECOND);
	return 0;
}

static int watch_rows(struct apply *a, struct err *e)
{
	int fd;

	if (a->gen >= 0)
		return 0;
	TRY(fd = gen_watch(db_dirs(a->db), a->plan->project, e));
	a->gen = fd;
	TRY(watch_fd(a->loop, &a->gen_watch, fd, EPOLLIN, on_gen, e));
	return watch_timer(a->loop, &a->recheck, on_recheck, e);
}

static int on_timeout(struct watch *w, uint32_t events)
{
	struct task *t = CONTAINER_OF(w, struct task, timer);
	auto_free char *text = num_duration_text(t->a->plan->wait_timeout_ns);

	(void)events;
	if (t->op->phase == PHASE_LAST)
		err_set(&t->e, ETIMEDOUT, "application not healthy after %s: service '%s'", text, t->op->name);
	else
		err_set(&t->e, ETIMEDOUT, "timeout waiting for dependencies: service '%s' is not ready after %s", t->op->name, text);
	task_end(t, -ETIMEDOUT);
	return 0;
}

static int end_wait(struct task *t)
{
	(void)t;
	return TASK_DONE;
}

int op_wait(struct task *t)
{
	AUTO_DONE(ctr_rows_done) struct ctr_rows rows = CTR_ROWS_INIT;
	struct waiting *w = xcalloc(1, sizeof *w);
	int r;

	w->facts = MAP_INIT(free);
	t->data = w;
	t->free_data = waiting_free;
	t->cancel = end_wait;
	TRY(watch_rows(t->a, &t->e)); /* before the rows are read, so that nothing falls in between */
	r = look(t, &rows);
	if (r != 0)
		return r < 0 ? r : TASK_DONE;
	report_all(t, &rows, APPLY_BEGIN, "Waiting");
	watch_monitor(t->a);
	if (t->a->plan->wait_timeout_ns > 0) {
		TRY(watch_timer(t->a->loop, &t->timer, on_timeout, &t->e));
		watch_arm(&t->timer, t->a->plan->wait_timeout_ns);
	}
	return TASK_WAITING;
}
