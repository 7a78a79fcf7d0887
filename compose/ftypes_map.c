/* SPDX-License-Identifier: MIT
 *
 * compose/ftypes_map.c - mappings: objects, maps of objects, x-*
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
#include <stdio.h>
#include <stdlib.h>

/* ---- objects ---- */

static int object_canon(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	const struct object_type *o = f->detail;
	struct node *own;

	if (node_is_null(*n))
		return 0;
	if (!node_is_map(*n) && o->shorthand)
		TRY(o->shorthand(c, n, e));
	if (!node_is_map(*n))
		return field_type_err(c, *n, o->shorthand ? "string or mapping" : "mapping", e);
	own = field_own(c, *n);
	TRY(fields_canon(c, o->fields, own, e));
	if (o->check)
		TRY(o->check(c, own, e));
	*n = own;
	return 0;
}

static int object_merge(struct fctx *c, const struct field *f, struct node **base, const struct node *over, struct err *e)
{
	const struct object_type *o = f->detail;
	struct node *own;

	if (!node_is_map(*base) || !node_is_map(over))
		return field_type_err(c, node_is_map(over) ? *base : over, "mapping", e);
	own = field_own(c, *base);
	TRY(fields_merge(c, o->fields, own, over, e));
	*base = own;
	return 0;
}

static int object_into(struct fctx *c, const struct object_type *o, const struct node *n, void *obj, struct err *e)
{
	int r;

	if (o->node >= 0)
		*(const struct node **)member_at(obj, (size_t)o->node) = n;
	if (o->null >= 0 && node_is_null(n)) {
		*(bool *)member_at(obj, (size_t)o->null) = true;
		return 0;
	}
	r = fields_decode(c, o->fields, n, obj, e);
	return r == 0 && o->finish ? o->finish(c, n, obj, e) : r;
}

static int object_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	const struct object_type *o = f->detail;
	void *obj;

	if (node_is_null(n))
		return 0;
	obj = arena_alloc(c->arena, o->size);
	TRY(object_into(c, o, n, obj, e));
	*(void **)member = obj;
	return 0;
}

static bool object_emit(const struct field *f, const void *member, struct emitter *out)
{
	const struct object_type *o = f->detail;
	const void *obj = *(void *const *)member;
	auto_free void *none = NULL;

	if (!obj && (f->flags & F_JSON_EMPTY) && out->format == EMIT_JSON && !out->only)
		obj = none = xcalloc(1, o->size);
	if (!obj)
		return false;
	emit_map(out);
	fields_emit(o->fields, obj, out);
	emit_end(out);
	return true;
}

const struct ftype ft_object = {
	.name = "mapping", .shape = SHAPE_OBJECT, .canon = object_canon, .merge = object_merge, .decode = object_decode, .emit = object_emit,
};

static int embed_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	return node_is_null(n) ? 0 : object_into(c, f->detail, n, member, e);
}

/* Written when something is in it; empty only in JSON, and only where the row says so. */
static bool embed_emit(const struct field *f, const void *member, struct emitter *out)
{
	const struct object_type *o = f->detail;
	struct emitter *saved = xmemdup(out, sizeof(*out));
	size_t len = out->out->len, opened;
	bool any;

	emit_map(out);
	opened = out->out->len;
	fields_emit(o->fields, member, out);
	any = out->out->len != opened || ((f->flags & F_JSON_EMPTY) && out->format == EMIT_JSON && !out->only);
	if (any) {
		emit_end(out);
	} else {
		str_trunc(out->out, len);
		memcpy(out, saved, sizeof(*out));
	}
	free(saved);
	return any;
}

const struct ftype ft_embed = {
	.name = "mapping", .shape = SHAPE_OBJECT, .canon = object_canon, .merge = object_merge, .decode = embed_decode, .emit = embed_emit,
};

static int logging_merge(struct fctx *c, const struct field *f, struct node **base, const struct node *over, struct err *e)
{
	const struct node *was = node_get(*base, "driver"), *is = node_get(over, "driver");

	if (node_is_scalar(was) && node_is_scalar(is) && !streq(was->text, is->text)) {
		*base = (struct node *)(uintptr_t)over;
		return 0;
	}
	return object_merge(c, f, base, over, e);
}

const struct ftype ft_logging = {
	.name = "mapping", .shape = SHAPE_OBJECT, .canon = object_canon, .merge = logging_merge, .decode = object_decode, .emit = object_emit,
};

/* ---- maps of objects ---- */

