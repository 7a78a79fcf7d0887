/* SPDX-License-Identifier: MIT
 *
 * libyaml's events -> tree. An anchor's node is registered when it is complete, so an alias inside its own anchor is found;
 * aliases are deep copies, bounded in number and depth, because everything later may replace parts of them.
 */
#include "compose/yaml.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "compose/yaml_hint.h"
#include <errno.h>
#include <stdint.h>
#include <yaml.h>

struct anchor {
	const char *name;
	struct node *node; /* NULL: still being read */
	struct anchor *next;
};

/* Where the reader is, for messages: from the inside out. */
struct place {
	const struct place *up;
	const char *key; /* NULL: item of a list */
	size_t index;
};

struct reader {
	struct arena *arena;
	const struct source *src;
	yaml_parser_t yaml;
	yaml_event_t ev;
	bool have; /* ev must be deleted */
	int quote, quote_end; /* lines of the event before, when it was a quoted scalar over several */
	struct anchor *anchors;
	size_t nodes, aliased;
	struct err *e;
};

static struct pos pos_of(const struct reader *r, yaml_mark_t mark)
{
	return (struct pos){ r->src, (int)mark.line + 1, (int)mark.column + 1 };
}

/* ---- errors of libyaml ---- */

static struct pos pos_of_offset(const struct reader *r, size_t offset)
{
	struct pos p = { r->src, 1, 1 };

	for (size_t i = 0; i < offset && i < r->src->len; i++) {
		if (r->src->text[i] == '\n') {
			p.line++;
			p.col = 1;
		} else if (((unsigned char)r->src->text[i] & 0xc0) != 0x80) {
			p.col++;
		}
	}
	return p;
}

/* A key without its ':' is told where it stands, and what is not closed where it opens: the place where libyaml gave up may be the end. */
static struct pos mistake_pos(const struct reader *r)
{
	const yaml_parser_t *y = &r->yaml;

	if (y->error == YAML_READER_ERROR)
		return pos_of_offset(r, y->problem_offset);
	if (y->context && (y->problem_mark.index >= r->src->len || streq(y->problem, "could not find expected ':'")))
		return pos_of(r, y->context_mark);
	return pos_of(r, y->problem_mark);
}

static int reader_err(struct reader *r)
{
	const yaml_parser_t *y = &r->yaml;
	struct yaml_mistake m = { y->problem ? y->problem : "broken YAML", mistake_pos(r), r->quote, r->quote_end };
	const char *hint = yaml_hint(r->arena, &m), *what = y->problem_mark.index >= r->src->len && y->context ? " before the file ends" : "";
	int code;

	if (y->context && y->context_mark.line + 1 != (size_t)m.pos.line)
		code = pos_err(r->e, m.pos, "%s%s, %s that starts in line %zu", m.problem, what, y->context, y->context_mark.line + 1);
	else
		code = pos_err(r->e, m.pos, "%s%s%s%s", m.problem, what, *what ? ", " : "", *what ? y->context : "");
	if (hint)
		err_hint(r->e, "%s", hint);
	return code;
}

static int next(struct reader *r)
{
	r->quote = r->quote_end = 0;
	if (r->have) {
		if (r->ev.type == YAML_SCALAR_EVENT && r->ev.data.scalar.style >= YAML_SINGLE_QUOTED_SCALAR_STYLE &&
		    r->ev.data.scalar.style <= YAML_DOUBLE_QUOTED_SCALAR_STYLE && r->ev.start_mark.line != r->ev.end_mark.line) {
			r->quote = (int)r->ev.start_mark.line + 1;
			r->quote_end = (int)r->ev.end_mark.line + 1;
		}
		yaml_event_delete(&r->ev);
	}
	r->have = false;
	if (!yaml_parser_parse(&r->yaml, &r->ev))
		return reader_err(r);
	r->have = true;
	return 0;
}

/* ---- limits, anchors ---- */

static int count_node(struct reader *r, struct pos pos)
{
	if (++r->nodes > YAML_MAX_NODES)
		return pos_err(r->e, pos, "more than %d values in one file", YAML_MAX_NODES);
	return 0;
}

