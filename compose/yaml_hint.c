/* SPDX-License-Identifier: MIT */
#include "compose/yaml_hint.h"
#include "base/arena.h"
#include "base/str.h"
#include <string.h>

/* A line without its indent, comment-only and empty ones aside. */
struct line {
	const char *s;
	size_t n, indent;
	int number;
};

static void trim(const char *s, size_t n, int number, struct line *ret)
{
	*ret = (struct line){ s, n, 0, number };
	while (ret->n && *ret->s == ' ') {
		ret->s++;
		ret->n--;
		ret->indent++;
	}
	while (ret->n && strchr(" \t\r", ret->s[ret->n - 1]))
		ret->n--;
}

static bool line_at(const struct source *src, int number, struct line *ret)
{
	size_t n = 0;
	const char *s = source_line_of(src, number, &n);

	if (s)
		trim(s, n, number, ret);
	return s;
}

/* The last line before NUMBER that says something: backwards from it, as a file may have a million that say nothing. */
static bool line_before(const struct source *src, int number, struct line *ret)
{
	size_t n;
	const char *s = source_line_of(src, number, &n);

	while (s && s > src->text) {
		const char *end = s - 1, *nl = memrchr(src->text, '\n', (size_t)(end - src->text));

		s = nl ? nl + 1 : src->text;
		trim(s, (size_t)(end - s), --number, ret);
		if (ret->n && *ret->s != '#')
			return true;
	}
	return false;
}

/* Place of the first colon that ends a key (GOOD) or of the first that does not, from FROM; SIZE_MAX: there is none. */
static size_t colon(const struct line *l, size_t from, bool good)
{
	for (size_t i = from; i < l->n; i++)
		if (l->s[i] == ':' && (i + 1 == l->n || l->s[i + 1] == ' ') == good)
			return i;
	return SIZE_MAX;
}

static const char *no_token(struct arena *a, const struct yaml_mistake *m)
{
	size_t n = 0;
	const char *s = source_line_of(m->pos.src, m->pos.line, &n);
	char c = s && (size_t)m->pos.col <= n ? s[m->pos.col - 1] : ' ';

	if (c == '\t')
		return "that is a tab: indent with spaces";
	if (strchr("@`%", c))
		return arena_printf(a, "quote a value that starts with '%c'", c);
	return "indent with spaces, not tabs; quote a value that starts with @, ` or %";
}

/* BEFORE, a line that should hold a key, holds none; NULL: it does, or it is an item of a list. */
static const char *keyless(struct arena *a, const struct line *before)
{
	if (colon(before, 0, true) != SIZE_MAX || *before->s == '-')
		return NULL;
	if (colon(before, 0, false) != SIZE_MAX)
		return arena_printf(a, "line %d: a ':' needs a blank behind it", before->number);
	return arena_printf(a, "line %d: is a ':' missing at its end?", before->number);
}

/* A ':' too many, or a line that goes on with the one before. */
static const char *no_mapping(struct arena *a, const struct yaml_mistake *m)
{
	struct line at, before;
	const char *hint;
	size_t key;

	if (!line_at(m->pos.src, m->pos.line, &at))
		return NULL;
	key = colon(&at, 0, true);
	if (key != SIZE_MAX && at.indent + key + 1 < (size_t)m->pos.col)
		return "quote the value: it has a ':' with a blank behind it";
	if (!line_before(m->pos.src, m->pos.line, &before))
		return NULL;
	hint = keyless(a, &before);
	if (hint)
		return hint;
	key = colon(&before, 0, true);
	if (key != SIZE_MAX && at.indent > before.indent && key + 1 < before.n)
		return arena_printf(a, "this line stands deeper than line %d, which has its value already", before.number);
	return "quote the value, or check the indentation of this line and the one before";
}

static const char *no_colon(struct arena *a, const struct yaml_mistake *m)
{
	struct line at;

	(void)a;
	if (line_at(m->pos.src, m->pos.line, &at) && at.n > 1 && at.s[0] == '-' && at.s[1] != ' ')
		return "an item of a list needs a blank behind its '-'";
	return "a key needs a ':' and a blank after it";
}

static const char *no_key(struct arena *a, const struct yaml_mistake *m)
{
	struct line before;
	const char *hint = NULL;

	if (m->quote)
		return arena_printf(a, "the quote that opens in line %d ends in line %d: is one missing?", m->quote, m->quote_end);
	if (line_before(m->pos.src, m->pos.line, &before))
		hint = keyless(a, &before);
	return hint ? hint : "check the indentation of this line and the one before";
}

const char *yaml_hint(struct arena *a, const struct yaml_mistake *m)
{
	static const struct {
		const char *problem;
		const char *(*look)(struct arena *a, const struct yaml_mistake *m); /* NULL: always HINT */
		const char *hint;
	} hints[] = {
		{ "found character that cannot start any token", no_token, NULL },
		{ "mapping values are not allowed in this context", no_mapping, NULL },
		{ "could not find expected ':'", no_colon, NULL },
		{ "did not find expected key", no_key, NULL },
		{ "did not find expected '-' indicator", NULL, "all items of a list start in the same column" },
		{ "did not find expected ',' or ']'", NULL, "close the bracket; within it, quote a value that has brackets, braces or ${…}" },
		{ "did not find expected ',' or '}'", NULL, "close the brace; within it, quote a value that has brackets, braces or ${…}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(hints); i++)
		if (streq(hints[i].problem, m->problem))
			return hints[i].look ? hints[i].look(a, m) : hints[i].hint;
	return NULL;
}
