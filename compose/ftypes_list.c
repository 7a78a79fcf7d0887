/* SPDX-License-Identifier: MIT
 *
 * compose/ftypes_list.c - lists: of strings, command lines, objects
 *
 * Merging appends; which items then count as one is the row's (F_UNIQUE, F_UNIQUE_KEY, F_DISTINCT) or the object's (key).
 */
#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/str.h"
#include "compose/emit.h"
#include "compose/faults.h"
#include "compose/ftypes.h"
#include "compose/trace.h"
#include <errno.h>
#include <string.h>

/* ---- lists in general ---- */

static int append_merge(struct fctx *c, const struct field *f, struct node **base, const struct node *over, struct err *e)
{
	struct node *l;

	if (!node_is_list(*base) || !node_is_list(over)) {
		if (field_raw(c, *base) || field_raw(c, over)) {
			*base = (struct node *)(uintptr_t)over;
			return 0;
		}
		return field_type_err(c, over, f->type->name, e);
	}
	l = field_own(c, *base);
	for (size_t i = 0; i < over->n; i++)
		node_append(c->arena, l, over->items[i]);
	*base = l;
	return 0;
}

/* Keeps one item per key: the last value at the first place. KEYS[i] NULL: kept. */
static void keep_last(struct fctx *c, struct node **list, const char **keys)
{
	struct node *l = *list, *out;
	AUTO_MAP(first, NULL);
	bool repeated = false;

	for (size_t i = 0; i < l->n && !repeated; i++)
		repeated = keys[i] && !map_set(&first, keys[i], (void *)1);
	if (!repeated)
		return;
	map_done(&first);
	first = MAP_INIT(NULL);
	out = field_list_at(c, l);
	for (size_t i = 0; i < l->n; i++) {
		size_t at = keys[i] ? (size_t)(uintptr_t)map_get(&first, keys[i]) : 0;

		if (at) {
			trace_over(c->trace, out->items[at - 1], l->items[i]);
			out->items[at - 1] = l->items[i];
			continue;
		}
		node_append(c->arena, out, l->items[i]);
		if (keys[i])
			(void)map_set(&first, keys[i], (void *)(uintptr_t)out->n);
	}
	*list = out;
}

/* ---- strings ---- */

static int strings_to_list(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	struct node *l;

	if (node_is_null(*n))
		return 0;
	if (node_is_scalar(*n) && (f->flags & F_SCALAR_LIST) && (*n)->type == SCALAR_STR) {
		l = field_list_at(c, *n);
		if (*(*n)->text || !(f->flags & F_DROP_EMPTY))
			node_append(c->arena, l, field_str_at(c, *n, (*n)->text));
		*n = l;
		return 0;
	}
	if (!node_is_list(*n))
		return field_type_err(c, *n, f->flags & F_SCALAR_LIST ? "string or list" : "list", e);
	l = field_own(c, *n);
	*n = l;
	for (size_t i = 0; i < l->n;) {
		struct node *item = l->items[i];

		if ((f->flags & F_DROP_EMPTY) && (node_is_null(item) || (node_is_scalar(item) && !*item->text))) {
			node_remove_at(l, i);
			continue;
		}
		AT_ITEM(c, i);
		if (!node_is_scalar(item) || (item->type != SCALAR_STR && item->type != SCALAR_TIME && !(item->type == SCALAR_INT && (f->flags & F_NUMBERS)))) {
			(void)field_type_err(c, item, f->flags & F_NUMBERS ? "string or number" : "string", e);
			if (node_is_scalar(item))
				err_hint(e, "put it in quotes: \"%s\"", item->text);
			AT_END(c);
			if (!faults_keep(c->faults, e))
				return -EINVAL;
			i++;
			continue;
		}
		AT_END(c);
		if (item->type != SCALAR_STR)
			l->items[i] = field_str_at(c, item, item->text);
		i++;
	}
	return 0;
}

/* Not interpolated: checked, and printed as it is. */
static int strings_canon(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	struct node *scratch = *n;

	return strings_to_list(c, f, c->flags & FCTX_RAW ? &scratch : n, e);
}

static int strings_merge(struct fctx *c, const struct field *f, struct node **base, const struct node *over, struct err *e)
{
	struct node *o = (struct node *)(uintptr_t)over;

	if (c->flags & FCTX_RAW) {
		TRY(strings_to_list(c, f, base, e));
		TRY(strings_to_list(c, f, &o, e));
	}
	return append_merge(c, f, base, o, e);
}

