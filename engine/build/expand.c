/* SPDX-License-Identifier: MIT */
#include "engine/build/expand.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "base/strv.h"
#include "engine/build/gofmt.h"

struct lexer {
	const char *p;
	char escape;
	const struct strv *env;
	unsigned flags;
	struct strv *unset;
	int depth;
};

/* ---- patterns of # % / --------------------------------------------------------------------------------------------------------------------------- */

/* A pattern is a list of tokens: a byte, any character, any run. */
enum { ANY = 256, RUN = 257 };
struct pattern {
	uint16_t *v;
	size_t n;
};

static int pattern_parse(const char *text, struct pattern *ret, struct err *e)
{
	struct pattern p = { xcalloc(strlen(text) + 1, sizeof(*p.v)), 0 };

	for (const char *s = text; *s; s++) {
		if (*s == '*') {
			p.v[p.n++] = RUN;
		} else if (*s == '?') {
			p.v[p.n++] = ANY;
		} else if (*s == '\\') {
			if (!s[1] || !strchr("*?\\/}", s[1])) {
				free(p.v);
				return err_set(e, EINVAL, "invalid pattern (%s) in substitution: invalid escape '\\%.1s'", text, s + 1);
			}
			p.v[p.n++] = (unsigned char)*++s;
		} else {
			p.v[p.n++] = (unsigned char)*s;
		}
	}
	*ret = p;
	return 0;
}

/* Bytes 0x80-0xbf go on with a character, so they never end a `?`. */
static bool takes(uint16_t token, unsigned char c, bool *stay)
{
	*stay = token == RUN;
	if (token == RUN)
		return c != '\n';
	if (token == ANY) {
		*stay = (c & 0xc0) == 0x80;
		return c != '\n';
	}
	return token == c;
}

/* All positions at once. Lengths of the shortest and the longest prefix of S[0..n) that P matches; -1: none. BACKWARDS: S and P from their ends. */
static void match_lengths(const struct pattern *p, const char *s, size_t n, bool backwards, long *shortest, long *longest)
{
	auto_free unsigned char *now = xcalloc(p->n + 1, 1), *next = xcalloc(p->n + 1, 1);

	*shortest = *longest = -1;
	now[0] = 1;
	for (size_t i = 0;; i++) {
		bool alive = false;

		for (size_t k = 0; k < p->n; k++)
			if (now[k] && p->v[backwards ? p->n - 1 - k : k] == RUN)
				now[k + 1] = 1;
		if (now[p->n]) {
			*longest = (long)i;
			if (*shortest < 0)
				*shortest = (long)i;
		}
		if (i == n)
			return;
		memset(next, 0, p->n + 1);
		for (size_t k = 0; k < p->n; k++) {
			unsigned char c = (unsigned char)s[backwards ? n - 1 - i : i];
			uint16_t token = p->v[backwards ? p->n - 1 - k : k];
			bool stay;

			if (!now[k] || !takes(token, c, &stay))
				continue;
			if (token == RUN)
				next[k] = 1;
			else if (!backwards && token == ANY && i + 1 < n && ((unsigned char)s[i + 1] & 0xc0) == 0x80)
				next[k] = 1;
			else if (backwards && token == ANY && (c & 0xc0) == 0x80)
				next[k] = 1;
			else
				next[k + 1] = 1;
			alive = true;
		}
		if (!alive)
			return;
		memcpy(now, next, p->n + 1);
	}
}

static int trim_match(const char *value, const char *text, bool suffix, char **ret, struct err *e)
{
	bool greedy = *text == (suffix ? '%' : '#');
	long shortest, longest, cut;
	struct pattern p;
	size_t n = strlen(value);

	TRY(pattern_parse(text + greedy, &p, e));
	match_lengths(&p, value, n, suffix, &shortest, &longest);
	free(p.v);
	cut = MAX(greedy ? longest : shortest, 0);
	*ret = suffix ? xstrndup(value, n - (size_t)cut) : xstrdup(value + cut);
	return 0;
}

