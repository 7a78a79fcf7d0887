/* SPDX-License-Identifier: MIT
 *
 * compose/reset.h - `!reset` and `!override` (compose.md §30): each names a path, and what an earlier file says there goes away
 */
#pragma once
#include "base/auto.h"
#include "compose/node.h"
#include <stddef.h>

struct arena;
struct trace;
struct reset_path {
	const char **keys; /* n of them; list items have none: they only vanish from their own document */
	size_t n;
	const struct node *node; /* that the tag is on */
};
struct resets {
	struct reset_path *v;
	size_t n, cap;
};
/* Cuts the `!reset` nodes out of TREE (a document as it was read) and remembers the paths of both tags. */
void reset_take(struct arena *a, struct node *tree, struct resets *ret);
/* Deletes from TREE what the paths name; T (trace.h) remembers it, NULL: nobody asks. */
void reset_apply(const struct resets *r, struct node *tree, struct trace *t);
/* The same for one service's body, with the paths below services.NAME. */
void reset_apply_service(const struct resets *r, const char *name, struct node *body, struct trace *t);
