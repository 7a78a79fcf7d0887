/* SPDX-License-Identifier: MIT */
#include "state/stmt.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/strv.h"
#include "state/db.h"
#include "state/db_priv.h"

static void bind(struct stmt *s, int i, const struct stmt_value *v)
{
	int rc = v->kind == STMT_NUMBER ? sqlite3_bind_int64(s->s, i, v->number) :
		 v->text                ? sqlite3_bind_text(s->s, i, v->text, -1, SQLITE_TRANSIENT) :
					  sqlite3_bind_null(s->s, i);

	if (rc != SQLITE_OK)
		BUG("bind %d of '%s'", i, sqlite3_sql(s->s));
}

struct stmt *db_stmt_bind(struct db *db, int sql, const struct stmt_value *v, size_t n, struct err *e)
{
	struct stmt *s = &db->stmts[sql];

	if (!s->s && sqlite3_prepare_v3(db->sq, sql_text[sql], -1, SQLITE_PREPARE_PERSISTENT, &s->s, NULL) != SQLITE_OK) {
		db_error(db, "", e);
		return NULL;
	}
	s->db = db;
	sqlite3_reset(s->s);
	sqlite3_clear_bindings(s->s);
	for (size_t i = 0; i < n; i++)
		bind(s, (int)i + 1, &v[i]);
	return s;
}

struct stmt *db_stmt(struct db *db, int sql, struct err *e)
{
	return db_stmt_bind(db, sql, NULL, 0, e);
}

int stmt_step(struct stmt *s, struct err *e)
{
	int rc;

	if (!s)
		return -e->code;
	rc = sqlite3_step(s->s);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc != SQLITE_DONE)
		db_error(s->db, "", e);
	sqlite3_reset(s->s);
	return rc == SQLITE_DONE ? 0 : -e->code;
}

int stmt_one(struct stmt *s, struct err *e)
{
	int r = stmt_step(s, e);

	return r < 0 ? r : !r;
}

void stmt_reset(struct stmt *s)
{
	if (s)
		sqlite3_reset(s->s);
}

int stmt_strings(struct stmt *s, struct strv *ret, struct err *e)
{
	int r;

	while ((r = stmt_step(s, e)) == 1)
		strv_add(ret, stmt_str(s, 0));
	return r;
}

int stmt_count(struct stmt *s, int64_t *ret, struct err *e)
{
	int r = stmt_step(s, e);

	if (r != 1)
		return r;
	*ret = stmt_int(s, 0);
	stmt_reset(s);
	return 0;
}

const char *stmt_str(struct stmt *s, int col)
{
	return (const char *)sqlite3_column_text(s->s, col);
}

int64_t stmt_int(struct stmt *s, int col)
{
	return sqlite3_column_int64(s->s, col);
}

char *stmt_dup(struct stmt *s, int col)
{
	return xstrdup0(stmt_str(s, col));
}

/* TOUCH: rows are names of projects. */
static int run(struct stmt *s, bool touch, struct err *e)
{
	int r, n = 0;

	if (!s)
		return -e->code;
	TRY(db_begin(s->db, e));
	while ((r = stmt_step(s, e)) == 1)
		if (touch)
			db_touch(s->db, stmt_str(s, 0));
	if (r == 0)
		n = sqlite3_changes(s->db->sq);
	return db_end(s->db, r < 0 ? r : n, e);
}

int stmt_run(struct stmt *s, struct err *e)
{
	return run(s, false, e);
}

int stmt_do(struct stmt *s, struct err *e)
{
	int r = run(s, false, e);

	return r < 0 ? r : 0;
}

int stmt_do_project(struct stmt *s, struct err *e)
{
	int r = run(s, true, e);

	return r < 0 ? r : 0;
}
