/* SPDX-License-Identifier: MIT
 *
 * engine/kernel/mount.h - mounts by descriptor: what is mounted and where both are fds, so no path can be swapped in between
 *
 * With the new mount API (5.12 and later) a mount is made detached, gets its flags, and is attached last, so no window exists in which a
 * read-only mount is writable. On older kernels the same calls use mount(2) through /proc/self/fd.
 *
 * Nothing here allocates: all may be called between clone and exec. >= 0, or a negative errno value.
 */
#pragma once
#include "base/auto.h"
#include "engine/kernel/sys.h"
#include <stdbool.h>

enum { MOUNT_DATA = 4096 }; /* bytes of options, mount(2) takes one page */

/* A new mount of FSTYPE with DATA ("size=64k,mode=755", NULL) and ATTR_* on TARGET. New API: returns the mount's root (O_PATH-like).
 * Old API: returns an fd of it reopened as NAME below DIR (NULL: no fd is wanted, returns 0). */
int mount_fs(const char *fstype, const char *data, uint64_t attr, int target, int dir, const char *name);
/* Detached. New API only (-ENOSYS). */
int mount_fs_detached(const char *fstype, const char *data, uint64_t attr);

/* A detached copy of what SOURCE shows, RECURSIVE with the mounts below it. New API only (-ENOSYS). */
int mount_clone(int source, bool recursive);
/* Flags and propagation (MS_PRIVATE, MS_SHARED, MS_SLAVE; 0: as is) of a mount, RECURSIVE for all below. New API only (-ENOSYS). */
int mount_set(int mnt, uint64_t set, uint64_t clear, uint64_t propagation, bool recursive);
int mount_attach(int mnt, int target);

/* What SOURCE shows on TARGET, with flags and propagation. SOURCE is cloned (new API: it may also be a detached clone when DETACHED).
 * ATTR is applied to the top mount, and to those below too with RECURSIVE_ATTR (old API: top only, -EOPNOTSUPP never). */
struct mount_bind {
	int source, target;
	uint64_t attr;
	uint64_t propagation;
	bool recursive, recursive_attr, detached;
	int dir;          /* old API: the target reopened as NAME below DIR, for the flags */
	const char *name;
};
int mount_bind(const struct mount_bind *b);

/* "/proc/self/fd/N" */
enum { MOUNT_FD_PATH = 32 };
const char *mount_fd_path(int fd, char buf[MOUNT_FD_PATH]);
/* Opens PATH below ROOT as a process with that root would; no magic links. With openat2; without it, PATH may hold no symlink. */
int mount_open_in(int root, const char *path, int flags);
/* Adds ATTR_* to the mount whose root MNT is (an fd opened after it was mounted). */
int mount_remount(int mnt, uint64_t attr);
