/* SPDX-License-Identifier: MIT */
#include "compose/node.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

enum {
	INDEX_FROM = 12,      /* keys from which a map is hashed */
	PLACES_MIN = 4,       /* of the arrays of a list or map that is not empty */
	SNIPPET_WIDTH = 120,  /* bytes of a source line that a message shows */
};

/* ---- making ---- */

static size_t node_bytes(enum node_kind kind)
{
	return kind == NODE_LIST || kind == NODE_MAP ? sizeof(struct node) : offsetof(struct node, items);
}

static struct node *node_new(struct arena *a, enum node_kind kind, struct pos pos)
{
	struct node *n = arena_alloc(a, node_bytes(kind));

	n->kind = kind;
	n->pos = pos;
	return n;
}

struct node *node_null(struct arena *a, struct pos pos)
{
	return node_new(a, NODE_NULL, pos);
}

struct node *node_scalar(struct arena *a, struct pos pos, enum scalar_type type, const char *text)
{
	struct node *n = node_new(a, NODE_SCALAR, pos);

	n->type = type;
	n->text = arena_strdup(a, text);
	return n;
}

struct node *node_str(struct arena *a, struct pos pos, const char *text)
{
	return node_scalar(a, pos, SCALAR_STR, text);
}

struct node *node_list(struct arena *a, struct pos pos)
{
	return node_new(a, NODE_LIST, pos);
}

struct node *node_map(struct arena *a, struct pos pos)
{
	return node_new(a, NODE_MAP, pos);
}

/* What arrays have room for that were made for N children or grew to them: a power of two. */
static size_t places(size_t n)
{
	size_t cap = n ? PLACES_MIN : 0;

	while (cap < n)
		cap *= 2;
	return cap;
}

static struct node **array_copy(struct arena *a, struct node *const *v, size_t n)
{
	struct node **to = arena_alloc(a, places(n) * sizeof(struct node *));

	return memcpy(to, v, n * sizeof(struct node *));
}

/* Room for one more behind N, for which there is none. */
static struct node **array_grow(struct arena *a, struct node *const *v, size_t n)
{
	struct node **to = arena_alloc(a, places(n + 1) * sizeof(struct node *));

	return n ? memcpy(to, v, n * sizeof(struct node *)) : to;
}

struct node *node_shell(struct arena *a, const struct node *n)
{
	struct node *c = memcpy(arena_alloc(a, node_bytes(n->kind)), n, node_bytes(n->kind));

	if (n->kind == NODE_MAP)
		c->index = NULL;
	if (n->n)
		c->items = array_copy(a, n->items, n->n);
	if (n->n && n->kind == NODE_MAP)
		c->keys = array_copy(a, n->keys, n->n);
	return c;
}

/* Keys are never changed in place, so both maps point to the same ones. */
struct node *node_copy(struct arena *a, const struct node *n)
{
	struct node *c = node_shell(a, n);

	for (size_t i = 0; i < n->n; i++)
		c->items[i] = node_copy(a, n->items[i]);
	return c;
}

/* ---- maps: a hash of places (+ 1; 0 is free) beside the arrays once there are many keys ---- */

struct node_index {
	uint32_t size; /* power of two, more than twice the keys */
	uint32_t slot[];
};

static uint32_t key_hash(const char *s)
{
	uint64_t h = 14695981039346656037u; /* FNV-1a */

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211u;
	return (uint32_t)(h ^ (h >> 29));
}

static void index_add(struct node *map, uint32_t i)
{
	struct node_index *x = map->index;
	uint32_t at = key_hash(map->keys[i]->text) & (x->size - 1);

	while (x->slot[at])
		at = (at + 1) & (x->size - 1);
	x->slot[at] = i + 1;
}