static int check_depth(struct reader *r, struct pos pos, size_t depth)
{
	if (depth > YAML_MAX_DEPTH)
		return pos_err(r->e, pos, "nested more than %d levels deep", YAML_MAX_DEPTH);
	return 0;
}

static struct anchor *anchor_begin(struct reader *r, const yaml_char_t *name)
{
	struct anchor *n;

	if (!name)
		return NULL;
	n = arena_alloc(r->arena, sizeof *n);
	n->name = arena_strdup(r->arena, (const char *)name);
	n->next = r->anchors; /* a later one of the same name hides the earlier */
	r->anchors = n;
	return n;
}

/* A copy with the limits checked on the way. */
static int copy_aliased(struct reader *r, struct pos pos, const struct node *n, size_t depth, struct node **ret)
{
	struct node *c;

	TRY(check_depth(r, pos, depth));
	if (++r->aliased > YAML_MAX_ALIASED + 10 * r->nodes)
		return pos_err(r->e, pos, "document contains excessive aliasing");
	c = node_shell(r->arena, n);
	for (size_t i = 0; i < n->n; i++)
		TRY(copy_aliased(r, pos, n->items[i], depth + 1, &c->items[i]));
	*ret = c;
	return 0;
}

static int read_alias(struct reader *r, size_t depth, struct node **ret)
{
	const char *name = (const char *)r->ev.data.alias.anchor;
	struct pos pos = pos_of(r, r->ev.start_mark);

	for (struct anchor *n = r->anchors; n; n = n->next) {
		if (!streq(n->name, name))
			continue;
		if (!n->node)
			return pos_err(r->e, pos, "anchor '%s' value contains itself", name);
		return copy_aliased(r, pos, n->node, depth, ret);
	}
	return pos_err(r->e, pos, "unknown anchor '%s' referenced", name);
}

/* ---- scalars ---- */

static const char *base64_text(struct arena *a, const char *s)
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *out = arena_alloc(a, strlen(s) + 1);
	size_t n = 0, bits = 0;
	uint32_t v = 0;

	for (; *s && *s != '='; s++) {
		const char *at = strchr(set, *s);

		if (*s == '\n' || *s == '\r')
			continue;
		if (!at)
			return NULL;
		v = v << 6 | (uint32_t)(at - set);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[n] = (char)(v >> bits);
			if (!out[n++]) /* text cannot hold it */
				return NULL;
		}
	}
	while (*s == '=' || *s == '\n' || *s == '\r')
		s++;
	return *s ? NULL : out;
}

static const enum scalar_type type_of_plain[] = {
	[YAML_STR] = SCALAR_STR,     [YAML_BOOL] = SCALAR_BOOL, [YAML_INT] = SCALAR_INT,
	[YAML_FLOAT] = SCALAR_FLOAT, [YAML_TIME] = SCALAR_TIME,
};

/* A scalar with a standard tag: `!!int "5"`. Other tags leave the text alone. */
static int tagged_scalar(struct reader *r, struct node *n, const char *tag)
{
	static const char *const kinds[] = {
		[YAML_NULL] = "null", [YAML_STR] = "str",     [YAML_BOOL] = "bool",
		[YAML_INT] = "int",   [YAML_FLOAT] = "float", [YAML_TIME] = "timestamp",
	};
	const char *name = str_after(tag, "tag:yaml.org,2002:"), *text;
	enum yaml_plain type;

	if (!name || streq(name, "str"))
		return 0;
	if (streq(name, "binary")) {
		text = base64_text(r->arena, n->text);
		if (!text)
			return node_err(r->e, n, "!!binary value contains invalid base64 data");
		n->text = text;
		return 0;
	}
	type = yaml_resolve(r->arena, n->text, &text);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!streq(name, kinds[i]))
			continue;
		if (type == YAML_INT && i == YAML_FLOAT)
			type = YAML_FLOAT;
		if (type != i)
			return node_err(r->e, n, "cannot decode !!%s `%s` as a !!%s", kinds[type], n->text, name);
		n->kind = type == YAML_NULL ? NODE_NULL : NODE_SCALAR;
		n->type = type_of_plain[type];
		n->text = text;
	}
	return 0;
}

