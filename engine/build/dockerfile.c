/* SPDX-License-Identifier: MIT */
#include "engine/build/dockerfile.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/build/gofmt.h"
#include "engine/build/words.h"

#define BOM "\xef\xbb\xbf"

/* ---- results ------------------------------------------------------------------------------------------------------------------------------------- */

void df_warn(struct df_warnings *w, const char *rule, int line, const char *fmt, ...)
{
	va_list ap;

	if (w->n >= DF_INSTRUCTIONS)
		return;
	xgrow(&w->v, w->n, &w->cap, sizeof(*w->v));
	va_start(ap, fmt);
	w->v[w->n++] = (struct df_warning){ rule, xvasprintf(fmt, ap), line };
	va_end(ap);
}

void df_warnings_done(struct df_warnings *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->v[i].text);
	free(w->v);
	*w = (struct df_warnings){ 0 };
}

static void instr_done(struct instr *i)
{
	free(i->word);
	free(i->check);
	free(i->text);
	strv_done(&i->flags);
	strv_done(&i->args);
	for (size_t k = 0; k < i->ndocs; k++) {
		free(i->docs[k].name);
		free(i->docs[k].body);
	}
	free(i->docs);
}

void dockerfile_done(struct dockerfile *d)
{
	for (size_t i = 0; i < d->n; i++)
		instr_done(&d->v[i]);
	free(d->v);
	free(d->syntax);
	free(d->check);
	df_warnings_done(&d->warnings);
	*d = (struct dockerfile){ 0 };
}

char *heredoc_text(const struct heredoc *h)
{
	char *text = xstrdup(h->body), *to = text;

	if (!h->chomp)
		return text;
	for (const char *p = text; *p;) {
		p += strspn(p, "\t");
		while (*p && *p != '\n')
			*to++ = *p++;
		if (*p)
			*to++ = *p++;
	}
	*to = '\0';
	return text;
}

/* ---- physical lines ------------------------------------------------------------------------------------------------------------------------------ */

struct lines {
	const char *p, *end;
	int line;                 /* of the one that was read last */
	struct df_place *place;
};

/* 1: a line, with its end in *RET_RAW_LEN bytes, without in *RET_LEN; 0: no more. */
static int next_line(struct lines *l, const char **ret, size_t *ret_len, size_t *ret_raw, struct err *e)
{
	const char *end;
	size_t n;

	if (l->p >= l->end)
		return 0;
	end = memchr(l->p, '\n', (size_t)(l->end - l->p));
	*ret = l->p;
	n = (size_t)((end ? end : l->end) - l->p);
	*ret_raw = n + (end != NULL);
	l->line++;
	l->p += *ret_raw;
	if (n > DF_LINE_MAX) {
		*l->place = (struct df_place){ l->line, l->line };
		return err_set(e, EINVAL, "dockerfile line greater than max allowed size of %d", DF_LINE_MAX);
	}
	while (n && (*ret)[n - 1] == '\r')
		n--;
	*ret_len = n;
	return 1;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r' || c == '\n';
}

static void trim_left(const char **p, size_t *n)
{
	while (*n && is_blank(**p)) {
		(*p)++;
		(*n)--;
	}
}

static bool is_comment(const char *p, size_t n)
{
	trim_left(&p, &n);
	return n && *p == '#';
}

/* Cuts the continuation character and what follows it; false: the line ends here. */
static bool cut_continuation(const char *p, size_t *n, char escape)
{
	size_t end = *n;

	while (end && (p[end - 1] == ' ' || p[end - 1] == '\t'))
		end--;
	if (!end || p[end - 1] != escape || (end > 1 && p[end - 2] == escape))
		return false;
	*n = end - 1;
	return true;
}

/* ---- directives ---------------------------------------------------------------------------------------------------------------------------------- */

struct directives {
	struct dockerfile *d;
	bool over, escape_seen;
};

