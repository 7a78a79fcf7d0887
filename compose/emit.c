/* SPDX-License-Identifier: MIT
 *
 * compose/emit.c - writes maps, lists and values as YAML or JSON
 *
 * The YAML is what go-yaml v3 with an indent of two writes, since that is what people compare with: plain where a reader would
 * take it for a string, "…" where it would take it for something else, '…' where punctuation forbids plain, |- for lines.
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

static void add_dollars(struct emitter *x, const char *s, size_t n)
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

static void newline(struct emitter *x, int levels)
{
	static const char blanks[] = "                                                                ";
	size_t n = (size_t)levels * 2;

	if (x->out->len)
		str_addc(x->out, '\n');
	for (; n > sizeof(blanks) - 1; n -= sizeof(blanks) - 1)
		str_addn(x->out, blanks, sizeof(blanks) - 1);
	str_addn(x->out, blanks, n);
}

/* ---- JSON ---- */

static void json_string(struct emitter *x, const char *s)
{
	str_addc(x->out, '"');
	for (const char *from = s;; s++) {
		unsigned char ch = (unsigned char)*s;

		if (ch >= 0x20 && ch != '"' && ch != '\\')
			continue;
		add_dollars(x, from, (size_t)(s - from));
		from = s + 1;
		if (!ch)
			break;
		if (ch == '\n')
			str_add(x->out, "\\n");
		else if (ch == '\t')
			str_add(x->out, "\\t");
		else if (ch == '\r')
			str_add(x->out, "\\r");
		else if (ch < 0x20)
			str_addf(x->out, "\\u%04x", ch);
		else
			str_addf(x->out, "\\%c", ch);
	}
	str_addc(x->out, '"');
}

/* ---- YAML scalars ---- */

/* YAML 1.1 words that go-yaml still quotes: what other readers take for booleans. */
static bool is_old_bool(const char *s)
{
	static const char *const words[] = {
		"y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF", NULL,
	};

	return str_in(s, words);
}

/* YAML 1.1: 22:22, 1:30:00.5 */
static bool is_base60(const char *s)
{
	if (*s == '-' || *s == '+')
		s++;
	if (*s < '0' || *s > '9' || !strchr(s, ':'))
		return false;
	s += strspn(s, "0123456789_");
	while (*s == ':') {
		s++;
		if (*s >= '0' && *s <= '5' && s[1] >= '0' && s[1] <= '9')
			s += 2;
		else if (*s >= '0' && *s <= '9')
			s++;
		else
			return false;
	}
	if (*s == '.')
		s += 1 + strspn(s + 1, "0123456789_");
	return !*s;
}

static bool reads_as_string(struct emitter *x, const char *s)
{
	const char *text;

	return *s && yaml_resolve(x->arena, s, &text) == YAML_STR && !is_old_bool(s) && !is_base60(s);
}

struct scalar_look {
	bool multiline, plain, plain_key, single, block;
	bool leading_space, leading_break, trailing_break;
};

static bool is_blank_or_end(char ch)
{
	return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r' || !ch;
}

/* Bytes of one character that may stand as it is; 0: it may not (control bytes, broken UTF-8, BOM). */
static size_t printable(const char *s)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t n = u[0] < 0x80 ? 1 : u[0] < 0xc2 ? 0 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : u[0] < 0xf5 ? 4 : 0;

	if (n == 1)
		return u[0] == '\n' || (u[0] >= 0x20 && u[0] < 0x7f);
	for (size_t i = 1; i < n; i++)
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	if (n == 2 && u[0] == 0xc2 && u[1] < 0xa0)
		return 0;
	if (n == 3 && ((u[0] == 0xed && u[1] >= 0xa0) || (u[0] == 0xef && u[1] == 0xbb && u[2] == 0xbf) ||
		       (u[0] == 0xef && u[1] == 0xbf && u[2] >= 0xbe)))
		return 0;
	return n == 4 ? 0 : n;
}

/* yaml_emitter_analyze_scalar */
static struct scalar_look look_at(const char *s)
{
	struct scalar_look l = { .plain = true, .plain_key = true, .single = true, .block = true };
	bool flow_indicators = false, block_indicators = false, special = false, space_break = false, tab = false;
	bool preceded_by_blank = true, previous_space = false, previous_break = false, break_space = false, trailing_space = false;
	const char *start = s;

