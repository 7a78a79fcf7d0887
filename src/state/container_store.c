/* SPDX-License-Identifier: MIT */
#include "state/container_store.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "base/time.h"
#include "state/db.h"
#include "state/sql.h"
#include <errno.h>

static const char *const state_names[CTR_STATES] = {
	[CTR_CREATED] = "created", [CTR_STARTING] = "starting", [CTR_RUNNING] = "running",
	[CTR_PAUSED] = "paused", [CTR_STOPPING] = "stopping", [CTR_RESTARTING] = "restarting",
	[CTR_EXITED] = "exited", [CTR_REMOVING] = "removing", [CTR_DEAD] = "dead",
};
DEFINE_NAMES(ctr_state, state_names)
static const char *const health_names[] = {
	[HEALTH_NONE] = "", [HEALTH_STARTING] = "starting", [HEALTH_HEALTHY] = "healthy", [HEALTH_UNHEALTHY] = "unhealthy",
};
DEFINE_NAMES(ctr_health, health_names)
static const char *const desired_names[] = {
	[DESIRED_CREATED] = "created", [DESIRED_RUNNING] = "running", [DESIRED_STOPPED] = "stopped",
	[DESIRED_AFTER_BOOT] = "after-boot",
};
DEFINE_NAMES_SCOPE(static, desired, desired_names)

void ctr_row_done(struct ctr_row *c)
{
	free(c->id);
	free(c->name);
	free(c->project);
	free(c->service);
	free(c->image_ref);
	free(c->image_id);
	free(c->hash);
	free(c->config);
	free(c->sandbox);
	free(c->boot_id);
	free(c->error);
	free(c->health_log);
	*c = (struct ctr_row){ 0 };
}

void ctr_rows_done(struct ctr_rows *l)
{
	for (size_t i = 0; i < l->n; i++)
		ctr_row_done(&l->v[i]);
	free(l->v);
	*l = CTR_ROWS_INIT;
}

/* A name that a newer gantry wrote counts as VALUE. */
static int known(int parsed, int value)
{
	return parsed < 0 ? value : parsed;
}

/* In the order of CTR_COLUMNS (sql.c). */
static void row_read(struct stmt *s, struct ctr_row *c)
{
	*c = (struct ctr_row){
		.id = stmt_dup(s, 0), .name = stmt_dup(s, 1), .project = stmt_dup(s, 2), .service = stmt_dup(s, 3),
		.number = stmt_int(s, 4), .oneoff = stmt_int(s, 5), .image_ref = stmt_dup(s, 6), .image_id = stmt_dup(s, 7),
		.hash = stmt_dup(s, 8), .config = stmt_dup(s, 9), .sandbox = stmt_dup(s, 10), .created_ns = stmt_int(s, 11),
		.desired = known(desired_parse(stmt_str(s, 12)), DESIRED_STOPPED),
		.state = known(ctr_state_parse(stmt_str(s, 13)), CTR_DEAD),
		.pid = { .pid = stmt_int(s, 14), .start = stmt_int(s, 15) }, .boot_id = stmt_dup(s, 16),
		.keeper = { .pid = stmt_int(s, 17), .start = stmt_int(s, 18) }, .started_ns = stmt_int(s, 19),
		.finished_ns = stmt_int(s, 20), .exit_code = stmt_int(s, 21), .exit_known = stmt_int(s, 22), .oom = stmt_int(s, 23),
		.error = stmt_dup(s, 24), .restart_count = stmt_int(s, 25),
		.health = known(ctr_health_parse(stmt_str(s, 26)), HEALTH_NONE), .health_log = stmt_dup(s, 27),
	};
}

static int name_check(struct db *db, const char *id, const char *name, struct err *e)
{
	struct stmt *s = db_stmt(db, SQL_CTR_NAME_OWNER, e);
	int r;

	if (!s)
		return -e->code;
	stmt_bind_str(s, 1, name);
	r = stmt_step(s, e);
	if (r <= 0)
		return r;
	if (streq(stmt_str(s, 0), id)) {
		r = 0;
	} else if (stmt_str(s, 1) && stmt_str(s, 2)) {
		r = err_set(e, EEXIST, "container name '%s' is in use by service '%s' of project '%s'", name, stmt_str(s, 2), stmt_str(s, 1));
	} else {
		r = err_set(e, EEXIST, "container name '%s' is in use by container %.12s", name, stmt_str(s, 0));
	}
	stmt_reset(s);
	if (r < 0)
		err_hint(e, "remove or rename that container");
	return r;
}

