/* SPDX-License-Identifier: MIT */
#include "engine/image/toml.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/auto.h"
#include "base/err.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "base/strv.h"

struct toml {
	const char *p, *end, *what;
	int line, depth;
	size_t max;
};

static int value(struct toml *t, struct cJSON *to, const char *key, struct err *e);

static int wrong(const struct toml *t, const char *why, struct err *e)
{
	return err_set(e, EINVAL, "%s:%d: %s", t->what, t->line, why);
}

static int at(const struct toml *t, size_t i)
{
	return (size_t)(t->end - t->p) > i ? (unsigned char)t->p[i] : -1;
}

static bool take(struct toml *t, const char *s)
{
	size_t n = strlen(s);

	if ((size_t)(t->end - t->p) < n || memcmp(t->p, s, n) != 0)
		return false;
	t->p += n;
	return true;
}

static void blanks(struct toml *t)
{
	while (at(t, 0) == ' ' || at(t, 0) == '\t')
		t->p++;
	if (at(t, 0) == '#')
		while (t->p < t->end && *t->p != '\n')
			t->p++;
}

static bool newline(struct toml *t)
{
	if (!take(t, "\n") && !take(t, "\r\n"))
		return false;
	t->line++;
	return true;
}

static void blank_lines(struct toml *t)
{
	do
		blanks(t);
	while (newline(t));
}

static int end_of_line(struct toml *t, struct err *e)
{
	blanks(t);
	return newline(t) || t->p == t->end ? 0 : wrong(t, "more on the line than belongs there", e);
}

/* ---- strings ------------------------------------------------------------------------------------------------------------------------------------------- */

static int unicode(struct toml *t, int digits, struct str *b, struct err *e)
{
	static const char hex[] = "0123456789abcdef";
	unsigned long c = 0;

	for (int i = 0; i < digits; i++, t->p++) {
		const char *d = at(t, 0) > 0 ? strchr(hex, at(t, 0) | 32) : NULL;

		if (!d || !*d)
			return wrong(t, "an escape that is no number", e);
		c = c << 4 | (unsigned long)(d - hex);
	}
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return wrong(t, "an escape that is no character", e);
	str_add_utf8(b, c);
	return 0;
}

static int escape(struct toml *t, bool many, struct str *b, struct err *e)
{
	static const char names[] = "btnfr\"\\", chars[] = "\b\t\n\f\r\"\\";
	int c = at(t, 0);
	const char *name = c > 0 ? strchr(names, c) : NULL;

	if (many && (c == '\n' || c == '\r' || c == ' ' || c == '\t')) { /* a line's end that is not meant */
		blank_lines(t);
		return 0;
	}
	t->p++;
	if (name)
		str_addc(b, chars[name - names]);
	else if (c == 'u' || c == 'U')
		return unicode(t, c == 'u' ? 4 : 8, b, e);
	else
		return wrong(t, "an escape that is not known", e);
	return 0;
}

/* The quotes that begin it are next. Caller frees. */
static int string(struct toml *t, char **ret, struct err *e)
{
	bool basic = at(t, 0) == '"', many = false;
	char quote[2] = { *t->p, '\0' }, quotes[4] = { *t->p, *t->p, *t->p, '\0' };
	AUTO_STR(b, t->max);

	many = take(t, quotes);
	if (many)
		(void)newline(t);
	else
		(void)take(t, quote);
	for (;;) {
		int c = at(t, 0);

		if (c < 0 || (!many && (c == '\n' || c == '\r')))
			return wrong(t, "a string without an end", e);
		if (many ? take(t, quotes) : take(t, quote))
			break;
		t->p++;
		if (basic && c == '\\') {
			TRY(escape(t, many, &b, e));
			continue;
		}
		if (c == '\n')
			t->line++;
		if (c == 0)
			return wrong(t, "a NUL in a string", e);
		str_addc(&b, (char)c);
	}
	*ret = str_take(&b);
	return 0;
}

/* ---- keys ------------------------------------------------------------------------------------------------------------------------------------------------ */

