/* SPDX-License-Identifier: MIT
 *
 * compose/node.h - the tree that every compose file becomes: scalars, lists, maps, each with where it was written
 *
 * Nodes live in the arena of the load and have no destructor. A map keeps the order of the file and its keys are unique.
 * Positions survive merging, extending and including, so that every later message and `config --explain` can name
 * file:line:column. A scalar stays text (with the tag that its YAML form resolved to) until field decode.
 */
#pragma once
#include "base/auto.h"
#include "base/str.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;

/* One input file, kept in memory to show the source line under a message. */
struct source {
	const char *path;  /* as named by the user, for messages; "-" for standard input */
	const char *dir;   /* absolute folder that relative paths in it start from */
	const char *text;
	size_t len;
	const struct source *from; /* the file that included or extended this one, NULL: the user */
};
/* Start of line LINE (from 1) of SRC and its length without the line break; NULL: no such line. */
const char *source_line_of(const struct source *src, int line, size_t *ret_len);
struct pos {
	const struct source *src; /* NULL: made by us (defaults) */
	int line, col;            /* from 1 */
};
bool pos_equal(struct pos a, struct pos b);

enum node_kind { NODE_NULL, NODE_SCALAR, NODE_LIST, NODE_MAP };
enum scalar_type { SCALAR_STR, SCALAR_BOOL, SCALAR_INT, SCALAR_FLOAT, SCALAR_TIME }; /* as the plain YAML scalar resolved */
enum node_tag { TAG_NONE, TAG_RESET, TAG_OVERRIDE };

/* A large project has a million, so scalars and nulls are cut off before `items` (32 bytes; lists and maps 48): a node is made by the
 * functions below only, and a scalar never becomes a list or map in its place. */
struct node {
	enum node_kind kind : 8;
	enum scalar_type type : 8; /* of NODE_SCALAR; quoted scalars are SCALAR_STR */
	enum node_tag tag : 8;     /* !reset, !override */
	bool quoted;
	uint32_t n;                /* children */
	struct pos pos;
	union {
		const char *text;         /* NODE_SCALAR: never NULL */
		struct node_index *index; /* NODE_MAP, internal: hash of keys once there are many; NULL: their places have changed */
	};
	struct node **items;       /* NODE_LIST and NODE_MAP values; nothing from here on is there for others, whose n is 0 */
	struct node **keys;        /* NODE_MAP: scalar nodes with their own positions, same index as items */
};

struct node *node_null(struct arena *a, struct pos pos);
struct node *node_str(struct arena *a, struct pos pos, const char *text);       /* SCALAR_STR */
struct node *node_scalar(struct arena *a, struct pos pos, enum scalar_type type, const char *text);
struct node *node_list(struct arena *a, struct pos pos);
struct node *node_map(struct arena *a, struct pos pos);
struct node *node_copy(struct arena *a, const struct node *n); /* deep */
struct node *node_shell(struct arena *a, const struct node *n); /* a copy with the same children in arrays of its own */

struct node *node_get(const struct node *map, const char *key);  /* NULL: absent or not a map */
struct node *node_key(const struct node *map, const char *key);  /* the key's own node, for its position */
void node_set(struct arena *a, struct node *map, const char *key, struct node *value); /* replaces in place or appends */
void node_set_key(struct arena *a, struct node *map, struct node *key, struct node *value);
bool node_remove(struct node *map, const char *key);
void node_append(struct arena *a, struct node *list, struct node *item);
void node_remove_at(struct node *list, size_t i);
bool node_equal(const struct node *a, const struct node *b); /* value; map order does not count */

const char *node_kind_name(const struct node *n); /* "mapping", "list", "string", "number", "boolean", "null" for messages */
static inline bool node_is_map(const struct node *n) { return n && n->kind == NODE_MAP; }
static inline bool node_is_list(const struct node *n) { return n && n->kind == NODE_LIST; }
static inline bool node_is_scalar(const struct node *n) { return n && n->kind == NODE_SCALAR; }
static inline bool node_is_null(const struct node *n) { return !n || n->kind == NODE_NULL; }

/* "compose.yaml:12:5: TEXT", then the source line and a caret; sets e->positioned. Returns -EINVAL. */
int node_err(struct err *e, const struct node *n, const char *fmt, ...) PRINTF(3, 4);
int pos_err(struct err *e, struct pos pos, const char *fmt, ...) PRINTF(3, 4);
