/* SPDX-License-Identifier: MIT
 *
 * engine/image/bytes.h - a stream that is pulled block by block; sources and filters of it stack on each other
 *
 *   file ─ tar entry ─ digest(blob) ─ gunzip ─► pipe ─► digest(diff) ─ tar ─ files
 */
#pragma once
#include "base/auto.h"
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct bytes {
	/* The next block in *ret, valid until the next call: its length (at most BLOCK), 0 at the end (again and again), < 0 failed. */
	ssize_t (*next)(struct bytes *b, const unsigned char **ret, struct err *e);
	/* Passes over N bytes at once, or as many as it likes; NULL: read them. */
	int64_t (*skip)(struct bytes *b, int64_t n);
};
enum { BLOCK = 256 << 10 };

/* Reads FD (borrowed); WHAT (borrowed) names it in messages. With offset >= 0 by pread, so that processes can share FD, and it can skip. */
struct file_bytes {
	struct bytes b;
	int fd;
	int64_t offset;
	const char *what;
	unsigned char *buf;
};
void file_bytes_init(struct file_bytes *f, int fd, int64_t offset, const char *what);
void file_bytes_done(struct file_bytes *f);

struct digest;
/* Digests what passes through; TOTAL counts it. More than MAX bytes (0: no limit), or than are ANNOUNCED (< 0: nothing is), are an error. DIGEST may
 * be NULL. */
struct digest_bytes {
	struct bytes b, *in;
	struct digest *digest;
	uint64_t total, max;
	int64_t announced;
};
void digest_bytes_init(struct digest_bytes *d, struct bytes *in, struct digest *digest, uint64_t max);

/* What passes through is written to FD as well. */
struct tee_bytes {
	struct bytes b, *in;
	int fd;
};
void tee_bytes_init(struct tee_bytes *t, struct bytes *in, int fd);

/* "more than N MiB", and how to raise the limit. */
int bytes_too_many(uint64_t max, struct err *e);

/* gzip (all members) and zstd (all frames) are unpacked, plain bytes are passed; bzip2 and xz are refused by name. */
struct inflate;
int inflate_open(struct bytes *in, struct inflate **ret, struct err *e);
void inflate_free(struct inflate *z);
DEFINE_AUTO(struct inflate *, inflate_free)
struct bytes *inflate_bytes(struct inflate *z);
const char *inflate_kind(const struct inflate *z); /* "gzip", "zstd", "plain" */

/* Everything up to the end into FD; adds to *TOTAL when not NULL. */
int bytes_copy(struct bytes *in, int fd, uint64_t *total, struct err *e);
/* Reads and drops what is left. */
int bytes_drain(struct bytes *in, struct err *e);