static int set_directive(struct directives *s, const char *name, char *value, struct err *e)
{
	char **place = strcasecmp(name, "syntax") == 0 ? &s->d->syntax : strcasecmp(name, "check") == 0 ? &s->d->check : NULL;

	if (strcasecmp(name, "escape") == 0) {
		if (s->escape_seen)
			return err_set(e, EINVAL, "only one escape parser directive can be used");
		if (!streq(value, "`") && !streq(value, "\\"))
			return err_set(e, EINVAL, "invalid escape token '%s' does not match ` or \\", value);
		s->escape_seen = true;
		s->d->escape = *value;
		return 0;
	}
	if (!place) {
		s->over = true;
		return 0;
	}
	if (*place)
		return err_set(e, EINVAL, "only one %s parser directive can be used", place == &s->d->syntax ? "syntax" : "check");
	*place = xstrdup(value);
	return 0;
}

/* "# name = value" at the top of the file. */
static int directive(struct directives *s, const char *p, size_t n, struct err *e)
{
	auto_free char *text = NULL, *name = NULL;
	char *q, *value;

	if (s->over)
		return 0;
	s->over = true;
	trim_left(&p, &n);
	if (!n || *p != '#')
		return 0;
	text = xstrndup(p + 1, n - 1);
	q = text + strspn(text, " \t");
	value = q;
	if (!isalpha((unsigned char)*value))
		return 0;
	while (isalnum((unsigned char)*value))
		value++;
	name = xstrndup(q, (size_t)(value - q));
	value += strspn(value, " \t");
	if (*value != '=')
		return 0;
	value++;
	value += strspn(value, " \t");
	for (char *end = value + strlen(value); end > value && is_blank(end[-1]);)
		*--end = '\0';
	if (!*value)
		return 0;
	s->over = false;
	return set_directive(s, name, value, e);
}

/* ---- one instruction ----------------------------------------------------------------------------------------------------------------------------- */

/* Cuts the flags off REST. In a flag quotes group, and the escape character takes the next byte as it is. */
static const char *cut_flags(const char *rest, struct strv *ret)
{
	for (;;) {
		const char *start = rest + strspn(rest, " \t\v\f\r\n");
		AUTO_STR(word, DF_MAX);
		bool blank_ok = false;
		char quote = 0;

		if (start[0] != '-' || start[1] != '-')
			return start;
		for (rest = start; *rest && (quote || !is_blank(*rest)); rest++) {
			if (*rest == '\\' && rest[1]) {
				str_addc(&word, *++rest);
			} else if (quote ? *rest == quote : *rest == '\'' || *rest == '"') {
				quote = quote ? 0 : *rest;
				blank_ok = true;
			} else {
				str_addc(&word, *rest);
			}
		}
		if (streq(word.s, "--"))
			return rest + strspn(rest, " \t\v\f\r\n");
		if (word.len || blank_ok)
			strv_add(ret, word.s);
	}
}

/* Length of the list at TEXT: to the bracket that closes it. What follows is not looked at, as a Go decoder has it. */
static size_t list_len(const char *text)
{
	bool quoted = false;
	int depth = 0;
	size_t n = 0;

	for (; text[n]; n++) {
		if (quoted && text[n] == '\\' && text[n + 1])
			n++;
		else if (text[n] == '"')
			quoted = !quoted;
		else if (!quoted && text[n] == '[')
			depth++;
		else if (!quoted && text[n] == ']' && --depth == 0)
			return n + 1;
	}
	return n;
}

/* 1: a list of strings; 0: not JSON. */
static int json_words(const char *text, struct strv *ret, struct err *e)
{
	AUTO(json_free) struct cJSON *j = NULL;
	AUTO_ERR(not_json);

	if (*text != '[')
		return 0;

	auto_free char *raw = xstrndup(text, list_len(text)), *list = str_utf8_repaired(raw);

	if (json_parse(list, strlen(list), "list", &j, &not_json) < 0 || !json_is_array(j))
		return 0;
	for (const struct cJSON *c = json_first(j); c; c = json_next(c)) {
		if (!json_value_str(c)) {
			strv_clear(ret);
			return err_set(e, EINVAL, "when using JSON array syntax, arrays must be comprised of strings only");
		}
		strv_add(ret, json_value_str(c));
	}
	return 1;
}

static void blank_words(const char *text, struct strv *ret)
{
	for (const char *p = text + strspn(text, " \t\v\f\r\n"); *p;) {
		size_t n = strcspn(p, " \t\v\f\r\n");

		strv_add_take(ret, xstrndup(p, n));
		p += n + strspn(p + n, " \t\v\f\r\n");
	}
}

