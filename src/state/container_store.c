/* SPDX-License-Identifier: MIT */
#include "state/container_store.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "base/time.h"
#include "state/db.h"
#include "state/sql.h"
#include "state/stmt.h"
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
	struct stmt *s = DB_STMT(db, SQL_CTR_NAME_OWNER, e, V(name));
	int r = stmt_step(s, e);

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
	s = DB_STMT(db, SQL_CTR_INSERT, e, V(c->id), V(c->name), V(c->project), V(c->service), V(c->number), V(c->oneoff), V(c->image_ref),
				V(c->image_id), V(c->hash), V(c->config), V(c->sandbox), V(c->created_ns), V(desired_name(c->desired)),
				V(ctr_state_name(c->state)), V(c->pid.pid), V(c->pid.start), V(c->boot_id), V(c->keeper.pid), V(c->keeper.start),
				V(c->started_ns), V(c->finished_ns), V(c->exit_code), V(c->exit_known), V(c->oom), V(c->error),
				V(c->restart_count), V(ctr_health_name(c->health)), V(c->health_log));
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
	struct stmt *s = DB_STMT(db, sql, e, V(key));
	int r = stmt_one(s, e);

	if (r != 0)
		return r;
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
	struct stmt *s = DB_STMT(db, SQL_CTR_BY_PREFIX, e, V(prefix));
	int r = stmt_one(s, e);

	if (r != 0)
		return r;
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

static int list(struct stmt *s, struct ctr_rows *ret, struct err *e)
{
	int r;

	while ((r = stmt_step(s, e)) == 1) {
		xgrow(&ret->v, ret->n, &ret->cap, sizeof *ret->v);
		row_read(s, &ret->v[ret->n++]);
	}
	return r;
}

int ctr_list(struct db *db, const char *project, const char *service, struct ctr_rows *ret, struct err *e)
{
	if (!project)
		return list(db_stmt(db, SQL_CTR_ALL, e), ret, e);
	if (!service)
		return list(DB_STMT(db, SQL_CTR_BY_PROJECT, e, V(project)), ret, e);
	return list(DB_STMT(db, SQL_CTR_BY_SERVICE, e, V(project), V(service)), ret, e);
}

int ctr_by_image(struct db *db, const char *image_id, struct ctr_rows *ret, struct err *e)
{
	return list(DB_STMT(db, SQL_CTR_BY_IMAGE, e, V(image_id)), ret, e);
}

/* ---- updates: a container that is gone, or is so already, is no failure of its monitor's ---- */

static int set_text(struct db *db, int sql, const char *id, const char *v, struct err *e)
{
	return stmt_do_project(DB_STMT(db, sql, e, V(id), V(v)), e);
}

static int set_int(struct db *db, int sql, const char *id, int64_t v, struct err *e)
{
	return stmt_do_project(DB_STMT(db, sql, e, V(id), V(v)), e);
}

int ctr_set_desired(struct db *db, const char *id, enum ctr_desired desired, struct err *e)
{
	return set_text(db, SQL_CTR_SET_DESIRED, id, desired_name(desired), e);
}

int ctr_set_hash(struct db *db, const char *id, const char *hash, const char *config, struct err *e)
{
	return stmt_do_project(DB_STMT(db, SQL_CTR_SET_HASH, e, V(id), V(hash), V(config)), e);
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
	return stmt_do_project(DB_STMT(db, SQL_CTR_SET_STARTING, e, V(id)), e);
}

int ctr_set_running(struct db *db, const char *id, const struct proc_id *pid, const struct proc_id *keeper, const char *boot_id,
		    int64_t started_ns, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_CTR_SET_RUNNING, e, V(id), V(pid->pid), V(pid->start), V(keeper->pid), V(keeper->start), V(boot_id),
				V(started_ns));

	return stmt_do_project(s, e);
}

int ctr_set_keeper(struct db *db, const char *id, const struct proc_id *keeper, struct err *e)
{
	return stmt_do_project(DB_STMT(db, SQL_CTR_SET_KEEPER, e, V(id), V(keeper->pid), V(keeper->start)), e);
}

int ctr_set_state(struct db *db, const char *id, enum ctr_state state, struct err *e)
{
	return set_text(db, SQL_CTR_SET_STATE, id, ctr_state_name(state), e);
}

int ctr_set_exited(struct db *db, const char *id, int64_t exit_code, bool exit_is_known, bool oom, int64_t finished_ns, struct err *e)
{
	return stmt_do_project(DB_STMT(db, SQL_CTR_SET_EXITED, e, V(id), V(exit_code), V(exit_is_known), V(oom), V(finished_ns)), e);
}

int ctr_set_error(struct db *db, const char *id, const char *error, int64_t exit_code, struct err *e)
{
	return stmt_do_project(DB_STMT(db, SQL_CTR_SET_ERROR, e, V(id), V(error), V(exit_code), V(time_now_ns())), e);
}

int ctr_set_restarts(struct db *db, const char *id, int64_t count, struct err *e)
{
	return set_int(db, SQL_CTR_SET_RESTARTS, id, count, e);
}

int ctr_set_health(struct db *db, const char *id, enum ctr_health health, const char *log_json, struct err *e)
{
	return stmt_do_project(DB_STMT(db, SQL_CTR_SET_HEALTH, e, V(id), V(ctr_health_name(health)), V(log_json)), e);
}

int ctr_delete(struct db *db, const char *id, struct err *e)
{
	return stmt_do_project(DB_STMT(db, SQL_CTR_DELETE, e, V(id)), e);
}

bool ctr_state_runs(enum ctr_state state)
{
	return state == CTR_RUNNING || state == CTR_PAUSED || state == CTR_STOPPING;
}

bool ctr_state_live(enum ctr_state state)
{
	return ctr_state_runs(state) || state == CTR_STARTING || state == CTR_RESTARTING;
}

bool ctr_row_alive(const struct ctr_row *c, const char *boot_id)
{
	return c->pid.pid > 0 && streq0(c->boot_id, boot_id) && proc_alive(&c->pid);
}

void ctr_row_correct(struct ctr_row *c, const char *boot_id, bool watched)
{
	bool alive = ctr_row_alive(c, boot_id);

	if (c->state == CTR_EXITED && alive)
		c->state = CTR_RUNNING;
	if (!ctr_state_live(c->state) || alive || (watched && !ctr_state_runs(c->state)))
		return;
	c->state = CTR_EXITED;
	c->exit_known = false;
	c->exit_code = CTR_EXIT_UNKNOWN;
	c->health = HEALTH_NONE;
	c->pid = c->keeper = (struct proc_id){ 0 };
}

bool ctr_row_ended_with_host(const struct ctr_row *c, const char *boot_id)
{
	return c->state == CTR_EXITED && !c->exit_known && !c->error && c->boot_id && !streq(c->boot_id, boot_id);
}
