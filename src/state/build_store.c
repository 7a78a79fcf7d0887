/* SPDX-License-Identifier: MIT */
#include "state/build_store.h"
#include "base/auto.h"
#include "base/err.h"
#include "state/db.h"
#include "state/sql.h"

void build_row_done(struct build_row *r)
{
	free(r->chain_id);
	*r = (struct build_row){ 0 };
}

int build_cache_get(struct db *db, const char *key, struct build_row *ret, struct err *e)
{
	struct stmt *s = db_stmt(db, SQL_BUILD_GET, e);
	int r;

	if (!s)
		return -e->code;
	stmt_bind_str(s, 1, key);
	r = stmt_step(s, e);
	if (r <= 0)
		return r < 0 ? r : 1;
	*ret = (struct build_row){ stmt_dup(s, 0), stmt_int(s, 1) };
	stmt_reset(s);
	return 0;
}

int build_cache_put(struct db *db, const char *key, const char *chain_id, int64_t created_ns, int64_t now_ns, struct err *e)
{
	struct stmt *s = db_stmt(db, SQL_BUILD_PUT, e);

	if (!s)
		return -e->code;
	stmt_bind_str(s, 1, key);
	stmt_bind_str(s, 2, chain_id);
	stmt_bind_int(s, 3, created_ns);
	stmt_bind_int(s, 4, now_ns);
	return MIN(stmt_run(s, e), 0);
}

int build_cache_touch(struct db *db, const char *key, int64_t now_ns, struct err *e)
{
	struct stmt *s = db_stmt(db, SQL_BUILD_TOUCH, e);

	if (!s)
		return -e->code;
	stmt_bind_str(s, 1, key);
	stmt_bind_int(s, 2, now_ns);
	return MIN(stmt_run(s, e), 0);
}

int build_cache_prune(struct db *db, int64_t before_ns, struct err *e)
{
	struct stmt *s = db_stmt(db, SQL_BUILD_PRUNE, e);

	if (!s)
		return -e->code;
	stmt_bind_int(s, 1, before_ns);
	return MIN(stmt_run(s, e), 0);
}
