/* SPDX-License-Identifier: MIT
 *
 * state/db.h - the database: open, transactions. Only db.c and stmt.c know SQLite.
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
enum {
	DB_READONLY = 1, /* for ps, logs, inspect: also serves a root on a full or read-only disk, and a schema of a newer gantry as far as it can */
	DB_RESERVE = 2,  /* for stop, down, rm, prune: may give back the reserve file when the disk is full */
};
/* Opens (makes, migrates) root/state.db. A newer schema than ours is refused (read-only opens it when it can). An empty database in a
 * root that has contents is rebuilt from spec.json and volume.json files, never taken for new. */
int db_open(const struct dirs *d, unsigned flags, struct db **ret, struct err *e);
void db_close(struct db *db);
DEFINE_AUTO(struct db *, db_close)
const struct dirs *db_dirs(const struct db *db);
/* What the user should hear once about opening ("the database was damaged …, rebuilt"); NULL: nothing. */
const char *db_notice(const struct db *db);
bool db_readonly(const struct db *db); /* also when it was not asked for: nothing can be written to root */
/* Transactions do not nest: begin in a transaction only counts. Rollback ends all levels. */
int db_begin(struct db *db, struct err *e);
int db_commit(struct db *db, struct err *e);
void db_rollback(struct db *db);
/* Ends a level with R, the result of what was done in it: R >= 0 commits; R < 0 (e is set) undoes when it was the outermost level, else leaves
 * that to who began. Returns R, or the commit's error. */
int db_end(struct db *db, int r, struct err *e);
bool db_in_transaction(const struct db *db);
/* This transaction changes something of PROJECT: its run/gen file is touched after COMMIT. */
void db_touch(struct db *db, const char *project);
int db_sync(struct db *db, struct err *e); /* fdatasync of the WAL */
/* Registers what root holds (containers, volumes, images) and no row names. Opening does it after a boot and when the database is new; it never
 * removes anything. Returns how many rows were added. state/rebuild.c */
int db_rebuild(struct db *db, struct err *e);
int64_t db_last_id(const struct db *db);
