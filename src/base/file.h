/* SPDX-License-Identifier: MIT
 *
 * base/file.h - files as whole things
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct err;
/* Files, pipes, /proc, up to MAX bytes (-EFBIG). Caller frees; *ret_len may be NULL. */
int file_read(const char *path, size_t max, char **ret_text, size_t *ret_len, struct err *e);
int file_read_at(int dirfd, const char *name, size_t max, char **ret_text, size_t *ret_len, struct err *e);
/* Temp file, write, fdatasync when SYNC, rename. */
int file_replace(const char *path, const void *p, size_t n, mode_t mode, bool sync, struct err *e);
int file_write(const char *path, const char *text, struct err *e); /* existing file (cgroup, sysctl), one write */
bool file_exists(const char *path);
int file_mkdir_p(const char *path, mode_t mode, struct err *e);
/* rm -rf that crosses no mount and follows no link; ENOENT is fine (returns 1). */
int file_remove_tree(int dirfd, const char *name, struct err *e);
int file_remove_tree_path(const char *path, struct err *e);
/* Copies NAME of FROM to TO as it is: type, mode, owner, times, xattrs, hard links kept, sparse; reflink where possible.
 * A folder TO may exist already and is filled; nothing in it may be in the way. On failure what was copied stays. */
int file_copy_tree(int fromdir, const char *from, int todir, const char *to, struct err *e);
/* The same into a tree that has some of the folders already: they are filled and get the attributes of NAME's. SKIP (NULL: none) tells what is
 * left out. Anything else that is there already is an error. */
struct stat;
typedef bool file_skip_fn(const char *name, const struct stat *st);
int file_merge_tree(int fromdir, const char *from, int todir, const char *to, file_skip_fn *skip, struct err *e);
/* flock(2). WAIT false: returns 1 when somebody else holds it. Returns 0 and *ret_fd. The holder's pid is written into the file. */
int file_lock(const char *path, bool shared, bool wait, int *ret_fd, struct err *e);
