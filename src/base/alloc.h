/* SPDX-License-Identifier: MIT
 *
 * base/alloc.h - allocation that aborts when memory is out (whatever grows from input has a maximum, so it does not happen
 * by input). Everything returned is freed with free().
 */
#pragma once
#include "base/auto.h"
#include <stdarg.h>
#include <stddef.h>

void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
void *xreallocarray(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
/* NULL stays NULL. */
char *xstrdup0(const char *s);
char *xstrndup(const char *s, size_t n);
void *xmemdup(const void *p, size_t n);
char *xasprintf(const char *fmt, ...) PRINTF(1, 2);
char *xvasprintf(const char *fmt, va_list ap) PRINTF(1, 0);
/* Room for one more in array P of *CAP elements with N used: xgrow((void **)&v, n, &cap, sizeof *v). */
void xgrow(void *pp, size_t n, size_t *cap, size_t size);
