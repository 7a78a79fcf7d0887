/* SPDX-License-Identifier: MIT
 *
 * compose/graph.c - orders services by what they depend on
 *
 * An edge to a service that is not there or is disabled does not order anything: validate.c says whether it may be missing.
 */
#include "compose/graph.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include <errno.h>

enum mark { UNSEEN, OPEN, DONE };

struct walk {
	const struct project *p;
	enum mark *marks;
	size_t *stack, *edge; /* services on the way down, and which of their edges is next */
	size_t depth;
	struct service **order;
	size_t n;
};

static size_t index_of(const struct project *p, const struct service *s)
{
	return (size_t)(s - p->services.v);
}

static int cycle(const struct walk *w, size_t again, const struct dependency *d, struct err *e)
{
	AUTO_STR(chain, 4096);
	size_t from = 0;

	while (w->stack[from] != again)
		from++;
	for (; from < w->depth; from++)
		str_addf(&chain, "%s -> ", w->p->services.v[w->stack[from]].name);
	str_add(&chain, w->p->services.v[again].name);
	return pos_err(e, d->node ? d->node->pos : w->p->services.v[w->stack[w->depth - 1]].node->pos, "dependency cycle detected: %s",
		       chain.s);
}

/* Depth first without recursion: a file may hold a chain of any length. */
static int visit(struct walk *w, size_t start, struct err *e)
{
	w->stack[0] = start;
	w->edge[0] = 0;
	w->depth = 1;
	w->marks[start] = OPEN;
	while (w->depth) {
		size_t at = w->stack[w->depth - 1];
		struct service *s = &w->p->services.v[at];
		const struct dependency *d;
		const struct service *to;
		size_t i;

		if (w->edge[w->depth - 1] == s->depends_on.n) {
			w->marks[at] = DONE;
			w->order[w->n++] = s;
			w->depth--;
			continue;
		}
		d = &s->depends_on.v[w->edge[w->depth - 1]++];
		to = project_service(w->p, d->name);
		if (!to || to->disabled)
			continue;
		i = index_of(w->p, to);
		if (w->marks[i] == OPEN)
			return cycle(w, i, d, e);
		if (w->marks[i] == DONE)
			continue;
		w->marks[i] = OPEN;
		w->stack[w->depth] = i;
		w->edge[w->depth++] = 0;
	}
	return 0;
}

int graph_order(const struct project *p, struct service ***ret_order, struct err *e)
{
	size_t n = p->services.n ? p->services.n : 1;
	struct walk w = {
		.p = p,
		.marks = arena_alloc(p->arena, n * sizeof(enum mark)),
		.stack = arena_alloc(p->arena, n * sizeof(size_t)),
		.edge = arena_alloc(p->arena, n * sizeof(size_t)),
		.order = arena_alloc(p->arena, n * sizeof(struct service *)),
	};

	for (int disabled = 0; disabled < 2; disabled++) {
		for (size_t i = 0; i < p->services.n; i++) {
			if (w.marks[i] != UNSEEN || p->services.v[i].disabled != disabled)
				continue;
			if (!disabled) {
				TRY(visit(&w, i, e));
				continue;
			}
			w.marks[i] = DONE;
			w.order[w.n++] = &p->services.v[i];
		}
	}
	*ret_order = w.order;
	return 0;
}

void graph_mark(const struct project *p, size_t start, bool deps, bool *keep)
{
	auto_free size_t *todo = NULL;
	size_t n = 0;

	if (keep[start])
		return;
	keep[start] = true;
	if (!deps)
		return;
	todo = xreallocarray(NULL, p->services.n + 1, sizeof(*todo));
	todo[n++] = start;
	while (n) {
		const struct service *s = &p->services.v[todo[--n]];

		for (size_t i = 0; i < s->depends_on.n; i++) {
			const struct service *to = project_service(p, s->depends_on.v[i].name);

			if (!to || to->disabled || keep[index_of(p, to)])
				continue;
			keep[index_of(p, to)] = true;
			todo[n++] = index_of(p, to);
		}
	}
}

struct service **graph_dependents(const struct project *p, const struct service *s)
{
	struct service **v = arena_alloc(p->arena, (p->services.n + 1) * sizeof(struct service *));
	size_t n = 0;

	for (size_t i = 0; i < p->services.n; i++) {
		struct service *other = &p->services.v[i];
		bool needs = false;

		for (size_t j = 0; j < other->depends_on.n && !needs; j++)
			needs = streq(other->depends_on.v[j].name, s->name);
		if (needs && !other->disabled)
			v[n++] = other;
	}
	return v;
}
