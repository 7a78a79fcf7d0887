/* SPDX-License-Identifier: MIT
 *
 * compose/ftypes_pairs.c - names to texts: environment, labels, options, contexts
 *
 * The long form of "list of K=V or mapping" is the mapping.
 */
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/str.h"
#include "compose/emit.h"
#include "compose/faults.h"
#include "compose/ftypes.h"
#include "compose/trace.h"
#include <errno.h>
#include <stdlib.h>

/* ---- names to texts ---- */

static bool keeps_null(const struct field *f)
{
	return f->type == &ft_env || f->type == &ft_args;
}

const char *options_kinds(const struct field *f)
{
	return f->detail ? f->detail : "string number";
}

static struct node *value_text(struct fctx *c, const struct node *v, bool keep_null)
{
	if (node_is_null(v))
		return keep_null ? (struct node *)(uintptr_t)v : field_str_at(c, v, "");
	return v->type == SCALAR_STR ? (struct node *)(uintptr_t)v : field_str_at(c, v, v->text);
}

/* What docker compose's schema lets an option be; an interpolated value is always a string. */
static int check_option(struct fctx *c, const struct field *f, const struct node *v, struct err *e)
{
	const char *kinds = options_kinds(f);

	if (node_is_null(v) ? strstr(kinds, "null") != NULL :
	    v->type == SCALAR_INT || v->type == SCALAR_FLOAT ? strstr(kinds, "number") != NULL : v->type != SCALAR_BOOL)
		return 0;
	(void)field_type_err(c, v, strstr(kinds, "number") ? "string or number" : "string", e);
	if (node_is_scalar(v))
		err_hint(e, "put it in quotes");
	return -EINVAL;
}

/* One "K=V" or "K" of a list. */
static int pair_canon(struct fctx *c, const struct field *f, struct node *m, const struct node *item, struct err *e)
{
	const char *s = item->text, *eq;
	bool env = f->type == &ft_env;
	struct node *key, *value;

	if (!node_is_scalar(item) || item->type != SCALAR_STR) {
		(void)field_type_err(c, item, "string", e);
		if (node_is_map(item) && item->n == 1 && node_is_scalar(item->items[0]))
			err_hint(e, "write %s=VALUE, or leave out the '- ' of all lines", item->keys[0]->text);
		else if (node_is_scalar(item))
			err_hint(e, "write KEY=VALUE");
		return -EINVAL;
	}
	eq = strchr(s, '=');
	if (!eq && f->type == &ft_contexts)
		return field_err(c, item, e, "invalid value '%s', expected key=value", s);
	if (!eq && f->type == &ft_ssh && !streq(s, "default"))
		return field_err(c, item, e, "invalid ssh key '%s', expected default or id=path", s);
	key = field_str_at(c, item, eq ? arena_strndup(c->arena, s, (size_t)(eq - s)) : s);
	key->tag = TAG_NONE;
	if (env && eq && eq > s && eq[-1] == ' ')
		return field_err(c, item, e, "environment variable '%s' is declared with a trailing space", key->text);
	if (eq)
		value = field_str_at(c, item, eq + 1);
	else if (env && c->env && map_has(c->env, s))
		value = field_str_at(c, item, map_get(c->env, s));
	else
		value = keeps_null(f) ? node_null(c->arena, item->pos) : field_str_at(c, item, "");
	node_set_key(c->arena, m, key, value);
	return 0;
}

static int kvs_to_map(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	const struct node *v = *n;
	struct node *m;

	if (node_is_null(v))
		return 0;
	if (node_is_scalar(v) || (node_is_list(v) && f->type == &ft_options))
		return field_type_err(c, v, f->type == &ft_options ? "mapping" : "mapping or list", e);
	m = field_map_at(c, v);
	for (size_t i = 0; i < v->n; i++) {
		struct node *item = v->items[i];
		int r = 0;
		struct fpath at = { c->at, node_is_map(v) ? v->keys[i]->text : NULL, i };

		if (item->tag == TAG_RESET && node_is_list(v))
			continue;
		c->at = &at;
		if (node_is_list(v))
			r = pair_canon(c, f, m, item, e);
		else if (item->tag == TAG_RESET)
			node_set_key(c->arena, m, v->keys[i], item);
		else if (node_is_map(item) || node_is_list(item))
			r = field_type_err(c, item, "string, number, boolean or null", e);
		else if (node_is_scalar(item) && item->type == SCALAR_FLOAT && strspn(item->text, "+-IN"))
			r = field_err(c, item, e, "'%s' is not a number that has a text", item->text);
		else if (!*v->keys[i]->text)
			r = field_err(c, v->keys[i], e, "an empty key is not allowed");
		else if (f->type == &ft_options && check_option(c, f, item, e) < 0)
			r = -EINVAL;
		else
			node_set_key(c->arena, m, v->keys[i], value_text(c, item, keeps_null(f)));
		c->at = at.up;
		if (r < 0 && !faults_keep(c->faults, e))
			return r;
	}
	*n = m;
	return 0;
}

