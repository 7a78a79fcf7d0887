/* SPDX-License-Identifier: MIT
 *
 * engine/image/layer_job.h - gantry-image for layers that were made here
 *
 * gantry-image digest SOCKET DIR FORM     what is the digest of this folder's archive? Answers {"diff": "sha256:…", "size": N, "tar": N} (wire.h).
 *                                         Parses nothing of what it reads, so it confines itself to nothing but having no other descriptors.
 */
#pragma once

struct err;
int image_layer_digest(int sock, int dir, int form, struct err *e);
