/* SPDX-License-Identifier: MIT
 *
 * engine/image/fsck.h - is the store as its rows say?
 *
 *   database   SQLite's own check, and rows that refer to nothing
 *   images     the config is that of the id, its layers are those of the config, containers have their image
 *   layers     each file of the folder against the list that was made when it was unpacked (tree.h)
 *   blobs      each file of blobs/ against the digest that is its name; archives of layers that nobody can give again are there
 *
 * Layers and blobs are looked at by as many processes as there are processors. Holds layers.lock shared: nothing is collected meanwhile, images may be
 * loaded and built.
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;
enum fsck_kind { FSCK_ROWS, FSCK_LAYER, FSCK_BLOB };
enum fsck_state { FSCK_DAMAGED, FSCK_REPAIRED, FSCK_NOTED /* nothing is wrong, but it is worth saying */ };
struct fsck_finding {
	enum fsck_kind kind;
	enum fsck_state state;
	char *id;           /* ChainID, blob's digest; NULL for rows */
	struct strv lines;  /* what is wrong; after a repair, what was done */
};
struct fsck {
	bool fast;          /* names, types, modes, owners, times, sizes, attributes; no content is read, no blob digested */
	struct fsck_finding *v;
	size_t n, cap;
	size_t layers, blobs; /* that were looked at */
};
void fsck_done(struct fsck *f);
bool fsck_whole(const struct fsck *f); /* nothing is DAMAGED */
int image_fsck(struct db *db, struct fsck *f, struct err *e);
/* For each damaged layer and blob: unpacked again from its archive, or fetched from the registry that the image came from; just that one. Layers that running
 * containers are using stay as they are. One that cannot be repaired says why, and the others go on. */
int image_fsck_repair(struct db *db, struct fsck *f, struct err *e);
/* For the files of this. */
struct fsck_finding *fsck_add(struct fsck *f, enum fsck_kind kind, enum fsck_state state, const char *id);
