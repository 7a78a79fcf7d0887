/* SPDX-License-Identifier: MIT
 *
 * base/path.h - paths as text, and opening them inside a root that somebody hostile may have filled
 */
#pragma once
#include "base/auto.h"
#include <fcntl.h>
#include <stdbool.h>
#include <sys/types.h>

struct err;
/* Text only. Caller frees. */
char *path_join(const char *dir, const char *name); /* absolute NAME wins; NULL or "" is no folder */
char *path_clean(const char *path);                 /* as Go's filepath.Clean */
char *path_parent(const char *path);                /* "/a/b" -> "/a"; "a" -> "." */
const char *path_base(const char *path);            /* what follows the last slash, borrowed */
bool path_is_abs(const char *path);
char *path_cwd(void);                               /* NULL: it was removed */
/* Opens PATH below ROOTFD as a process with that root would: symlinks and ".." stay inside, no magic links
 * (openat2 RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS; an O_PATH walk on kernels without it). Returns the fd. */
int path_open_in(int rootfd, const char *path, int flags, mode_t mode, struct err *e);
/* mkdir -p below ROOTFD with the same rules; returns an O_PATH fd of the last one. UID/GID for those that are made. */
int path_mkdir_in(int rootfd, const char *path, mode_t mode, uid_t uid, gid_t gid, struct err *e);
/* readlink of an fd through /proc/self/fd, for messages. Caller frees. */
char *path_of_fd(int fd);