static const char *text_key(struct fctx *c, const char *s)
{
	const char *eq = strchr(s, '=');

	return eq ? arena_strndup(c->arena, s, (size_t)(eq - s)) : s;
}

static int strings_unique(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	const struct node *l = *n;
	const char **keys;

	if (!node_is_list(l) || l->n < 2 || !(f->flags & (F_UNIQUE | F_UNIQUE_KEY | F_DISTINCT)))
		return 0;
	keys = arena_alloc(c->arena, l->n * sizeof(*keys));
	for (size_t i = 0; i < l->n; i++) {
		const char *s = node_is_scalar(l->items[i]) ? l->items[i]->text : "";

		keys[i] = f->flags & F_UNIQUE_KEY ? text_key(c, s) : s;
		for (size_t j = 0; (f->flags & F_DISTINCT) && j < i; j++)
			if (streq(keys[i], keys[j]))
				return field_err(c, l->items[i], e, "items %zu and %zu are equal: '%s'", j, i, s);
	}
	keep_last(c, n, keys);
	return 0;
}

static int strings_paths(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	struct node *l;

	(void)e;
	if (!node_is_list(*n) || !(f->flags & (F_PATH | F_PATH_CONTEXT)))
		return 0;
	l = field_own(c, *n);
	*n = l;
	for (size_t i = 0; i < l->n; i++)
		if (node_is_scalar(l->items[i]))
			l->items[i] = field_str_at(c, l->items[i], path_resolve(c, l->items[i]->text, f->flags));
	return 0;
}

static int strings_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	struct strs l = { NULL, 0 };

	if (node_is_null(n)) {
		*(struct strs *)member = l;
		return 0;
	}
	if (!node_is_list(n))
		return field_type_err(c, n, f->type->name, e);
	l.v = arena_alloc(c->arena, (n->n + 1) * sizeof(*l.v));
	for (; l.n < n->n; l.n++) {
		if (!node_is_scalar(n->items[l.n]))
			return field_type_err(c, n->items[l.n], "string", e);
		l.v[l.n] = n->items[l.n]->text;
	}
	*(struct strs *)member = l;
	return 0;
}

static void emit_strings(const struct strs *l, struct emitter *out)
{
	emit_list(out);
	for (size_t i = 0; i < l->n; i++)
		emit_str(out, l->v[i]);
	emit_end(out);
}

static bool strings_emit(const struct field *f, const void *member, struct emitter *out)
{
	const struct strs *l = member;

	if (!l->v || (!l->n && !(f->flags & F_KEEP)))
		return false;
	emit_strings(l, out);
	return true;
}

const struct ftype ft_strings = {
	.name = "list", .canon = strings_canon, .merge = strings_merge, .unique = strings_unique, .paths = strings_paths,
	.decode = strings_decode, .emit = strings_emit,
};

/* ---- command lines ---- */

/* Words as the shell would see them (mattn/go-shellwords without backticks and variables): quotes and backslashes; the line ends
 * at an unquoted ; & | < >. < 0: a quote is left open. */
