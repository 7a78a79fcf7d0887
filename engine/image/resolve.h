/* SPDX-License-Identifier: MIT
 *
 * engine/image/resolve.h - the boss's part of asking registries what names stand for, without fetching anything
 *
 *   gantry ── {"op": "digests", "root", "images": [reference, …]} ──► boss ─► a child that is nobody for each, a few at once
 *          ◄─ {"image": N, "digest": "sha256:…"} or {"image": N, "failed": {…}}, one for each
 */
#pragma once

struct boss;
struct cJSON;
struct err;
int resolve_boss(struct boss *b, const struct cJSON *request, struct err *e);
