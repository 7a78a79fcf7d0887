/* SPDX-License-Identifier: MIT
 *
 * engine/volume/volume.h - volumes: root/volumes/NAME/{volume.json,data/}
 */
#pragma once
#include "base/auto.h"
#include "state/volume_store.h"

struct db;
struct dirs;
struct err;
/* Row first, then folder and volume.json (synced). 1: there already. */
int volume_create(struct db *db, const struct volume_row *v, struct err *e);
/* Row `deleting` (synced), rename into trash/, delete, row gone. -EBUSY naming its users. 1: there was none. */
int volume_remove(struct db *db, const char *name, struct err *e);
/* Path of the data to mount. Caller frees. For `local` with driver_opts (type, o, device) the mount is made by volume_mount inside the container's
 * mount namespace; volume_mount_args tells what to mount. */
char *volume_path(const struct dirs *d, const char *name);
/* First use of an empty volume: content, owner, mode, times, xattrs of the image's TARGET (an fd of that folder in the container's root) copied in.
 * Crash-safe: a marker tells that it was done. 1: nothing to do. */
int volume_copy_up(const struct dirs *d, const char *name, int imagedir_fd, struct err *e);