static int split_words(struct fctx *c, const struct node *n, struct node *l)
{
	AUTO_STR(word, 1 << 20);
	bool in = false, single = false, dbl = false, escaped = false;

	for (const char *s = n->text; *s; s++) {
		char ch = *s;

		if (escaped) {
			str_addc(&word, ch);
			escaped = false;
			in = true;
			continue;
		}
		if (ch == '\\' && !single) {
			escaped = true;
			continue;
		}
		if ((ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n') && !single && !dbl) {
			if (in) {
				node_append(c->arena, l, field_str_at(c, n, arena_strdup(c->arena, word.s)));
				str_reset(&word);
				in = false;
			}
			continue;
		}
		if (ch == '"' && !single) {
			dbl = !dbl;
			in = true;
			continue;
		}
		if (ch == '\'' && !dbl) {
			single = !single;
			in = true;
			continue;
		}
		if (strchr(";&|<>", ch) && !single && !dbl) {
			/* `2>file`: the descriptor goes with the redirection */
			if (ch == '>' && word.len && word.s[0] >= '0' && word.s[0] <= '9')
				in = false;
			break;
		}
		str_addc(&word, ch);
		in = true;
	}
	if (in)
		node_append(c->arena, l, field_str_at(c, n, arena_strdup(c->arena, word.s)));
	return escaped || single || dbl ? -EINVAL : 0;
}

static int command_canon(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	struct node *l;

	if (node_is_null(*n))
		return 0;
	if (node_is_list(*n))
		return strings_canon(c, f, n, e);
	if (!node_is_scalar(*n) || (*n)->type != SCALAR_STR)
		return field_type_err(c, *n, "string or list", e);
	l = field_list_at(c, *n);
	if (split_words(c, *n, l) < 0)
		return field_err(c, *n, e, "invalid command line string: a quote is not closed");
	if (!(c->flags & FCTX_RAW))
		*n = l;
	return 0;
}

static int replace_merge(struct fctx *c, const struct field *f, struct node **base, const struct node *over, struct err *e)
{
	(void)c, (void)f, (void)e;
	*base = (struct node *)(uintptr_t)over;
	return 0;
}

static bool command_emit(const struct field *f, const void *member, struct emitter *out)
{
	const struct strs *l = member;

	(void)f;
	if (!l->v)
		return false;
	emit_strings(l, out);
	return true;
}

const struct ftype ft_command = {
	.name = "string or list", .canon = command_canon, .merge = replace_merge, .decode = strings_decode, .emit = command_emit,
};

static int test_canon(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	struct node *l;

	if (node_is_null(*n))
		return 0;
	if (node_is_list(*n))
		return strings_canon(c, f, n, e);
	if (!node_is_scalar(*n) || (*n)->type != SCALAR_STR)
		return field_type_err(c, *n, "string or list", e);
	l = field_list_at(c, *n);
	node_append(c->arena, l, node_str(c->arena, (*n)->pos, "CMD-SHELL"));
	node_append(c->arena, l, field_str_at(c, *n, (*n)->text));
	if (!(c->flags & FCTX_RAW))
		*n = l;
	return 0;
}

static int test_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	static const char *const kinds[] = { "CMD", "CMD-SHELL", "NONE", NULL };

	if (node_is_list(n) && n->n && (!node_is_scalar(n->items[0]) || !str_in(n->items[0]->text, kinds))) {
		(void)field_err(c, n->items[0], e, "must start either by \"CMD\", \"CMD-SHELL\" or \"NONE\"");
		err_hint(e, "write [CMD, program, argument…], or one string for a shell");
		return -EINVAL;
	}
	return strings_decode(c, f, n, member, e);
}

const struct ftype ft_test = {
	.name = "string or list", .canon = test_canon, .merge = replace_merge, .decode = test_decode, .emit = strings_emit,
};

/* ---- lists of objects ---- */

static int item_canon(struct fctx *c, const struct object_type *o, struct node *list, struct node *n, struct err *e)
{
	struct node *own;

	if (!node_is_map(n) && field_raw(c, n)) {
		node_append(c->arena, list, n);
		return 0;
	}
	if (!node_is_map(n) && o->expand)
		return o->expand(c, n, list, e);
	if (!node_is_map(n) && o->shorthand && node_is_scalar(n))
		TRY(o->shorthand(c, &n, e));
	if (!node_is_map(n))
		return field_type_err(c, n, o->shorthand || o->expand ? "string or mapping" : "mapping", e);
	own = field_own(c, n);
	TRY(fields_canon(c, o->fields, own, e));
	if (o->check)
		TRY(o->check(c, own, e));
	node_append(c->arena, list, own);
	return 0;
}

static int list_canon(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	const struct object_type *o = f->detail;
	struct node *l;

	if (node_is_null(*n))
		return 0;
	if (node_is_scalar(*n) && (f->flags & F_SCALAR_LIST)) { /* env_file: x; gpus: all */
		l = field_list_at(c, *n);
		TRY(item_canon(c, o, l, *n, e));
		*n = l;
		return 0;
	}
	if (!node_is_list(*n))
		return field_type_err(c, *n, f->flags & F_SCALAR_LIST ? "string or list" : "list", e);
	l = field_list_at(c, *n);
	for (size_t i = 0; i < (*n)->n; i++) {
		int r;

		if ((*n)->items[i]->tag == TAG_RESET)
			continue;
		AT_ITEM(c, i);
		r = item_canon(c, o, l, (*n)->items[i], e);
		AT_END(c);
		if (r < 0 && !faults_keep(c->faults, e))
			return r;
	}
	*n = l;
	return 0;
}

