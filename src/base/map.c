/* SPDX-License-Identifier: MIT
 *
 * The entries are the order; beyond SMALL of them an open-addressed index of positions (+ 1, 0: free) finds keys.
 */
#include "base/map.h"

#include "base/alloc.h"
#include "base/str.h"

#include <stdint.h>
#include <string.h>
#include <sys/random.h>

enum { SMALL = 16 };

void map_done(struct map *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->v[i].key);
		if (m->free_value && m->v[i].value)
			m->free_value(m->v[i].value);
	}
	free(m->v);
	free(m->index);
	*m = MAP_INIT(m->free_value);
}

/* FNV-1a from a start that nobody outside knows, so that keys cannot be made to collide beforehand. */
static uint64_t hash(const char *key)
{
	static uint64_t seed;
	uint64_t h;

	if (!seed && getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
		seed = (uint64_t)(uintptr_t)&seed;
	h = seed |= 1;
	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * 0x100000001b3u;
	return h ^ h >> 32;
}

/* Where KEY's position is, or is to go, in the index. */
static size_t slot(const struct map *m, const char *key)
{
	size_t i = hash(key) & (m->index_size - 1);

	while (m->index[i] && !streq(m->v[m->index[i] - 1].key, key))
		i = (i + 1) & (m->index_size - 1);
	return i;
}

static void reindex(struct map *m)
{
	size_t size = 4 * SMALL;

	free(TAKE(m->index));
	m->index_size = 0;
	if (m->n <= SMALL)
		return;
	while (size < m->n * 2)
		size *= 2;
	size *= 2;
	m->index = xcalloc(size, sizeof(*m->index));
	m->index_size = size;
	for (size_t i = 0; i < m->n; i++)
		m->index[slot(m, m->v[i].key)] = i + 1;
}

/* Position of KEY, n: none. */
static size_t find(const struct map *m, const char *key)
{
	size_t i;

	if (m->index) {
		i = m->index[slot(m, key)];
		return i ? i - 1 : m->n;
	}
	for (i = 0; i < m->n; i++)
		if (streq(m->v[i].key, key))
			break;
	return i;
}

void *map_get(const struct map *m, const char *key)
{
	size_t i = find(m, key);

	return i < m->n ? m->v[i].value : NULL;
}

bool map_has(const struct map *m, const char *key)
{
	return find(m, key) < m->n;
}

bool map_set(struct map *m, const char *key, void *value)
{
	size_t i = find(m, key);

	if (i < m->n) {
		if (m->free_value && m->v[i].value && m->v[i].value != value)
			m->free_value(m->v[i].value);
		m->v[i].value = value;
		return false;
	}
	xgrow(&m->v, m->n, &m->cap, sizeof(*m->v));
	m->v[m->n++] = (struct map_entry){ .key = xstrdup(key), .value = value };
	if (m->index && m->n * 2 <= m->index_size)
		m->index[slot(m, key)] = m->n;
	else if (m->n > SMALL)
		reindex(m);
	return true;
}

bool map_remove(struct map *m, const char *key)
{
	size_t i = find(m, key);

	if (i == m->n)
		return false;
	free(m->v[i].key);
	if (m->free_value && m->v[i].value)
		m->free_value(m->v[i].value);
	memmove(m->v + i, m->v + i + 1, (m->n - i - 1) * sizeof(*m->v));
	m->n--;
	reindex(m);
	return true;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct map_entry *)a)->key, ((const struct map_entry *)b)->key);
}

void map_sort(struct map *m)
{
	if (m->n > 1)
		qsort(m->v, m->n, sizeof(*m->v), compare);
	reindex(m);
}
