/* SPDX-License-Identifier: MIT
 *
 * compose/yaml.h - YAML text -> trees with positions
 *
 * Scalars resolve as go-yaml v3 resolves them (YAML 1.2 booleans, 1.1 octals, timestamps; compose.md §29). The text of a node
 * is the value's canonical form, so that who wants a string needs no more:
 *   SCALAR_INT    decimal: 0440 -> "288", 0x1F -> "31", 1_000 -> "1000"
 *   SCALAR_FLOAT  Go's %v: 1.10 -> "1.1", 1e6 -> "1e+06", .inf -> "+Inf", .nan -> "NaN"
 *   SCALAR_BOOL   "true", "false"
 *   SCALAR_TIME   Go's time.String(): "2020-01-01 00:00:00 +0000 UTC"
 * Aliases are copied (positions are those of the anchor), `<<` is merged, keys are strings and unique.
 */
#pragma once
#include "base/auto.h"
#include "compose/node.h"
#include <stddef.h>

struct arena;
struct err;

/* What bounds a hostile file: bytes, nesting (aliases expanded), and nodes that aliases add beside those in the text. */
enum {
	YAML_MAX_BYTES = 32 << 20,
	YAML_MAX_DEPTH = 1000,
	YAML_MAX_NODES = 4 << 20,
	YAML_MAX_ALIASED = 200000, /* plus ten for each node in the text */
};

struct yaml_docs {
	struct node **v; /* the documents in order; an empty one is a NODE_NULL; a file without any: n is 0 */
	size_t n;
};
/* Parses SRC (kept by reference in positions; UTF-8, UTF-16 with a byte order mark). */
int yaml_parse(struct arena *a, const struct source *src, struct yaml_docs *ret, struct err *e);

/* How go-yaml resolves a plain scalar: its type, and its canonical text in *RET_TEXT (in the arena, or S itself). */
enum yaml_plain { YAML_NULL, YAML_STR, YAML_BOOL, YAML_INT, YAML_FLOAT, YAML_TIME };
enum yaml_plain yaml_resolve(struct arena *a, const char *s, const char **ret_text);
/* Go's %v of a float64, in the arena. */
const char *yaml_float_text(struct arena *a, double v);
