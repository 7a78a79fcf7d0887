/* SPDX-License-Identifier: MIT
 *
 * engine/container/container.h - create and remove a container; its folder root/containers/ID/
 *
 *   spec.json   what it is           upper/ work/   its writable layer (overlay), or root/ (copy driver)
 *   files/      configs, secrets     hosts hostname resolv.conf   bind-mounted into it
 *   json.log…   its output           seccomp.bpf      link to root/seccomp/KEY.bpf (seccomp_key)
 *   merged/     where the root is mounted, inside the container's mount namespace only
 */
#pragma once
#include "base/auto.h"
#include "engine/container/spec.h"

struct db;
struct dirs;
struct err;
struct ctr_row;

/* Folder, spec.json (synced), seccomp program compiled or found, row; volumes are used (volume_use). ROW gives hash, config,
 * sandbox, image; the network part (sandbox row, endpoints) is made by net/ before in the same transaction. -EEXIST: the name is taken. Undoes on failure. */
int container_create(struct db *db, const struct ctr_spec *spec, const struct ctr_row *row, struct err *e);
/* Layers of the images that SPEC mounts (MNT_IMAGE), into their options: before container_create. */
int container_find_layers(struct db *db, struct ctr_spec *spec, struct err *e);
/* (Re)makes the seccomp program when kernel, libseccomp or gantry changed since; create does it too. Links libseccomp: gantry only. */
int container_seccomp(const struct dirs *d, const struct ctr_spec *s, struct err *e);
/* Paths that our own mounts lie on and what docker leaves in every root, added to RET: an image that lacks them has them in its containers. */
void container_mount_points(struct strv *ret);
/* Tells of it in docker's words ("create", "destroy"), in the transaction that does it. What happens while it runs is the monitor's to tell. */
struct cJSON;
/* What every event of a container tells: name, image, and its labels but for the project's own. Caller frees. */
struct cJSON *container_event_attributes(const struct ctr_spec *s);
int container_event(struct db *db, const char *action, const struct ctr_spec *s, struct err *e);
int container_load_spec(const struct dirs *d, const char *id, struct ctr_spec **ret, struct err *e);
/* Whatever may be left of it in the kernel: processes killed (cgroup.kill), cgroups, mounts, run folder. Idempotent; works without a
 * monitor, after a crash, after a boot. The container's files and rows stay. */
int container_cleanup(const struct dirs *d, const char *id, struct err *e);
/* Cleanup, then row `removing`, folder into trash/, row gone, trash deleted. Its sandbox goes with its last member (net_sandbox_release
 * is called by the caller, plan). Whatever still runs is killed: the caller has stopped it, or means it. Anonymous volumes: with VOLUMES. The trash is
 * left to REMOVER; NULL: it is gone when this returns. */
struct remover;
int container_remove(struct db *db, const char *id, bool volumes, struct remover *remover, struct err *e);
/* docker-like inspect JSON */
struct cJSON *container_inspect(struct db *db, const struct ctr_row *row, const struct ctr_spec *spec);