static int replace_match(const char *value, const char *text, const char *with, bool all, char **ret, struct err *e)
{
	AUTO_STR(out, EXPAND_MAX);
	struct pattern p;
	size_t n = strlen(value), i = 0, budget = EXPAND_MAX;

	TRY(pattern_parse(text, &p, e));
	while (i <= n && budget > n - i) {
		long shortest, longest;

		match_lengths(&p, value + i, n - i, false, &shortest, &longest);
		budget -= MIN(budget, (n - i) / 16 + 1);
		if (longest < 0) {
			if (i < n)
				str_addc(&out, value[i]);
			i++;
			continue;
		}
		str_add(&out, with);
		if (longest == 0 && i < n)
			str_addc(&out, value[i]);
		i += (size_t)MAX(longest, 1);
		if (!all)
			break;
	}
	if (i < n)
		str_add(&out, value + i);
	free(p.v);
	TRY(str_check(&out, "the result", e));
	*ret = str_take(&out);
	return 0;
}

/* ---- words --------------------------------------------------------------------------------------------------------------------------------------- */

static int until(struct lexer *l, char stop, bool raw_escapes, struct str *out, struct err *e);

static bool is_name_byte(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* NULL: none. Caller frees. */
static char *read_name(struct lexer *l)
{
	size_t n = 0;

	if (isdigit((unsigned char)*l->p)) {
		n = strspn(l->p, "0123456789");
	} else if (is_name_byte(*l->p)) {
		while (is_name_byte(l->p[n]))
			n++;
	} else if (*l->p && strchr("@*#?-$!0", *l->p)) {
		n = 1;
	}
	if (!n)
		return NULL;
	l->p += n;
	return xstrndup(l->p - n, n);
}

static void note_unset(struct lexer *l, const char *name)
{
	if (l->unset && !strv_env_get(l->env, name))
		strv_add_unique(l->unset, name);
}

static int missing_brace(struct err *e)
{
	err_clear(e);
	return err_set(e, EINVAL, "syntax error: missing '}'");
}

/* The word up to '}'. */
static int modifier_word(struct lexer *l, bool raw, struct str *word, struct err *e)
{
	if (until(l, '}', raw, word, e) < 0)
		return *l->p ? -e->code : missing_brace(e);
	return 0;
}

static int required(const char *name, const char *word, bool null_is_unset, const char *value, struct err *e)
{
	if (value && !(null_is_unset && !*value))
		return 0;
	if (*word)
		return err_set(e, EINVAL, "%s: %s", name, word);
	return err_set(e, EINVAL, "%s: is not allowed to be %s", name, value ? "empty" : "unset");
}

static int default_forms(struct lexer *l, const char *name, char op, bool null_is_unset, struct str *out, struct err *e)
{
	AUTO_STR(word, EXPAND_MAX);
	const char *value = strv_env_get(l->env, name);
	bool set = value && !(null_is_unset && !*value);
	auto_free char *cut = NULL;

	TRY(modifier_word(l, op == '#' || op == '%', &word, e));
	TRY(str_check(&word, "the word", e));
	switch (op) {
	case '-':
		str_add(out, set ? value : word.s);
		return 0;
	case '+':
		str_add(out, set ? word.s : "");
		return 0;
	case '?':
		TRY(required(name, word.s, null_is_unset, value, e));
		str_add(out, value);
		return 0;
	default:
		note_unset(l, name);
		TRY(trim_match(str0(value), word.s, op == '%', &cut, e));
		str_add(out, cut);
		return 0;
	}
}

static int replace_form(struct lexer *l, const char *name, struct str *out, struct err *e)
{
	AUTO_STR(text, EXPAND_MAX);
	AUTO_STR(with, EXPAND_MAX);
	auto_free char *done = NULL;
	bool all = *l->p == '/';

	l->p += all;
	note_unset(l, name);
	if (until(l, '/', true, &text, e) < 0) {
		if (*l->p)
			return -e->code;
		err_clear(e);
		return err_set(e, EINVAL, "syntax error: missing '/' in ${}");
	}
	TRY(modifier_word(l, true, &with, e));
	TRY(str_check(&text, "the pattern", e));
	TRY(replace_match(str0(strv_env_get(l->env, name)), text.s, with.s, all, &done, e));
	str_add(out, done);
	return 0;
}

/* After "${". */
static int braces(struct lexer *l, struct str *out, struct err *e)
{
	auto_free char *name = NULL;
	bool colon;
	char op;

	if (!*l->p)
		return err_set(e, EINVAL, "syntax error: missing '}'");
	if (strchr("{}:", *l->p))
		return err_set(e, EINVAL, "syntax error: bad substitution");
	name = read_name(l);
	if (!*l->p)
		return err_set(e, EINVAL, "syntax error: missing '}'");
	if (*l->p == '}') {
		l->p++;
		if (!name)
			return 0;
		note_unset(l, name);
		str_add(out, str0(strv_env_get(l->env, name)));
		return 0;
	}
	colon = *l->p == ':';
	l->p += colon;
	op = *l->p;
	if (!op)
		return err_set(e, EINVAL, "syntax error: missing '}'");
	l->p++;
	if (!name)
		return err_set(e, EINVAL, "syntax error: bad substitution");
	if (op == '/' && !colon)
		return replace_form(l, name, out, e);
	if (!strchr("+-?#%", op) || (colon && (op == '#' || op == '%')))
		return err_set(e, EINVAL, "unsupported modifier (%s%c) in substitution", colon ? ":" : "", op);
	return default_forms(l, name, op, colon, out, e);
}

static int dollar(struct lexer *l, struct str *out, struct err *e)
{
	auto_free char *name = NULL;
	int r;

	l->p++;
	if (*l->p == '{') {
		l->p++;
		if (++l->depth > EXPAND_DEPTH)
			return err_set(e, ELOOP, "nested deeper than %d", EXPAND_DEPTH);
		r = braces(l, out, e);
		l->depth--;
		return r;
	}
	name = read_name(l);
	if (!name) {
		str_addc(out, '$');
		return 0;
	}
	note_unset(l, name);
	str_add(out, str0(strv_env_get(l->env, name)));
	return 0;
}

static int single_quote(struct lexer *l, struct str *out, struct err *e)
{
	const char *end = strchr(l->p + 1, '\'');

	if (!end) {
		l->p += strlen(l->p);
		return err_set(e, EINVAL, "unexpected end of statement while looking for matching single-quote");
	}
	str_addn(out, l->p + 1, (size_t)(end - l->p - 1));
	l->p = end + 1;
	return 0;
}

static int double_quote(struct lexer *l, struct str *out, struct err *e)
{
	for (l->p++; *l->p && *l->p != '"';) {
		if (*l->p == '$') {
			TRY(dollar(l, out, e));
			continue;
		}
		if (*l->p == l->escape && l->p[1]) {
			if (l->p[1] != '"' && l->p[1] != '$' && l->p[1] != l->escape)
				str_addc(out, *l->p);
			l->p++;
		}
		str_addc(out, *l->p++);
	}
	if (!*l->p)
		return err_set(e, EINVAL, "unexpected end of statement while looking for matching double-quote");
	l->p++;
	return 0;
}

/* Up to STOP, which is passed over; '\0': to the end. RAW_ESCAPES: they stay, for patterns. */
static int until(struct lexer *l, char stop, bool raw_escapes, struct str *out, struct err *e)
{
	bool quotes = !(l->flags & EXPAND_RAW_QUOTES);

	while (*l->p && *l->p != stop && !str_over(out)) {
		if (*l->p == '$') {
			TRY(dollar(l, out, e));
		} else if (*l->p == '\'' && quotes) {
			TRY(single_quote(l, out, e));
		} else if (*l->p == '"' && quotes) {
			TRY(double_quote(l, out, e));
		} else if (*l->p == l->escape) {
			l->p++;
			if (!*l->p)
				break;
			if (raw_escapes)
				str_addc(out, '\\');
			str_addc(out, *l->p++);
		} else {
			str_addc(out, *l->p++);
		}
	}
	if (str_over(out))
		return str_check(out, "the result", e);
	if (!stop)
		return 0;
	if (!*l->p)
		return err_set(e, EINVAL, "unexpected end of statement while looking for matching %c", stop);
	l->p++;
	return 0;
}

int expand_word(const char *word, char escape, const struct strv *env, unsigned flags, struct strv *unset, char **ret, struct err *e)
{
	struct lexer l = { .p = word, .escape = escape, .env = env, .flags = flags, .unset = unset };
	AUTO_STR(out, EXPAND_MAX);
	int r = until(&l, '\0', false, &out, e);

	if (r < 0) {
		auto_free char *start = xstrndup(word, 500), *shown = go_quoted(start);

		return err_wrap(e, "failed to process %s", shown);
	}
	*ret = str_take(&out);
	return 0;
}
