/* SPDX-License-Identifier: MIT
 *
 * base/usage.h - what a tree takes on disk
 */
#pragma once
#include <stdint.h>

/* Bytes that NAME below DIRFD (AT_FDCWD: a path), a file or a folder with all in it, has allocated. A file with several names counts by its share. Follows no
 * link, enters no other file system; what cannot be read counts nothing. */
int64_t usage_of(int dirfd, const char *name);
