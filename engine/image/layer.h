/* SPDX-License-Identifier: MIT
 *
 * engine/image/layer.h - one layer's tar archive becomes a folder
 *
 * The folder holds only what this layer says; what it deletes from those below is kept as whiteouts in the form of the storage driver:
 *
 *                     archive           overlay                         copy
 *   x is deleted      .wh.x             x: a 0:0 character device       .wh.x: an empty file
 *   folder is opaque  .wh..wh..opq      trusted.overlay.opaque=y        .wh..wh..opq: an empty file
 *
 * A whiteout speaks of lower layers only, wherever it stands in the archive (OCI image-spec layer.md): `x` and `.wh.x` together are x, and an opaque
 * folder when x is one.
 */
#pragma once
#include "base/auto.h"
#include "engine/image/bytes.h"
#include "engine/image/store.h"
#include "engine/image/tree.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
/* Owner of the folders that a plain archive has files in but does not name: the user of it says what they are. */
#define LAYER_UNNAMED ((uid_t)-2)
enum { LAYER_PATH_MAX = 4095, LAYER_XATTRS_MAX = 1 << 20 /* bytes of an entry's names and values */ };

struct layer_unpack {
	int rootfd;                 /* the folder, empty; also the root of this process, or at least nobody else writes below it */
	enum whiteout_form form;
	bool plain;                 /* no layer: whiteouts are names like others */
	bool no_owner;              /* tests without privileges: neither owners nor devices */
	uint64_t max_bytes, max_entries; /* of data and of entries, 0: no limit */
	/* Makes FD, a folder, opaque (overlay form). Needs CAP_SYS_ADMIN, which the unpacker does not have; NULL: done here. */
	int (*opaque)(void *arg, int fd, struct err *e);
	void *arg;
	struct tree_known *known;   /* checksums of the files' contents are added, NULL: none are made */
};
struct layer_unpacked {
	uint64_t size;              /* bytes of all files */
	uint64_t entries;
	uint64_t left_out;          /* attributes that nobody but the host may set (trusted.*) */
	bool opaque_root;
};
/* Reads IN to its end, what follows the archive included. Errors name the entry. */
int layer_unpack(struct bytes *in, const struct layer_unpack *u, struct layer_unpacked *ret, struct err *e);
int layer_set_opaque(int fd, struct err *e);
/* Why a file of a layer may not have attribute NAME: it is LEFT_OUT and counted, or DROPPED in silence. */
enum xattr_rule { XATTR_KEPT, XATTR_DROPPED, XATTR_LEFT_OUT };
enum xattr_rule layer_xattr_rule(const char *name);
