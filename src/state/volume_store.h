/* SPDX-License-Identifier: MIT
 * state/volume_store.h - named and anonymous volumes
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;
struct volume_row {
	char *name;       /* unique in the root: "proj_data", 64 hex when anonymous */
	char *project;    /* NULL: by hand */
	char *key;        /* name in the compose file, NULL */
	char *driver;     /* "local" */
	char *options;    /* JSON object */
	char *labels;     /* JSON object */
	char *hash;
	bool anonymous;
	bool deleting;
	int64_t created_ns;
};
void volume_row_done(struct volume_row *v);
struct volume_rows {
	struct volume_row *v;
	size_t n, cap;
};
void volume_rows_done(struct volume_rows *l);
int volume_insert(struct db *db, const struct volume_row *v, struct err *e); /* 1: there already, untouched */
int volume_get(struct db *db, const char *name, struct volume_row *ret, struct err *e); /* 1: none */
int volume_list(struct db *db, const char *project, struct volume_rows *ret, struct err *e);
int volume_set_deleting(struct db *db, const char *name, struct err *e);
int volume_delete(struct db *db, const char *name, struct err *e);
/* Which containers use which volume: written at create, read before removal. */
int volume_use(struct db *db, const char *volume, const char *container, struct err *e);
int volume_users(struct db *db, const char *volume, int64_t *ret_n, struct err *e);
/* Names of the first few of them. */
struct strv;
int volume_user_names(struct db *db, const char *volume, struct strv *ret, struct err *e);
struct volume_used {
	char *volume, *container;
};
struct volume_uses {
	struct volume_used *v;
	size_t n, cap;
};
void volume_uses_done(struct volume_uses *l);
/* Of all containers of PROJECT, by container. */
int volume_uses_of_project(struct db *db, const char *project, struct volume_uses *ret, struct err *e);
/* volume.json: what volume_create writes beside the data, and db_rebuild registers again. Caller frees. */
char *volume_row_json(const struct volume_row *v);
int volume_row_parse(const char *text, size_t n, struct volume_row *ret, struct err *e);
