/* SPDX-License-Identifier: MIT
 *
 * engine/image/tree.h - what a layer's folder holds, as a list that can be compared: root/images/trees/CHAINID(hex)
 *
 * Records in the order of a walk (folders sorted by name, "." first), each two NUL-terminated texts:
 *   "TYPE MODE UID GID SECONDS.NANOS SIZE CONTENT ATTRIBUTES PATH" and the target of a symbolic link, or the first name of a file with several
 * TYPE: d, D (opaque), f, l, c, b, p, s. MODE octal. SIZE: of files; of devices the number. CONTENT and ATTRIBUTES: checksums in hex, 0: none.
 * The layer's row has the SHA-256 of the list.
 *
 * Checksums are 64 bits wide and fast (XXH64): they find damage, they are no defence against who may write here. What was unpacked was checked by its
 * DiffID. CONTENT goes over blocks of 64 KiB that are not all zero, so that holes cost nothing.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct str;
struct strv;
enum { TREE_BLOCK = 64 << 10 };

uint64_t checksum64(const void *p, size_t n, uint64_t seed);

/* Of one file, as it is written. Pieces come with rising offsets, or it is not known afterwards. */
struct content {
	uint64_t sum;
	int64_t block;
	size_t used;
	bool unknown;
	unsigned char buf[TREE_BLOCK];
};
void content_begin(struct content *c);
void content_add(struct content *c, int64_t offset, const void *p, size_t n);
uint64_t content_end(struct content *c); /* never 0 */

/* What is known of files when the tree is walked, by inode: the last one counts. NULL everywhere: nothing is. */
struct tree_known {
	struct tree_inode { uint64_t ino, sum, at; } *v;
	size_t n, cap;
};
void tree_known_add(struct tree_known *k, uint64_t ino, uint64_t sum);
void tree_known_done(struct tree_known *k);

enum tree_how {
	TREE_FULL,  /* contents that are not known are read */
	TREE_FAST,  /* contents are not looked at: CONTENT is 0 */
};
/* The list of the folder DIRFD, appended to OUT. K (NULL) is sorted. Opens nothing but folders and regular files, follows nothing. */
int tree_list(int dirfd, struct tree_known *k, enum tree_how how, struct str *out, struct err *e);
enum { TREE_LIST_MAX = 1 << 30 };

/* Lines such as "missing: etc/passwd", "changed: bin/sh: size 10, was 12"; what of it is too much is counted. FAST: contents are not compared. */
int tree_compare(const char *was, size_t nwas, const char *is, size_t nis, bool fast, struct strv *report, struct err *e);
