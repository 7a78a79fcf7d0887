/* SPDX-License-Identifier: MIT
 *
 * engine/image/commit.h - a container's writable layer on top of its image becomes an image
 */
#pragma once
#include "base/strv.h"

struct cJSON;
struct db;
struct err;
struct image_commit {
	const char *base;             /* image id */
	int upper;                    /* the writable layer as overlayfs keeps it, a folder; nobody changes it meanwhile */
	const struct cJSON *config;   /* what replaces the base's values in "config" of its document; null takes one away */
	const struct strv *changes;   /* Dockerfile instructions on top, checked before anything is copied */
	const char *ref;              /* NULL: no name */
	const char *author, *message; /* NULL: "" */
	const char *created_by;       /* for the history */
};
/* Copied first, so the container may go on when this returns; killed anywhere as image_load. Storage driver overlay only (-ENOTSUP). */
int image_commit(struct db *db, const struct image_commit *how, char **ret_id, struct err *e);
