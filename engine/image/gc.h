/* SPDX-License-Identifier: MIT
 *
 * engine/image/gc.h - what nobody needs leaves the store
 *
 *   tmp/X         whose lock nobody holds                     a killed load, pull, build, save
 *   layers        rows of no image, no container, no build    their folders; folders without a row
 *   blobs         of no layer and no image; parts of downloads that nobody goes on with
 *   build cache   unused for long, or too much of it
 *   trash, mounts/.new-*
 *
 * Whoever loads, pulls, builds or saves holds layers.lock shared from before it asks what is there until its rows are written; what it needs can go
 * only with that lock held alone. When it cannot be had, only what has a lock of its own (tmp) is looked at, and `busy` says so.
 *
 * Row first, then its folder to trash/, then the trash: killed in between, the folder has no row, or is in the trash, and the next one takes it.
 */
#pragma once
#include "base/auto.h"
#include "base/map.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;
struct strv;
enum gc_kind { GC_TEMPORARY, GC_LAYER, GC_BLOB, GC_DOWNLOAD, GC_CACHE, GC_TRASH, GC_KINDS };
const char *gc_kind_name(int kind); /* "layer" */
struct gc_found {
	enum gc_kind kind;
	char *name;
	int64_t bytes;      /* allocated on disk; 0 unless measured */
};
struct gc {
	bool dry_run;       /* nothing is changed */
	bool measure;       /* the bytes are wanted: costs a walk of what goes */
	bool all_parts;     /* parts of downloads of any age, which the next pull would go on with (else: a day old) */
	bool blobs;         /* also blobs that can be fetched or packed again */
	int64_t cache_before_ns; /* build cache that was of no use since; 0: none */
	int64_t cache_max;  /* bytes of layers that only the build cache needs, < 0: no limit */
	/* results */
	struct gc_found *v;
	size_t n, cap;
	bool busy;
	struct map gone;    /* ChainIDs whose rows went, or would */
};
#define GC_INIT ((struct gc){ .cache_max = -1, .gone = MAP_INIT(NULL) })
void gc_done(struct gc *g);
int64_t gc_bytes(const struct gc *g);
/* For the files of this: ENTRY of DIRFD goes. */
void gc_add(struct gc *g, enum gc_kind kind, int dirfd, const char *entry, const char *name);
int image_gc(struct db *db, struct gc *g, struct err *e);
