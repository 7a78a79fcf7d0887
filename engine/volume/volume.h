/* SPDX-License-Identifier: MIT
 *
 * engine/volume/volume.h - volumes: root/volumes/NAME/
 *
 *   volume.json   its row once more (state/rebuild.c)      data/       what containers see
 *   lock          who copies into it                       new/        the image's content, on its way into data/
 *   copied        the first use is over                    moving      new/ is whole, its entries move
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include "state/volume_store.h"

struct db;
struct dirs;
struct err;
/* Row first, then folder and volume.json (synced). 1: there already (folder made when it is missing). Refuses names, drivers and options that
 * cannot work. */
int volume_create(struct db *db, const struct volume_row *v, struct err *e);
/* Row `deleting` (synced), rename into trash/, delete, row gone. -EBUSY naming its users. 1: there was none. */
int volume_remove(struct db *db, const char *name, struct err *e);
/* Ends removals that were killed. */
int volume_collect(struct db *db, struct err *e);
/* Path of the folder that is the data. Caller frees. */
char *volume_path(const struct dirs *d, const char *name);
/* First use of an empty volume: content, owner, mode, times, xattrs of the image's TARGET (an fd of that folder in the container's root) copied in.
 * Crash-safe: nothing is taken for the user's that was only half copied, and nothing of the user's is removed. One at a time. 1: nothing to do. */
int volume_copy_up(const struct dirs *d, const char *name, int imagedir_fd, struct err *e);

/* What the options (type, o, device) of a `local` volume say has to be mounted; engine/volume/options.c. */
struct volume_mount {
	char *type, *source;    /* "nfs", ":/export"; a bind mount has type "none" and an absolute SOURCE */
	unsigned long flags;    /* MS_*, MS_BIND and MS_REC included */
	unsigned long propagation; /* MS_SHARED …, 0: none */
	char *data;             /* the rest, as mount(2) takes it; may hold a password */
};
void volume_mount_done(struct volume_mount *m);
/* OPTIONS: the row's JSON object, NULL. 1: nothing is to be mounted, the data is the folder. Touches nothing and asks nobody. */
int volume_mount_args(const char *options, struct volume_mount *ret, struct err *e);
/* An O_PATH fd of the data. With options that say so it is mounted first, on data/, in this mount namespace, which must be a private one. Names in
 * NFS' and CIFS' addr= are resolved now. Errors hide passwords. */
int volume_open(const struct dirs *d, const char *name, struct err *e);
