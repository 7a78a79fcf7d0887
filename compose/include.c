/* SPDX-License-Identifier: MIT
 *
 * `include` (compose.md §24): each entry is a unit of its own, with its own directory and its own variables under ours. What it
 * brings is the base of what the including file says about the same thing.
 */
#include "compose/unit.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/path.h"
#include "base/str.h"
#include "compose/env.h"
#include "compose/normalize.h"
#include "compose/trace.h"
#include <errno.h>
#include <sys/stat.h>

struct entry {
	const struct node *node;
	const struct node *path, *env_file;   /* string or list */
	const struct node *project_directory; /* string */
};

static int string_or_list(const struct node *n, const char *what, struct err *e)
{
	if (node_is_scalar(n) && n->type == SCALAR_STR)
		return 0;
	if (!node_is_list(n))
		return node_err(e, n, "include: '%s' must be a string or a list, not a %s", what, node_kind_name(n));
	for (size_t i = 0; i < n->n; i++)
		if (!node_is_scalar(n->items[i]) || n->items[i]->type != SCALAR_STR)
			return node_err(e, n->items[i], "include: '%s' must hold strings, not a %s", what,
					node_kind_name(n->items[i]));
	return 0;
}

/* docker compose passes over what it does not know here, so this is only said. */
static void unknown_key(struct fctx *c, const struct node *key)
{
	static const char *const keys[] = { "path", "project_directory", "env_file" };
	const char *near = str_nearest(key->text, keys, ARRAY_LEN(keys), sizeof *keys);

	if (near)
		field_warn(c, key, "include: unknown key '%s' is ignored, did you mean '%s'?", key->text, near);
	else
		field_warn(c, key, "include: unknown key '%s' is ignored", key->text);
}

static int entry_key(struct fctx *c, struct entry *x, const struct node *key, const struct node *value, struct err *e)
{
	if (streq(key->text, "path")) {
		x->path = value;
		return string_or_list(value, "path", e);
	}
	if (streq(key->text, "env_file")) {
		x->env_file = value;
		return string_or_list(value, "env_file", e);
	}
	if (!streq(key->text, "project_directory")) {
		unknown_key(c, key);
		return 0;
	}
	if (!node_is_scalar(value))
		return node_err(e, value, "include: 'project_directory' must be a string, not a %s",
				node_kind_name(value));
	x->project_directory = value;
	return 0;
}

/* 1: nothing to include. */
static int read_entry(struct fctx *c, const struct node *n, struct entry *ret, struct err *e)
{
	struct entry x = { .node = n };

	if (node_is_scalar(n) && n->type == SCALAR_STR) {
		x.path = n;
	} else if (node_is_map(n)) {
		for (size_t i = 0; i < n->n; i++)
			TRY(entry_key(c, &x, n->keys[i], n->items[i], e));
	} else {
		return node_err(e, n, "include: an entry must be a path or a mapping, not a %s", node_kind_name(n));
	}
	*ret = x;
	if (x.path && (x.path->kind == NODE_SCALAR || x.path->n))
		return 0;
	field_warn(c, n, "include: an entry without a 'path' includes nothing");
	return 1;
}

/* Item I of a string or list, NULL behind the end. */
static const struct node *item_at(const struct node *n, size_t i)
{
	if (!n || n->kind == NODE_SCALAR)
		return i == 0 ? n : NULL;
	return i < n->n ? n->items[i] : NULL;
}

/* ---- variables ---- */

static int check_env_file(const struct node *n, const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		int code = errno;

		node_err(e, n, "stat %s: %s", path, strerror(code));
		e->code = code;
		return -code;
	}
	return S_ISDIR(st.st_mode) ? node_err(e, n, "%s is not a file", path) : 0;
}

/* DIR: the project directory as it is named, also when there is none. */
static int entry_env(const struct unit *u, const struct entry *x, const char *dir, const struct map **ret,
		     struct err *e)
{
	struct arena *a = u->shared->arena;
	const char *path;
	struct stat st;
	const bool own = item_at(x->env_file, 0) != NULL; /* an empty list says nothing */
	struct env_trace trace = { u->shared->trace, own ? LAYER_ENV_FILE : LAYER_DOTENV };
	AUTO_STRV(files);

	for (size_t i = 0; item_at(x->env_file, i); i++) {
		path = unit_join(a, u->dir, item_at(x->env_file, i)->text);
		TRY(check_env_file(item_at(x->env_file, i), path, e));
		strv_add(&files, path);
	}
	if (!own) {
		path = unit_join(a, dir, ".env");
		if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
			strv_add(&files, path);
	}
	if (files.n == 0) {
		*ret = u->env;
		return 0;
	}
	return env_with_files(a, u->env, &files, false, u->shared->notes, &trace, ret, e);
}

/* ---- loading ---- */

