/* SPDX-License-Identifier: MIT
 *
 * compose/trace.h - what a load remembers on request, so that `config --explain` can say where a value came from
 *
 * A node knows its position already; a trace holds what the pipeline would forget: which value another one replaced, the text before
 * its variables were replaced, which file is of which layer, what `extends` brought, and which file set a variable. Positions are the
 * keys: they survive copies and merges, nodes do not. Ordinary loads have no trace (NULL), and pay one comparison a merge for that.
 *
 * Everything is in the arena of the load. All trace_* take NULL for "nobody asks".
 */
#pragma once
#include "base/auto.h"
#include "compose/dotenv.h"
#include "compose/node.h"
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct map;

enum trace_layer {
	LAYER_DEFAULT,  /* nobody wrote it: the language says so */
	LAYER_FILE,     /* the first compose file */
	LAYER_OVERRIDE, /* a later one */
	LAYER_INCLUDE,
	LAYER_EXTENDS,
	LAYER_ENV_FILE, /* `env_file:` of a service, of an include entry */
	LAYER_SHELL,    /* the process's environment */
	LAYER_DOTENV,   /* .env of the project */
	LAYER_GIVEN,    /* --env-file, COMPOSE_ENV_FILES */
	LAYER_PROJECT,  /* set by us: COMPOSE_PROJECT_NAME */
};
const char *trace_layer_name(int layer);

/* A value and the one that replaced it. */
struct trace_over {
	struct pos was_at, now_at;
	const struct node *was;
};
/* A string with variables, as it was written. */
struct trace_text {
	struct pos at;
	const char *text;
	const struct map *env; /* that its variables come from */
};
struct trace_source {
	const struct source *src;
	enum trace_layer layer;
	struct pos at;         /* of the `include` or `extends` that named it */
};
/* SERVICE has everything in BASE from another service. */
struct trace_base {
	const char *service, *base;
	struct pos at;             /* of `extends` */
	const struct node *body;   /* of the base: a copy */
};
/* A variable of an environment, or where one environment was built on another one. */
struct trace_env {
	const struct map *env;  /* the result */
	const struct map *base; /* NULL: the shell's */
	const char *path;       /* of the file; NULL: trace_var alone */
	enum trace_layer layer;
	struct dotenv_vars vars;
};
/* `!reset` took out what was at PATH. */
struct trace_drop {
	const char *path;
	struct pos at, was;
};
#define TRACE_LIST(type)                                                                           \
	struct {                                                                                   \
		type *v;                                                                           \
		size_t n, cap;                                                                     \
	}
/* Appends a value to the list L, which is ARENA's. */
#define TRACE_ADD(arena, l, ...)                                                                   \
	do {                                                                                       \
		if ((l).n == (l).cap)                                                              \
			arena_grow(arena, &(l).v, (l).n, &(l).cap, sizeof *(l).v);                 \
		(l).v[(l).n++] = __VA_ARGS__;                                                      \
	} while (0)
struct trace {
	struct arena *arena;
	TRACE_LIST(struct trace_over) overs;
	TRACE_LIST(struct trace_text) texts;
	TRACE_LIST(struct trace_source) sources;
	TRACE_LIST(struct trace_base) bases;
	TRACE_LIST(struct trace_env) envs;
	TRACE_LIST(struct trace_drop) drops;
	const char *name_from;       /* of the project; NULL: `name:` of a file */
	const struct map *given_env; /* before COMPOSE_PROJECT_NAME was set to it */
};

/* NOW takes the place of WAS (NULL: nothing was there). */
void trace_over(struct trace *t, const struct node *was, const struct node *now);
/* `!reset` NOW takes WAS (NULL: nothing was there) out at the keys KEYS[0..N). */
void trace_drop(struct trace *t, const char *const *keys, size_t n, const struct node *was, const struct node *now);
/* Remembers the strings of TREE that hold a `$`. To be called before they are replaced. */
void trace_texts(struct trace *t, const struct node *tree, const struct map *env);
void trace_source(struct trace *t, const struct source *src, enum trace_layer layer, const struct node *at);
void trace_base(struct trace *t, const char *service, const char *base, const struct node *at, const struct node *body);
/* ENV is BASE under what PATH sets; several files in a row are told one by one. */
void trace_env(struct trace *t, const struct map *env, const struct map *base, enum trace_layer layer, const char *path,
	       const struct dotenv_vars *vars);

/* The source's layer, NULL: not a file of this load. */
const struct trace_source *trace_source_of(const struct trace *t, const struct source *src);