static int read_scalar(struct reader *r, struct node **ret)
{
	const char *tag = (const char *)r->ev.data.scalar.tag, *text = (const char *)r->ev.data.scalar.value;
	bool plain = r->ev.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	struct node *n = node_null(r->arena, pos_of(r, r->ev.start_mark));
	struct anchor *anchor = anchor_begin(r, r->ev.data.scalar.anchor);
	enum yaml_plain type;

	if (strlen(text) != r->ev.data.scalar.length)
		return node_err(r->e, n, "a NUL character cannot be part of a value");
	n->kind = NODE_SCALAR;
	n->quoted = !plain;
	n->text = arena_strndup(r->arena, text, r->ev.data.scalar.length);
	if (tag && !streq(tag, "!")) {
		n->tag = streq(tag, "!reset") ? TAG_RESET : streq(tag, "!override") ? TAG_OVERRIDE : TAG_NONE;
		TRY(tagged_scalar(r, n, tag));
	} else if (plain) {
		type = yaml_resolve(r->arena, n->text, &n->text);
		if (type == YAML_NULL) {
			n->kind = NODE_NULL;
			n->text = NULL;
		} else {
			n->type = type_of_plain[type];
		}
	}
	if (n->kind == NODE_SCALAR && n->type == SCALAR_FLOAT && !strpbrk(n->text, "0123456789")) {
		node_err(r->e, n, "%s: not a number that JSON knows", text);
		err_hint(r->e, "put it in quotes");
		return -EINVAL;
	}
	if (anchor)
		anchor->node = n;
	*ret = n;
	return count_node(r, n->pos);
}

/* ---- lists and mappings ---- */

static int read_node(struct reader *r, size_t depth, const struct place *at, struct node **ret);

static enum node_tag tag_of(const yaml_char_t *tag)
{
	if (!tag)
		return TAG_NONE;
	return streq((const char *)tag, "!reset")    ? TAG_RESET :
	       streq((const char *)tag, "!override") ? TAG_OVERRIDE :
						       TAG_NONE;
}

static int read_list(struct reader *r, size_t depth, const struct place *at, struct node **ret)
{
	struct node *list = node_list(r->arena, pos_of(r, r->ev.start_mark));
	struct anchor *anchor = anchor_begin(r, r->ev.data.sequence_start.anchor);

	list->tag = tag_of(r->ev.data.sequence_start.tag);
	TRY(check_depth(r, list->pos, depth));
	TRY(count_node(r, list->pos));
	for (;;) {
		struct place here = { at, NULL, list->n };
		struct node *item;

		TRY(next(r));
		if (r->ev.type == YAML_SEQUENCE_END_EVENT)
			break;
		TRY(read_node(r, depth + 1, &here, &item));
		node_append(r->arena, list, item);
	}
	if (anchor)
		anchor->node = list;
	*ret = list;
	return 0;
}

static void place_text(const struct place *at, struct str *out)
{
	if (!at)
		return;
	place_text(at->up, out);
	if (at->key)
		str_addf(out, "%s%s", out->len ? "." : "", at->key);
	else
		str_addf(out, "[%zu]", at->index);
}

static int check_key(struct reader *r, const struct place *at, const struct node *key)
{
	AUTO_STR(path, 512);

	if (key->kind == NODE_SCALAR && key->type == SCALAR_STR)
		return 0;
	if (key->kind == NODE_MAP || key->kind == NODE_LIST)
		return node_err(r->e, key, "a key must be a string, not a %s", node_kind_name(key));
	place_text(at, &path);
	node_err(r->e, key, "non-string key %s%s: %s", at ? "in " : "at top level", path.s,
		 key->kind == NODE_NULL ? "<nil>" : key->text);
	err_hint(r->e, "put the key in quotes");
	return -EINVAL;
}

static int set_unique(struct reader *r, struct node *map, struct node *key, struct node *value)
{
	const struct node *first = node_key(map, key->text);

	if (first)
		return node_err(r->e, key, "mapping key \"%s\" already defined at line %d", key->text,
				first->pos.line);
	node_set_key(r->arena, map, key, value);
	return 0;
}

