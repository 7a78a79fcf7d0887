/* SPDX-License-Identifier: MIT */
#include "state/check_store.h"
#include "base/auto.h"
#include "base/err.h"
#include "base/str.h"
#include "base/strv.h"
#include "state/db.h"
#include "state/sql.h"
#include "state/stmt.h"

int db_check(struct db *db, struct strv *ret, struct err *e)
{
	AUTO_STRV(lines);

	TRY(stmt_strings(db_stmt(db, SQL_CHECK_PAGES, e), &lines, e));
	for (size_t i = 0; i < lines.n; i++)
		if (!streq(lines.v[i], "ok"))
			strv_add(ret, lines.v[i]);
	return stmt_strings(db_stmt(db, SQL_CHECK_REFERENCES, e), ret, e);
}
