/* SPDX-License-Identifier: MIT
 *
 * engine/image/snapshot.h - the btrfs driver: roots of containers are snapshots
 *
 * root/images/flat/CHAINID(hex) is a subvolume with all of a layer and those below it. It is made once, a snapshot of the one below with the layer merged
 * in; a container's root is a snapshot of its image's, which costs the same whatever the image holds. Layers are kept as the copy driver keeps them.
 */
#pragma once
#include "base/auto.h"

struct dirs;
struct err;
struct strv;
/* Can subvolumes be made in DIR, which is an empty folder? -ENOTSUP says why not. */
int snapshot_probe(const char *dir, struct err *e);
/* A root of all LAYERS (lowest first; at least one) at PATH, which is not there yet. */
int snapshot_root(const struct dirs *d, const struct strv *layers, const char *path, struct err *e);
