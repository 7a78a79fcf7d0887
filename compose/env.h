/* SPDX-License-Identifier: MIT
 *
 * compose/env.h - the loading environment: variables of the process, then what env files add
 */
#pragma once
#include "base/auto.h"
#include "base/map.h"
#include "base/strv.h"
#include "compose/trace.h"
#include <stdbool.h>

struct arena;
struct err;
struct notes;

/* Who sets what is remembered in TRACE (trace.h; NULL: nobody asks) under LAYER. */
struct env_trace {
	struct trace *trace;
	enum trace_layer layer;
};

/* "K=V" strings -> a map in the arena, for reading only. */
const struct map *env_of(struct arena *a, char *const *vars);
/* BASE under what FILES set: BASE wins, of the files the later one. References in them see BASE first (compose.md §21). GIVEN: the
 * user named them. */
int env_with_files(struct arena *a, const struct map *base, const struct strv *files, bool given, struct notes *notes,
		   const struct env_trace *trace, const struct map **ret, struct err *e);
/* BASE with KEY set to VALUE. */
const struct map *env_with(struct arena *a, const struct map *base, const char *key, const char *value);
/* Adds a warning without a position. */
void env_warn(struct arena *a, struct notes *notes, const char *text);
