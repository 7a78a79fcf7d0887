/* SPDX-License-Identifier: MIT
 *
 * engine/image/push.h - the boss's part of a push and of a login
 *
 *   gantry ── {"op": "push", "root", "ref", "config", "manifest"?, "layers": [{"chain", "diff", "blob"?, "size"?, "type"?}, …], "from": [repository, …], "jobs": N} ──► boss
 *          ◄─ {"layer": N, "text": "Pushed", "over": bool} …                    news
 *          ◄─ {"pushed": "sha256:…", "manifest": "…"}
 *
 * Layers that have no blob are packed from their folders (boss ─► packer ─► compressor, both in jails), and are the layer only if they have its DiffID.
 * The uploader reads credentials and opens the blobs, becomes nobody, then meets the network. Its layers go by as many workers as "jobs" says (0: five,
 * < 0: many), forked from it.
 *
 *   gantry ── {"op": "login", "root", "host", "user", "secret"} ──► boss ─► a child that is nobody asks the registry
 *          ◄─ {"done": true, "identity": "…"?}
 */
#pragma once

struct boss;
struct cJSON;
struct err;
int push_boss(struct boss *b, struct cJSON *request, struct err *e);
int login_boss(struct boss *b, const struct cJSON *request, struct err *e);