static int check_cycle(const struct node *n, const char *path, const struct unit_chain *chain, struct err *e)
{
	const struct unit_chain *seen = chain;
	AUTO_STRV(names);
	AUTO_STR(text, ERR_TEXT / 2);

	while (seen && !streq(seen->path, path))
		seen = seen->up;
	if (!seen)
		return chain->depth < UNIT_MAX_DEPTH ?
			       0 :
			       node_err(e, n, "files include each other more than %d deep", UNIT_MAX_DEPTH);
	for (const struct unit_chain *c = chain; c; c = c->up)
		strv_add(&names, c->path);
	for (size_t i = names.n; i-- > 0;)
		str_addf(&text, "%s%s", i + 1 < names.n ? "\n include " : "", names.v[i]);
	return node_err(e, n, "include cycle detected:\n%s\n include %s", text.s, path);
}

static int check_remote(const struct node *n, struct err *e)
{
	if (!strstr(n->text, "://") && !str_starts(n->text, "git@") && !str_starts(n->text, "oci:"))
		return 0;
	node_err(e, n, "'%s' is a remote resource, which gantry does not fetch", n->text);
	err_hint(e, "clone it, and include the file by its path");
	return -EINVAL;
}

/* Where the paths in X start from: a project directory DIR that is no folder stands for the one it would be in, as with docker compose. */
static const char *paths_dir(struct unit *u, const struct entry *x, const char *dir)
{
	struct arena *a = u->shared->arena;
	struct fctx c = unit_fctx(u);
	auto_free char *parent = NULL;
	struct stat st;

	if (!x->project_directory || (stat(dir, &st) == 0 && S_ISDIR(st.st_mode)))
		return dir;
	parent = path_parent(dir);
	field_warn(&c, x->project_directory, "include: the project directory '%s' is no folder: its paths start from %s", x->project_directory->text, parent);
	return arena_strdup(a, parent);
}

/* *RET is NULL for a file with nothing in it. */
static int load_entry(struct unit *u, const struct unit_chain *chain, const struct entry *x, struct node **ret,
		      struct err *e)
{
	struct arena *a = u->shared->arena;
	const char *main = unit_join(a, u->dir, item_at(x->path, 0)->text);
	auto_free char *parent = path_parent(main);
	struct unit sub = { .shared = u->shared, .chain = chain };
	struct fctx c;

	TRY(check_remote(item_at(x->path, 0), e));
	TRY(check_cycle(x->node, main, chain, e));
	sub.dir = x->project_directory ? unit_join(a, u->dir, x->project_directory->text) : arena_strdup(a, parent);
	TRY(entry_env(u, x, sub.dir, &sub.env, e));
	sub.dir = paths_dir(u, x, sub.dir);
	for (size_t i = 0; item_at(x->path, i); i++) {
		const char *path = unit_join(a, u->dir, item_at(x->path, i)->text);
		struct unit_file f;

		TRY(unit_read(&sub, path, item_at(x->path, i), &f, e));
		trace_source(u->shared->trace, f.src, LAYER_INCLUDE, item_at(x->path, i));
		TRY(unit_add(&sub, &f, e));
	}
	*ret = sub.tree;
	if (!sub.tree)
		return 0;
	c = unit_fctx(&sub);
	TRY(normalize_tree(&c, sub.tree, e));
	c.dir = unit_path_dir(u, sub.dir);
	return fields_paths(&c, project_fields, sub.tree, e);
}

/* Only what can be used from outside: not its name, not its x-*. */
static struct node *resources_of(struct arena *a, const struct node *tree)
{
	static const char *const sections[] = { "services", "volumes", "networks", "secrets", "configs", "models" };
	struct node *r = node_map(a, tree->pos);

	for (size_t i = 0; i < ARRAY_LEN(sections); i++)
		if (node_is_map(node_get(tree, sections[i])))
			node_set_key(a, r, node_key(tree, sections[i]), node_get(tree, sections[i]));
	return r;
}

int include_apply(struct unit *u, const struct unit_chain *chain, const struct resets *resets, struct node **doc,
		  struct err *e)
{
	const struct node *list = node_get(*doc, "include");
	struct fctx c = unit_fctx(u);

	if (!list)
		return 0;
	if (list->kind != NODE_LIST && list->kind != NODE_NULL) {
		(void)node_err(e, list, "`include` must be a list, got %s", node_is_scalar(list) ? list->text : node_kind_name(list));
		if (node_is_scalar(list))
			err_hint(e, "write include: [%s]", list->text);
		return -EINVAL;
	}
	for (size_t i = 0; i < list->n; i++) {
		struct node *tree, *base;
		int r;
		struct entry x = { 0 };

		r = read_entry(&c, list->items[i], &x, e);
		TRY(r);
		if (r > 0)
			continue;
		TRY(load_entry(u, chain, &x, &tree, e));
		if (!tree)
			continue;
		base = resources_of(u->shared->arena, tree);
		reset_apply(resets, base, u->shared->trace);
		TRY(fields_merge(&c, project_fields, base, *doc, e));
		*doc = base;
	}
	node_remove(*doc, "include");
	return 0;
}