static int insert(struct db *db, const struct ctr_row *c, struct err *e)
{
	struct stmt *s;

	TRY(name_check(db, c->id, c->name, e));
	s = db_stmt(db, SQL_CTR_INSERT, e);
	if (!s)
		return -e->code;
	stmt_bind_str(s, 1, c->id);
	stmt_bind_str(s, 2, c->name);
	stmt_bind_str(s, 3, c->project);
	stmt_bind_str(s, 4, c->service);
	stmt_bind_int(s, 5, c->number);
	stmt_bind_int(s, 6, c->oneoff);
	stmt_bind_str(s, 7, c->image_ref);
	stmt_bind_str(s, 8, c->image_id);
	stmt_bind_str(s, 9, c->hash);
	stmt_bind_str(s, 10, c->config);
	stmt_bind_str(s, 11, c->sandbox);
	stmt_bind_int(s, 12, c->created_ns);
	stmt_bind_str(s, 13, desired_name(c->desired));
	stmt_bind_str(s, 14, ctr_state_name(c->state));
	stmt_bind_int(s, 15, c->pid.pid);
	stmt_bind_int(s, 16, (int64_t)c->pid.start);
	stmt_bind_str(s, 17, c->boot_id);
	stmt_bind_int(s, 18, c->keeper.pid);
	stmt_bind_int(s, 19, (int64_t)c->keeper.start);
	stmt_bind_int(s, 20, c->started_ns);
	stmt_bind_int(s, 21, c->finished_ns);
	stmt_bind_int(s, 22, c->exit_code);
	stmt_bind_int(s, 23, c->exit_known);
	stmt_bind_int(s, 24, c->oom);
	stmt_bind_str(s, 25, c->error);
	stmt_bind_int(s, 26, c->restart_count);
	stmt_bind_str(s, 27, ctr_health_name(c->health));
	stmt_bind_str(s, 28, c->health_log);
	TRY(stmt_run(s, e));
	db_touch(db, c->project);
	return 0;
}

int ctr_insert(struct db *db, const struct ctr_row *c, struct err *e)
{
	TRY(db_begin(db, e));
	return db_end(db, insert(db, c, e), e);
}

static int get_one(struct db *db, int sql, const char *key, struct ctr_row *ret, struct err *e)
{
	struct stmt *s = db_stmt(db, sql, e);
	int r;

	if (!s)
		return -e->code;
	stmt_bind_str(s, 1, key);
	r = stmt_step(s, e);
	if (r <= 0)
		return r < 0 ? r : 1;
	row_read(s, ret);
	stmt_reset(s);
	return 0;
}

int ctr_get(struct db *db, const char *id, struct ctr_row *ret, struct err *e)
{
	return get_one(db, SQL_CTR_GET, id, ret, e);
}

static int find_prefix(struct db *db, const char *prefix, struct ctr_row *ret, struct err *e)
{
	AUTO_DONE(ctr_row_done) struct ctr_row c = { 0 };
	struct stmt *s = db_stmt(db, SQL_CTR_BY_PREFIX, e);
	int r;

	if (!s)
		return -e->code;
	stmt_bind_str(s, 1, prefix);
	r = stmt_step(s, e);
	if (r <= 0)
		return r < 0 ? r : 1;
	row_read(s, &c);
	r = stmt_step(s, e);
	stmt_reset(s);
	if (r < 0)
		return r;
	if (r == 1)
		return err_set(e, EINVAL, "'%s' is the beginning of several containers' ids", prefix);
	*ret = c;
	c = (struct ctr_row){ 0 };
	return 0;
}

int ctr_find(struct db *db, const char *name_or_id, struct ctr_row *ret, struct err *e)
{
	int r = get_one(db, SQL_CTR_BY_NAME, name_or_id, ret, e);
	size_t n = strlen(name_or_id);

	if (r != 1)
		return r;
	if (n == 0 || n > ID_LEN || strspn(name_or_id, "0123456789abcdef") != n)
		return 1;
	return find_prefix(db, name_or_id, ret, e);
}

static int list(struct db *db, int sql, const char *a, const char *b, struct ctr_rows *ret, struct err *e)
{
	struct stmt *s = db_stmt(db, sql, e);
	int r;

	if (!s)
		return -e->code;
	if (a)
		stmt_bind_str(s, 1, a);
	if (b)
		stmt_bind_str(s, 2, b);
	while ((r = stmt_step(s, e)) == 1) {
		xgrow(&ret->v, ret->n, &ret->cap, sizeof *ret->v);
		row_read(s, &ret->v[ret->n++]);
	}
	return r;
}

int ctr_list(struct db *db, const char *project, const char *service, struct ctr_rows *ret, struct err *e)
{
	if (!project)
		return list(db, SQL_CTR_ALL, NULL, NULL, ret, e);
	return list(db, service ? SQL_CTR_BY_SERVICE : SQL_CTR_BY_PROJECT, project, service, ret, e);
}

int ctr_by_image(struct db *db, const char *image_id, struct ctr_rows *ret, struct err *e)
{
	return list(db, SQL_CTR_BY_IMAGE, image_id, NULL, ret, e);
}

/* ---- updates: statement with ?1 = id ---- */

static struct stmt *update(struct db *db, int sql, const char *id, struct err *e)
{
	struct stmt *s = db_stmt(db, sql, e);

	if (s)
		stmt_bind_str(s, 1, id);
	return s;
}

/* Runs it and drops the number of rows: a container that is gone, or is so already, is no failure of its monitor's. */
static int finish(struct stmt *s, struct err *e)
{
	int r = stmt_run_project(s, e);

	return r < 0 ? r : 0;
}

