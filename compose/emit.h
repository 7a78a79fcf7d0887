/* SPDX-License-Identifier: MIT
 *
 * compose/emit.h - project -> canonical YAML or JSON, as `docker compose config` prints it; loads again to the same project
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct node;
struct project;
struct str;

enum emit_format { EMIT_YAML, EMIT_JSON };
/* Writes to OUT. Every `$` of the values is doubled when ESCAPE, so that the output can be loaded again. Only active services and
 * used resources. */
void emit_project(const struct project *p, enum emit_format format, bool escape, struct str *out);
/* As emit_project, but what has been written goes to SINK piece by piece, so that a large project is not held as text too. The last piece
 * stays in OUT. */
struct emit_sink {
	void (*write)(void *arg, const char *s, size_t n);
	void *arg;
};
void emit_project_through(const struct project *p, enum emit_format format, bool escape, const struct emit_sink *sink, struct str *out);
/* A tree as it is, keys sorted (--no-interpolate). */
void emit_tree(const struct node *tree, enum emit_format format, struct str *out);

/* ---- the emitter that fields write to ---- */

enum { EMIT_DEPTH = 1000 }; /* what is deeper is left out; trees are not (yaml.h) */
struct emitter {
	struct arena *arena;    /* scratch */
	struct str *out;
	const struct emit_sink *sink; /* NULL: all stays in out */
	bool begun;             /* the sink has got something */
	enum emit_format format;
	bool escape;            /* `$` -> `$$` */
	bool null_lists;        /* empty lists of x-* are null, as docker compose's */
	bool compact;           /* JSON without blanks: for hashes */
	unsigned only;          /* rows with one of these flags (field.h); 0: all */
	const char *key;        /* of the value that comes next, in a map */
	bool capital;           /* with a capital letter */
	int depth;
	unsigned char level[EMIT_DEPTH];
};
void emit_init(struct emitter *x, struct arena *a, struct str *out, enum emit_format format);
/* Names the next value. A key that no value follows is forgotten. */
void emit_key(struct emitter *x, const char *key);
void emit_key_as(struct emitter *x, const char *key, bool capital);
void emit_map(struct emitter *x);      /* opens; emit_key + value …; emit_end closes */
void emit_list(struct emitter *x);
void emit_end(struct emitter *x);
void emit_str(struct emitter *x, const char *s);
void emit_int(struct emitter *x, int64_t v);
void emit_double(struct emitter *x, double v, bool single /* float32 precision */);
void emit_bool(struct emitter *x, bool v);
void emit_null(struct emitter *x);
void emit_node(struct emitter *x, const struct node *n); /* keys sorted */
void emit_members(struct emitter *x, const struct node *map); /* its keys, into the map that is open */
/* The order in which N objects are written whose names (const char *) lie SIZE bytes apart: indexes, or NULL when they are in order.
 * Caller frees. */
size_t *emit_order(const struct emitter *x, const void *names, size_t n, size_t size);

/* Between emit.c and emit_yaml.c: text as it is but for doubled dollars; a new line with the indent of LEVELS; a string or key. */
void emit_raw(struct emitter *x, const char *s, size_t n);
void emit_newline(struct emitter *x, int levels);
void emit_yaml_string(struct emitter *x, const char *s, bool key);
/* Bytes of the character at S when it may stand in YAML as it is; 0: it may not (control bytes, line separators, broken UTF-8, beyond
 * the basic plane). */
size_t emit_printable(const char *s);
