/* SPDX-License-Identifier: MIT
 *
 * base/time.h - clocks and RFC 3339
 */
#pragma once
#include "base/auto.h"
#include <stdint.h>

struct err;
int64_t time_now_ns(void);       /* CLOCK_REALTIME */
int64_t time_mono_ns(void);      /* CLOCK_MONOTONIC */
enum { TIME_TEXT = 40 };
/* "2026-11-25T02:38:36.123456789Z"; BUF of TIME_TEXT bytes; returns BUF. */
char *time_rfc3339(int64_t ns, char *buf);
/* As docker's --since/--until: RFC 3339 with or without zone or fraction, a date, unix seconds ("1136073600.5"), or a duration back
 * from now ("10m"). Nanoseconds since the epoch. */
int time_parse(const char *s, int64_t now_ns, int64_t *ret_ns, struct err *e);
