/* SPDX-License-Identifier: MIT
 *
 * state/db_priv.h - what db.c and stmt.c share: the connection
 */
#pragma once
#include "base/strv.h"
#include "state/sql.h"
#include <sqlite3.h>
#include <stdbool.h>

struct dirs;
struct err;
struct stmt {
	struct db *db;
	sqlite3_stmt *s;
};
struct db {
	const struct dirs *dirs;
	char *path;
	sqlite3 *sq;
	unsigned flags;
	bool readonly;      /* nothing can be written */
	bool write_ready;   /* the first write's preparations are done */
	int depth;          /* of db_begin */
	int ticket;         /* fd of run/ticket.lock, -1: not opened yet */
	struct strv touched;
	char *notice;
	struct stmt stmts[SQL_COUNT];
};
/* The last failure of the connection as ours. Constraints: -EEXIST for unique, -EBUSY for a row that others refer to. */
int db_error(struct db *db, const char *what, struct err *e);
