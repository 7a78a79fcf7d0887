/* SPDX-License-Identifier: MIT */
#include "state/volume_store.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "base/strv.h"
#include "state/db.h"
#include "state/sql.h"
#include "state/stmt.h"
#include <errno.h>

void volume_row_done(struct volume_row *v)
{
	free(v->name);
	free(v->project);
	free(v->key);
	free(v->driver);
	free(v->options);
	free(v->labels);
	free(v->hash);
	*v = (struct volume_row){ 0 };
}

void volume_rows_done(struct volume_rows *l)
{
	for (size_t i = 0; i < l->n; i++)
		volume_row_done(&l->v[i]);
	free(l->v);
	*l = (struct volume_rows){ 0 };
}

static void row_read(struct stmt *s, struct volume_row *v)
{
	*v = (struct volume_row){
		.name = stmt_dup(s, 0), .project = stmt_dup(s, 1), .key = stmt_dup(s, 2), .driver = stmt_dup(s, 3),
		.options = stmt_dup(s, 4), .labels = stmt_dup(s, 5), .hash = stmt_dup(s, 6), .anonymous = stmt_int(s, 7),
		.deleting = stmt_int(s, 8), .created_ns = stmt_int(s, 9),
	};
}

int volume_insert(struct db *db, const struct volume_row *v, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_VOL_INSERT, e, V(v->name), V(v->project), V(v->key), V(v->driver ? v->driver : "local"), V(v->options),
				V(v->labels), V(v->hash), V(v->anonymous), V(v->deleting), V(v->created_ns));
	int r;

	TRY(r = stmt_run(s, e));
	if (r > 0)
		db_touch(db, v->project);
	return r == 0;
}

int volume_get(struct db *db, const char *name, struct volume_row *ret, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_VOL_GET, e, V(name));
	int r = stmt_one(s, e);

	if (r != 0)
		return r;
	row_read(s, ret);
	stmt_reset(s);
	return 0;
}

int volume_list(struct db *db, const char *project, struct volume_rows *ret, struct err *e)
{
	struct stmt *s = project ? DB_STMT(db, SQL_VOL_BY_PROJECT, e, V(project)) : db_stmt(db, SQL_VOL_ALL, e);
	int r;

	while ((r = stmt_step(s, e)) == 1) {
		xgrow(&ret->v, ret->n, &ret->cap, sizeof *ret->v);
		row_read(s, &ret->v[ret->n++]);
	}
	return r;
}

static int run_by_name(struct db *db, int sql, const char *name, struct err *e)
{
	struct stmt *s = DB_STMT(db, sql, e, V(name));
	int r = stmt_do_project(s, e);

	if (r == -EBUSY)
		return err_instead(e, EBUSY, "volume '%s' is in use by containers", name);
	return r;
}

int volume_set_deleting(struct db *db, const char *name, struct err *e)
{
	return run_by_name(db, SQL_VOL_SET_DELETING, name, e);
}

int volume_delete(struct db *db, const char *name, struct err *e)
{
	return run_by_name(db, SQL_VOL_DELETE, name, e);
}

int volume_use(struct db *db, const char *volume, const char *container, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_VOL_USE, e, V(volume), V(container));
	int r = stmt_run(s, e);

	if (r == -EBUSY)
		return err_instead(e, ENOENT, "volume '%s' or container %.12s is gone", volume, container);
	return r < 0 ? r : 0;
}

int volume_users(struct db *db, const char *volume, int64_t *ret_n, struct err *e)
{
	return stmt_count(DB_STMT(db, SQL_VOL_USERS, e, V(volume)), ret_n, e);
}

int volume_user_names(struct db *db, const char *volume, struct strv *ret, struct err *e)
{
	return stmt_strings(DB_STMT(db, SQL_VOL_USER_NAMES, e, V(volume)), ret, e);
}

void volume_uses_done(struct volume_uses *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].volume);
		free(l->v[i].container);
	}
	free(l->v);
	*l = (struct volume_uses){ 0 };
}

int volume_uses_of_project(struct db *db, const char *project, struct volume_uses *ret, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_VOL_USES_OF_PROJECT, e, V(project));
	int r;

	while ((r = stmt_step(s, e)) == 1) {
		xgrow(&ret->v, ret->n, &ret->cap, sizeof *ret->v);
		ret->v[ret->n++] = (struct volume_used){ .volume = stmt_dup(s, 0), .container = stmt_dup(s, 1) };
	}
	return r;
}

char *volume_row_json(const struct volume_row *v)
{
	AUTO(json_free) struct cJSON *j = json_object();

	json_add_str(j, "name", v->name);
	json_add_str(j, "project", v->project);
	json_add_str(j, "key", v->key);
	json_add_str(j, "driver", v->driver);
	json_add_str(j, "options", v->options);
	json_add_str(j, "labels", v->labels);
	json_add_str(j, "hash", v->hash);
	json_add_bool(j, "anonymous", v->anonymous);
	json_add_int(j, "created_ns", v->created_ns);
	return json_text(j, true);
}

int volume_row_parse(const char *text, size_t n, struct volume_row *ret, struct err *e)
{
	AUTO(json_free) struct cJSON *j = NULL;
	const char *name;

	TRY(json_parse(text, n, "volume.json", &j, e));
	TRY(json_need_str(j, "name", "volume.json", &name, e));
	*ret = (struct volume_row){
		.name = xstrdup(name), .project = xstrdup0(json_str(j, "project")), .key = xstrdup0(json_str(j, "key")),
		.driver = xstrdup0(json_str(j, "driver")), .options = xstrdup0(json_str(j, "options")),
		.labels = xstrdup0(json_str(j, "labels")), .hash = xstrdup0(json_str(j, "hash")),
		.anonymous = json_bool(j, "anonymous", false), .created_ns = json_int(j, "created_ns", 0),
	};
	return 0;
}