static int key_part(struct toml *t, struct strv *to, struct err *e)
{
	static const char bare[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	const char *from;
	char *text = NULL;

	blanks(t);
	if (at(t, 0) == '"' || at(t, 0) == '\'') {
		TRY(string(t, &text, e));
		strv_add_take(to, text);
	} else {
		for (from = t->p; at(t, 0) > 0 && strchr(bare, at(t, 0)); t->p++)
			;
		if (t->p == from)
			return wrong(t, "a key is expected here", e);
		strv_add_take(to, xstrndup(from, (size_t)(t->p - from)));
	}
	blanks(t);
	return 0;
}

static int dotted_key(struct toml *t, struct strv *to, struct err *e)
{
	do
		TRY(key_part(t, to, e));
	while (take(t, ".") && to->n < TOML_DEPTH);
	return 0;
}

static struct cJSON *last_of(struct cJSON *list)
{
	struct cJSON *last = NULL;

	for (struct cJSON *c = json_first(list); c; c = json_next(c))
		last = c;
	return last;
}

/* The table that all but the last LEFT keys lead to; what is missing is made. */
static int descend(struct toml *t, struct cJSON **table, const struct strv *keys, size_t left, struct err *e)
{
	for (size_t i = 0; i + left < keys->n; i++) {
		struct cJSON *next = json_get(*table, keys->v[i]);

		if (!next)
			next = json_add_object(*table, keys->v[i]);
		else if (json_is_array(next))
			next = last_of(next);
		if (!json_is_object(next)) {
			auto_free char *shown = str_visible(keys->v[i], strnlen(keys->v[i], 80)), *why = xasprintf("'%s' is no table", shown);

			return wrong(t, why, e);
		}
		*table = next;
	}
	return 0;
}

static int pair(struct toml *t, struct cJSON *table, struct err *e)
{
	AUTO_STRV(keys);

	TRY(dotted_key(t, &keys, e));
	if (!take(t, "="))
		return wrong(t, "'=' is expected after a key", e);
	TRY(descend(t, &table, &keys, 1, e));
	if (json_get(table, keys.v[keys.n - 1])) {
		auto_free char *shown = str_visible(keys.v[keys.n - 1], strnlen(keys.v[keys.n - 1], 80)), *why = xasprintf("key '%s' is there twice", shown);

		return wrong(t, why, e);
	}
	return value(t, table, keys.v[keys.n - 1], e);
}

/* ---- values ---------------------------------------------------------------------------------------------------------------------------------------------- */

static int array(struct toml *t, struct cJSON *list, struct err *e)
{
	for (;;) {
		blank_lines(t);
		if (take(t, "]"))
			return 0;
		TRY(value(t, list, NULL, e));
		blank_lines(t);
		if (!take(t, ",") && at(t, 0) != ']')
			return wrong(t, "',' or ']' is expected in an array", e);
	}
}

static int inline_table(struct toml *t, struct cJSON *table, struct err *e)
{
	blanks(t);
	if (take(t, "}"))
		return 0;
	for (;;) {
		TRY(pair(t, table, e));
		blanks(t);
		if (take(t, "}"))
			return 0;
		if (!take(t, ","))
			return wrong(t, "',' or '}' is expected in an inline table", e);
	}
}

static int plain(struct toml *t, struct cJSON *to, const char *key, struct err *e)
{
	const char *from = t->p;
	AUTO_ERR(ignored);
	auto_free char *text = NULL;
	int64_t n;

	while (at(t, 0) > ' ' && !strchr(",]}#=[{\"'", at(t, 0)))
		t->p++;
	text = xstrndup(from, (size_t)(t->p - from));
	if (!*text)
		return wrong(t, "a value is expected here", e);
	if (streq(text, "true") || streq(text, "false"))
		json_add_bool(to, key, streq(text, "true"));
	else if (num_int(text, INT64_MIN, INT64_MAX, &n, &ignored) >= 0)
		json_add_int(to, key, n);
	else if (strchr("+-0123456789", *text) || streq(text, "inf") || streq(text, "nan"))
		json_add_str(to, key, text);
	else
		return wrong(t, "a value that is neither a string in quotes nor a number, true or false", e);
	return 0;
}

static int value(struct toml *t, struct cJSON *to, const char *key, struct err *e)
{
	auto_free char *text = NULL;
	int r;

	blanks(t);
	if (at(t, 0) == '"' || at(t, 0) == '\'') {
		TRY(string(t, &text, e));
		json_add_str(to, key, text);
		return 0;
	}
	if (t->depth >= TOML_DEPTH)
		return wrong(t, "nested too deep", e);
	t->depth++;
	if (take(t, "["))
		r = array(t, json_add_array(to, key), e);
	else if (take(t, "{"))
		r = inline_table(t, json_add_object(to, key), e);
	else
		r = plain(t, to, key, e);
	t->depth--;
	return r;
}

/* ---- the document ---------------------------------------------------------------------------------------------------------------------------------------- */

/* "[a.b]" or "[[a.b]]": the brackets that open are taken. */
static int header(struct toml *t, struct cJSON *root, bool list, struct cJSON **table, struct err *e)
{
	AUTO_STRV(keys);
	const char *last;
	struct cJSON *there;

	TRY(dotted_key(t, &keys, e));
	if (!take(t, list ? "]]" : "]"))
		return wrong(t, "a table's name without its ']'", e);
	*table = root;
	TRY(descend(t, table, &keys, list ? 1 : 0, e));
	if (!list)
		return 0;
	last = keys.v[keys.n - 1];
	there = json_get(*table, last);
	if (!there)
		there = json_add_array(*table, last);
	if (!json_is_array(there))
		return wrong(t, "both a table and a list of tables", e);
	*table = json_add_object(there, NULL);
	return 0;
}

int toml_parse(const char *text, size_t n, const char *what, struct cJSON **ret, struct err *e)
{
	struct toml t = { .p = text, .end = text + n, .what = what, .line = 1, .max = n + 8 };
	AUTO(json_free) struct cJSON *root = json_object();
	struct cJSON *table = root;

	(void)take(&t, "\xef\xbb\xbf");
	for (;;) {
		blank_lines(&t);
		if (t.p == t.end)
			break;
		if (take(&t, "[["))
			TRY(header(&t, root, true, &table, e));
		else if (take(&t, "["))
			TRY(header(&t, root, false, &table, e));
		else
			TRY(pair(&t, table, e));
		TRY(end_of_line(&t, e));
	}
	*ret = TAKE(root);
	return 0;
}