static int json_or(struct instr *i, const char *text, bool list, struct err *e)
{
	int r = json_words(text, &i->args, e);

	if (r < 0)
		return r;
	i->json = r == 1;
	if (r == 1 || !*text)
		return 0;
	if (list)
		blank_words(text, &i->args);
	else
		strv_add(&i->args, text);
	return 0;
}

static int pairs(struct instr *i, const char *text, char escape, struct err *e)
{
	const char *name = instr_name(i->kind);

	words_split(text, escape, &i->args);
	if (i->args.n == 0)
		return 0;
	if (!strchr(i->args.v[0], '=')) {
		size_t n = strcspn(text, " \t\v\f\r\n");
		const char *value = text + n + strspn(text + n, " \t\v\f\r\n");

		if (!*value)
			return err_set(e, EINVAL, "%s must have two arguments", name);
		strv_clear(&i->args);
		strv_addf(&i->args, "%.*s=%s", (int)n, text, value);
		i->legacy = true;
		return 0;
	}
	for (size_t k = 0; k < i->args.n; k++) {
		auto_free char *shown = strchr(i->args.v[k], '=') ? NULL : go_quoted(i->args.v[k]);

		if (shown)
			return err_set(e, EINVAL, "Syntax error - can't find = in %s. Must be of the form: name=value", shown);
	}
	return 0;
}

static int health(struct instr *i, const char *text, struct err *e)
{
	size_t n = strcspn(text, " \t\v\f\r\n");
	const char *rest = text + n + strspn(text + n, " \t\v\f\r\n");
	auto_free char *type = xstrndup(text, n);
	int r;

	if (!n)
		return 0;
	r = json_or(i, rest, false, e);
	if (r < 0)
		return r;

	AUTO_STRV(all);

	strv_add(&all, type);
	strv_copy(&all, &i->args);
	strv_clear(&i->args);
	strv_copy(&i->args, &all);
	return 0;
}

static int read_args(struct instr *i, const char *text, char escape, struct err *e)
{
	switch (instr_infos[i->kind].args) {
	case ARGS_JSON_OR_TEXT:
		return json_or(i, text, false, e);
	case ARGS_JSON_OR_LIST:
		return json_or(i, text, true, e);
	case ARGS_LIST:
		blank_words(text, &i->args);
		return 0;
	case ARGS_TEXT:
	case ARGS_NESTED:
		if (*text)
			strv_add(&i->args, text);
		return 0;
	case ARGS_PAIRS:
		return pairs(i, text, escape, e);
	case ARGS_NAMES:
		words_split(text, escape, &i->args);
		return 0;
	case ARGS_HEALTH:
		return health(i, text, e);
	}
	return 0;
}

static char *trimmed(const char *s)
{
	size_t n;

	s += strspn(s, " \t\v\f\r\n");
	n = strlen(s);
	while (n && is_blank(s[n - 1]))
		n--;
	return xstrndup(s, n);
}

/* LINE is trimmed and not empty. */
static int read_instr(struct instr *i, const char *line, char escape, struct err *e)
{
	size_t n = strcspn(line, " \t\v\f\r\n");
	const char *near = NULL, *rest = line + n + strspn(line + n, " \t\v\f\r\n");

	i->word = xstrndup(line, n);
	i->text = xstrdup(line);
	i->kind = instr_find(i->word, &near);
	if (i->kind == INSTR_KINDS) {
		auto_free char *shown = str_visible(i->word, MIN(n, (size_t)100));

		return near ? err_set(e, EINVAL, "unknown instruction: %s (did you mean %s?)", shown, near) :
			      err_set(e, EINVAL, "unknown instruction: %s", shown);
	}

	auto_free char *args = trimmed(cut_flags(rest, &i->flags));

	return read_args(i, args, escape, e);
}

/* ---- heredocs ------------------------------------------------------------------------------------------------------------------------------------ */

/* "3<<-'EOF'": true, what follows the "<<" in *REST (empty: a blank came next). */
static bool is_heredoc(const char *word, bool *chomp, const char **rest)
{
	word += strspn(word, "0123456789");
	if (word[0] != '<' || word[1] != '<')
		return false;
	word += 2;
	*chomp = *word == '-';
	*rest = word + *chomp;
	return !strchr(*rest, '<');
}

