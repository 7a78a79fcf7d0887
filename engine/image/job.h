/* SPDX-License-Identifier: MIT
 *
 * engine/image/job.h - the inside of gantry-image: a boss that parses nothing hostile, and children that do nothing else
 *
 *   boss (root) ┬─ scanner   nobody   reads the archive's names and documents, says what is in it
 *               └─ per layer, several at once:
 *                  ├─ feeder    nobody   archive or folder ─► blob digest ─ gunzip ─► pipe
 *                  └─ unpacker  a few capabilities, rooted in the layer's folder   pipe ─► DiffID ─ tar ─ files
 *
 * Each child has a socket to the boss: messages (one each) are 'R' and JSON, 'E' and an error, 'O' and a folder that is to become opaque, which needs
 * CAP_SYS_ADMIN. The folders are entries "0", "1", … of the temporary folder that gantry made and locked.
 *
 * gantry's end is seen on the socket, however it came about: then the boss ends its children and removes what they wrote. It has a session of its own, so
 * that Ctrl-C ends gantry and nobody else.
 *
 * Request: {"op": "load" | "import", "is_dir": bool, "what": "FILE", "form": N, "max_bytes": N, "max_entries": N, "jobs": N}.
 * Per layer: {"layer": [image, layer], "dir": "0", "diff": "sha256:…", "size": N, "left_out": N, "opaque_root": bool,
 * "blob": "sha256:…", "blob_size": N, "kind": "gzip" | "zstd" | "plain"}: the layer's file as the archive has it is "keep-DIR" in the folder, but for
 * imported folders.
 */
#pragma once

struct err;
/* SOCK: the talk with gantry (wire.h). TMP: that folder. INPUT: the archive, or the folder to import. Tells gantry what goes wrong and returns < 0. */
int image_boss(int sock, int tmp, int input, struct err *e);
