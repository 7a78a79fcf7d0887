/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"

#include "base/err.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void *need(void *p)
{
	if (!p) {
		static const char text[] = "gantry: out of memory\n";

		(void)!write(2, text, sizeof(text) - 1);
		abort();
	}
	return p;
}

void *xmalloc(size_t n)
{
	return need(malloc(n ? n : 1));
}

void *xcalloc(size_t n, size_t size)
{
	return need(calloc(n ? n : 1, size ? size : 1));
}

void *xrealloc(void *p, size_t n)
{
	return need(realloc(p, n ? n : 1));
}

void *xreallocarray(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes))
		BUG("allocation of %zu * %zu bytes", n, size);
	return xrealloc(p, bytes);
}

char *xstrdup(const char *s)
{
	return xmemdup(s, strlen(s) + 1);
}

char *xstrdup0(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

char *xstrndup(const char *s, size_t n)
{
	return need(strndup(s, n));
}

void *xmemdup(const void *p, size_t n)
{
	void *copy = xmalloc(n);

	if (n)
		memcpy(copy, p, n);
	return copy;
}

char *xvasprintf(const char *fmt, va_list ap)
{
	char *s = NULL;

	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	return need(s);
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	return s;
}

void xgrow(void *pp, size_t n, size_t *cap, size_t size)
{
	void *p;

	if (n < *cap)
		return;
	memcpy(&p, pp, sizeof(p)); /* PP is a pointer to a pointer of any type */
	*cap = *cap ? *cap * 2 : 8;
	if (*cap <= n)
		*cap = n + 1;
	p = xreallocarray(p, *cap, size);
	memcpy(pp, &p, sizeof(p));
}
