/* SPDX-License-Identifier: MIT */
#include "engine/build/glob.h"

#include <errno.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/path.h"
#include "base/str.h"
#include "base/strv.h"

/* ---- characters ---------------------------------------------------------------------------------------------------------------------------------- */

/* The character at *P, which moves on; invalid bytes stand for themselves. */
static uint32_t next_char(const char **p)
{
	const unsigned char *s = (const unsigned char *)*p;
	unsigned n = *s < 0xc0 ? 1 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
	uint32_t c = *s;

	if (n > 1 && strnlen(*p, n) == n && str_utf8_valid(*p, n)) {
		c = *s & (0xffu >> (n + 1));
		for (unsigned i = 1; i < n; i++)
			c = c << 6 | (s[i] & 0x3f);
	} else {
		n = 1;
	}
	*p += n;
	return c;
}

/* One bound of a class; false: it is none. */
static bool class_char(const char **p, uint32_t *ret)
{
	if (!**p || **p == '-' || **p == ']')
		return false;
	if (**p == '\\' && !*++*p)
		return false;
	*ret = next_char(p);
	return **p != '\0';
}

/* After '['. Moves past ']'; false: it is no class. *RET: C is in it. */
static bool class_match(const char **p, uint32_t c, bool *ret)
{
	bool negated = **p == '^', hit = false;
	int ranges = 0;

	*p += negated;
	for (;; ranges++) {
		uint32_t low, high;

		if (**p == ']' && ranges) {
			(*p)++;
			*ret = hit != negated;
			return true;
		}
		if (!class_char(p, &low))
			return false;
		high = low;
		if (**p == '-') {
			(*p)++;
			if (!class_char(p, &high))
				return false;
		}
		if (low <= c && c <= high)
			hit = true;
	}
}

/* ---- filepath.Match ------------------------------------------------------------------------------------------------------------------------------ */

bool glob_has_wildcard(const char *s)
{
	for (; *s; s++) {
		if (*s == '\\' && s[1])
			s++;
		else if (strchr("*?[", *s))
			return true;
	}
	return false;
}

int glob_check(const char *pattern, struct err *e)
{
	bool hit;

	for (const char *p = pattern; *p;) {
		if (*p == '[') {
			p++;
			if (!class_match(&p, 0, &hit))
				return err_set(e, EINVAL, "syntax error in pattern");
		} else if (*p == '\\') {
			if (!p[1])
				return err_set(e, EINVAL, "syntax error in pattern");
			p += 2;
		} else {
			p++;
		}
	}
	return 0;
}

bool glob_match(const char *pattern, const char *name)
{
	const char *p = pattern, *s = name, *star = NULL, *star_s = NULL;

	while (*s) {
		const char *next = s, *q = p;
		uint32_t c = next_char(&next);
		bool hit = false;

		if (*p == '*') {
			star = ++p;
			star_s = s;
			continue;
		}
		if (*q == '?') {
			q++;
			hit = c != '/';
		} else if (*q == '[') {
			q++;
			if (!class_match(&q, c, &hit))
				return false;
		} else if (*q) {
			if (*q == '\\' && q[1])
				q++;
			hit = next_char(&q) == c;
		}
		if (hit) {
			p = q;
			s = next;
			continue;
		}
		/* the last star takes one more */
		if (!star || *star_s == '/')
			return false;
		next_char(&star_s);
		s = star_s;
		p = star;
	}
	while (*p == '*')
		p++;
	return !*p;
}

/* ---- .dockerignore ------------------------------------------------------------------------------------------------------------------------------- */

enum token_kind { T_CHAR, T_ONE /* ? */, T_RUN /* * */, T_DEEP /* ** at the end, or in a suffix pattern: anything */, T_DIRS /* **, then '/': (.*\/)? */, T_CLASS };
struct token {
	enum token_kind kind;
	uint32_t c;
	const char *class;        /* after '[', in the pattern's text */
};
struct pattern {
	char *text;
	struct token *v;
	size_t n;
	bool exception;
};
struct ignore {
	struct pattern *v;
	size_t n;
	bool exceptions;
};

void ignore_free(struct ignore *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->n; i++) {
		free(g->v[i].text);
		free(g->v[i].v);
	}
	free(g->v);
	free(g);
}

/* "**" and nothing but plain characters after it means: ends with them. */
static bool is_suffix_pattern(const char *s)
{
	return s[0] == '*' && s[1] == '*' && s[2] && !strpbrk(s + 2, "*?[]\\");
}

static void compile(struct pattern *p)
{
	const char *s = p->text;

	p->v = xcalloc(strlen(s) + 2, sizeof(*p->v));
	if (is_suffix_pattern(s)) {
		/* "**" + "/x" takes "x" too */
		p->v[p->n++].kind = s[2] == '/' ? T_DIRS : T_DEEP;
		for (s += 2 + (s[2] == '/'); *s;)
			p->v[p->n++] = (struct token){ T_CHAR, next_char(&s), NULL };
		return;
	}
	while (*s) {
		struct token *t = &p->v[p->n++];
		bool hit;

		if (s[0] == '*' && s[1] == '*') {
			s += 2;
			s += *s == '/';
			t->kind = *s ? T_DIRS : T_DEEP;
		} else if (*s == '*') {
			t->kind = T_RUN;
			s++;
		} else if (*s == '?') {
			t->kind = T_ONE;
			s++;
		} else if (*s == '[') {
			*t = (struct token){ T_CLASS, 0, ++s };
			(void)class_match(&s, 0, &hit);
		} else {
			if (*s == '\\' && s[1])
				s++;
			*t = (struct token){ T_CHAR, next_char(&s), NULL };
		}
	}
}

