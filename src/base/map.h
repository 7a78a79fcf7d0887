/* SPDX-License-Identifier: MIT
 *
 * base/map.h - string -> pointer, insertion order kept, hashed once it is large. Keys are copied, values are borrowed unless
 * a destructor is given.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>

struct map_entry {
	char *key;
	void *value;
};
struct map {
	struct map_entry *v; /* v[0..n), in order of insertion */
	size_t n, cap;
	void (*free_value)(void *); /* NULL: borrowed */
	size_t *index;              /* internal */
	size_t index_size;
};
#define MAP_INIT(free_fn) ((struct map){ .free_value = (free_fn) })
#define AUTO_MAP(name, free_fn) AUTO_DONE(map_done) struct map name = MAP_INIT(free_fn)

void map_done(struct map *m);
void *map_get(const struct map *m, const char *key); /* NULL: absent (or a NULL value: see map_has) */
bool map_has(const struct map *m, const char *key);
/* Replaces an existing value in place (freeing the old one). Returns true when the key is new. */
bool map_set(struct map *m, const char *key, void *value);
bool map_remove(struct map *m, const char *key);
void map_sort(struct map *m); /* by key, strcmp */
