/* SPDX-License-Identifier: MIT
 *
 * engine/image/blob.h - blobs by digest in root/images/blobs: what registries gave, as they gave it
 *
 *   sha256-HEX        whole, its digest was right when it got this name
 *   sha256-HEX.part   on its way; whoever downloads it holds its lock, so ten commands that want it download it once, and a killed one's part is
 *                     gone on with
 *
 * They stay, so that what was pulled can be pushed as it was; image_collect() removes those of no image. Bytes are digested again whenever they are
 * used.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct dirs;
struct err;
struct gc;
/* "sha256-HEX", and where it is. Callers free. */
char *blob_name(const char *digest);
char *blob_path(const struct dirs *d, const char *digest);
/* 0: *RET_FD to read (*RET_WHOLE), or the locked part to append to. 1: somebody else downloads it: *RET_FD waits for the lock with flock(2), then ask
 * again with it closed. */
int blob_open(int dirfd, const char *digest, bool *ret_whole, int *ret_fd, struct err *e);
/* The part, which is whole and right, gets its name. */
int blob_keep(int dirfd, const char *digest, struct err *e);
/* A document. Its digest is verified. */
int blob_put(const struct dirs *d, const char *digest, const char *text, size_t n, struct err *e);
/* -ENOENT: not here. Its digest is verified. Caller frees. */
int blob_read(const struct dirs *d, const char *digest, size_t max, char **ret, size_t *ret_n, struct err *e);
/* Removes blobs of no image and no layer, and parts that nobody goes on with. While nothing is loaded or pulled (image_layers_lock): see gc.h. */
int blob_collect(struct db *db, struct gc *g, struct err *e);
