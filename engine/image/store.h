/* SPDX-License-Identifier: MIT
 *
 * engine/image/store.h - the image store without archives and network: names, images, layers on disk. Linked by gantry and the monitor;
 * what unpacks (tar.c, layer.c, archive.c) is in gantry-image only.
 *
 *   root/images/layers/CHAINID(hex)/   an unpacked layer (overlay: whiteouts as 0:0 devices and trusted.overlay.opaque)
 *   root/images/blobs/                 blob.h               root/images/tmp/   what is being unpacked
 *   root/images/lacks/CHAINID(hex)     layer_lack_path()
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include "state/image_store.h"
#include <stdbool.h>

struct cJSON;
struct db;
struct dirs;
struct err;
struct proc_spawn;

/* How a layer's folder says that something of a lower layer is gone (see layer.h): the storage driver's choice. */
enum whiteout_form { WHITEOUT_DEVICE /* overlay */, WHITEOUT_FILE /* copy */ };

/* What a container takes from an image: docker image config, decoded. */
struct image_config {
	struct strv entrypoint, cmd, env, shell;
	struct strv volumes, exposed_ports, labels; /* exposed "80/tcp"; labels K=V */
	char *user, *cwd, *stop_signal;
	struct cJSON *healthcheck;                  /* docker JSON, NULL */
};
void image_config_done(struct image_config *c);
int image_config_parse(const char *config_json, struct image_config *ret, struct err *e);
/* REF as the user writes it: name[:tag][@digest], an id or unique id prefix. 1: not present. */
int image_resolve(struct db *db, const char *ref, struct image_row *ret, struct err *e);
/* As image_resolve; that there is none is -ENOENT, with a hint. */
int image_need(struct db *db, const char *ref, struct image_row *ret, struct err *e);
/* Canonical names of the image ID, sorted. */
int image_names_of(struct db *db, const char *id, struct strv *ret, struct err *e);
/* Folder of an unpacked layer. Caller frees. */
char *layer_path(const struct dirs *d, const char *chain_id);
/* A symlink that is no path: what mount points an image with this topmost layer lacks (engine/container/rootfs_skeleton.c). It may be missing, and goes with
 * the layer. Caller frees. */
char *layer_lack_path(const struct dirs *d, const char *chain_id);
/* All of LAYERS (lowest first) copied into the empty folder DIRFD, whiteouts applied. */
int image_root_copy(const struct dirs *d, const struct strv *layers, int dirfd, struct err *e);
/* FOLDER/root of a container or of a build's step, all of LAYERS (lowest first) in it, under a driver that copies. FOLDER is there, its root is not. */
int image_root_make(const struct dirs *d, const char *driver, const struct strv *layers, const char *folder, struct err *e);
/* What LAYERS (at least one) are together, to read only: a descriptor. ON is an empty folder that may be filled for it. Drivers that copy. */
int image_root_view(const struct dirs *d, const char *driver, const struct strv *layers, const char *on, struct err *e);
/* What was changed in the root in FOLDER since it was made: a layer in the driver's form, made as NAME of TODIR, where nothing or (drivers that copy) an
 * empty folder is. Nobody changes the root meanwhile; LAST: nor ever
 * again, so that its files may become the layer's. */
int image_root_changes(const struct dirs *d, const char *driver, const struct strv *layers, const char *folder, bool last, int todir, const char *name,
	struct err *e);
/* One layer into the folder DIRFD, which (OVER) has those below it already. */
int image_layer_merge(const struct dirs *d, const char *chain_id, bool over, int dirfd, struct err *e);
/* A container's root is a folder of its own (copy, btrfs), not layers that are mounted. NULL: overlay. */
bool image_driver_copies(const char *driver);
/* How its layers say that something is gone. */
enum whiteout_form image_driver_form(const char *driver);
/* Its root hides everything below (.wh..wh..opq in the root), which overlayfs itself does not do. */
bool layer_is_opaque(const struct dirs *d, const char *chain_id);
/* Removes a name, or (id) all names and the image; layers that nobody uses go. -EBUSY naming the containers that use it unless FORCE. Reports what
 * was untagged/deleted as lines in REPORT ("Untagged: x", "Deleted: sha256:…"). */
int image_remove(struct db *db, const char *ref, bool force, struct strv *report, struct err *e);
/* The same but for the layers: they go with the next image_collect(). */
int image_unlist(struct db *db, const char *ref, bool force, struct strv *report, struct err *e);
/* Deletes what nobody needs: layers of no image, folders of killed loads. Skips layers while something is loaded. REPORT may be NULL. */
int image_collect(struct db *db, struct strv *report, struct err *e);
int image_tag(struct db *db, const char *source, const char *target, struct err *e);
/* Which storage driver serves root: "overlay", "btrfs" or "copy", and why another was not taken. Probed once a root and kernel (cached in root/driver). */
int image_driver(const struct dirs *d, const char **ret_driver, char **ret_why, struct err *e);
/* Before layers are brought (IMAGE NULL): -EBUSY when a container has layers below it that DRIVER would unpack again in another form. Before a container of
 * IMAGE (id) is made: -EINVAL when its layers are in a form that DRIVER cannot use. */
int image_driver_fits(struct db *db, const char *driver, const char *image, struct err *e);
/* An event of the image ID, in the transaction that is open; NAME may be NULL. */
int image_event(struct db *db, const char *action, const char *id, const char *name, struct err *e);
/* A new folder root/images/tmp/NAME (16 hex): whoever cleans the store leaves it as long as its lock is held, through the descriptor that is returned or a
 * copy of it. NAME may be NULL; *RET_PATH is the caller's to free. */
enum { IMAGE_TMP_NAME = 16 };
int image_tmp_make(const struct dirs *d, char name[IMAGE_TMP_NAME + 1], char **ret_path, struct err *e);
/* Removes it, and frees PATH; FD last, so that nobody else cleans up meanwhile. FD -1, PATH NULL: there is none. */
void image_tmp_done(int fd, char *path);
/* Who loads holds it shared (and waits for it), who removes layers holds it alone: 1 when that cannot be now. */
int image_layers_lock(const struct dirs *d, bool to_remove, int *ret_fd, struct err *e);
