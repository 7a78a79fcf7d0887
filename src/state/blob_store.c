/* SPDX-License-Identifier: MIT */
#include "state/blob_store.h"
#include "base/alloc.h"
#include "base/err.h"
#include "state/db.h"
#include "state/sql.h"
#include "state/stmt.h"
#include <errno.h>

void blob_row_done(struct blob_row *r)
{
	free(r->chain_id);
	free(r->digest);
	free(r->type);
	free(r->origin);
	*r = (struct blob_row){ 0 };
}

void blob_rows_done(struct blob_rows *l)
{
	for (size_t i = 0; i < l->n; i++)
		blob_row_done(&l->v[i]);
	free(l->v);
	*l = (struct blob_rows){ 0 };
}

static struct blob_row row_of(struct stmt *s)
{
	return (struct blob_row){ .chain_id = stmt_dup(s, 0), .digest = stmt_dup(s, 1), .type = stmt_dup(s, 2), .size = stmt_int(s, 3),
				  .origin = stmt_dup(s, 4) };
}

int blob_set(struct db *db, const struct blob_row *r, struct err *e)
{
	int rc = stmt_run(DB_STMT(db, SQL_BLOB_SET, e, V(r->chain_id), V(r->digest), V(r->type), V(r->size), V(r->origin)), e);

	if (rc == -EBUSY)
		return err_instead(e, ENOENT, "layer %s is not there", r->chain_id);
	return rc < 0 ? rc : 0;
}

int blob_get(struct db *db, const char *chain_id, struct blob_row *ret, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_BLOB_GET, e, V(chain_id));
	int r = stmt_one(s, e);

	if (r != 0)
		return r;
	*ret = row_of(s);
	stmt_reset(s);
	return 0;
}

int blob_list(struct db *db, struct blob_rows *ret, struct err *e)
{
	struct stmt *s = db_stmt(db, SQL_BLOB_LIST, e);
	int r;

	while ((r = stmt_step(s, e)) == 1) {
		xgrow(&ret->v, ret->n, &ret->cap, sizeof *ret->v);
		ret->v[ret->n++] = row_of(s);
	}
	return r;
}