bool heredoc_is_named(const struct instr *i, const char *word)
{
	auto_free char *name = NULL;
	const char *rest;
	bool chomp;

	if (i->json || !is_heredoc(word, &chomp, &rest))
		return false;
	name = words_unquote(rest, '\\');
	for (size_t k = 0; k < i->ndocs; k++) {
		/* COPY's words know no quotes: of "a b" only the first is seen here */
		const char *open = name ? name : rest + (*rest == '"' || *rest == '\'');

		if (name ? streq(name, i->docs[k].name) : str_starts(i->docs[k].name, open))
			return true;
	}
	return false;
}

static bool is_plain_name(const char *s)
{
	size_t n = strlen(s);

	if (n > 2 && (*s == '"' || *s == '\'') && s[n - 1] == *s) {
		s++;
		n -= 2;
	}
	return n && (isalpha((unsigned char)*s) || *s == '_') &&
	       strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") >= n;
}

static void find_heredocs(struct instr *i, const char *line)
{
	AUTO_STRV(words);

	words_split(line, '\\', &words);
	for (size_t k = 0; k < words.n && i->ndocs < DF_HEREDOCS; k++) {
		const char *rest;
		bool chomp;

		if (!is_heredoc(words.v[k], &chomp, &rest))
			continue;
		if (!*rest) {
			/* "<< EOF"; not $((1 << 2)) */
			if (k + 1 == words.n || !is_plain_name(words.v[k + 1]))
				continue;
			rest = words.v[++k];
		}

		auto_free char *name = words_unquote(rest, '\\');

		if (!name || !*name)
			continue;
		i->docs = xreallocarray(i->docs, i->ndocs + 1, sizeof(*i->docs));
		i->docs[i->ndocs++] = (struct heredoc){ xstrdup(name), xstrdup(""), streq(name, rest), chomp };
	}
}

static int read_heredoc(struct lines *l, struct heredoc *h, int start, struct err *e)
{
	AUTO_STR(body, DF_MAX);
	size_t n, raw, tabs;
	const char *p;
	AUTO_ERR(long_line);
	int r;

	while ((r = next_line(l, &p, &n, &raw, &long_line)) > 0) {
		tabs = 0;
		while (h->chomp && tabs < n && p[tabs] == '\t')
			tabs++;
		if (n - tabs == strlen(h->name) && memcmp(p + tabs, h->name, n - tabs) == 0) {
			free(h->body);
			h->body = str_take(&body);
			return 0;
		}
		str_addn(&body, p, raw);
	}
	*l->place = (struct df_place){ start, l->line };
	return err_set(e, EINVAL, "unterminated heredoc");
}

/* Sub-instruction of ONBUILD with its bodies and terminators after it, as it is stored. */
static void append_docs(struct instr *i)
{
	AUTO_STR(text, DF_MAX);

	str_add(&text, i->args.v[0]);
	for (size_t k = 0; k < i->ndocs; k++)
		str_addf(&text, "\n%s%s", i->docs[k].body, i->docs[k].name);
	strv_clear(&i->args);
	strv_add(&i->args, text.s);
}

static bool takes_heredocs(const struct instr *i, char escape)
{
	struct instr sub = { 0 };
	AUTO_ERR(ignored);
	bool takes;

	if (i->kind != INSTR_ONBUILD)
		return instr_infos[i->kind].heredocs && !i->json;
	if (i->args.n == 0)
		return false;
	takes = read_instr(&sub, i->args.v[0], escape, &ignored) >= 0 && sub.kind != INSTR_ONBUILD && instr_infos[sub.kind].heredocs && !sub.json;
	instr_done(&sub);
	return takes;
}

/* ---- the file ------------------------------------------------------------------------------------------------------------------------------------ */

/* The logical line that begins with P. */
static int join_lines(struct lines *l, struct dockerfile *d, const char *p, size_t n, struct str *line, bool *empty, struct err *e)
{
	bool more = cut_continuation(p, &n, d->escape);
	size_t raw;
	int r;

	str_addn(line, p, n);
	while (more) {
		size_t blank;
		const char *q;

		TRY(r = next_line(l, &p, &n, &raw, e));
		if (r == 0)
			break;
		if (is_comment(p, n))
			continue;
		q = p;
		blank = n;
		trim_left(&q, &blank);
		if (blank == 0) {
			*empty = true;
			continue;
		}
		more = cut_continuation(p, &n, d->escape);
		str_addn(line, p, n);
	}
	return 0;
}

