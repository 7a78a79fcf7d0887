/* SPDX-License-Identifier: MIT
 *
 * engine/container/rootfs_priv.h - what rootfs.c shares with rootfs_dev.c; nobody else includes it
 */
#pragma once
#include "engine/container/rootfs.h"
#include "engine/kernel/sys.h"

struct mount_spec;
#define SAFE_ATTRS (ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC)
/* Nodes, links and the spec's devices in a fresh tmpfs DEV. */
int rootfs_fill_dev(int dev, const struct ctr_devices *devices, struct err *e);
/* Mounts the root and returns its fd. The place it is mounted on is only seen in this namespace, and only until the child pivots. */
int rootfs_mount_root(const struct rootfs_args *a, struct err *e);
/* O_PATH fd of a layer with what our mounts lie on and the image lacks; -1: none is needed, or it could not be made. */
int rootfs_skeleton(const struct rootfs_args *a);
/* A detached clone of an image's tree (M: MNT_IMAGE, its layers in options), before the root is mounted. */
int rootfs_open_image(const struct rootfs_args *a, const struct mount_spec *m, int *ret, struct err *e);
/* /dev/console: the pty's slave. */
int rootfs_mount_console(struct rootfs *r, struct err *e);
