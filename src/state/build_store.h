/* SPDX-License-Identifier: MIT
 * state/build_store.h - what steps of builds gave: a key (all that decides about the step) -> the layer
 */
#pragma once
#include <stdint.h>

struct db;
struct err;
struct build_row {
	char *chain_id;
	int64_t created_ns; /* when the step ran */
};
void build_row_done(struct build_row *r);
int build_cache_get(struct db *db, const char *key, struct build_row *ret, struct err *e); /* 1: none */
int build_cache_put(struct db *db, const char *key, const char *chain_id, int64_t created_ns, int64_t now_ns, struct err *e);
/* It was of use. */
int build_cache_touch(struct db *db, const char *key, int64_t now_ns, struct err *e);
/* Forgets what was of no use since BEFORE_NS; the layers go with the next image_collect(). */
int build_cache_prune(struct db *db, int64_t before_ns, struct err *e);
/* Forgets what was of no use for longest until the layers that only the cache needs have at most MAX bytes. In a transaction. */
int build_cache_trim(struct db *db, int64_t max, struct err *e);
/* Steps that are remembered; layers that only they need, and their bytes. */
struct build_usage {
	int64_t steps, layers, bytes;
};
int build_cache_usage(struct db *db, struct build_usage *ret, struct err *e);
