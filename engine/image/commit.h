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
	const char *folder;           /* containers/ID; nobody changes its root meanwhile */
	const struct strv *layers;    /* of the container, and the storage driver that it was made with (NULL: overlay) */
	const char *driver;
	const struct strv *stubs;     /* paths that its mounts lie on: what is empty there and not the image's is no change */
	const struct cJSON *config;   /* what replaces the base's values in "config" of its document; null takes one away */
	const struct strv *changes;   /* Dockerfile instructions on top, checked before anything is copied */
	const char *ref;              /* NULL: no name */
	const char *author, *message; /* NULL: "" */
	const char *created_by;       /* for the history */
};
/* Copied first, so the container may go on when this returns; killed anywhere as image_load. */
int image_commit(struct db *db, const struct image_commit *how, char **ret_id, struct err *e);
