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
/* REQUEST: {"ref": "docker.io/library/web:1", "have": "sha256:…"?, "platform": "linux/arm64"?, "root": "…"}. Until SOCK ends; tells it what goes wrong. */
void download_run(int sock, const struct cJSON *request);
