/* SPDX-License-Identifier: MIT */
#include "compose/explain_walk.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "base/strv.h"
#include "compose/trace.h"
#include <errno.h>

enum { SEGMENT_MAX = 1024 };

struct walk {
	struct arena *arena;
	const struct trace *trace;
	struct explain_at *at;
};

/* Length of KEY at S when S goes on with a key, an index, or nothing; 0: something else. */
static size_t takes_key(const char *s, const char *key)
{
	const char *rest = str_after(s, key);

	return *key && rest && (!*rest || *rest == '.' || *rest == '[') ? strlen(key) : 0;
}

/* The longest key of MAP that S starts with: keys may hold dots. */
static const struct node *longest_key(const struct node *map, const char *s, const struct node *best)
{
	for (size_t i = 0; node_is_map(map) && i < map->n; i++)
		if (takes_key(s, map->keys[i]->text) > (best ? strlen(best->text) : 0))
			best = map->keys[i];
	return best;
}

/* Says that `!reset` took it out. */
static bool was_reset(const struct walk *x, const char *done, const char *key, struct err *e)
{
	auto_free char *path = xasprintf("%s%s%s", done, *done ? "." : "", key);

	for (size_t i = x->trace->drops.n; i-- > 0;) {
		const struct trace_drop *d = &x->trace->drops.v[i];

		if (!streq(d->path, path))
			continue;
		err_set(e, ENOENT, "nothing at '%s': !reset took it out, %s:%d:%d", x->at->path, d->at.src->path, d->at.line, d->at.col);
		if (d->was.src)
			err_hint(e, "it was at %s:%d:%d", d->was.src->path, d->was.line, d->was.col);
		return true;
	}
	return false;
}

static int no_key(const struct walk *x, const char *done, const char *s, size_t len, struct err *e)
{
	const struct node *maps[] = { x->at->printed, x->at->tree };
	auto_free char *wanted = xstrndup(s, MIN(len, (size_t)SEGMENT_MAX));
	const char *near;
	AUTO_STRV(names);

	for (size_t k = 0; k < ARRAY_LEN(maps); k++)
		for (size_t i = 0; node_is_map(maps[k]) && i < maps[k]->n; i++)
			strv_add_unique(&names, maps[k]->keys[i]->text);
	if (was_reset(x, done, wanted, e))
		return -ENOENT;
	near = str_nearest(wanted, names.v, names.n, sizeof *names.v);
	if (*done)
		err_set(e, ENOENT, "nothing at '%s': '%s' has no '%s'", x->at->path, done, wanted);
	else
		err_set(e, ENOENT, "nothing at '%s': the project has no '%s', and no variable has this name", x->at->path, wanted);
	if (near)
		err_hint(e, "did you mean '%s%s%s'?", done, *done ? "." : "", near);
	else if (names.n && names.n < 12) {
		auto_free char *all = strv_join(&names, ", ");

		err_hint(e, "there is: %s", all);
	}
	return -ENOENT;
}

/* What prints as JSON has a few keys with a capital letter (F_CAPITAL). */
static const struct node *either_case(const struct node *map, const char *key)
{
	auto_free char *other = xstrdup(key);
	const struct node *n = node_get(map, key);

	*other ^= (*other >= 'a' && *other <= 'z') || (*other >= 'A' && *other <= 'Z') ? 0x20 : 0;
	return n ? n : node_get(map, other);
}

static void enter(struct walk *x, const char *key)
{
	if (x->at->depth == 1)
		x->at->service = x->at->section = NULL;
	if (x->at->depth == 1 && streq0(x->at->name, "services"))
		x->at->service = key;
	if (x->at->depth == 2 && x->at->service)
		x->at->section = key;
	x->at->name = key;
	x->at->depth++;
	x->at->key = node_key(x->at->tree, key);
	x->at->tree = either_case(x->at->tree, key);
	x->at->printed = either_case(x->at->printed, key);
}

static int take_key(struct walk *x, const char *done, const char **s, struct err *e)
{
	const struct node *key = longest_key(x->at->tree, *s, longest_key(x->at->printed, *s, NULL));

	if (!key)
		return no_key(x, done, *s, strcspn(*s, ".["), e);
	*s += strlen(key->text);
	enter(x, key->text);
	return 0;
}

/* ["a key"] */
static int take_quoted(struct walk *x, const char *done, const char **s, struct err *e)
{
	char quote = (*s)[1];
	const char *start = *s + 2, *end = strchr(start, quote);
	const char *key;

	if (!end || end[1] != ']')
		return err_set(e, EINVAL, "'%s': %c] is missing", x->at->path, quote);
	key = arena_strndup(x->arena, start, (size_t)(end - start));
	if (!node_key(x->at->tree, key) && !node_key(x->at->printed, key))
		return no_key(x, done, key, strlen(key), e);
	*s = end + 2;
	enter(x, key);
	return 0;
}

/* Item of the merged list that is printed at I: normalizing may have put them into order. */
static const struct node *same_item(const struct node *tree, const struct node *printed, size_t i)
{
	if (!node_is_list(tree))
		return NULL;
	if (!node_is_scalar(printed))
		return i < tree->n ? tree->items[i] : NULL;
	if (i < tree->n && node_is_scalar(tree->items[i]) && streq(tree->items[i]->text, printed->text))
		return tree->items[i];
	for (size_t k = 0; k < tree->n; k++)
		if (node_is_scalar(tree->items[k]) && streq(tree->items[k]->text, printed->text))
			return tree->items[k];
	return i < tree->n && tree->items[i]->kind == NODE_SCALAR ? tree->items[i] : NULL;
}

static int take_index(struct walk *x, const char *done, const char **s, struct err *e)
{
	const struct node *list = x->at->printed ? x->at->printed : x->at->tree;
	const char *end = strchr(*s, ']');
	auto_free char *digits = end ? xstrndup(*s + 1, (size_t)(end - *s - 1)) : NULL;
	AUTO_ERR(scratch);
	uint64_t i;

	if (!end || num_uint(digits, UINT32_MAX, &i, &scratch) < 0)
		return err_set(e, EINVAL, "'%s': an item of a list is [0], [1], …", x->at->path);
	if (!node_is_list(list))
		return err_set(e, ENOENT, "nothing at '%s': '%s' is a %s, not a list", x->at->path, done, node_kind_name(list));
	if (i >= list->n) {
		err_set(e, ENOENT, "nothing at '%s': '%s' has %u item%s", x->at->path, done, list->n, list->n == 1 ? "" : "s");
		if (list->n)
			err_hint(e, "the last one is '%s[%u]'", done, list->n - 1);
		return -ENOENT;
	}
	x->at->printed = x->at->printed ? x->at->printed->items[i] : NULL;
	x->at->tree = x->at->printed ? same_item(x->at->tree, x->at->printed, i) : x->at->tree->items[i];
	x->at->key = NULL;
	x->at->depth++;
	*s = end + 1;
	return 0;
}

int explain_walk(struct arena *a, const struct trace *trace, struct explain_at *at, struct err *e)
{
	struct walk walk = { a, trace, at }, *x = &walk;
	const char *path = at->path, *s = path;

	while (*s) {
		auto_free char *done = xstrndup(path, (size_t)(s - path));

		if (*s == '[' && (s[1] == '"' || s[1] == '\'')) {
			TRY(take_quoted(x, done, &s, e));
		} else if (*s == '[') {
			TRY(take_index(x, done, &s, e));
		} else {
			s += *s == '.' && s > path;
			TRY(take_key(x, done, &s, e));
		}
	}
	return 0;
}
