/* SPDX-License-Identifier: MIT
 * state/blob_store.h - which blob in root/images/blobs gives a layer again: for push, save, repair
 *
 * The row goes with its layer's. The file may be missing all the same (dropped to win room, damaged): then the layer's archive has to be made or
 * fetched again.
 */
#pragma once
#include "base/auto.h"
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;
struct blob_row {
	char *chain_id;
	char *digest, *type; /* of the file; its media type in a manifest */
	int64_t size;
	char *origin;        /* BLOB_… */
};
#define BLOB_PULLED "pull"  /* its registry has it */
#define BLOB_LOADED "load"  /* nobody else has it: what it was unpacked from cannot be made of the files again */
#define BLOB_PACKED "pack"  /* made of the layer's folder */
struct blob_rows {
	struct blob_row *v;
	size_t n, cap;
};
void blob_row_done(struct blob_row *r);
void blob_rows_done(struct blob_rows *l);
int blob_set(struct db *db, const struct blob_row *r, struct err *e); /* -ENOENT: no such layer */
int blob_get(struct db *db, const char *chain_id, struct blob_row *ret, struct err *e); /* 1: none */
int blob_list(struct db *db, struct blob_rows *ret, struct err *e);
