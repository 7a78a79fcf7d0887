/* SPDX-License-Identifier: MIT
 *
 * engine/image/wire.h - messages between gantry and gantry-image, and inside the latter: length, kind, JSON or an error
 *
 *   gantry ── {"op": "load" | "import", …} ──► gantry-image        (job.h says what is in them)
 *          ◄─ {"images": […]} ─────────────── what is in the archive
 *          ── {"want": [[image, layer], …]} ─► the layers that the store does not have
 *          ◄─ {"layer": …} ─────────────────── each, when it is unpacked and its digest is right
 *          ◄─ {"done": true} | an error
 */
#pragma once
#include "base/auto.h"
#include <stddef.h>

struct cJSON;
struct err;
enum { WIRE_MAX = 128 << 20 };
int wire_send(int fd, const struct cJSON *j, struct err *e);
/* What went wrong here becomes the other side's error. */
int wire_send_err(int fd, const struct err *failure, struct err *e);
/* 0; -EPIPE: the other side ended; otherwise the error that it sent. */
int wire_recv(int fd, struct cJSON **ret, struct err *e);
/* An error as a part of a message, and back: raises it, returns its negative code. */
void wire_add_err(struct cJSON *o, const char *key, const struct err *failure);
int wire_raise(const struct cJSON *failed, struct err *e);