/* Not interpolated, a list may hold variables that make its keys: it is printed as it is. */
static int kvs_canon(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	struct node *scratch = *n;

	return kvs_to_map(c, f, c->flags & FCTX_RAW ? &scratch : n, e);
}

static int kvs_merge(struct fctx *c, const struct field *f, struct node **base, const struct node *over, struct err *e)
{
	struct node *m, *o = (struct node *)(uintptr_t)over;

	TRY(kvs_to_map(c, f, base, e)); /* nothing to do but for trees that are not interpolated */
	TRY(kvs_to_map(c, f, &o, e));
	over = o;
	m = field_own(c, *base);
	for (size_t i = 0; i < over->n; i++) {
		if (c->trace)
			trace_over(c->trace, node_get(m, over->keys[i]->text), over->items[i]);
		node_set_key(c->arena, m, over->keys[i], over->items[i]);
	}
	*base = m;
	return 0;
}

static int by_kv_key(const void *a, const void *b)
{
	const struct kv *x = a, *y = b;

	return strcmp(x->key, y->key);
}

static int kvs_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	struct kvs l = { NULL, 0 };

	if (!node_is_map(n))
		return field_type_err(c, n, f->type->name, e);
	l.v = arena_alloc(c->arena, (n->n ? n->n : 1) * sizeof(*l.v));
	for (; l.n < n->n; l.n++) {
		const struct node *v = n->items[l.n];

		if (!node_is_null(v) && !node_is_scalar(v))
			return field_type_err(c, v, "string", e);
		l.v[l.n] = (struct kv){ n->keys[l.n]->text, node_is_null(v) ? NULL : v->text };
	}
	qsort(l.v, l.n, sizeof(*l.v), by_kv_key);
	*(struct kvs *)member = l;
	return 0;
}

static bool kvs_emit(const struct field *f, const void *member, struct emitter *out)
{
	const struct kvs *l = member;
	auto_free size_t *order = NULL;

	if (!l->n)
		return false;
	order = emit_order(out, l->v, l->n, sizeof(*l->v));
	emit_map(out);
	for (size_t at = 0; at < l->n; at++) {
		size_t i = order ? order[at] : at;

		emit_key(out, l->v[i].key);
		if (!l->v[i].value && keeps_null(f))
			emit_null(out);
		else
			emit_str(out, str0(l->v[i].value));
	}
	emit_end(out);
	return true;
}

static int kvs_paths(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	struct node *m;

	(void)e;
	if (!node_is_map(*n) || !(f->flags & (F_PATH | F_PATH_CONTEXT)))
		return 0;
	m = field_own(c, *n);
	*n = m;
	for (size_t i = 0; i < m->n; i++)
		if (node_is_scalar(m->items[i]))
			m->items[i] = field_str_at(c, m->items[i], path_resolve(c, m->items[i]->text, f->flags));
	return 0;
}

#define KVS_TYPE(want) .name = want, .canon = kvs_canon, .merge = kvs_merge, .decode = kvs_decode, .emit = kvs_emit
const struct ftype ft_kvs = { KVS_TYPE("mapping or list") };
const struct ftype ft_env = { KVS_TYPE("mapping or list") };
const struct ftype ft_args = { KVS_TYPE("mapping or list") };
const struct ftype ft_options = { KVS_TYPE("mapping") };
const struct ftype ft_contexts = { KVS_TYPE("mapping or list"), .paths = kvs_paths };

/* Printed as the list that it mostly is: "default", "id=path". */
static bool ssh_emit(const struct field *f, const void *member, struct emitter *out)
{
	const struct kvs *l = member;

	(void)f;
	if (!l->n)
		return false;
	emit_list(out);
	for (size_t i = 0; i < l->n; i++) {
		auto_free char *both = str0(l->v[i].value)[0] ? xasprintf("%s=%s", l->v[i].key, l->v[i].value) : xstrdup(l->v[i].key);

		emit_str(out, both);
	}
	emit_end(out);
	return true;
}

const struct ftype ft_ssh = {
	.name = "mapping or list", .canon = kvs_canon, .merge = kvs_merge, .paths = kvs_paths, .decode = kvs_decode, .emit = ssh_emit,
};