	if (!*s)
		return (struct scalar_look){ .single = true };
	if (str_starts(s, "---") || str_starts(s, "..."))
		flow_indicators = block_indicators = true;
	while (*s) {
		size_t n = printable(s);
		bool first = s == start, followed = is_blank_or_end(s[n ? n : 1]);

		if (first ? strchr("#,[]{}&*!|>'\"%@`", *s) != NULL : strchr(",?[]{}", *s) != NULL)
			flow_indicators = true;
		if (first && strchr("#,[]{}&*!|>'\"%@`", *s))
			block_indicators = true;
		if (first && (*s == '?' || *s == ':' || *s == '-')) {
			flow_indicators |= *s != '-' || followed;
			block_indicators |= followed;
		}
		if (!first && *s == ':') {
			flow_indicators = true;
			block_indicators |= followed;
		}
		if (!first && *s == '#' && preceded_by_blank)
			flow_indicators = block_indicators = true;
		if (*s == '\t')
			tab = true;
		else if (!n)
			special = true;
		if (*s == ' ') {
			l.leading_space |= first;
			trailing_space |= !s[1];
			break_space |= previous_break;
			previous_space = true;
			previous_break = false;
		} else if (*s == '\n') {
			l.multiline = true;
			l.leading_break |= first;
			l.trailing_break |= !s[1];
			space_break |= previous_space;
			previous_break = true;
			previous_space = false;
		} else {
			previous_space = previous_break = false;
		}
		preceded_by_blank = is_blank_or_end(*s);
		s += n ? n : 1;
	}
	if (l.leading_space || l.leading_break || trailing_space || l.trailing_break)
		l.plain = l.plain_key = false;
	if (trailing_space)
		l.block = false;
	if (break_space)
		l.plain = l.plain_key = l.single = false;
	if (space_break || tab || special)
		l.plain = l.plain_key = l.single = false;
	if (space_break || special)
		l.block = false;
	if (l.multiline)
		l.plain = l.plain_key = false;
	if (block_indicators)
		l.plain = l.plain_key = false;
	(void)flow_indicators;
	return l;
}

static void yaml_single(struct emitter *x, const char *s)
{
	str_addc(x->out, '\'');
	for (const char *q; (q = strchr(s, '\'')); s = q + 1) {
		add_dollars(x, s, (size_t)(q - s));
		str_add(x->out, "''");
	}
	add_dollars(x, s, strlen(s));
	str_addc(x->out, '\'');
}

static void yaml_double(struct emitter *x, const char *s)
{
	static const char *const names[256] = {
		[7] = "\\a", ['\b'] = "\\b", ['\t'] = "\\t", ['\n'] = "\\n", [11] = "\\v", ['\f'] = "\\f", ['\r'] = "\\r",
		[27] = "\\e", ['"'] = "\\\"", ['\\'] = "\\\\",
	};

	str_addc(x->out, '"');
	while (*s) {
		unsigned char ch = (unsigned char)*s;
		size_t n = printable(s);

		if (names[ch]) {
			str_add(x->out, names[ch]);
			n = 1;
		} else if (n) {
			add_dollars(x, s, n);
		} else if (ch >= 0xf0 && str_utf8_valid(s, strnlen(s, 4)) && strnlen(s, 4) == 4) {
			uint32_t u = (uint32_t)(ch & 7) << 18 | (uint32_t)(s[1] & 0x3f) << 12 | (uint32_t)(s[2] & 0x3f) << 6 |
				     (uint32_t)(s[3] & 0x3f);

			str_addf(x->out, "\\U%08X", u);
			n = 4;
		} else if (ch == 0xef && (unsigned char)s[1] == 0xbb && (unsigned char)s[2] == 0xbf) {
			str_add(x->out, "\\uFEFF");
			n = 3;
		} else if (ch == 0xc2 && ((unsigned char)s[1] & 0xc0) == 0x80) {
			str_addf(x->out, "\\x%02X", (unsigned char)s[1]);
			n = 2;
		} else {
			str_addf(x->out, "\\x%02X", ch);
			n = 1;
		}
		s += n;
	}
	str_addc(x->out, '"');
}

/* | or |-, |+ with an indent hint when the text begins with a blank. */
static void yaml_literal(struct emitter *x, const char *s, const struct scalar_look *l)
{
	size_t len = strlen(s);
	const char *nl;

	str_addc(x->out, '|');
	if (l->leading_space || l->leading_break)
		str_addc(x->out, '2');
	if (s[len - 1] != '\n')
		str_addc(x->out, '-');
	else if (len == 1 || s[len - 2] == '\n')
		str_addc(x->out, '+');
	while (*s) {
		nl = strchr(s, '\n');
		if (nl != s)
			newline(x, x->depth);
		else
			str_addc(x->out, '\n');
		add_dollars(x, s, nl ? (size_t)(nl - s) : strlen(s));
		if (!nl)
			return;
		s = nl + 1;
	}
}

