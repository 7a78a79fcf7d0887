/* SPDX-License-Identifier: MIT
 *
 * engine/container/rootfs_priv.h - what rootfs.c shares with rootfs_dev.c; nobody else includes it
 */
#pragma once
#include "engine/container/rootfs.h"
#include "engine/kernel/sys.h"

#define SAFE_ATTRS (ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC)
/* Nodes, links and the spec's devices in a fresh tmpfs DEV. */
int rootfs_fill_dev(int dev, const struct ctr_devices *devices, struct err *e);
/* /dev/console: the pty's slave. */
int rootfs_mount_console(struct rootfs *r, struct err *e);
