/* SPDX-License-Identifier: MIT
 *
 * engine/image/save.h - images become one tar file, which is a docker-archive and an OCI layout at once, as `docker save` makes it:
 *
 *   blobs/sha256/HEX   config, layers, manifest of each image, each once      index.json, oci-layout   the OCI layout's
 *   manifest.json      docker's list: config, names, layers                   repositories             docker's older one
 *
 * The same images always give the same bytes. An image keeps its id, its DiffIDs, and where it has a manifest here, its digest.
 */
#pragma once
#include <stddef.h>

struct boss;
struct cJSON;
struct db;
struct err;
struct strv;

/* ---- gantry-image's side. Request: {"op": "save", "out": FD, "images": [{…image_blobs_request…, "names": [canonical]}]}.
 * Answers {"packed": …} per layer that was packed, at the end {"done": true}. ---- */
int save_boss(struct boss *b, struct cJSON *request, struct err *e);
/* Packs layers of LAYERS that have no blob (push.c). */
int pack_missing(struct boss *b, const struct cJSON *layers, struct err *e);

/* ---- gantry's side ---- */
/* REFS as docker's: a name, an id; a repository without a tag is all its tags. FD is borrowed; it need not be a file. */
int image_save(struct db *db, const struct strv *refs, int fd, struct err *e);
