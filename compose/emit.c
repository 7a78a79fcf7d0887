/* SPDX-License-Identifier: MIT
 *
 * compose/emit.c - writes maps, lists and values as YAML or JSON
 *
 * A map or list is written when its first member comes; closed without one it is {} or [].
 */
#include "compose/emit.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "compose/ftypes.h"
#include "compose/yaml.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { SINK_PIECE = 256 << 10 };
enum { LEVEL_MAP = 1, LEVEL_LIST = 2, LEVEL_USED = 4, LEVEL_IN_LIST = 8 };

void emit_init(struct emitter *x, struct arena *a, struct str *out, enum emit_format format)
{
	memset(x, 0, offsetof(struct emitter, level));
	x->arena = a;
	x->out = out;
	x->format = format;
}

void emit_key_as(struct emitter *x, const char *key, bool capital)
{
	x->key = key;
	x->capital = capital;
}

void emit_key(struct emitter *x, const char *key)
{
	emit_key_as(x, key, false);
}

void emit_raw(struct emitter *x, const char *s, size_t n)
{
	const char *d;

	while (x->escape && (d = memchr(s, '$', n))) {
		str_addn(x->out, s, (size_t)(d - s) + 1);
		str_addc(x->out, '$');
		n -= (size_t)(d - s) + 1;
		s = d + 1;
	}
	str_addn(x->out, s, n);
}

void emit_newline(struct emitter *x, int levels)
{
	static const char blanks[] = "                                                                ";
	size_t n = (size_t)levels * 2;

	if (x->out->len || x->begun)
		str_addc(x->out, '\n');
	for (; n > sizeof(blanks) - 1; n -= sizeof(blanks) - 1)
		str_addn(x->out, blanks, sizeof(blanks) - 1);
	str_addn(x->out, blanks, n);
}

/* ---- JSON ---- */

/* Everything that a reader of YAML would not take as it is stands as \u: our JSON is read by both. */
static size_t json_escape(struct emitter *x, const char *s)
{
	static const char letters[] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\' };
	const unsigned char *u = (const unsigned char *)s;

	if (u[0] < sizeof(letters) && letters[u[0]]) {
		str_addf(x->out, "\\%c", letters[u[0]]);
		return 1;
	}
	if (u[0] < 0x80) {
		str_addf(x->out, "\\u%04x", u[0]);
		return 1;
	}
	for (size_t n = 2; n <= 4 && strnlen(s, n) == n; n++) {
		if (!str_utf8_valid(s, n))
			continue;
		if (n == 4)
			str_addn(x->out, s, n);
		else
			str_addf(x->out, "\\u%04x", n == 2 ? (u[0] & 31) << 6 | (u[1] & 63) : (u[0] & 15) << 12 | (u[1] & 63) << 6 | (u[2] & 63));
		return n;
	}
	str_add(x->out, "\\ufffd");
	return 1;
}

static void json_string(struct emitter *x, const char *s)
{
	const char *from = s;

	str_addc(x->out, '"');
	while (*s) {
		size_t n = emit_printable(s);

		if (n && *s != '"' && *s != '\\' && *s != '\n') {
			s += n;
			continue;
		}
		emit_raw(x, from, (size_t)(s - from));
		s += json_escape(x, s);
		from = s;
	}
	emit_raw(x, from, (size_t)(s - from));
	str_addc(x->out, '"');
}

/* ---- structure ---- */

/* Everything that stands before a value: comma or line, indent, key. */
static void before(struct emitter *x)
{
	unsigned char *l = x->depth ? &x->level[x->depth - 1] : NULL;
	bool json = x->format == EMIT_JSON;

	if (!l)
		return;
	if (json) {
		if (*l & LEVEL_USED)
			str_addc(x->out, ',');
		else
			str_addc(x->out, *l & LEVEL_MAP ? '{' : '[');
		if (!x->compact)
			emit_newline(x, x->depth);
	} else if ((*l & LEVEL_IN_LIST) && !(*l & LEVEL_USED)) {
		str_addc(x->out, ' ');
	} else {
		emit_newline(x, x->depth - 1);
	}
	*l |= LEVEL_USED;
	if (*l & LEVEL_LIST) {
		if (!json)
			str_addc(x->out, '-');
		return;
	}
	BUG_ON(!x->key);
	if (json) {
		char capital[64];

		if (x->capital) {
			(void)snprintf(capital, sizeof(capital), "%c%s", x->key[0] - 'a' + 'A', x->key + 1);
			json_string(x, capital);
		} else {
			json_string(x, x->key);
		}
		str_add(x->out, x->compact ? ":" : ": ");
	} else {
		bool complex = strlen(x->key) > 128; /* yaml_emitter_check_simple_key */

		if (complex)
			str_add(x->out, "? ");
		emit_yaml_string(x, x->key, true);
		if (complex)
			emit_newline(x, x->depth - 1);
		str_addc(x->out, ':');
	}
	x->key = NULL;
}

