/* SPDX-License-Identifier: MIT */
#include "state/project_store.h"
#include "base/alloc.h"
#include "base/err.h"
#include "state/db.h"
#include "state/sql.h"
#include "state/stmt.h"

void project_row_done(struct project_row *p)
{
	free(p->name);
	free(p->working_dir);
	free(p->config_files);
	free(p->environment);
	*p = (struct project_row){ 0 };
}

int project_put(struct db *db, const struct project_row *p, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_PROJECT_PUT, e, V(p->name), V(p->working_dir), V(p->config_files), V(p->environment),
				V(p->created_ns), V(p->updated_ns));

	TRY(stmt_run(s, e));
	db_touch(db, p->name);
	return 0;
}

int project_get(struct db *db, const char *name, struct project_row *ret, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_PROJECT_GET, e, V(name));
	int r = stmt_one(s, e);

	if (r != 0)
		return r;
	*ret = (struct project_row){
		.name = stmt_dup(s, 0), .working_dir = stmt_dup(s, 1), .config_files = stmt_dup(s, 2), .environment = stmt_dup(s, 3),
		.created_ns = stmt_int(s, 4), .updated_ns = stmt_int(s, 5),
	};
	stmt_reset(s);
	return 0;
}

int project_list(struct db *db, struct strv *ret_names, struct err *e)
{
	return stmt_strings(db_stmt(db, SQL_PROJECT_LIST, e), ret_names, e);
}

int project_delete(struct db *db, const char *name, struct err *e)
{
	struct stmt *s = DB_STMT(db, SQL_PROJECT_DELETE, e, V(name));

	TRY(stmt_run(s, e));
	db_touch(db, name);
	return 0;
}
