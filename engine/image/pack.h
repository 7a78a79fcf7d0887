/* SPDX-License-Identifier: MIT
 *
 * engine/image/pack.h - a folder becomes a tar archive: the same folder always the same bytes
 *
 * Entries are sorted, numeric owners only, whole seconds, PAX headers only where the ustar form cannot hold a value (long names, large files, extended
 * attributes). Our own writer and not libarchive's, because the digest of the result names the layer: it must not change with a library.
 */
#pragma once
#include "base/auto.h"

struct err;
/* Writes the archive of the folder DIRFD to FD. Other file systems are not entered, sockets are left out. One pass: each file is read once. */
int pack_tree(int dirfd, int fd, struct err *e);
