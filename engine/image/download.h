/* SPDX-License-Identifier: MIT
 *
 * engine/image/download.h - the process that asks one registry for one image: reads credentials and keys, becomes nobody, then meets the network
 *
 *   boss ─── {"fetch": LAYER, "blob": "sha256:…", "size": N, "origin": bool} + two descriptors: the blob's file, a pipe ──►
 *        ◄── {"plan": {…}} or {"same": "sha256:…"}                first of all
 *        ◄── {"fetch": LAYER, "have": N} … {"fetch": LAYER, "done": true} or {"fetch": LAYER, "failed": {…}}
 *        ◄── {"note": "…"}
 *
 * Plan: {"digest": of what was asked for, "documents": ["…index…", "…manifest…"], "config": "…", "warnings": ["…"]?}.
 */
#pragma once

struct cJSON;
struct err;
/* REQUEST: {"ref": "docker.io/library/web:1", "have": "sha256:…"?, "platform": "linux/arm64"?, "root": "…", "helper": {"user", …}?}: what a
 * credential helper said; without it the downloader looks for credentials itself. Until SOCK ends; tells it what goes wrong. */
void download_run(int sock, const struct cJSON *request);
/* Helpers of clouds take a second each: for a registry of several IMAGES (requests as above) one is asked here, before they are downloaded. One that fails is
 * left to the downloaders, each of which then says why. */
void download_ask_helpers(struct cJSON *images);