static void open_level(struct emitter *x, unsigned char kind)
{
	bool in_list = x->depth && (x->level[x->depth - 1] & LEVEL_LIST);

	before(x);
	BUG_ON(x->depth == EMIT_DEPTH);
	x->level[x->depth++] = (unsigned char)(kind | (in_list ? LEVEL_IN_LIST : 0));
}

void emit_map(struct emitter *x)
{
	open_level(x, LEVEL_MAP);
}

void emit_list(struct emitter *x)
{
	open_level(x, LEVEL_LIST);
}

void emit_end(struct emitter *x)
{
	unsigned char l = x->level[--x->depth];

	x->key = NULL;
	if (!(l & LEVEL_USED)) {
		if (x->format == EMIT_YAML && x->depth)
			str_addc(x->out, ' ');
		str_add(x->out, l & LEVEL_MAP ? "{}" : "[]");
	} else if (x->format == EMIT_JSON) {
		if (!x->compact)
			emit_newline(x, x->depth);
		str_addc(x->out, l & LEVEL_MAP ? '}' : ']');
	}
}

static void scalar(struct emitter *x)
{
	before(x);
	if (x->format == EMIT_YAML && x->depth)
		str_addc(x->out, ' ');
}

void emit_str(struct emitter *x, const char *s)
{
	scalar(x);
	if (x->format == EMIT_JSON)
		json_string(x, s);
	else
		emit_yaml_string(x, s, false);
}

static void plain(struct emitter *x, const char *text)
{
	scalar(x);
	str_add(x->out, text);
}

void emit_int(struct emitter *x, int64_t v)
{
	char buf[24];

	(void)snprintf(buf, sizeof(buf), "%" PRId64, v);
	plain(x, buf);
}

/* The double with the digits that a float32 would be printed with: 0.7, not 0.699999988. */
static double as_single(double v)
{
	char buf[32];

	for (int digits = 1; digits <= 9; digits++) {
		(void)snprintf(buf, sizeof(buf), "%.*g", digits, v);
		if (strtof(buf, NULL) == (float)v)
			return strtod(buf, NULL);
	}
	return v;
}

void emit_double(struct emitter *x, double v, bool single)
{
	if (!isfinite(v))
		plain(x, x->format == EMIT_JSON ? "null" : isnan(v) ? ".nan" : v > 0 ? ".inf" : "-.inf");
	else
		plain(x, yaml_float_text(x->arena, single ? as_single(v) : v));
}

void emit_bool(struct emitter *x, bool v)
{
	plain(x, v ? "true" : "false");
}

void emit_null(struct emitter *x)
{
	plain(x, "null");
}

/* ---- trees ---- */

/* "2020-01-01 00:00:00 +0000 UTC" as a timestamp: 2020-01-01T00:00:00Z. */
static void emit_time(struct emitter *x, const char *text)
{
	char buf[48];
	const char *zone = strrchr(text, ' ') - 5; /* " +0000 UTC" */
	int n = (int)(zone - text) - 12;

	if (str_starts(zone, "+0000"))
		snprintf(buf, sizeof(buf), "%.10sT%.*sZ", text, n, text + 11);
	else
		snprintf(buf, sizeof(buf), "%.10sT%.*s%.3s:%.2s", text, n, text + 11, zone, zone + 3);
	if (x->format == EMIT_JSON)
		emit_str(x, buf);
	else
		plain(x, buf);
}

static void emit_scalar(struct emitter *x, const struct node *n)
{
	int64_t i;
	double d;

	if (n->type == SCALAR_BOOL)
		emit_bool(x, scalar_true(n));
	else if (n->type == SCALAR_TIME)
		emit_time(x, n->text);
	else if (scalar_int(n, &i))
		emit_int(x, i);
	else if (scalar_double(n, &d))
		emit_double(x, d, false);
	else
		emit_str(x, n->text);
}

void emit_members(struct emitter *x, const struct node *n)
{
	auto_free const char **keys = xcalloc(n->n ? n->n : 1, sizeof(*keys));
	auto_free size_t *order = NULL;

	for (size_t i = 0; i < n->n; i++)
		keys[i] = n->keys[i]->text;
	order = emit_order(x, keys, n->n, sizeof(*keys));
	for (size_t i = 0; i < n->n; i++) {
		size_t at = order ? order[i] : i;

		emit_key(x, keys[at]);
		emit_node(x, n->items[at]);
	}
}

