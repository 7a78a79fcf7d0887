/* SPDX-License-Identifier: MIT
 *
 * engine/image/layer_job.h - gantry-image for layers that were made here
 *
 * gantry-image digest SOCKET DIR FORM 0   what is the digest of this folder's archive? Answers {"diff": "sha256:…", "size": N, "tar": N} (wire.h).
 *                                         Parses nothing of what it reads, so it confines itself to nothing but having no other descriptors.
 */
#pragma once

struct err;
int image_layer_digest(int sock, int dir, int form, struct err *e);
/* gantry-image sum SOCKET FILE 0 LIKE: {"digest", "size"} of an open file, by the algorithm that the digest LIKE has. */
int image_sum(int sock, int file, const char *like, struct err *e);
/* gantry-image add SOCKET TMP INPUT: the archive INPUT (tar, plain or gzip, bzip2, xz, zstd) is unpacked into TMP/0 by the same jailed children as
 * a layer, but names like ".wh.x" are plain names. Answers {"archive": bool}: false, it is none. */
int image_add(int sock, int tmp, int input, struct err *e);
/* gantry-image fetch SOCKET FILE 0 URL: GET, redirects followed, as nobody. Answers {"status": N, "mtime": seconds, "sha256": hex}. */
int image_fetch(int sock, int file, const char *url, struct err *e);
/* gantry-image pack SOCKET OBJECT OUT NAME: the archive of what OBJECT is goes to OUT (pack_object). Answers {}. */
int image_pack(int sock, int object, int out, const char *name, struct err *e);