static int add_instr(struct lines *l, struct dockerfile *d, const char *line, int start, struct err *e)
{
	struct instr *i;
	int r;

	if (d->n >= DF_INSTRUCTIONS)
		return err_set(e, E2BIG, "more than %d instructions", DF_INSTRUCTIONS);
	xgrow(&d->v, d->n, &d->cap, sizeof(*d->v));
	i = &d->v[d->n++];
	*i = (struct instr){ .line = start, .last = l->line };
	*l->place = (struct df_place){ start, l->line };
	r = read_instr(i, line, d->escape, e);
	if (r < 0)
		return i->kind == INSTR_KINDS ? err_wrap(e, "dockerfile parse error on line %d", start) : r;
	if (strstr(line, "<<") && takes_heredocs(i, d->escape))
		find_heredocs(i, line);
	for (size_t k = 0; k < i->ndocs; k++)
		TRY(read_heredoc(l, &i->docs[k], start, e));
	i->last = l->line;
	if (i->kind == INSTR_ONBUILD && i->ndocs)
		append_docs(i);
	return 0;
}

/* "# check=skip=Rule" just above an instruction speaks of that one. Caller frees. */
static char *own_check(const char *p, size_t n)
{
	auto_free char *text = xstrndup(p, n);
	const char *rest = str_after(text + 1 + strspn(text + 1, " \t"), "check=");

	return xstrdup0(rest);
}

static int parse(struct lines *l, struct dockerfile *d, struct err *e)
{
	struct directives s = { .d = d };
	auto_free char *check = NULL;
	size_t n, raw;
	const char *p;
	int r;

	while ((r = next_line(l, &p, &n, &raw, e)) > 0) {
		AUTO_STR(line, DF_MAX);
		bool empty = false;
		int start = l->line;

		if (l->line == 1 && n >= 3 && memcmp(p, BOM, 3) == 0) {
			p += 3;
			n -= 3;
		}
		r = directive(&s, p, n, e);
		if (r < 0) { /* BuildKit tells of the line before */
			*l->place = (struct df_place){ l->line - 1, l->line };
			return r;
		}
		trim_left(&p, &n);
		if (!n || *p == '#') {
			free(check);
			check = n && s.over ? own_check(p, n) : NULL;
			continue;
		}
		TRY(join_lines(l, d, p, n, &line, &empty, e));

		auto_free char *text = trimmed(line.s);

		if (!*text)
			continue;
		if (memchr(line.s, '\0', line.len)) {
			*l->place = (struct df_place){ start, l->line };
			return err_set(e, EINVAL, "a NUL byte in the line");
		}
		if (empty)
			df_warn(&d->warnings, "NoEmptyContinuation", l->line, "Empty continuation line");
		TRY(add_instr(l, d, text, start, e));
		d->v[d->n - 1].check = TAKE(check);
	}
	return r;
}

int dockerfile_parse(const char *text, size_t n, struct dockerfile *ret, struct df_place *place, struct err *e)
{
	struct dockerfile d = { .escape = '\\' };
	struct lines l = { .p = text, .end = text + n, .place = place };
	int r = 0;

	*place = (struct df_place){ 0, 0 };
	if (n > DF_MAX)
		return err_set(e, EFBIG, "the Dockerfile is larger than %d MiB", DF_MAX >> 20);
	if (n == 0)
		return err_set(e, EINVAL, "the Dockerfile cannot be empty");
	r = parse(&l, &d, e);
	if (r >= 0 && d.n == 0) {
		*place = (struct df_place){ 1, l.line };
		r = err_set(e, EINVAL, "file with no instructions");
	}
	if (r < 0) {
		dockerfile_done(&d);
		return r;
	}
	*place = (struct df_place){ 0, 0 };
	*ret = d;
	return 0;
}

int dockerfile_parse_one(const char *text, struct dockerfile *ret, struct err *e)
{
	struct dockerfile d = { 0 };
	struct df_place place;

	TRY(dockerfile_parse(text, strlen(text), &d, &place, e));
	if (d.n != 1) {
		dockerfile_done(&d);
		return err_set(e, EINVAL, "onbuild trigger should be a single expression");
	}
	*ret = d;
	return 0;
}
