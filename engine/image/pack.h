/* SPDX-License-Identifier: MIT
 *
 * engine/image/pack.h - a folder becomes a tar archive: the same folder always the same bytes
 *
 * Entries are sorted, numeric owners only, whole seconds, PAX headers only where the ustar form cannot hold a value (long names, large files, extended
 * attributes). Our own writer and not libarchive's, because the digest of the result names the layer: it must not change with a library.
 */
#pragma once
#include "base/auto.h"
#include "engine/image/store.h"
#include <stdint.h>

struct digest;
struct err;
/* Pieces of an archive that is written one by one: a header of a file with SIZE bytes (NAME ending with '/': a folder), what fills its last block, the
 * end. Owner 0, mode 0644, time 0. */
int tar_put_header(int fd, const char *name, int64_t size, struct err *e);
int tar_put_padding(int fd, int64_t size, struct err *e);
int tar_put_end(int fd, struct err *e);
/* Writes the archive of the folder DIRFD to FD. Other file systems are not entered, sockets are left out. One pass: each file is read once. */
int pack_tree(int dirfd, int fd, struct err *e);
/* The archive of one object (O_PATH), a folder with all that is in it, under the name AS ("." for a folder: "./…" names). AS "": what is in the
 * folder without an entry for itself ("bin/", "bin/sh"), and no other file systems, as docker export has it. */
int pack_object(int object, const char *as, int fd, struct err *e);
/* The archive of a layer: FOLDER as layer.h describes it, whiteouts in FORM become .wh.NAME, opaque folders .wh..wh..opq, no entry for the root.
 * To FD (-1: nowhere) and into DIGEST (NULL). *RET_SIZE: bytes of all files, *RET_TAR: of the archive (each may be NULL). Needs CAP_SYS_ADMIN to see
 * what is opaque. */
int pack_upper(int dirfd, enum whiteout_form form, int fd, struct digest *digest, int64_t *ret_size, int64_t *ret_tar, struct err *e);
