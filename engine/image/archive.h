/* SPDX-License-Identifier: MIT
 *
 * engine/image/archive.h - saved images: docker-archive and OCI layout, as a tar file or as a folder
 *
 * Reading has two parts, done by processes that are nobody: archive_scan looks through the whole and says what is in it (the plan), archive_layer
 * gives one layer's uncompressed bytes. In between the store says which layers it has already.
 *
 * Entries may come in any order (manifest.json is mostly last), so a tar file is gone through twice, passing over data with seeks. What cannot be
 * sought in (a pipe, a compressed archive) is written uncompressed to SPOOL first.
 */
#pragma once
#include "base/auto.h"
#include "engine/image/bytes.h"
#include <stdbool.h>

struct cJSON;
struct err;
enum { ENTRIES_MAX = 100000, TEXTS_MAX = 64 << 20 /* bytes of JSON that may be looked at */ };

struct archive {
	int fd;           /* the file, or the folder */
	bool is_dir;
	int spool;        /* an unnamed file to write to, or -1 */
	uint64_t max_bytes; /* what may be spooled; 0: no limit */
	const char *what; /* for messages */
};
/* The blob itself is kept: its bytes go to the file FD as they are stored. Adds "blob", "blob_size" and "kind" (gzip, zstd, plain) to SAID. */
struct layer_keep {
	int fd;
	struct cJSON *said;
};
/* {"spooled": bool, "images": [{"config": "…text…", "tags": [normalised references], "manifest": "sha256:…"?, "document": "…its text…"?,
 *   "layers": [{"diff": "sha256:…", "name": "…", "entry": N, "blob": "sha256:…"?, "size": N?}]}]}
 * Digests of manifests and configs are verified. */
int archive_scan(const struct archive *a, struct cJSON **ret_plan, struct err *e);
/* Writes the uncompressed bytes of LAYER (an element of the plan's layers) to FD. The blob's digest and size are verified. */
int archive_layer(const struct archive *a, bool spooled, const struct cJSON *layer, int fd, const struct layer_keep *k, struct err *e);
/* The uncompressed bytes of RAW to FD. LAYER's "blob" and "size" (of RAW) are verified, where it has them. LAYER may be NULL. */
int layer_pass(struct bytes *raw, const struct cJSON *layer, int fd, const struct layer_keep *k, struct err *e);
