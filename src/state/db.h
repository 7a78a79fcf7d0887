/* SPDX-License-Identifier: MIT
 *
 * state/db.h - the database: open, transactions, statements. The only file that knows SQLite is db.c.
 *
 * WAL, foreign keys, synchronous=NORMAL, busy_timeout before the first statement. Writers take the ticket
 * (run/ticket.lock, flock) before BEGIN IMMEDIATE. After each COMMIT run/gen/PROJECT of every project that the transaction
 * touched is touched, which wakes those who watch it with inotify. db_sync() makes what was committed survive a power cut;
 * call it once before anything is acknowledged to the user. A connection never crosses fork.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stdint.h>

struct dirs;
struct err;
struct strv;
struct db;
enum { DB_READONLY = 1 };
/* Opens (makes, migrates) root/state.db. A newer schema than ours is refused (read-only opens it when it can). An empty database in a
 * root that has contents is rebuilt from spec.json and volume.json files, never taken for new. */
int db_open(const struct dirs *d, unsigned flags, struct db **ret, struct err *e);
void db_close(struct db *db);
DEFINE_AUTO(struct db *, db_close)
const struct dirs *db_dirs(const struct db *db);
/* Transactions do not nest: begin in a transaction only counts. Rollback ends all levels. */
int db_begin(struct db *db, struct err *e);
int db_commit(struct db *db, struct err *e);
void db_rollback(struct db *db);
bool db_in_transaction(const struct db *db);
/* This transaction changes something of PROJECT: its run/gen file is touched after COMMIT. */
void db_touch(struct db *db, const char *project);
int db_sync(struct db *db, struct err *e); /* fdatasync of the WAL */

/* For the stores only: statements by enum, see sql.h. */
struct stmt;
struct stmt *db_stmt(struct db *db, int sql, struct err *e); /* reset, bindings cleared; NULL with e set */
void stmt_bind_str(struct stmt *s, int i, const char *v);    /* NULL binds NULL; i from 1 */
void stmt_bind_int(struct stmt *s, int i, int64_t v);
int stmt_step(struct stmt *s, struct err *e);                /* 1 row, 0 done, < 0 */
int stmt_run(struct stmt *s, struct err *e);                 /* step to the end; returns number of changed rows (capped) */
const char *stmt_str(struct stmt *s, int col);               /* from 0; valid until the next step; NULL for NULL */
int64_t stmt_int(struct stmt *s, int col);
char *stmt_dup(struct stmt *s, int col);                     /* malloc'd, NULL for NULL */
int64_t db_last_id(const struct db *db);
