/* SPDX-License-Identifier: MIT
 *
 * engine/image/deflate.h - bytes become a gzip file, the same bytes always the same file
 */
#pragma once
#include "base/auto.h"
#include "engine/image/bytes.h"

struct err;
/* IN to its end into FD. Adds to *TOTAL what was written. */
int deflate_copy(struct bytes *in, int fd, uint64_t *total, struct err *e);
