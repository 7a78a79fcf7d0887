/* SPDX-License-Identifier: MIT
 *
 * What is wanted goes into the row first (desired), then the monitor is asked; its answer comes over the socket (apply.c).
 */
#include "plan/op_run.h"
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/container/container.h"
#include "engine/container/spec.h"
#include "engine/monitor/control.h"
#include "state/container_store.h"
#include "state/db.h"
#include "state/lock.h"
#include <errno.h>

bool op_row_running(const struct ctr_row *c, const struct dirs *d)
{
	switch (c->state) {
	case CTR_STARTING:
	case CTR_RESTARTING:
		return ctr_row_alive(c, d->boot_id) || lock_monitor_held(d, c->project);
	case CTR_REMOVING:
	case CTR_DEAD:
		return false;
	default:
		return ctr_row_alive(c, d->boot_id);
	}
}

static int done(struct task *t)
{
	return t->e.code ? task_wrap(t, "container", t->op->name) : TASK_DONE;
}

/* ---- on ---- */

static int started(struct task *t)
{
	if (!t->e.code)
		return TASK_DONE;
	task_wrap(t, "container", t->op->name);
	return t->op->service_name ? task_wrap(t, "service", t->op->service_name) : -t->e.code;
}

/* The filter of a container that was made before may be of an older default profile, kernel or libseccomp. */
static int refresh_filter(struct task *t, const char *id)
{
	AUTO(ctr_spec_free) struct ctr_spec *spec = NULL;
	const struct dirs *d = db_dirs(t->a->db);

	if (container_load_spec(d, id, &spec, &t->e) < 0 || container_seccomp(d, spec, &t->e) < 0)
		return task_wrap(t, "container", t->op->name);
	return 0;
}

int op_ctr_start(struct task *t)
{
	const char *id = task_container(t);

	if (!id)
		return err_set(&t->e, ENOENT, "container '%s' was not made", t->op->name);
	free(t->id);
	t->id = xstrdup(id);
	if (t->op->make == OP_NONE)
		TRY(refresh_filter(t, id));
	TRY(ctr_set_desired(t->a->db, t->id, DESIRED_RUNNING, &t->e));
	return task_request(t, monitor_request("start", t->id), started);
}

int op_ctr_restart(struct task *t)
{
	struct cJSON *req;

	TRY(refresh_filter(t, t->op->ctr));
	TRY(ctr_set_desired(t->a->db, t->op->ctr, DESIRED_RUNNING, &t->e));
	req = monitor_request("restart", t->op->ctr);
	json_add_int(req, "timeout_ns", t->a->plan->stop_timeout_ns);
	return task_request(t, req, started);
}

/* ---- off ---- */

/* No monitor can be had (its program is gone, the disk is full): what is left is killed here, by the same code as after a crash. */
static int stop_without_monitor(struct task *t, const char *id, task_fn *next)
{
	struct db *db = t->a->db;
	int r = container_cleanup(db_dirs(db), id, &t->e);

	if (r >= 0)
		r = ctr_set_exited(db, id, 137, false, false, time_now_ns(), &t->e);
	return next(t) < 0 ? -t->e.code : r < 0 ? r : TASK_DONE;
}

/* Whoever cancels leaves the stop to the monitor. */
static int leave(struct task *t)
{
	(void)t;
	return TASK_DONE;
}

int op_stop_request(struct task *t, const char *id, task_fn *next)
{
	struct cJSON *req = monitor_request("stop", id);
	int r;

	json_add_int(req, "timeout_ns", t->a->plan->stop_timeout_ns);
	if (t->a->plan->host)
		json_add_bool(req, "host", true);
	if (!t->cancel)
		t->cancel = leave;
	r = task_request(t, req, next);
	if (r >= 0)
		return r;
	log_debug("container %s: no monitor to stop it: %s", t->op->name, err_text(&t->e));
	err_clear(&t->e);
	return stop_without_monitor(t, id, next);
}

int op_ctr_stop(struct task *t)
{
	if (!t->a->plan->host)
		TRY(ctr_set_desired(t->a->db, t->op->ctr, DESIRED_STOPPED, &t->e));
	return op_stop_request(t, t->op->ctr, done);
}

int op_ctr_kill(struct task *t)
{
	struct cJSON *req = monitor_request("kill", t->op->ctr);

	json_add_str(req, "signal", t->op->signal ? t->op->signal : "SIGKILL");
	return task_request(t, req, done);
}

int op_ctr_pause(struct task *t)
{
	return task_request(t, monitor_request("pause", t->op->ctr), done);
}

int op_ctr_unpause(struct task *t)
{
	return task_request(t, monitor_request("unpause", t->op->ctr), done);
}
