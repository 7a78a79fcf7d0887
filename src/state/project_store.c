/* SPDX-License-Identifier: MIT */
#include "state/project_store.h"
#include "base/alloc.h"
#include "base/err.h"
#include "state/db.h"
#include "state/sql.h"

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
	struct stmt *s = db_stmt(db, SQL_PROJECT_PUT, e);

	if (!s)
		return -e->code;
	stmt_bind_str(s, 1, p->name);
	stmt_bind_str(s, 2, p->working_dir);
	stmt_bind_str(s, 3, p->config_files);
	stmt_bind_str(s, 4, p->environment);
	stmt_bind_int(s, 5, p->stopped_by_host);
	stmt_bind_int(s, 6, p->created_ns);
	stmt_bind_int(s, 7, p->updated_ns);
	TRY(stmt_run(s, e));
	db_touch(db, p->name);
	return 0;
}

int project_get(struct db *db, const char *name, struct project_row *ret, struct err *e)
{
	struct stmt *s = db_stmt(db, SQL_PROJECT_GET, e);
	int r;

	if (!s)
		return -e->code;
	stmt_bind_str(s, 1, name);
	r = stmt_step(s, e);
	if (r <= 0)
		return r < 0 ? r : 1;
	*ret = (struct project_row){
		.name = stmt_dup(s, 0), .working_dir = stmt_dup(s, 1), .config_files = stmt_dup(s, 2), .environment = stmt_dup(s, 3),
		.stopped_by_host = stmt_int(s, 4), .created_ns = stmt_int(s, 5), .updated_ns = stmt_int(s, 6),
	};
	stmt_reset(s);
	return 0;
}

int project_list(struct db *db, struct strv *ret_names, struct err *e)
{
	struct stmt *s = db_stmt(db, SQL_PROJECT_LIST, e);
	int r;

	if (!s)
		return -e->code;
	while ((r = stmt_step(s, e)) == 1)
		strv_add(ret_names, stmt_str(s, 0));
	return r;
}

int project_delete(struct db *db, const char *name, struct err *e)
{
	struct stmt *s = db_stmt(db, SQL_PROJECT_DELETE, e);

	if (!s)
		return -e->code;
	stmt_bind_str(s, 1, name);
	TRY(stmt_run(s, e));
	db_touch(db, name);
	return 0;
}
