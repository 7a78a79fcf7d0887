/* SPDX-License-Identifier: MIT
 *
 * base/arena.h - memory that dies together: the YAML tree and the project model. No destructors.
 */
#pragma once
#include "base/auto.h"
#include <stddef.h>

struct arena;
struct arena *arena_new(void);
void arena_free(struct arena *a); /* NULL is fine */
DEFINE_AUTO(struct arena *, arena_free)
/* Zeroed, aligned for any type. */
void *arena_alloc(struct arena *a, size_t n);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
/* A copy with twice the room (at least N + 1 elements), for arrays that grow: *pp points to N elements of SIZE, *cap of room. */
void arena_grow(struct arena *a, void *pp, size_t n, size_t *cap, size_t size);
size_t arena_used(const struct arena *a);
