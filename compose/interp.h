/* SPDX-License-Identifier: MIT
 *
 * compose/interp.h - ${VAR}, ${VAR:-x}, ${VAR:?m}, ${VAR:+x}, $$ (compose.md §22)
 *
 * What is used only when it is needed is expanded only then: ${A:-${B:?}} with A set does not ask for B. Values of variables are
 * never expanded again.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct err;
struct map;
struct node;
struct notes;

enum {
	INTERP_MAX_DEPTH = 100,         /* ${A:-${B:-… */
	INTERP_MAX_TOTAL = 64 << 20,    /* bytes that one struct interp may produce */
	INTERP_MAX_ERRORS = 10,
};

struct interp {
	const char *(*lookup)(void *arg, const char *name); /* NULL: not set */
	void (*unset)(void *arg, const char *name);         /* a $V or ${V} that is not set; NULL: nobody asks */
	void *arg;
	struct arena *arena;                                /* of the results */
	size_t total;                                       /* internal: bytes so far */
	struct map *told;                                   /* interp_tree: names that were noted, NULL: note each time */
};

/* TEXT with all variables replaced: TEXT itself when it has no `$`, or a string in the arena.
 * -EBADMSG: not a template; the error's text is just the wrong part of it, the caller makes the sentence.
 * Otherwise the text is the sentence ("required variable V is missing a value: m"). */
int interp_text(struct interp *x, const char *text, const char **ret, struct err *e);

/* Replaces all strings of TREE (values, never keys) in place. Unset variables are noted, each name once per x->told (NOTES NULL: not
 * at all). The error names up to INTERP_MAX_ERRORS wrong places. */
int interp_tree(struct interp *x, struct node *tree, struct notes *notes, struct err *e);

/* Calls FN for every variable that TEXT names, nested ones too. KIND: '?', '-', '+', or 0; TEXT2: what follows it (message, default,
 * alternate), NULL when KIND is 0. Broken templates are passed over. */
typedef void interp_each_fn(void *arg, const char *name, char kind, const char *operand);
void interp_each(struct arena *a, const char *text, interp_each_fn *fn, void *arg);
