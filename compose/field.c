/* SPDX-License-Identifier: MIT
 *
 * compose/field.c - the verbs over rows: what to do with each key of a map, and how to go down
 *
 * A type brings what is its own (ftypes_*.c); walking into objects, lists and maps of objects is the same for all and lives here.
 * Trees share nothing: yaml.c copies what an alias names, extends.c what it builds on. So everything is changed in place, except in
 * trees that are not interpolated: those are checked on copies and printed as they were, hence field_own().
 */
#include "compose/field.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "compose/emit.h"
#include "compose/faults.h"
#include "compose/ftypes.h"
#include "compose/trace.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static bool is_extension(const char *key)
{
	return key[0] == 'x' && key[1] == '-';
}

const struct field *field_find(const struct field *table, const char *key)
{
	const struct field *ext = NULL;

	for (const struct field *f = table; f->key; f++) {
		if (f->key[0] == key[0] && streq(f->key, key))
			return f;
		if (f->flags & F_INLINE)
			ext = f;
	}
	return is_extension(key) ? ext : NULL;
}

const struct field *field_below(const struct field *f)
{
	const struct object_type *o = f->detail;

	return f->type->shape != SHAPE_LEAF && o ? o->fields : NULL;
}

const char *support_name(int s)
{
	static const char *const names[] = {
		[SUPPORT_FULL] = "full", [SUPPORT_PARTIAL] = "partial", [SUPPORT_NONE] = "no effect", [SUPPORT_REFUSED] = "refused",
	};

	return s >= 0 && (size_t)s < ARRAY_LEN(names) ? names[s] : "?";
}

/* ---- messages ---- */

static void path_add(const struct fpath *p, struct str *b)
{
	if (!p)
		return;
	path_add(p->up, b);
	if (!p->key)
		str_addf(b, "[%zu]", p->index);
	else
		str_addf(b, "%s%s", b->len ? "." : "", p->key);
}

const char *field_path(struct fctx *c)
{
	AUTO_STR(b, 4096);

	path_add(c->at, &b);
	return arena_strdup(c->arena, b.s);
}

int field_err(struct fctx *c, const struct node *n, struct err *e, const char *fmt, ...)
{
	const char *path = field_path(c);
	auto_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	(void)vasprintf(&text, fmt, ap);
	va_end(ap);
	return node_err(e, n, "%s%s%s", path, *path ? ": " : "", str0(text));
}

int field_type_err(struct fctx *c, const struct node *n, const char *want, struct err *e)
{
	const char *an = strchr("aeiou", want[0]) ? "an" : "a";

	if (node_is_null(n))
		return field_err(c, n, e, "must be %s %s, but nothing is given", an, want);
	(void)field_err(c, n, e, "must be %s %s, not a %s", an, want, node_kind_name(n));
	if (streq(want, "mapping") && node_is_list(n) && n->n && node_is_map(n->items[0]))
		err_hint(e, "leave out the '- ' before '%s'", n->items[0]->n ? n->items[0]->keys[0]->text : "");
	else if (streq(want, "list") && node_is_scalar(n) && *n->text)
		err_hint(e, "a list is written [a, b], or one item a line, each behind '- '");
	return -EINVAL;
}

void field_warn(struct fctx *c, const struct node *n, const char *fmt, ...)
{
	struct notes *l = c->notes;
	va_list ap;
	auto_free char *text = NULL;

	if (!l)
		return;
	va_start(ap, fmt);
	(void)vasprintf(&text, fmt, ap);
	va_end(ap);
	if (l->n == l->cap)
		arena_grow(c->arena, &l->v, l->n, &l->cap, sizeof(*l->v));
	l->v[l->n++] = (struct note){
		.kind = NOTE_WARNING, .pos = n ? n->pos : (struct pos){ 0 }, .key = field_path(c), .text = arena_strdup(c->arena, str0(text)),
	};
}

/* A key that would be right elsewhere: one level below, at the service, or a service that stands at the top. */
static void hint_place(const struct field *table, const struct node *key, const struct node *value, struct err *e)
{
	for (const struct field *f = table; f->key; f++) {
		const struct field *below = f->type->shape == SHAPE_OBJECT ? field_below(f) : NULL;

		if (below && field_find(below, key->text)) {
			err_hint(e, "it belongs below '%s'", f->key);
			return;
		}
	}
	if (table == project_fields && (node_key(value, "image") || node_key(value, "build")))
		err_hint(e, "a service stands below 'services:'");
	else if (table != service_fields && field_find(service_fields, key->text))
		err_hint(e, "it is a key of a service: is the indentation right?");
}

static int unknown_key(struct fctx *c, const struct field *table, const struct node *key, const struct node *value, struct err *e)
{
	size_t rows = 0;
	const char *near;

	while (table[rows].key)
		rows++;
	near = str_nearest(key->text, &table->key, rows, sizeof(*table));
	(void)field_err(c, key, e, "unknown key '%s'", key->text);
	if (near && !is_extension(near))
		err_hint(e, "did you mean '%s'? (keys that start with x- are free to use)", near);
	else
		hint_place(table, key, value, e);
	return -EINVAL;
}