static void index_build(struct arena *a, struct node *map)
{
	uint32_t size = 32;

	while (size < map->n * 4)
		size *= 2;
	map->index = arena_alloc(a, sizeof *map->index + size * sizeof *map->index->slot);
	map->index->size = size;
	for (uint32_t i = 0; i < map->n; i++)
		index_add(map, i);
}

static size_t map_find(const struct node *map, const char *key)
{
	const struct node_index *x;

	if (!node_is_map(map))
		return SIZE_MAX;
	x = map->index;
	if (!x) {
		for (size_t i = 0; i < map->n; i++)
			if (streq(map->keys[i]->text, key))
				return i;
		return SIZE_MAX;
	}
	for (uint32_t at = key_hash(key) & (x->size - 1); x->slot[at]; at = (at + 1) & (x->size - 1))
		if (streq(map->keys[x->slot[at] - 1]->text, key))
			return x->slot[at] - 1;
	return SIZE_MAX;
}

struct node *node_get(const struct node *map, const char *key)
{
	size_t i = map_find(map, key);

	return i == SIZE_MAX ? NULL : map->items[i];
}

struct node *node_key(const struct node *map, const char *key)
{
	size_t i = map_find(map, key);

	return i == SIZE_MAX ? NULL : map->keys[i];
}

static void map_grow(struct arena *a, struct node *map)
{
	if (map->n < places(map->n))
		return;
	map->keys = array_grow(a, map->keys, map->n);
	map->items = array_grow(a, map->items, map->n);
}

void node_set_key(struct arena *a, struct node *map, struct node *key, struct node *value)
{
	size_t i = map_find(map, key->text);

	if (i != SIZE_MAX) {
		map->keys[i] = key;
		map->items[i] = value;
		return;
	}
	map_grow(a, map);
	map->keys[map->n] = key;
	map->items[map->n++] = value;
	if (map->index && map->n * 2 <= map->index->size)
		index_add(map, map->n - 1);
	else if (map->n >= INDEX_FROM)
		index_build(a, map);
}

void node_set(struct arena *a, struct node *map, const char *key, struct node *value)
{
	size_t i = map_find(map, key);

	if (i != SIZE_MAX)
		map->items[i] = value;
	else
		node_set_key(a, map, node_str(a, value->pos, key), value);
}

bool node_remove(struct node *map, const char *key)
{
	size_t i = map_find(map, key);

	if (i == SIZE_MAX)
		return false;
	map->n--;
	memmove(map->keys + i, map->keys + i + 1, (map->n - i) * sizeof *map->keys);
	memmove(map->items + i, map->items + i + 1, (map->n - i) * sizeof *map->items);
	map->index = NULL; /* built again by the next insertion */
	return true;
}

/* ---- lists ---- */

void node_append(struct arena *a, struct node *list, struct node *item)
{
	if (list->n == places(list->n))
		list->items = array_grow(a, list->items, list->n);
	list->items[list->n++] = item;
}

void node_remove_at(struct node *list, size_t i)
{
	list->n--;
	memmove(list->items + i, list->items + i + 1, (list->n - i) * sizeof *list->items);
}

/* ---- asking ---- */

bool node_equal(const struct node *a, const struct node *b)
{
	if (node_is_null(a) || node_is_null(b))
		return node_is_null(a) && node_is_null(b);
	if (a->kind != b->kind || a->n != b->n)
		return false;
	if (a->kind == NODE_SCALAR)
		return a->type == b->type && streq(a->text, b->text);
	for (size_t i = 0; i < a->n; i++) {
		const struct node *other =
			a->kind == NODE_LIST ? b->items[i] : node_get(b, a->keys[i]->text);

		if (!other || !node_equal(a->items[i], other))
			return false;
	}
	return true;
}

const char *node_kind_name(const struct node *n)
{
	static const char *const scalars[] = {
		[SCALAR_STR] = "string",   [SCALAR_BOOL] = "boolean", [SCALAR_INT] = "number",
		[SCALAR_FLOAT] = "number", [SCALAR_TIME] = "date",
	};

	if (node_is_null(n))
		return "null";
	if (n->kind == NODE_SCALAR)
		return scalars[n->type];
	return n->kind == NODE_LIST ? "list" : "mapping";
}

