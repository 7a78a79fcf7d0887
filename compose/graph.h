/* SPDX-License-Identifier: MIT
 *
 * compose/graph.h - who must start before whom: depends_on with the implied edges (links, namespaces, volumes_from)
 */
#pragma once
#include "compose/project.h"

/* Order in which services can start, dependencies first, ties by name; *ret_order has p->services.n entries (disabled ones last),
 * in the arena. A cycle is an error: "dependency cycle detected: a -> b -> a". */
int graph_order(const struct project *p, struct service ***ret_order, struct err *e);
/* Sets KEEP[i] for p->services.v[i] and, when DEPS, for all it needs, transitively. I is an index of p->services. */
void graph_mark(const struct project *p, size_t i, bool deps, bool *keep);
/* The services that need S directly. In the arena, NULL-terminated. */
struct service **graph_dependents(const struct project *p, const struct service *s);