static void yaml_string(struct emitter *x, const char *s, bool key)
{
	struct scalar_look l = look_at(s);
	bool string = reads_as_string(x, s);

	if (l.multiline && !key && l.block)
		yaml_literal(x, s, &l);
	else if (!l.multiline && string && l.plain)
		add_dollars(x, s, strlen(s));
	else if (!l.multiline && string && l.single)
		yaml_single(x, s);
	else
		yaml_double(x, s);
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
			newline(x, x->depth);
	} else if ((*l & LEVEL_IN_LIST) && !(*l & LEVEL_USED)) {
		str_addc(x->out, ' ');
	} else {
		newline(x, x->depth - 1);
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
		yaml_string(x, x->key, true);
		if (complex)
			newline(x, x->depth - 1);
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
			newline(x, x->depth);
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
		yaml_string(x, s, false);
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

/* ---- the order of keys ---- */

static bool is_digit(char ch)
{
	return ch >= '0' && ch <= '9';
}

static bool is_letter(char ch)
{
	return ((ch | 32) >= 'a' && (ch | 32) <= 'z') || (unsigned char)ch >= 0x80;
}

/* Where A and B differ at I in something that is no letter: numbers by value, then by length, then by character. */
static int compare_numbers(const char *a, const char *b, size_t i)
{
	uint64_t an = 0, bn = 0;
	size_t ai = i, bi = i;

	if (a[i] == '0' || b[i] == '0')
		for (size_t j = i; j > 0 && is_digit(a[j - 1]); j--)
			if (a[j - 1] != '0')
				an = bn = 1;
	for (; is_digit(a[ai]); ai++)
		an = an * 10 + (uint64_t)(a[ai] - '0');
	for (; is_digit(b[bi]); bi++)
		bn = bn * 10 + (uint64_t)(b[bi] - '0');
	if (an != bn)
		return an < bn ? -1 : 1;
	if (ai != bi)
		return ai < bi ? -1 : 1;
	return (unsigned char)a[i] < (unsigned char)b[i] ? -1 : 1;
}

/* keyList.Less of go-yaml v3: letters behind everything else, digits as numbers. */
static int compare_natural(const char *a, const char *b)
{
	bool digits = false, al, bl;
	size_t i = 0;

	for (; a[i] && a[i] == b[i]; i++)
		digits = is_digit(a[i]);
	if (!a[i] || !b[i])
		return a[i] ? 1 : b[i] ? -1 : 0;
	al = is_letter(a[i]);
	bl = is_letter(b[i]);
	if (al && bl)
		return (unsigned char)a[i] < (unsigned char)b[i] ? -1 : 1;
	if (al || bl)
		return (digits ? al : bl) ? -1 : 1;
	return compare_numbers(a, b, i);
}

struct sort_key {
	const char *key;
	size_t index;
};

static int by_natural(const void *a, const void *b)
{
	const struct sort_key *x = a, *y = b;

	return compare_natural(x->key, y->key);
}

static int by_byte(const void *a, const void *b)
{
	const struct sort_key *x = a, *y = b;

	return strcmp(x->key, y->key);
}

size_t *emit_order(const struct emitter *x, const void *v, size_t n, size_t size)
{
	struct sort_key *keys = xcalloc(n ? n : 1, sizeof(*keys));
	int (*compare)(const void *, const void *) = x->format == EMIT_YAML ? by_natural : by_byte;
	size_t *order = NULL, sorted = 1;

	for (size_t i = 0; i < n; i++)
		keys[i] = (struct sort_key){ *(const char *const *)(const void *)((const char *)v + i * size), i };
	while (sorted < n && compare(&keys[sorted - 1], &keys[sorted]) <= 0)
		sorted++;
	if (sorted < n) {
		qsort(keys, n, sizeof(*keys), compare);
		order = xcalloc(n, sizeof(*order));
		for (size_t i = 0; i < n; i++)
			order[i] = keys[i].index;
	}
	free(keys);
	return order;
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
	}
	emit_end(x);
}

void emit_project(const struct project *p, enum emit_format format, bool escape, struct str *out)
{
	struct emitter x;

	emit_init(&x, p->arena, out, format);
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
