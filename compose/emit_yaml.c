/* SPDX-License-Identifier: MIT
 *
 * compose/emit_yaml.c - how a string is written in YAML, and in which order keys come
 *
 * As go-yaml v3 does it, since that is what people compare with: plain where a reader would take it for a string, "…" where it would
 * take it for something else, '…' where punctuation forbids plain, |- for lines.
 */
#include "base/alloc.h"
#include "base/str.h"
#include "compose/emit.h"
#include "compose/yaml.h"
#include <stdlib.h>

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

/* Ways in which a string may be written. */
struct scalar_look {
	bool multiline, plain, single, block;
	bool leading_space, leading_break;
};

static bool is_blank_or_end(char ch)
{
	return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r' || !ch;
}

size_t emit_printable(const char *s)
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
	if (n == 3 && u[0] == 0xe2 && u[1] == 0x80 && (u[2] == 0xa8 || u[2] == 0xa9)) /* U+2028, U+2029: line breaks */
		return 0;
	if (n == 3 && ((u[0] == 0xed && u[1] >= 0xa0) || (u[0] == 0xef && u[1] == 0xbb && u[2] == 0xbf) ||
		       (u[0] == 0xef && u[1] == 0xbf && u[2] >= 0xbe)))
		return 0;
	return n == 4 ? 0 : n;
}

/* Does punctuation at S forbid to write it plain? (yaml_emitter_analyze_scalar, outside of flow collections) */
static bool is_indicator(const char *s, size_t n, bool first, bool after_blank)
{
	bool followed = is_blank_or_end(s[n]);

	if (first)
		return strchr("#,[]{}&*!|>'\"%@`", *s) || (strchr("?:-", *s) && followed);
	return (*s == ':' && followed) || (*s == '#' && after_blank);
}

static struct scalar_look look_at(const char *s)
{
	struct scalar_look l = { .plain = true, .single = true, .block = true };
	const char *start = s;
	char before = '\0';

	if (!*s)
		return (struct scalar_look){ .single = true };
	if (str_starts(s, "---") || str_starts(s, "..."))
		l.plain = false;
	l.leading_space = *s == ' ' || *s == '\t';
	l.leading_break = *s == '\n';
	while (*s) {
		size_t n = emit_printable(s);
		bool tab = *s == '\t', special = !n && !tab;

		n = n ? n : 1;
		if (is_indicator(s, n, s == start, is_blank_or_end(before)))
			l.plain = false;
		if (*s == '\n')
			l.multiline = true;
		if ((*s == ' ' && before == '\n') || tab || special)
			l.plain = l.single = false;
		if ((*s == '\n' && before == ' ') || special)
			l.plain = l.single = l.block = false;
		before = *s;
		s += n;
	}
	if (l.leading_space || l.leading_break || l.multiline || before == ' ' || before == '\n')
		l.plain = false;
	if (before == ' ')
		l.block = false;
	return l;
}

static void yaml_single(struct emitter *x, const char *s)
{
	str_addc(x->out, '\'');
	for (const char *q; (q = strchr(s, '\'')); s = q + 1) {
		emit_raw(x, s, (size_t)(q - s));
		str_add(x->out, "''");
	}
	emit_raw(x, s, strlen(s));
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
		size_t n = emit_printable(s);

		if (names[ch]) {
			str_add(x->out, names[ch]);
			n = 1;
		} else if (n) {
			emit_raw(x, s, n);
		} else if (ch >= 0xf0 && str_utf8_valid(s, strnlen(s, 4)) && strnlen(s, 4) == 4) {
			uint32_t u = (uint32_t)(ch & 7) << 18 | (uint32_t)(s[1] & 0x3f) << 12 | (uint32_t)(s[2] & 0x3f) << 6 |
				     (uint32_t)(s[3] & 0x3f);

			str_addf(x->out, "\\U%08X", u);
			n = 4;
		} else if ((ch & 0xf0) == 0xe0 && strnlen(s, 3) == 3 && str_utf8_valid(s, 3)) {
			str_addf(x->out, "\\u%04X", (unsigned)((ch & 15) << 12 | (s[1] & 0x3f) << 6 | (s[2] & 0x3f)));
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
			emit_newline(x, x->depth);
		else
			str_addc(x->out, '\n');
		emit_raw(x, s, nl ? (size_t)(nl - s) : strlen(s));
		if (!nl)
			return;
		s = nl + 1;
	}
}

void emit_yaml_string(struct emitter *x, const char *s, bool key)
{
	struct scalar_look l = look_at(s);
	bool string = reads_as_string(x, s) && !(key && streq(s, "<<"));

	if (l.multiline && !key && l.block)
		yaml_literal(x, s, &l);
	else if (!l.multiline && string && l.plain)
		emit_raw(x, s, strlen(s));
	else if (!l.multiline && string && l.single)
		yaml_single(x, s);
	else
		yaml_double(x, s);
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
