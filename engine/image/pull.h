/* SPDX-License-Identifier: MIT
 *
 * engine/image/pull.h - the boss's part of a pull: a downloader for each image, and for each layer a reader and an unpacker (job.h)
 *
 *   gantry ── {"op": "pull", "root", "jobs", …, "images": [{"ref", "have"?, "platform"?}, …]} ──► boss
 *          ◄─ {"image": N, "plan": {…}} or {"image": N, "same": "sha256:…"}              as its downloader found it (download.h)
 *          ── {"image": N, "want": [{"layer": K, "diff", "blob", "size"}, …]} ─────────►  what the store does not have; gantry took it from the manifest
 *          ◄─ {"image": N, "layer": K, "dir": "7", "diff": …, "size": …}                each, when it is unpacked, and its digests are right
 *          ◄─ {"image": N, "layer": K, "have": N}, {"image": N, "note": "…"}             news
 *          ◄─ {"image": N, "failed": {…}}                                               that image is over
 *          ── closes its end ──► everything ends
 */
#pragma once

struct boss;
struct cJSON;
struct err;
int pull_boss(struct boss *b, const struct cJSON *request, struct err *e);