/* Is C taken by T, and may T take more? */
static bool token_takes(const struct token *t, uint32_t c, bool *stay)
{
	const char *class = t->class;
	bool hit = false;

	*stay = t->kind == T_RUN || t->kind == T_DEEP || t->kind == T_DIRS;
	switch (t->kind) {
	case T_CHAR:
		return t->c == c;
	case T_ONE:
	case T_RUN:
		return c != '/';
	case T_DEEP:
	case T_DIRS:
		return true;
	case T_CLASS:
		return class_match(&class, c, &hit) && hit;
	}
	return false;
}

/* All positions at once. Bit k+1 of NOW: the first k tokens have matched. A T_DIRS may only be left at once, or after a '/'. */
static bool pattern_match(const struct pattern *p, const char *path, bool parents)
{
	auto_free unsigned char *now = xcalloc(p->n + 1, 1), *next = xcalloc(p->n + 1, 1);
	bool after_slash = true;

	now[0] = 1;
	for (const char *s = path;;) {
		uint32_t c;

		/* now[k] 1: may be left, 2: inside a T_DIRS that is not at a '/' */
		for (size_t k = 0; k < p->n; k++)
			if (now[k] == 1 && (p->v[k].kind == T_RUN || p->v[k].kind == T_DEEP || p->v[k].kind == T_DIRS))
				now[k + 1] = 1;
		if (now[p->n] && (!*s || (parents && *s == '/')))
			return true;
		if (!*s)
			return false;
		c = next_char(&s);
		after_slash = c == '/';
		memset(next, 0, p->n + 1);
		for (size_t k = 0; k < p->n; k++) {
			bool stay;

			if (!now[k] || !token_takes(&p->v[k], c, &stay))
				continue;
			if (!stay)
				next[k + 1] = 1;
			else if (p->v[k].kind == T_DIRS && !after_slash)
				next[k] = next[k] == 1 ? 1 : 2;
			else
				next[k] = 1;
		}
		memcpy(now, next, p->n + 1);
	}
}

static int add_pattern(struct ignore *g, const char *line, struct err *e)
{
	bool exception = *line == '!';
	auto_free char *clean = NULL;
	const char *s = line + exception;
	struct pattern *p;
	size_t n;

	s += strspn(s, " \t\v\f\r\n");
	n = strlen(s);
	while (n && strchr(" \t\v\f\r\n", s[n - 1]))
		n--;

	auto_free char *text = xstrndup(s, n);

	if (!*text)
		return err_set(e, EINVAL, "illegal exclusion pattern: \"!\"");
	clean = path_clean(text);
	s = clean + (*clean == '/' && clean[1]);
	if (glob_check(s, e) < 0)
		return -e->code;
	if (g->n >= IGNORE_PATTERNS)
		return err_set(e, E2BIG, "more than %d patterns", IGNORE_PATTERNS);
	g->v = xreallocarray(g->v, g->n + 1, sizeof(*g->v));
	p = &g->v[g->n++];
	*p = (struct pattern){ .text = xstrdup(s), .exception = exception };
	g->exceptions |= exception;
	compile(p);
	return 0;
}

static int add_line(struct ignore *g, char *line, struct err *e)
{
	size_t n = strlen(line), skip;

	if (*line == '#')
		return 0;
	while (n && strchr(" \t\v\f\r\n", line[n - 1]))
		line[--n] = '\0';
	skip = strspn(line, " \t\v\f\r\n");
	return line[skip] ? add_pattern(g, line + skip, e) : 0;
}

int ignore_parse(const char *text, size_t n, struct ignore **ret, struct err *e)
{
	AUTO(ignore_free) struct ignore *g = xcalloc(1, sizeof(*g));
	auto_free char *copy = NULL;
	char *save;

	if (n > IGNORE_MAX)
		return err_set(e, EFBIG, "larger than %d MiB", IGNORE_MAX >> 20);
	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		n -= 3;
	}
	copy = xstrndup(text, n);
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		TRY(add_line(g, line, e));
	*ret = TAKE(g);
	return 0;
}

int ignore_new(const struct strv *patterns, struct ignore **ret, struct err *e)
{
	AUTO(ignore_free) struct ignore *g = xcalloc(1, sizeof(*g));

	for (size_t i = 0; i < patterns->n; i++)
		TRY(add_pattern(g, patterns->v[i], e));
	*ret = TAKE(g);
	return 0;
}

bool ignore_has(const struct ignore *g, const char *path)
{
	bool ignored = false;

	for (size_t i = 0; g && i < g->n; i++)
		if (ignored == g->v[i].exception && pattern_match(&g->v[i], path, true))
			ignored = !g->v[i].exception;
	return ignored;
}

bool ignore_has_exceptions(const struct ignore *g)
{
	return g && g->exceptions;
}