/* What a `<<` brings: keys that are not there yet. */
static int merge_into(struct reader *r, struct node *map, const struct node *from, bool in_list)
{
	if (from->kind == NODE_LIST && !in_list) { /* earlier items win */
		for (size_t i = 0; i < from->n; i++)
			TRY(merge_into(r, map, from->items[i], true));
		return 0;
	}
	if (from->kind != NODE_MAP)
		return node_err(r->e, from, "map merge requires map or sequence of maps as the value");
	for (size_t i = 0; i < from->n; i++)
		if (!node_get(map, from->keys[i]->text))
			node_set_key(r->arena, map, from->keys[i], from->items[i]);
	return 0;
}

static int read_key(struct reader *r, size_t depth, const struct place *at, struct node **ret, bool *ret_merge)
{
	*ret_merge = r->ev.type == YAML_SCALAR_EVENT && r->ev.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
		     streq((const char *)r->ev.data.scalar.value, "<<");
	TRY(read_node(r, depth + 1, at, ret));
	return *ret_merge ? 0 : check_key(r, at, *ret);
}

static int read_map(struct reader *r, size_t depth, const struct place *at, struct node **ret)
{
	struct node *map = node_map(r->arena, pos_of(r, r->ev.start_mark)), *merge = NULL;
	struct anchor *anchor = anchor_begin(r, r->ev.data.mapping_start.anchor);
	struct node *merge_key = NULL;

	map->tag = tag_of(r->ev.data.mapping_start.tag);
	TRY(check_depth(r, map->pos, depth));
	TRY(count_node(r, map->pos));
	for (;;) {
		struct node *key, *value;
		struct place here = { at, NULL, 0 };
		bool is_merge;

		TRY(next(r));
		if (r->ev.type == YAML_MAPPING_END_EVENT)
			break;
		TRY(read_key(r, depth, at, &key, &is_merge));
		here.key = key->text;
		TRY(next(r));
		TRY(read_node(r, depth + 1, &here, &value));
		if (!is_merge) {
			TRY(set_unique(r, map, key, value));
			continue;
		}
		if (merge)
			return node_err(r->e, key, "mapping key \"<<\" already defined at line %d",
					merge_key->pos.line);
		merge = value;
		merge_key = key;
	}
	if (merge) /* last: what is written here wins, wherever the `<<` stands */
		TRY(merge_into(r, map, merge, false));
	if (anchor)
		anchor->node = map;
	*ret = map;
	return 0;
}

static int read_node(struct reader *r, size_t depth, const struct place *at, struct node **ret)
{
	switch (r->ev.type) {
	case YAML_ALIAS_EVENT:
		return read_alias(r, depth, ret);
	case YAML_SCALAR_EVENT:
		return read_scalar(r, ret);
	case YAML_SEQUENCE_START_EVENT:
		return read_list(r, depth, at, ret);
	case YAML_MAPPING_START_EVENT:
		return read_map(r, depth, at, ret);
	default:
		BUG("yaml event %d inside a document", r->ev.type);
	}
}

/* ---- documents ---- */

static int read_stream(struct reader *r, struct yaml_docs *ret)
{
	struct yaml_docs docs = { 0 };
	size_t cap = 0;

	for (;;) {
		TRY(next(r));
		if (r->ev.type == YAML_STREAM_END_EVENT)
			break;
		if (r->ev.type != YAML_DOCUMENT_START_EVENT)
			continue; /* stream start, document end */
		r->anchors = NULL; /* anchors do not cross documents */
		TRY(next(r));
		if (docs.n == cap)
			arena_grow(r->arena, &docs.v, docs.n, &cap, sizeof *docs.v);
		TRY(read_node(r, 1, NULL, &docs.v[docs.n]));
		docs.n++;
	}
	*ret = docs;
	return 0;
}

int yaml_parse(struct arena *a, const struct source *src, struct yaml_docs *ret, struct err *e)
{
	struct reader r = { .arena = a, .src = src, .e = e };
	int code;

	if (!yaml_parser_initialize(&r.yaml))
		return err_set(e, ENOMEM, "libyaml: out of memory");
	yaml_parser_set_input_string(&r.yaml, (const unsigned char *)src->text, src->len);
	code = read_stream(&r, ret);
	if (r.have)
		yaml_event_delete(&r.ev);
	yaml_parser_delete(&r.yaml);
	return code;
}
