/* SPDX-License-Identifier: MIT
 *
 * engine/image/retry.h - when a request is made again. Pure.
 */
#pragma once
#include "base/auto.h"
#include <stdint.h>

enum { RETRY_MOST = 5, RETRY_NEVER = -1 };
#define RETRY_CAP_NS INT64_C(30000000000)  /* of our own waits */
#define RETRY_AFTER_CAP_NS INT64_C(60000000000) /* a server that wants more is believed, and not waited for */
/* "120" or an HTTP date, from NOW_NS (CLOCK_REALTIME) on. -1: neither. */
int64_t retry_after_ns(const char *text, int64_t now_ns);
/* How long to wait before the try after TRY (0: the first) ended with STATUS (0: no answer, for CODE, an errno value); RETRY_NEVER: do not. AFTER_NS: what
 * the server asks for, -1: nothing. JITTER: 0..1023. */
int64_t retry_delay(int tried, long status, int code, int64_t after_ns, unsigned jitter);