static int set_text(struct db *db, int sql, const char *id, const char *v, struct err *e)
{
	struct stmt *s = update(db, sql, id, e);

	if (!s)
		return -e->code;
	stmt_bind_str(s, 2, v);
	return finish(s, e);
}

static int set_int(struct db *db, int sql, const char *id, int64_t v, struct err *e)
{
	struct stmt *s = update(db, sql, id, e);

	if (!s)
		return -e->code;
	stmt_bind_int(s, 2, v);
	return finish(s, e);
}

int ctr_set_desired(struct db *db, const char *id, enum ctr_desired desired, struct err *e)
{
	return set_text(db, SQL_CTR_SET_DESIRED, id, desired_name(desired), e);
}

int ctr_set_hash(struct db *db, const char *id, const char *hash, const char *config, struct err *e)
{
	struct stmt *s = update(db, SQL_CTR_SET_HASH, id, e);

	if (!s)
		return -e->code;
	stmt_bind_str(s, 2, hash);
	stmt_bind_str(s, 3, config);
	return finish(s, e);
}

int ctr_rename(struct db *db, const char *id, const char *name, struct err *e)
{
	int r;

	TRY(db_begin(db, e));
	r = name_check(db, id, name, e);
	if (r >= 0)
		r = set_text(db, SQL_CTR_RENAME, id, name, e);
	return db_end(db, r, e);
}

int ctr_set_number(struct db *db, const char *id, int64_t number, struct err *e)
{
	return set_int(db, SQL_CTR_SET_NUMBER, id, number, e);
}

int ctr_set_starting(struct db *db, const char *id, struct err *e)
{
	struct stmt *s = update(db, SQL_CTR_SET_STARTING, id, e);

	return s ? finish(s, e) : -e->code;
}

int ctr_set_running(struct db *db, const char *id, const struct proc_id *pid, const struct proc_id *keeper, const char *boot_id,
		    int64_t started_ns, struct err *e)
{
	struct stmt *s = update(db, SQL_CTR_SET_RUNNING, id, e);

	if (!s)
		return -e->code;
	stmt_bind_int(s, 2, pid->pid);
	stmt_bind_int(s, 3, (int64_t)pid->start);
	stmt_bind_int(s, 4, keeper->pid);
	stmt_bind_int(s, 5, (int64_t)keeper->start);
	stmt_bind_str(s, 6, boot_id);
	stmt_bind_int(s, 7, started_ns);
	return finish(s, e);
}

int ctr_set_keeper(struct db *db, const char *id, const struct proc_id *keeper, struct err *e)
{
	struct stmt *s = update(db, SQL_CTR_SET_KEEPER, id, e);

	if (!s)
		return -e->code;
	stmt_bind_int(s, 2, keeper->pid);
	stmt_bind_int(s, 3, (int64_t)keeper->start);
	return finish(s, e);
}

int ctr_set_state(struct db *db, const char *id, enum ctr_state state, struct err *e)
{
	return set_text(db, SQL_CTR_SET_STATE, id, ctr_state_name(state), e);
}

int ctr_set_exited(struct db *db, const char *id, int64_t exit_code, bool exit_is_known, bool oom, int64_t finished_ns, struct err *e)
{
	struct stmt *s = update(db, SQL_CTR_SET_EXITED, id, e);

	if (!s)
		return -e->code;
	stmt_bind_int(s, 2, exit_code);
	stmt_bind_int(s, 3, exit_is_known);
	stmt_bind_int(s, 4, oom);
	stmt_bind_int(s, 5, finished_ns);
	return finish(s, e);
}

int ctr_set_error(struct db *db, const char *id, const char *error, int64_t exit_code, struct err *e)
{
	struct stmt *s = update(db, SQL_CTR_SET_ERROR, id, e);

	if (!s)
		return -e->code;
	stmt_bind_str(s, 2, error);
	stmt_bind_int(s, 3, exit_code);
	stmt_bind_int(s, 4, time_now_ns());
	return finish(s, e);
}

int ctr_set_restarts(struct db *db, const char *id, int64_t count, struct err *e)
{
	return set_int(db, SQL_CTR_SET_RESTARTS, id, count, e);
}

int ctr_set_health(struct db *db, const char *id, enum ctr_health health, const char *log_json, struct err *e)
{
	struct stmt *s = update(db, SQL_CTR_SET_HEALTH, id, e);

	if (!s)
		return -e->code;
	stmt_bind_str(s, 2, ctr_health_name(health));
	stmt_bind_str(s, 3, log_json);
	return finish(s, e);
}

int ctr_delete(struct db *db, const char *id, struct err *e)
{
	struct stmt *s = update(db, SQL_CTR_DELETE, id, e);

	return s ? finish(s, e) : -e->code;
}

bool ctr_row_alive(const struct ctr_row *c, const char *boot_id)
{
	return c->pid.pid > 0 && streq0(c->boot_id, boot_id) && proc_alive(&c->pid);
}
