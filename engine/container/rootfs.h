/* SPDX-License-Identifier: MIT
 *
 * engine/container/rootfs.h - builds a container's tree of mounts in a mount namespace of its own
 *
 * K unshares its mount namespace, mounts the root (overlay, copy) and everything of the plan that does not need the child's own namespaces,
 * with whole errors; the child, born into the same namespace, does the late mounts and pivots; K goes back to the host's. So nothing of a
 * container is ever mounted in the host's namespace. All targets are opened below the root's fd (path_open_in) and mounted by fd.
 */
#pragma once
#include "base/auto.h"
#include "engine/container/user.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ctr_devices;
struct ctr_spec;
struct dirs;
struct err;
struct mountplan;
struct plan_mount;

struct rootfs_late {            /* for the child; all text borrowed from the plan */
	const char *fstype;     /* NULL: bind of SOURCE */
	const char *data, *path;
	uint64_t attr, propagation;
	int source, target;     /* TARGET -1: to be opened below the root as PATH */
	bool recursive, recursive_ro, detached, is_proc;
};
struct rootfs {
	int root;               /* of the container, a mount point */
	int null, mask;         /* the host's /dev/null, checked; a detached empty tmpfs (-1: old mount API) */
	int pty_master, pty_slave;
	struct rootfs_late *late;
	size_t nlate;
	struct ctr_user user;
	int *sources;           /* per mount of the plan, -1 */
	size_t nsources;
};
void rootfs_done(struct rootfs *r);
struct rootfs_args {
	const struct dirs *dirs;
	const struct ctr_spec *spec;
	const struct mountplan *plan;
	const struct ctr_devices *devices;
	int host_mnt, shm_mnt; /* mount namespaces: the caller's own, and that of PLAN_SHM (-1: none) */
};
/* Leaves the caller in the new mount namespace, also on failure. Resolves the user on the way, before anything is mounted over the image. */
int rootfs_build(const struct rootfs_args *a, struct rootfs *ret, struct err *e);
/* Only the root and the plan's mounts of files (binds, volumes, images), for somebody who looks at it from outside while it does not run: the root's
 * fd. Leaves the caller in the new mount namespace, also on failure. */
int rootfs_open_view(const struct rootfs_args *a, struct err *e);