/* ---- messages ---- */

bool pos_equal(struct pos a, struct pos b)
{
	return a.src == b.src && a.line == b.line && a.col == b.col;
}

const char *source_line_of(const struct source *src, int line, size_t *ret_len)
{
	const char *s = src->text, *end = src->text + src->len, *nl;

	for (int i = 1; s && i < line; i++) {
		s = memchr(s, '\n', (size_t)(end - s));
		if (s)
			s++;
	}
	if (!s || s > end)
		return NULL;
	nl = memchr(s, '\n', (size_t)(end - s));
	*ret_len = (size_t)((nl ? nl : end) - s);
	if (*ret_len && s[*ret_len - 1] == '\r')
		--*ret_len;
	return s;
}

/* Bytes of the first N characters of S (UTF-8; a byte that is none counts as one). */
static size_t utf8_bytes(const char *s, size_t len, size_t n)
{
	size_t i = 0;

	while (n-- && i < len)
		for (i++; i < len && ((unsigned char)s[i] & 0xc0) == 0x80;)
			i++;
	return i;
}

static size_t utf8_count(const char *s, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)s[i] & 0xc0) != 0x80;
	return n;
}

/* "  12 | text" and "     |   ^" below it. */
static void add_snippet(struct str *out, struct pos pos)
{
	size_t len, col, from = 0;
	const char *line;
	auto_free char *shown = NULL;
	auto_free char *before = NULL;
	auto_free char *copy = NULL;

	if (!pos.src || !pos.src->text || pos.line < 1)
		return;
	line = source_line_of(pos.src, pos.line, &len);
	if (!line || len == 0)
		return;
	col = utf8_bytes(line, len, pos.col > 0 ? (size_t)pos.col - 1 : 0);
	if (col > SNIPPET_WIDTH * 3 / 4) { /* a long line is cut on both sides, at whole characters */
		from = col - SNIPPET_WIDTH / 2;
		while (from < col && ((unsigned char)line[from] & 0xc0) == 0x80)
			from++;
	}
	if (len - from > SNIPPET_WIDTH) {
		len = from + SNIPPET_WIDTH;
		while (len > col && ((unsigned char)line[len] & 0xc0) == 0x80)
			len--;
	}
	copy = xstrndup(line + from, len - from);
	for (char *p = copy; *p; p++)
		if (*p == '\t')
			*p = ' ';
	before = str_visible(copy, MIN(col - from, strlen(copy)));
	shown = str_visible(copy, strlen(copy));
	str_addf(out, "\n%5d | %s\n      | %*s^", pos.line, shown,
		 (int)utf8_count(before, strlen(before)), "");
}

static int pos_verr(struct err *e, struct pos pos, const char *fmt, va_list ap)
{
	AUTO_STR(out, ERR_TEXT);
	auto_free char *text = xvasprintf(fmt, ap);
	int r;

	if (!pos.src) /* made by us: there is nothing to point at */
		return err_set(e, EINVAL, "%s", text);
	str_addf(&out, "%s:%d:%d: %s", pos.src->path, pos.line, pos.col, text);
	add_snippet(&out, pos);
	for (const struct source *s = pos.src->from; s; s = s->from)
		str_addf(&out, "\n  used by %s", s->path);
	r = err_set(e, EINVAL, "%s", out.s);
	e->positioned = true;
	return r;
}

int pos_err(struct err *e, struct pos pos, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = pos_verr(e, pos, fmt, ap);
	va_end(ap);
	return r;
}

int node_err(struct err *e, const struct node *n, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = pos_verr(e, n ? n->pos : (struct pos){ 0 }, fmt, ap);
	va_end(ap);
	return r;
}
