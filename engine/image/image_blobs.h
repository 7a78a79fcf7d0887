/* SPDX-License-Identifier: MIT
 *
 * engine/image/image_blobs.h - of what blobs an image consists: for push and save. gantry's side
 */
#pragma once
#include "base/auto.h"
#include "state/image_store.h"

struct cJSON;
struct db;
struct err;
/* Adds to REQUEST: "config", "manifest" (a document that is the image's, where the blobs are as it says) and "layers", lowest first:
 *   {"chain", "diff", "form": whiteout_form,
 *    "blob", "size", "type"   the file in blobs/, as it is      "absent": true   it is not here: the registry may have it
 *    "plain": "sha256:…"      an uncompressed archive in blobs/: it is to be compressed first
 *    none of them: to be packed from the layer's folder}
 * COMPRESS: uncompressed blobs become "plain", unless the manifest names them. */
int image_blobs_request(struct db *db, const struct image_row *row, const struct image_remotes *known, bool compress, struct cJSON *request, struct err *e);
/* gantry-image packed a layer: MESSAGE {"packed": {"chain", "blob", "size", "type"}}. Its blob is durable. */
int image_blobs_packed(struct db *db, const struct cJSON *message, struct err *e);