/* A list of names -> a map: null, or what the shorthand makes of the name. */
static int names_to_map(struct fctx *c, const struct object_type *o, struct node **n, struct err *e)
{
	struct node *m = field_map_at(c, *n);

	for (size_t i = 0; i < (*n)->n; i++) {
		struct node *item = (*n)->items[i], *value;
		int r = 0;

		AT_ITEM(c, i);
		if (!node_is_scalar(item) || item->type != SCALAR_STR)
			r = field_type_err(c, item, "string", e);
		else if (node_key(m, item->text))
			r = field_err(c, item, e, "'%s' is listed twice", item->text);
		AT_END(c);
		TRY(r);
		value = item;
		if (o->shorthand)
			TRY(o->shorthand(c, &value, e));
		else
			value = node_null(c->arena, item->pos);
		node_set_key(c->arena, m, item, value);
	}
	*n = m;
	return 0;
}

bool field_is_name(const char *s)
{
	return *s && !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")];
}

static int entry_canon(struct fctx *c, const struct field *f, const struct node *key, struct node **n, struct err *e)
{
	const struct object_type *o = f->detail;
	struct node *own;

	if (!o->any_name && !field_is_name(key->text)) {
		(void)field_err(c, key, e, "'%s' is not a name for a %s", key->text, o->what);
		err_hint(e, "names are made of letters, digits, '.', '_' and '-'");
		return -EINVAL;
	}
	if (node_is_null(*n) || (*n)->tag == TAG_RESET || field_raw(c, *n))
		return 0;
	if (!node_is_map(*n) && f->type == &ft_ulimit) {
		if (node_is_scalar(*n) && (c->flags & FCTX_RAW))
			return 0; /* printed as it is */
		TRY(o->shorthand(c, n, e));
	}
	if (!node_is_map(*n))
		return field_type_err(c, *n, "mapping", e);
	own = field_own(c, *n);
	TRY(fields_canon(c, o->fields, own, e));
	if (o->check)
		TRY(o->check(c, own, e));
	*n = own;
	return 0;
}

static int map_canon(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	struct node *m;

	if (node_is_null(*n))
		return 0;
	if (node_is_list(*n) && (f->flags & F_SCALAR_LIST))
		TRY(names_to_map(c, f->detail, n, e));
	if (!node_is_map(*n))
		return field_type_err(c, *n, f->flags & F_SCALAR_LIST ? "mapping or list" : "mapping", e);
	m = field_own(c, *n);
	for (size_t i = 0; i < m->n; i++) {
		int r;

		AT_KEY(c, m->keys[i]->text);
		r = entry_canon(c, f, m->keys[i], &m->items[i], e);
		AT_END(c);
		if (r < 0 && !faults_keep(c->faults, e))
			return r;
	}
	*n = m;
	return 0;
}

static int map_merge(struct fctx *c, const struct field *f, struct node **base, const struct node *over, struct err *e)
{
	const struct object_type *o = f->detail;
	struct node *m;

	if (!node_is_map(*base) || !node_is_map(over))
		return field_type_err(c, node_is_map(over) ? *base : over, "mapping", e);
	m = field_own(c, *base);
	for (size_t i = 0; i < over->n; i++) {
		const struct node *key = over->keys[i], *mine = over->items[i];
		struct node *have = node_get(m, key->text);

		if (have && node_is_null(mine))
			continue;
		if (node_is_map(have) && node_is_map(mine) && !(f->flags & F_REPLACE)) {
			int r;

			have = field_own(c, have);
			AT_KEY(c, key->text);
			r = fields_merge(c, o->fields, have, mine, e);
			AT_END(c);
			TRY(r);
			node_set_key(c->arena, m, over->keys[i], have);
		} else {
			trace_over(c->trace, have, over->items[i]);
			node_set_key(c->arena, m, over->keys[i], over->items[i]);
		}
	}
	*base = m;
	return 0;
}

struct entry {
	const char *key;
	const struct node *value, *key_node;
};

static int by_entry_key(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return strcmp(x->key, y->key);
}

static int entries_decode(struct fctx *c, const struct field *f, const struct entry *v, size_t n, char *objs, struct err *e)
{
	const struct object_type *o = f->detail;

	for (size_t i = 0; i < n; i++) {
		char *obj = objs + i * o->size;
		int r = 0;

		AT_KEY(c, v[i].key);
		*(const char **)member_at(obj, (size_t)o->name) = v[i].key;
		if (node_is_null(v[i].value) && o->null < 0 && !(f->flags & F_NULL))
			r = field_type_err(c, v[i].key_node, "mapping", e);
		else if (node_is_null(v[i].value) && o->null < 0)
			*(const struct node **)member_at(obj, (size_t)o->node) = v[i].value;
		else
			r = object_into(c, o, v[i].value, obj, e);
		AT_END(c);
		TRY(r);
	}
	return 0;
}