static void emit_node_map(struct emitter *x, const struct node *n)
{
	emit_map(x);
	emit_members(x, n);
	emit_end(x);
}

void emit_node(struct emitter *x, const struct node *n)
{
	if (x->depth >= EMIT_DEPTH - 2 || node_is_null(n) || (x->null_lists && node_is_list(n) && !n->n)) {
		emit_null(x);
	} else if (n->kind == NODE_SCALAR) {
		emit_scalar(x, n);
	} else if (n->kind == NODE_MAP) {
		emit_node_map(x, n);
	} else {
		emit_list(x);
		for (size_t i = 0; i < n->n; i++)
			emit_node(x, n->items[i]);
		emit_end(x);
	}
}

void emit_tree(const struct node *tree, enum emit_format format, struct str *out)
{
	AUTO(arena_free) struct arena *a = arena_new();
	struct emitter x;

	emit_init(&x, a, out, format);
	emit_node(&x, tree);
	str_addc(out, '\n');
}

/* ---- the project ---- */

/* Between the objects of a section, where nothing is taken back. */
static void drain(struct emitter *x)
{
	if (!x->sink || x->out->len < SINK_PIECE)
		return;
	x->sink->write(x->sink->arg, x->out->s, x->out->len);
	x->begun = true;
	str_reset(x->out);
}

/* A section of named objects, those that WHEN holds for. */
#define SECTION(x, p, list, name_, table, member, when)                                            \
	do {                                                                                       \
		bool any_ = false;                                                                 \
		auto_free size_t *order_ =                                                         \
			(p)->list.n ? emit_order(x, &(p)->list.v->member, (p)->list.n, sizeof(*(p)->list.v)) : NULL; \
		for (size_t at_ = 0; at_ < (p)->list.n; at_++) {                                   \
			size_t i = order_ ? order_[at_] : at_;                                     \
			if (!(when))                                                               \
				continue;                                                          \
			if (!any_) {                                                               \
				emit_key(x, name_);                                                \
				emit_map(x);                                                       \
			}                                                                          \
			any_ = true;                                                               \
			emit_key(x, (p)->list.v[i].member);                                        \
			emit_map(x);                                                               \
			fields_emit(table, &(p)->list.v[i], x);                                    \
			emit_end(x);                                                               \
			drain(x);                                                                  \
		}                                                                                  \
		if (any_)                                                                          \
			emit_end(x);                                                               \
	} while (0)

/* Always there, also when no service is active. */
static void emit_services(struct emitter *x, const struct project *p)
{
	auto_free size_t *order =
		p->services.n ? emit_order(x, &p->services.v->name, p->services.n, sizeof(*p->services.v)) : NULL;

	emit_key(x, "services");
	emit_map(x);
	for (size_t at = 0; at < p->services.n; at++) {
		size_t i = order ? order[at] : at;

		if (p->services.v[i].disabled)
			continue;
		emit_key(x, p->services.v[i].name);
		emit_map(x);
		fields_emit(service_fields, &p->services.v[i], x);
		emit_end(x);
		drain(x);
	}
	emit_end(x);
}

void emit_project(const struct project *p, enum emit_format format, bool escape, struct str *out)
{
	emit_project_through(p, format, escape, NULL, out);
}

void emit_project_through(const struct project *p, enum emit_format format, bool escape, const struct emit_sink *sink, struct str *out)
{
	struct emitter x;

	emit_init(&x, p->arena, out, format);
	x.sink = sink;
	x.escape = escape;
	emit_map(&x);
	if (p->name) {
		emit_key(&x, "name");
		emit_str(&x, p->name);
	}
	x.null_lists = format == EMIT_JSON;
	emit_services(&x, p);
	SECTION(&x, p, networks, "networks", network_fields, key, p->networks.v[i].used);
	SECTION(&x, p, volumes, "volumes", volume_fields, key, p->volumes.v[i].used);
	SECTION(&x, p, secrets, "secrets", secret_fields, key, p->secrets.v[i].used);
	SECTION(&x, p, configs, "configs", config_fields, key, p->configs.v[i].used);
	SECTION(&x, p, models, "models", model_fields, key, p->models.v[i].used);
	if (p->ext)
		emit_members(&x, p->ext);
	emit_end(&x);
	str_addc(out, '\n');
}
