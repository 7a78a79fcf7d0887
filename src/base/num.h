/* SPDX-License-Identifier: MIT
 *
 * base/num.h - numbers from text, and back. All strict: the whole string, no blanks, no overflow. 0 or -EINVAL/-ERANGE with
 * a text that names the value ("'x12': not a whole number").
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stdint.h>

struct err;
int num_int(const char *s, int64_t min, int64_t max, int64_t *ret, struct err *e);
int num_uint(const char *s, uint64_t max, uint64_t *ret, struct err *e);
int num_octal(const char *s, uint32_t max, uint32_t *ret, struct err *e);
int num_double(const char *s, double *ret, struct err *e); /* C locale, finite, decimal */
/* strconv.ParseBool: 1 t T TRUE true True 0 f F FALSE false False */
int num_bool(const char *s, bool *ret, struct err *e);
/* go-units RAMInBytes: "512m", "1.5GiB", "64 KB", binary multiples; plain numbers are bytes. */
int num_bytes(const char *s, int64_t *ret, struct err *e);
/* Go time.ParseDuration plus d and w: "1m30s", "1.5h", "500ms"; nanoseconds. */
int num_duration(const char *s, int64_t *ret_ns, struct err *e);
/* "1h30m0s" as Go's Duration.String(). Caller frees. */
char *num_duration_text(int64_t ns);
/* "3.5MB" (decimal, go-units HumanSize, 4 digits) and "2 hours" (go-units HumanDuration of seconds). Caller frees. */
char *num_size_text(uint64_t bytes);
/* The same with BASE 1000 ("1.98MB") or 1024 ("1.89MiB") and as many DIGITS as that command of docker shows. Caller frees. */
char *num_size_units(uint64_t bytes, unsigned base, int digits);
char *num_ago_text(int64_t seconds);
