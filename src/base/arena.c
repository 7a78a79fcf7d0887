/* SPDX-License-Identifier: MIT
 *
 * Blocks grow with the arena (4 KiB to 1 MiB), so that small projects stay small and large ones need few calls. What does
 * not fit a quarter of a block gets one of its own.
 */
#include "base/arena.h"

#include "base/alloc.h"
#include "base/err.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK_MIN = 4096, BLOCK_MAX = 1 << 20, ALIGN = 8 /* of pointers, int64_t, double: what lives here */ };

struct block {
	struct block *next;
	_Alignas(max_align_t) char data[];
};
struct arena {
	struct block *blocks;
	char *at;      /* free room of the newest shared block */
	size_t left;
	size_t block;  /* size of the next one */
	size_t used;
};

struct arena *arena_new(void)
{
	struct arena *a = xcalloc(1, sizeof(*a));

	a->block = BLOCK_MIN;
	return a;
}

void arena_free(struct arena *a)
{
	if (!a)
		return;
	for (struct block *b = a->blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(a);
}

static char *block_add(struct arena *a, size_t n)
{
	size_t bytes;
	struct block *b;

	if (__builtin_add_overflow(n, sizeof(*b), &bytes))
		BUG("arena allocation of %zu bytes", n);
	b = xcalloc(1, bytes);
	b->next = a->blocks;
	a->blocks = b;
	return b->data;
}

void *arena_alloc(struct arena *a, size_t n)
{
	void *p;

	BUG_ON(n > SIZE_MAX / 2);
	n = n ? (n + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN;
	a->used += n;
	if (n > a->block / 4 && n > a->left)
		return block_add(a, n);
	if (n > a->left) {
		a->at = block_add(a, a->block);
		a->left = a->block;
		a->block = MIN(a->block * 2, (size_t)BLOCK_MAX);
	}
	p = a->at;
	a->at += n;
	a->left -= n;
	return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = arena_alloc(a, len + 1);

	memcpy(copy, s, len);
	return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	auto_free char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	s = xvasprintf(fmt, ap);
	va_end(ap);
	return arena_strdup(a, s);
}

void arena_grow(struct arena *a, void *pp, size_t n, size_t *cap, size_t size)
{
	void *p, *old;
	size_t bytes;

	if (n < *cap)
		return;
	memcpy(&old, pp, sizeof(old));
	*cap = MAX(n + 1, *cap ? *cap * 2 : 4);
	if (__builtin_mul_overflow(*cap, size, &bytes))
		BUG("arena array of %zu * %zu bytes", *cap, size);
	p = arena_alloc(a, bytes);
	if (n)
		memcpy(p, old, n * size);
	memcpy(pp, &p, sizeof(p));
}

size_t arena_used(const struct arena *a)
{
	return a->used;
}