static int map_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	const struct object_type *o = f->detail;
	auto_free struct entry *v = NULL;
	struct strs raw; /* the layout of every LIST_OF */

	if (node_is_null(n))
		return 0;
	if (!node_is_map(n))
		return field_type_err(c, n, "mapping", e);
	v = xcalloc(n->n ? n->n : 1, sizeof(*v));
	for (size_t i = 0; i < n->n; i++)
		v[i] = (struct entry){ n->keys[i]->text, n->items[i], n->keys[i] };
	qsort(v, n->n, sizeof(*v), by_entry_key);
	raw.v = arena_alloc(c->arena, (n->n ? n->n : 1) * o->size);
	raw.n = n->n;
	TRY(entries_decode(c, f, v, n->n, (char *)raw.v, e));
	memcpy(member, &raw, sizeof(raw));
	return 0;
}

static bool map_emit(const struct field *f, const void *member, struct emitter *out)
{
	const struct object_type *o = f->detail;
	auto_free size_t *order = NULL;
	struct strs raw;

	memcpy(&raw, member, sizeof(raw));
	if (!raw.n)
		return false;
	order = emit_order(out, (const char *)raw.v + o->name, raw.n, o->size);
	emit_map(out);
	for (size_t at = 0; at < raw.n; at++) {
		const char *obj = (const char *)raw.v + (order ? order[at] : at) * o->size;

		emit_key(out, *(const char *const *)member_at(obj, (size_t)o->name));
		if (o->null >= 0 && *(const bool *)member_at(obj, (size_t)o->null)) {
			emit_null(out);
			continue;
		}
		emit_map(out);
		fields_emit(o->fields, obj, out);
		emit_end(out);
	}
	emit_end(out);
	return true;
}

const struct ftype ft_map = {
	.name = "mapping", .shape = SHAPE_MAP, .canon = map_canon, .merge = map_merge, .decode = map_decode, .emit = map_emit,
};

/* ---- ulimits: a number, or {soft, hard} ---- */

static int ulimit_shorthand(struct fctx *c, struct node **n, struct err *e)
{
	struct node *m;

	if (!node_is_scalar(*n) || (*n)->type == SCALAR_BOOL)
		return field_type_err(c, *n, "number or mapping", e);
	m = field_map_at(c, *n);
	FIELD_SET(c, m, "single", field_str_at(c, *n, (*n)->text));
	*n = m;
	return 0;
}

static int ulimit_finish(struct fctx *c, const struct node *n, void *obj, struct err *e)
{
	struct ulimit *u = obj;
	const struct node *single = node_get(n, "single"), *soft = node_get(n, "soft"), *hard = node_get(n, "hard");

	if (single) {
		u->single = true;
		u->hard = u->soft;
		return 0;
	}
	if (!soft || !hard)
		return field_err(c, n, e, "'%s' is missing", soft ? "hard" : "soft");
	return 0;
}

/* "single" is the canonical tree's way to write the short form. */
const struct field ulimit_fields[] = {
	FIELD("single", ft_int, struct ulimit, soft, NULL, F_GONE),
	FIELD("soft", ft_int, struct ulimit, soft, NULL, F_KEEP | F_HASH),
	FIELD("hard", ft_int, struct ulimit, hard, NULL, F_KEEP | F_HASH),
	FIELD_EXT(struct ulimit),
	FIELD_END,
};
const struct object_type ulimit_item = {
	OBJECT("ulimit", struct ulimit, ulimit_fields), .node = offsetof(struct ulimit, node), .name = offsetof(struct ulimit, name),
	.null = NO_MEMBER, .shorthand = ulimit_shorthand, .finish = ulimit_finish,
};

static bool ulimit_emit(const struct field *f, const void *member, struct emitter *out)
{
	const struct object_type *o = f->detail;
	struct strs raw;

	memcpy(&raw, member, sizeof(raw));
	if (!raw.n)
		return false;
	emit_map(out);
	for (size_t i = 0; i < raw.n; i++) {
		const struct ulimit *u = (const struct ulimit *)(const void *)raw.v + i;

		emit_key(out, u->name);
		if (u->single && u->soft) {
			emit_int(out, u->soft);
			continue;
		}
		emit_map(out);
		fields_emit(o->fields, u, out);
		emit_end(out);
	}
	emit_end(out);
	return true;
}

const struct ftype ft_ulimit = {
	.name = "mapping", .shape = SHAPE_MAP, .canon = map_canon, .merge = map_merge, .decode = map_decode, .emit = ulimit_emit,
};

/* ---- x-* ---- */

static bool ext_emit(const struct field *f, const void *member, struct emitter *out)
{
	const struct node *n = *(const struct node *const *)member;

	(void)f;
	if (!n || out->format == EMIT_JSON) /* JSON has those of the top level only, as docker compose's */
		return false;
	emit_members(out, n);
	return n->n > 0;
}

const struct ftype ft_ext = { .name = "value", .emit = ext_emit };
