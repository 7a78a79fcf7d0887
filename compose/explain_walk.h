/* SPDX-License-Identifier: MIT
 *
 * compose/explain_walk.h - a path of `config --explain` -> the nodes it leads to
 *
 *   services.web.ports[0]   services.web.labels.com.example.x   services.web.labels["com.example.x"]
 *
 * Keys may hold dots: the longest key that fits is taken.
 */
#pragma once
#include "compose/node.h"
#include <stddef.h>

struct arena;
struct err;
struct trace;

struct explain_at {
	const char *path;
	const struct node *printed; /* what `config` prints there; NULL: nothing. At first the whole */
	const struct node *tree;    /* of the merged files; NULL: nobody wrote it. At first the whole */
	const struct node *key;     /* NULL: an item of a list, or not in the tree */
	const char *service, *section; /* of services.SERVICE.SECTION…; NULL: not below it */
	const char *name;           /* last key */
	size_t depth;               /* steps taken */
};
/* Goes along AT->path. -ENOENT: there is nothing, with what is near it, or with the `!reset` that took it out; -EINVAL: no path. */
int explain_walk(struct arena *a, const struct trace *trace, struct explain_at *at, struct err *e);