/* ---- nodes ---- */

struct node *field_own(struct fctx *c, const struct node *n)
{
	return c->flags & FCTX_RAW ? node_shell(c->arena, n) : (struct node *)(uintptr_t)n;
}

struct node *field_list_at(struct fctx *c, const struct node *n)
{
	struct node *l = node_list(c->arena, n->pos);

	l->tag = n->tag;
	return l;
}

struct node *field_map_at(struct fctx *c, const struct node *n)
{
	struct node *m = node_map(c->arena, n->pos);

	m->tag = n->tag;
	return m;
}

struct node *field_str_at(struct fctx *c, const struct node *n, const char *text)
{
	struct node *s = node_str(c->arena, n->pos, text);

	s->tag = n->tag;
	s->quoted = n->quoted;
	return s;
}

bool field_raw(const struct fctx *c, const struct node *n)
{
	return (c->flags & FCTX_RAW) && node_is_scalar(n) && strchr(n->text, '$');
}

/* ---- canon ---- */

/* KEY as it is written in our own JSON (F_CAPITAL): becomes the row's. */
static const struct field *capital_key(struct fctx *c, const struct field *table, struct node **key)
{
	const char *s = (*key)->text;

	for (const struct field *f = table; f->key; f++)
		if ((f->flags & F_CAPITAL) && s[0] == f->key[0] - 'a' + 'A' && streq(s + 1, f->key + 1)) {
			*key = field_str_at(c, *key, f->key);
			return f;
		}
	return NULL;
}

static int canon_one(struct fctx *c, const struct field *table, struct node *map, size_t i, struct err *e)
{
	const struct field *f = field_find(table, map->keys[i]->text);
	int r;

	if (!f) {
		f = capital_key(c, table, &map->keys[i]);
		map->index = NULL; /* it holds keys */
	}
	if (!f)
		return unknown_key(c, table, map->keys[i], map->items[i], e);
	if (!f->type->canon || map->items[i]->tag == TAG_RESET || field_raw(c, map->items[i]))
		return 0;
	AT_KEY(c, map->keys[i]->text);
	r = f->type->canon(c, f, &map->items[i], e);
	AT_END(c);
	return r;
}

static int canon_all(struct fctx *c, const struct field *table, struct node *map, struct err *e)
{
	for (size_t i = 0; i < map->n; i++)
		if (canon_one(c, table, map, i, e) < 0 && !faults_keep(c->faults, e))
			return -e->code;
	return 0;
}

int fields_canon(struct fctx *c, const struct field *table, struct node *map, struct err *e)
{
	struct faults faults = FAULTS_INIT;
	int r;

	if (!node_is_map(map))
		return field_type_err(c, map, "mapping", e);
	if (c->faults)
		return canon_all(c, table, map, e);
	c->faults = &faults;
	r = canon_all(c, table, map, e);
	c->faults = NULL;
	return r < 0 ? faults_drop(&faults, e) : faults_raise(&faults, e);
}

/* ---- merge ---- */

static int merge_one(struct fctx *c, const struct field *f, struct node **base, const struct node *over, struct err *e)
{
	const struct node *was = *base;

	if (node_is_null(over)) {
		if (f && (f->flags & F_RESET) && !(f->flags & F_INLINE))
			*base = (struct node *)(uintptr_t)over;
	} else if (!node_is_null(was) && f && f->type->merge) {
		TRY(f->type->merge(c, f, base, over, e));
	} else {
		*base = (struct node *)(uintptr_t)over;
	}
	if (*base == over)
		trace_over(c->trace, was, over);
	return 0;
}

int fields_merge(struct fctx *c, const struct field *table, struct node *base, const struct node *over, struct err *e)
{
	for (size_t i = 0; i < over->n; i++) {
		const struct node *key = over->keys[i];
		struct node *have = node_get(base, key->text);
		const struct field *f = field_find(table, key->text);
		int r;

		if (have) {
			AT_KEY(c, key->text);
			r = merge_one(c, f, &have, over->items[i], e);
			AT_END(c);
			TRY(r);
		} else {
			have = over->items[i];
		}
		node_set_key(c->arena, base, over->keys[i], have);
	}
	return 0;
}

/* ---- verbs that walk alike ---- */

typedef int leaf_fn(struct fctx *c, const struct field *f, struct node **n, struct err *e);
enum verb { VERB_UNIQUE, VERB_PATHS };

static leaf_fn *verb_of(const struct field *f, enum verb v)
{
	return v == VERB_UNIQUE ? f->type->unique : f->type->paths;
}

static int walk(struct fctx *c, const struct field *table, struct node *map, enum verb v, struct err *e);

/* Whether a verb can have anything to do in or below F. */
static bool concerns(const struct field *f, enum verb v)
{
	const struct field *below = field_below(f);
	const struct object_type *o = f->detail;

	if (verb_of(f, v) || (below && v == VERB_PATHS && o->paths))
		return true;
	for (; below && below->key; below++)
		if (concerns(below, v))
			return true;
	return false;
}

static int walk_object(struct fctx *c, const struct object_type *o, struct node *n, enum verb v, struct err *e)
{
	TRY(walk(c, o->fields, n, v, e));
	return v == VERB_PATHS && o->paths ? o->paths(c, n, e) : 0;
}

