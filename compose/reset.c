/* SPDX-License-Identifier: MIT */
#include "compose/reset.h"
#include "base/arena.h"
#include "compose/trace.h"

struct level {
	const struct level *up;
	const char *key; /* NULL: item of a list */
	size_t depth;
};

static void remember(struct arena *a, struct resets *r, const struct level *at, const struct node *n)
{
	struct reset_path p = { .n = at->depth, .node = n };

	p.keys = arena_alloc(a, (p.n + 1) * sizeof *p.keys);
	for (; at; at = at->up) {
		if (!at->key)
			return; /* no path of a later tree goes through this item */
		p.keys[at->depth - 1] = at->key;
	}
	if (r->n == r->cap)
		arena_grow(a, &r->v, r->n, &r->cap, sizeof *r->v);
	r->v[r->n++] = p;
}

static void take(struct arena *a, struct node *n, const struct level *up, struct resets *r)
{
	uint32_t kept = 0;

	if (n->kind != NODE_MAP && n->kind != NODE_LIST)
		return;
	for (size_t i = 0; i < n->n; i++) {
		struct node *child = n->items[i];
		struct level at = { up, n->kind == NODE_MAP ? n->keys[i]->text : NULL, up ? up->depth + 1 : 1 };

		if (child->tag != TAG_NONE)
			remember(a, r, &at, child);
		if (child->tag == TAG_RESET)
			continue;
		take(a, child, &at, r);
		n->items[kept] = child;
		if (n->kind == NODE_MAP)
			n->keys[kept] = n->keys[i];
		kept++;
	}
	if (kept == n->n)
		return;
	n->n = kept;
	n->index = NULL; /* places have changed */
}

void reset_take(struct arena *a, struct node *tree, struct resets *ret)
{
	take(a, tree, NULL, ret);
}

static void delete_at(struct node *tree, const struct reset_path *p, size_t from, struct trace *t)
{
	const struct node *was;

	if (from >= p->n)
		return;
	for (; tree && from + 1 < p->n; from++)
		tree = node_get(tree, p->keys[from]);
	if (!node_is_map(tree))
		return;
	was = node_get(tree, p->keys[from]);
	trace_over(t, was, p->node);
	trace_drop(t, p->keys, p->n, was, p->node);
	node_remove(tree, p->keys[from]);
}

void reset_apply(const struct resets *r, struct node *tree, struct trace *t)
{
	for (size_t i = 0; i < r->n; i++)
		delete_at(tree, &r->v[i], 0, t);
}

void reset_apply_service(const struct resets *r, const char *name, struct node *body, struct trace *t)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct reset_path *p = &r->v[i];

		if (p->n > 2 && streq(p->keys[0], "services") && streq(p->keys[1], name))
			delete_at(body, p, 2, t);
	}
}
