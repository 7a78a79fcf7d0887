/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"
#include "base/arena.h"
#include "base/err.h"
#include "compose/node.h"
#include "compose/reset.h"
#include "compose/yaml.h"
#include <string.h>

static void check(const struct node *n)
{
	BUG_ON(n->kind == NODE_SCALAR && !n->text);
	for (size_t i = 0; i < n->n; i++) {
		BUG_ON(n->kind == NODE_MAP && node_get(n, n->keys[i]->text) != n->items[i]);
		check(n->items[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_free) struct arena *a = arena_new();
	char *text = arena_alloc(a, size + 1);
	struct source src = { .path = "f.yaml", .dir = "/", .text = text, .len = size };
	struct yaml_docs docs;
	AUTO_ERR(e);

	memcpy(text, data, size);
	if (yaml_parse(a, &src, &docs, &e) < 0) {
		BUG_ON(!*err_text(&e));
		return 0;
	}
	for (size_t i = 0; i < docs.n; i++) {
		struct node *copy = node_copy(a, docs.v[i]);
		struct resets resets = { 0 };

		check(docs.v[i]);
		BUG_ON(!node_equal(copy, docs.v[i]));
		reset_take(a, copy, &resets);
		reset_apply(&resets, copy, NULL);
		check(copy);
	}
	return 0;
}