static int walk_items(struct fctx *c, const struct field *f, struct node **n, enum verb v, struct err *e)
{
	const struct object_type *o = f->detail;
	struct node *own;

	if (node_is_null(*n) || !(*n)->n)
		return 0;
	own = field_own(c, *n);
	*n = own;
	if (f->type->shape == SHAPE_OBJECT)
		return node_is_map(own) ? walk_object(c, o, own, v, e) : 0;
	for (size_t i = 0; i < own->n; i++) {
		struct fpath at = { c->at, own->kind == NODE_MAP ? own->keys[i]->text : NULL, i };
		int r;

		if (!node_is_map(own->items[i]))
			continue;
		own->items[i] = field_own(c, own->items[i]);
		c->at = &at;
		r = walk_object(c, o, own->items[i], v, e);
		c->at = at.up;
		TRY(r);
	}
	return 0;
}

static int walk(struct fctx *c, const struct field *table, struct node *map, enum verb v, struct err *e)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct field *f = field_find(table, map->keys[i]->text);
		int r = 0;

		if (!f || !concerns(f, v))
			continue;
		AT_KEY(c, map->keys[i]->text);
		if (verb_of(f, v))
			r = verb_of(f, v)(c, f, &map->items[i], e);
		if (r >= 0 && field_below(f))
			r = walk_items(c, f, &map->items[i], v, e);
		AT_END(c);
		TRY(r);
	}
	return 0;
}

int fields_unique(struct fctx *c, const struct field *table, struct node *map, struct err *e)
{
	return node_is_map(map) ? walk(c, table, map, VERB_UNIQUE, e) : 0;
}

int fields_paths(struct fctx *c, const struct field *table, struct node *map, struct err *e)
{
	return node_is_map(map) ? walk(c, table, map, VERB_PATHS, e) : 0;
}

/* ---- decode ---- */

static int need_required(struct fctx *c, const struct field *table, const struct node *map, struct err *e)
{
	for (const struct field *f = table; f->key; f++)
		if ((f->flags & F_REQUIRED) && node_is_null(node_get(map, f->key)))
			return field_err(c, map, e, "'%s' is missing", f->key);
	return 0;
}

static int decode_one(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	if (n->kind == NODE_NULL && !(f->flags & (F_NULL | F_RESET | F_INLINE)))
		return f->flags & F_GONE ? 0 : field_type_err(c, n, f->type->name, e);
	return f->type->decode ? f->type->decode(c, f, n, member, e) : 0;
}

static void decode_ext(struct fctx *c, const struct node *map, size_t i, struct node **ext)
{
	if (!*ext)
		*ext = node_map(c->arena, map->pos);
	node_set_key(c->arena, *ext, map->keys[i], map->items[i]);
}

static int decode_key(struct fctx *c, const struct field *table, const struct node *map, size_t i, void *obj, struct err *e)
{
	const struct field *f = field_find(table, map->keys[i]->text);
	int r = 0;

	if (!f)
		return unknown_key(c, table, map->keys[i], map->items[i], e);
	AT_KEY(c, map->keys[i]->text);
	if (f->flags & F_INLINE)
		decode_ext(c, map, i, member_at(obj, f->offset));
	else
		r = decode_one(c, f, map->items[i], member_at(obj, f->offset), e);
	AT_END(c);
	return r;
}

/* An object with a mistake in a field is not looked at as a whole: what it lacks may be that field. */
static int decode_all(struct fctx *c, const struct field *table, const struct node *map, void *obj, struct err *e)
{
	size_t before = c->faults->n;

	for (size_t i = 0; i < map->n; i++)
		if (decode_key(c, table, map, i, obj, e) < 0 && !faults_keep(c->faults, e))
			return -e->code;
	if (c->faults->n > before)
		return 1;
	return need_required(c, table, map, e);
}

int fields_decode(struct fctx *c, const struct field *table, const struct node *map, void *obj, struct err *e)
{
	struct faults faults = FAULTS_INIT;
	int r;

	if (!node_is_map(map))
		return field_type_err(c, map, "mapping", e);
	if (c->faults)
		return decode_all(c, table, map, obj, e);
	c->faults = &faults;
	r = decode_all(c, table, map, obj, e);
	c->faults = NULL;
	if (r < 0 && faults_keep(&faults, e))
		r = 0;
	return r < 0 ? faults_drop(&faults, e) : faults_raise(&faults, e);
}

/* ---- emit ---- */

void fields_emit(const struct field *table, const void *obj, struct emitter *out)
{
	for (const struct field *f = table; f->key; f++) {
		if ((f->flags & F_GONE) || !f->type->emit || (out->only && !(f->flags & out->only)))
			continue;
		if (!(f->flags & F_INLINE))
			emit_key_as(out, f->key, (f->flags & F_CAPITAL) && out->format == EMIT_JSON);
		if (!f->type->emit(f, member_at(obj, f->offset), out) && (f->flags & F_JSON_NULL) && out->format == EMIT_JSON && !out->only)
			emit_null(out);
	}
}
