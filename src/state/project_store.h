/* SPDX-License-Identifier: MIT
 * state/project_store.h - one row per project: where it came from, what is wanted of it
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;
struct project_row {
	char *name;         /* primary key */
	char *working_dir;  /* of the last up, absolute */
	char *config_files; /* joined by ',' as docker compose's label */
	char *environment;  /* --env-file list, ',' */
	int64_t created_ns, updated_ns;
};
void project_row_done(struct project_row *p);
int project_put(struct db *db, const struct project_row *p, struct err *e); /* insert or update */
int project_get(struct db *db, const char *name, struct project_row *ret, struct err *e); /* 1: none */
int project_list(struct db *db, struct strv *ret_names, struct err *e);
int project_delete(struct db *db, const char *name, struct err *e);