static int list_merge(struct fctx *c, const struct field *f, struct node **base, const struct node *over, struct err *e)
{
	const struct object_type *o = f->detail;
	struct node *l;

	if (!o->merge_key || !node_is_list(*base) || !node_is_list(over))
		return append_merge(c, f, base, over, e);
	l = field_list_at(c, over);
	for (size_t i = 0; i < over->n; i++) {
		const char *key = node_is_map(over->items[i]) ? o->merge_key(c, over->items[i]) : NULL;
		struct node *item = over->items[i];

		for (size_t j = 0; key && j < (*base)->n && item == over->items[i]; j++) {
			const struct node *was = (*base)->items[j];

			if (!node_is_map(was) || !streq0(key, o->merge_key(c, was)))
				continue;
			item = field_own(c, was);
			TRY(fields_merge(c, o->fields, item, over->items[i], e));
		}
		node_append(c->arena, l, item);
	}
	*base = l;
	return 0;
}

static int list_unique(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	const struct object_type *o = f->detail;
	const struct node *l = *n;
	const char **keys;

	(void)e;
	if (!node_is_list(l) || l->n < 2 || !o->key)
		return 0;
	keys = arena_alloc(c->arena, l->n * sizeof(*keys));
	for (size_t i = 0; i < l->n; i++)
		keys[i] = node_is_map(l->items[i]) ? o->key(c, l->items[i]) : NULL;
	keep_last(c, n, keys);
	return 0;
}

/* One object of a list or map into OBJ. */
static int object_into(struct fctx *c, const struct object_type *o, const struct node *n, void *obj, struct err *e)
{
	int r;

	if (o->node >= 0)
		*(const struct node **)member_at(obj, (size_t)o->node) = n;
	r = fields_decode(c, o->fields, n, obj, e);
	return r == 0 && o->finish ? o->finish(c, n, obj, e) : r;
}

static int list_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	const struct object_type *o = f->detail;
	struct strs raw; /* the layout of every LIST_OF */
	char *v;

	if (node_is_null(n))
		return 0;
	if (!node_is_list(n))
		return field_type_err(c, n, "list", e);
	v = arena_alloc(c->arena, (n->n ? n->n : 1) * o->size);
	for (size_t i = 0; i < n->n; i++) {
		int r;

		AT_ITEM(c, i);
		r = object_into(c, o, n->items[i], v + i * o->size, e);
		AT_END(c);
		TRY(r);
	}
	raw.v = (void *)v;
	raw.n = n->n;
	memcpy(member, &raw, sizeof(raw));
	return 0;
}

static bool list_emit(const struct field *f, const void *member, struct emitter *out)
{
	const struct object_type *o = f->detail;
	struct strs raw;

	memcpy(&raw, member, sizeof(raw));
	if (!raw.n)
		return false;
	emit_list(out);
	for (size_t i = 0; i < raw.n; i++) {
		emit_map(out);
		fields_emit(o->fields, (const char *)raw.v + i * o->size, out);
		emit_end(out);
	}
	emit_end(out);
	return true;
}

const struct ftype ft_list = {
	.name = "list", .shape = SHAPE_LIST, .canon = list_canon, .merge = list_merge, .unique = list_unique,
	.decode = list_decode, .emit = list_emit,
};

/* ---- provider.options: name -> list of strings ---- */

static int option_lists_canon(struct fctx *c, const struct field *f, struct node **n, struct err *e)
{
	struct node *m;

	(void)f;
	if (node_is_null(*n))
		return 0;
	if (!node_is_map(*n))
		return field_type_err(c, *n, "mapping", e);
	m = field_own(c, *n);
	*n = m;
	for (size_t i = 0; i < m->n; i++) {
		struct node *v = m->items[i], *l = field_list_at(c, v);

		if (node_is_map(v))
			return field_type_err(c, v, "string, number, boolean or list", e);
		for (size_t j = 0; j < (node_is_list(v) ? v->n : 1); j++) {
			const struct node *item = node_is_list(v) ? v->items[j] : v;

			if (!node_is_scalar(item))
				return field_type_err(c, item, "string, number or boolean", e);
			node_append(c->arena, l, field_str_at(c, item, item->text));
		}
		m->items[i] = l;
	}
	return 0;
}

static int option_lists_decode(struct fctx *c, const struct field *f, const struct node *n, void *member, struct err *e)
{
	(void)c, (void)f, (void)e;
	*(const struct node **)member = n;
	return 0;
}

static bool option_lists_emit(const struct field *f, const void *member, struct emitter *out)
{
	const struct node *n = *(const struct node *const *)member;

	(void)f;
	if (!n || !n->n)
		return false;
	emit_node(out, n);
	return true;
}

const struct ftype ft_option_lists = {
	.name = "mapping", .canon = option_lists_canon, .decode = option_lists_decode, .emit = option_lists_emit,
};
