/* SPDX-License-Identifier: MIT
 *
 * engine/image/tar.h - reading tar archives through libarchive (the only file that knows it): the tar format and nothing else, no filters
 *
 * Names are bytes as they stand in the archive, unchecked. libarchive itself bounds a PAX or GNU long-name header to 1 MiB.
 */
#pragma once
#include "base/auto.h"
#include "engine/image/bytes.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct tar;
enum tar_type { TAR_FILE, TAR_DIR, TAR_SYMLINK, TAR_HARDLINK, TAR_CHAR, TAR_BLOCK, TAR_FIFO, TAR_OTHER };
struct tar_entry {
	const char *path, *link; /* link: target of a hard or symbolic link; valid until the next entry */
	enum tar_type type;
	mode_t mode;             /* 07777 bits */
	int64_t uid, gid, size;  /* size of a file: with its holes */
	int64_t mtime;           /* seconds */
	long mtime_ns;
	unsigned major, minor;
};
/* Loads what libarchive and the C library's character sets need, so that nothing is opened later; before a process confines itself. */
int tar_prepare(struct err *e);
/* IN (borrowed) gives the archive's bytes. */
int tar_open(struct bytes *in, struct tar **ret, struct err *e);
void tar_free(struct tar *t);
DEFINE_AUTO(struct tar *, tar_free)
/* 1: an entry, 0: the end. */
int tar_next(struct tar *t, struct tar_entry *ret, struct err *e);
/* The entry's next piece of data and where in the file it goes (holes are left out): 1, 0: no more. */
int tar_data(struct tar *t, const void **ret, size_t *ret_n, int64_t *ret_offset, struct err *e);
/* The entry's data as a stream; valid until the next entry. */
struct bytes *tar_bytes(struct tar *t);
/* One extended attribute after the other: true and its name (borrowed), value, length. */
bool tar_xattr(struct tar *t, const char **ret_name, const void **ret_value, size_t *ret_n);
/* Takes compression off (gzip, bzip2, xz, zstd, or none), for archives that a Dockerfile adds. Whoever calls it is in a jail. */
struct unfilter;
int unfilter_open(struct bytes *in, struct unfilter **ret, struct err *e);
void unfilter_free(struct unfilter *u);
struct bytes *unfilter_bytes(struct unfilter *u);
