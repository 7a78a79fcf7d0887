/* SPDX-License-Identifier: MIT
 *
 * engine/image/snapshot.h - the btrfs driver: roots of containers are snapshots
 *
 * root/images/flat/CHAINID(hex) is a subvolume with all of a layer and those below it. It is made once, a snapshot of the one below with the layer merged
 * in; a container's root is a snapshot of its image's, which costs the same whatever the image holds. Layers are kept as the copy driver keeps them.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>

struct dirs;
struct err;
struct strv;
/* Can subvolumes be made in DIR, which is an empty folder? -ENOTSUP says why not. */
int snapshot_probe(const char *dir, struct err *e);
/* Rows of driver.c. FOLDER/root is a snapshot, without layers a folder; what it was is images/flat/CHAINID, as a snapshot has the inodes of its source. */
int snapshot_root(const struct dirs *d, const struct strv *layers, const char *folder, struct err *e);
int snapshot_view(const struct dirs *d, const struct strv *layers, const char *on, struct err *e);
int snapshot_changes(const struct dirs *d, const struct strv *layers, const char *folder, bool last, int todir, const char *name,
	struct err *e);
