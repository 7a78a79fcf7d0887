/* SPDX-License-Identifier: MIT */
#include "state/build_store.h"
#include "base/auto.h"
#include "base/err.h"
#include "state/db.h"
#include "state/sql.h"
#include "state/stmt.h"

void build_row_done(struct build_row *r)
{
	free(r->chain_id);
	*r = (struct build_row){ 0 };
}

int build_cache_get(struct db *db, const char *key, struct build_row *ret, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_BUILD_GET, e, V(key));
	int r = stmt_one(s, e);

	if (r != 0)
		return r;
	*ret = (struct build_row){ stmt_dup(s, 0), stmt_int(s, 1) };
	stmt_reset(s);
	return 0;
}

int build_cache_put(struct db *db, const char *key, const char *chain_id, int64_t created_ns, int64_t now_ns, struct err *e)
{
	return stmt_do(DB_STMT(db, SQL_BUILD_PUT, e, V(key), V(chain_id), V(created_ns), V(now_ns)), e);
}

int build_cache_touch(struct db *db, const char *key, int64_t now_ns, struct err *e)
{
	return stmt_do(DB_STMT(db, SQL_BUILD_TOUCH, e, V(key), V(now_ns)), e);
}

int build_cache_prune(struct db *db, int64_t before_ns, struct err *e)
{
	return stmt_do(DB_STMT(db, SQL_BUILD_PRUNE, e, V(before_ns)), e);
}

int build_cache_usage(struct db *db, struct build_usage *ret, struct err *e)
{
	struct stmt *s = db_stmt(db, SQL_BUILD_USAGE, e);
	int r = stmt_one(s, e);

	if (r < 0)
		return r;
	*ret = (struct build_usage){ stmt_int(s, 0), stmt_int(s, 1), stmt_int(s, 2) };
	stmt_reset(s);
	return 0;
}

int build_cache_trim(struct db *db, int64_t max, struct err *e)
{
	for (;;) {
		struct build_usage u = { 0 };
		int r;

		TRY(build_cache_usage(db, &u, e));
		if (u.bytes <= max)
			return 0;
		TRY(r = stmt_run(db_stmt(db, SQL_BUILD_DROP_OLDEST, e), e));
		if (r == 0)
			return 0;
	}
}
