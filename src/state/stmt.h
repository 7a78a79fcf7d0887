/* SPDX-License-Identifier: MIT
 *
 * state/stmt.h - statements, for the stores only
 *
 *   r = stmt_run(DB_STMT(db, SQL_VOL_USE, e, V(volume), V(container)), e);
 *
 * A statement is named by its enum (sql.h), prepared once per connection and reset when it is asked for again. What takes one takes NULL too, and
 * returns the error that db_stmt_bind() has set.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;
struct strv;
struct stmt;
struct stmt_value {
	const char *text;   /* NULL of a text binds NULL */
	int64_t number;
	enum { STMT_TEXT, STMT_NUMBER } kind;
};
static inline struct stmt_value stmt_text(const char *v)
{
	return (struct stmt_value){ .text = v };
}
static inline struct stmt_value stmt_number(int64_t v)
{
	return (struct stmt_value){ .number = v, .kind = STMT_NUMBER };
}
#define V(x) _Generic((x), char *: stmt_text, const char *: stmt_text, default: stmt_number)(x)
/* SQL with the values of ?1, ?2 … bound, the others NULL. NULL with e set. */
#define DB_STMT(db, sql, e, ...) \
	db_stmt_bind(db, sql, (const struct stmt_value[]){ __VA_ARGS__ }, sizeof((const struct stmt_value[]){ __VA_ARGS__ }) / sizeof(struct stmt_value), e)
struct stmt *db_stmt_bind(struct db *db, int sql, const struct stmt_value *v, size_t n, struct err *e);
struct stmt *db_stmt(struct db *db, int sql, struct err *e); /* nothing to bind */

/* Reading. Columns count from 0. */
int stmt_step(struct stmt *s, struct err *e);                /* 1: a row, 0: no more */
int stmt_one(struct stmt *s, struct err *e);                 /* 0: the one row is there: read it, then stmt_reset; 1: there is none */
void stmt_reset(struct stmt *s);                             /* done with it before its last row: ends the read snapshot */
int stmt_strings(struct stmt *s, struct strv *ret, struct err *e);   /* appends column 0 of all rows */
int stmt_count(struct stmt *s, int64_t *ret, struct err *e);         /* the number in the one row; none: *ret stays */
const char *stmt_str(struct stmt *s, int col);               /* valid until the next step; NULL for NULL */
int64_t stmt_int(struct stmt *s, int col);
char *stmt_dup(struct stmt *s, int col);                     /* malloc'd, NULL for NULL */

/* Writing: to the end, in a transaction of its own if there is none. -EEXIST: not unique, -EBUSY: other rows refer to it or what it refers to is
 * not there. Number of changed rows (capped), -ENOENT is not raised. */
int stmt_run(struct stmt *s, struct err *e);
int stmt_do(struct stmt *s, struct err *e);                  /* the same, any number is 0 */
int stmt_do_project(struct stmt *s, struct err *e);          /* the same for "… RETURNING project": touches those projects' gen files */
