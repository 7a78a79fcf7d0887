/* SPDX-License-Identifier: MIT
 *
 * The grammar is docker compose's own and has its corners: a statement goes on behind a closing quote (A="x" B=y sets two
 * variables), a lone name takes its value from the environment only when a line break follows, and blanks are Unicode's.
 */
#include "compose/dotenv.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/str.h"
#include "compose/interp.h"
#include "compose/read.h"
#include <ctype.h>
#include <errno.h>
#include <stdint.h>

enum { VALUE_MAX_BYTES = 16 << 20 };

struct parser {
	struct arena *arena;
	const char *s, *end;
	int line;
	int statement; /* line of the variable at hand */
	const struct dotenv_env *env;
	struct map names; /* name -> index + 1 */
	struct dotenv_vars vars;
	size_t cap;
	struct interp interp;
};

/* ---- characters ---- */

/* The code point at S and its length; 0xFFFD and 1 for what is not UTF-8. */
static uint32_t rune_at(const char *s, const char *end, size_t *ret_len)
{
	unsigned char c = (unsigned char)*s;
	size_t n = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 0;
	uint32_t r = n == 1 ? c : n == 2 ? c & 0x1f : n == 3 ? c & 0x0f : c & 0x07;

	*ret_len = 1;
	if (n == 0 || n > (size_t)(end - s))
		return 0xfffd;
	for (size_t i = 1; i < n; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 0xfffd;
		r = r << 6 | ((unsigned char)s[i] & 0x3f);
	}
	*ret_len = n;
	return r;
}

/* Go's unicode.IsSpace. */
static bool is_space(uint32_t r)
{
	return (r >= '\t' && r <= '\r') || r == ' ' || r == 0x85 || r == 0xa0 || r == 0x1680 ||
	       (r >= 0x2000 && r <= 0x200a) || r == 0x2028 || r == 0x2029 || r == 0x202f || r == 0x205f ||
	       r == 0x3000;
}

static bool is_blank(uint32_t r) /* in a line */
{
	return r == '\t' || r == '\v' || r == '\f' || r == '\r' || r == ' ' || r == 0x85 || r == 0xa0;
}

/* Letters and digits of any script. Without tables of our own: what is not ASCII counts, but for blanks, punctuation and
 * symbol blocks, which nobody puts in a name. */
static bool is_name(uint32_t r)
{
	if (r < 0x80)
		return isalnum((int)r) || r == '_' || r == '.' || r == '-' || r == '[' || r == ']';
	if (is_space(r) || r == 0xfffd || r == 0xfeff || r == 0xd7 || r == 0xf7)
		return false;
	if (r < 0xc0)
		return r == 0xaa || r == 0xb2 || r == 0xb3 || r == 0xb5 || r == 0xb9 || r == 0xba ||
		       (r >= 0xbc && r <= 0xbe);
	return !(r >= 0x2000 && r <= 0x2bff) && !(r >= 0x3001 && r <= 0x3004) && !(r >= 0xe000 && r <= 0xf8ff) &&
	       !(r >= 0xfe10 && r <= 0xfe6f) && !(r >= 0x1f000 && r <= 0x1faff);
}

static const char *trim_right(const char *s, const char *end)
{
	while (end > s) {
		const char *p = end - 1;
		size_t len;

		while (p > s && ((unsigned char)*p & 0xc0) == 0x80)
			p--;
		if (!is_space(rune_at(p, end, &len)) || p + len != end)
			break;
		end = p;
	}
	return end;
}

static void skip_blanks(struct parser *p)
{
	size_t len;

	while (p->s < p->end && is_blank(rune_at(p->s, p->end, &len)))
		p->s += len;
}

static const char *line_end(const struct parser *p)
{
	const char *nl = memchr(p->s, '\n', (size_t)(p->end - p->s));

	return nl ? nl : p->end;
}

/* Go's %q: the line in quotes. */
static void add_quoted(struct str *out, const char *s, size_t n)
{
	static const char from[] = "\a\b\f\n\r\t\v\"\\", to[] = "abfnrtv\"\\";

	str_addc(out, '"');
	for (size_t i = 0; i < n; i++) {
		const char *at = s[i] ? strchr(from, s[i]) : NULL;

		if (at)
			str_addf(out, "\\%c", to[at - from]);
		else if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			str_addf(out, "\\x%02x", (unsigned char)s[i]);
		else
			str_addc(out, s[i]);
	}
	str_addc(out, '"');
}

/* ---- values ---- */

static void set_var(struct parser *p, const char *name, const char *value)
{
	size_t i = (size_t)(uintptr_t)map_get(&p->names, name);

	if (i) {
		p->vars.v[i - 1].value = value;
		p->vars.v[i - 1].line = p->statement;
		return;
	}
	if (p->vars.n == p->cap)
		arena_grow(p->arena, &p->vars.v, p->vars.n, &p->cap, sizeof *p->vars.v);
	p->vars.v[p->vars.n++] = (struct dotenv_var){ arena_strdup(p->arena, name), value, p->statement };
	map_set(&p->names, name, (void *)(uintptr_t)p->vars.n);
}

static const char *lookup(void *arg, const char *name)
{
	struct parser *p = arg;
	const char *v = p->env->lookup ? p->env->lookup(p->env->arg, name) : NULL;
	size_t i;

	if (v)
		return v;
	i = (size_t)(uintptr_t)map_get(&p->names, name);
	return i ? p->vars.v[i - 1].value : NULL;
}

static void unset(void *arg, const char *name)
{
	struct parser *p = arg;
	AUTO_STR(text, 512);

	if (!p->env->warn)
		return;
	str_addf(&text, "The \"%s\" variable is not set. Defaulting to a blank string.", name);
	p->env->warn(p->env->arg, text.s);
}

static int expand(struct parser *p, const char *s, size_t n, const char **ret, struct err *e)
{
	AUTO_ERR(scratch);

	if (interp_text(&p->interp, arena_strndup(p->arena, s, n), ret, &scratch) >= 0)
		return 0;
	if (err_is(&scratch, EBADMSG)) {
		AUTO_STR(text, 1024);

		add_quoted(&text, err_text(&scratch), strlen(err_text(&scratch)));
		return err_set(e, EINVAL, "Invalid template: %s", text.s);
	}
	return err_move(e, &scratch);
}

/* \0 and up to three digits. Only three make a character (not NUL: a value cannot hold one); with fewer the 0 goes. */
static const char *unescape_octal(struct str *out, const char *s, const char *end)
{
	size_t n = 0;
	unsigned v = 0;

	for (s++; n < 3 && s + n < end && isdigit((unsigned char)s[n]); n++)
		v = s[n] < '8' ? v * 8 + (unsigned)(s[n] - '0') : 1000;
	if (n == 3 && v > 0 && v <= 255)
		str_add_utf8(out, v);
	else
		str_addf(out, "\\%.*s", (int)n, s);
	return s + n;
}

static void unescape(struct str *out, const char *s, const char *end)
{
	static const char from[] = "abfnrtv\"\\", to[] = "\a\b\f\n\r\t\v\"\\";

	while (s < end) {
		const char *at;

		if (*s != '\\' || s + 1 == end) {
			str_addc(out, *s++);
			continue;
		}
		s++;
		at = *s ? strchr(from, *s) : NULL;
		if (*s == '0') {
			s = unescape_octal(out, s, end);
		} else if (*s == '$') { /* a template's way to say a dollar */
			str_add(out, "$$");
			s++;
		} else if (at) {
			str_addc(out, to[at - from]);
			s++;
		} else {
			str_addc(out, '\\');
		}
	}
}

/* P is behind the opening quote: up to the closing one. A backslash before the quote goes, all others stay. */
static int quoted_body(struct parser *p, const char *start, char quote, struct str *body, struct err *e)
{
	bool escaped = false;

	for (; p->s < p->end; p->s++) {
		char c = *p->s;

		if (c == '\n')
			p->line++;
		if (c == quote && !escaped)
			return 0;
		if (c == '\\' && !escaped) {
			escaped = true;
			continue;
		}
		if (escaped && c != quote)
			str_addc(body, '\\');
		escaped = false;
		str_addc(body, c);
	}
	p->s = start;
	return err_set(e, EINVAL, "line %d: unterminated quoted value %.*s", p->line,
		       (int)MIN(line_end(p) - start, 200), start);
}

static int take_value(struct parser *p, const char **ret, struct err *e)
{
	AUTO_STR(body, VALUE_MAX_BYTES);
	AUTO_STR(plain, VALUE_MAX_BYTES);
	const char *start = p->s, *end;

	if (p->s < p->end && (*p->s == '"' || *p->s == '\'')) {
		p->s++;
		TRY(quoted_body(p, start, *start, &body, e));
		p->s++;
		if (*start == '\'') {
			*ret = arena_strndup(p->arena, body.s, body.len);
			return 0;
		}
		unescape(&plain, body.s, body.s + body.len);
		return expand(p, plain.s, plain.len, ret, e);
	}
	end = line_end(p);
	p->s = end < p->end ? end + 1 : end;
	p->line += end < p->end;
	for (const char *c = start; c + 1 < end; c++)
		if (c[0] == ' ' && c[1] == '#') {
			end = c;
			break;
		}
	end = trim_right(start, end);
	return expand(p, start, (size_t)(end - start), ret, e);
}

/* ---- statements ---- */

/* To the first character that is neither blank nor part of a comment. */
static bool next_statement(struct parser *p)
{
	size_t len;

	while (p->s < p->end) {
		uint32_t r = rune_at(p->s, p->end, &len);

		if (r == '#') {
			p->s = line_end(p);
			continue;
		}
		if (!is_space(r))
			return true;
		p->line += r == '\n';
		p->s += len;
	}
	return false;
}

static void skip_export(struct parser *p)
{
	const char *s = p->s + 6;

	if (p->end - p->s < 7 || memcmp(p->s, "export", 6) != 0 || !strchr("\t\n\f\r ", *s))
		return;
	for (; s < p->end && *s && strchr("\t\n\f\r ", *s); s++)
		p->line += *s == '\n';
	p->s = s;
}

/* Finds the separator: *RET_KEY, *RET_SEP ('=', ':', '\n', or 0 when the file ends first; the key is "" then). */
static int take_key(struct parser *p, const char **ret_key, char *ret_sep, struct err *e)
{
	const char *start = p->s, *s = p->s;
	size_t len;

	*ret_sep = 0;
	for (; s < p->end; s += len) {
		uint32_t r = rune_at(s, p->end, &len);

		if (r == '=' || r == ':' || r == '\n') {
			*ret_sep = (char)r;
			break;
		}
		if (!is_blank(r) && !is_name(r)) {
			AUTO_STR(what, 64);
			AUTO_STR(line, 512);

			add_quoted(&what, s, len);
			add_quoted(&line, start, (size_t)(line_end(p) - start));
			return err_set(e, EINVAL, "line %d: unexpected character %s in variable name %s", p->line,
				       what.s, line.s);
		}
	}
	if (!*ret_sep) { /* the rest of the file becomes a value without a name */
		*ret_key = "";
		return 0;
	}
	*ret_key = arena_strndup(p->arena, start, (size_t)(trim_right(start, s) - start));
	p->s = s + 1;
	if (strchr(*ret_key, ' '))
		return err_set(e, EINVAL, "line %d: key cannot contain a space", p->line);
	return 0;
}

static int take_statement(struct parser *p, struct err *e)
{
	const char *key = "", *value;
	char sep;

	skip_export(p);
	p->statement = p->line;
	if (p->s == p->end)
		return err_set(e, EINVAL, "line %d: zero length string", p->line);
	TRY(take_key(p, &key, &sep, e));
	if (sep == '\n') {
		p->line++;
		value = p->env->lookup ? p->env->lookup(p->env->arg, key) : NULL;
		if (value)
			set_var(p, key, value);
		return 0;
	}
	if (sep)
		skip_blanks(p);
	TRY(take_value(p, &value, e));
	set_var(p, key, value);
	return 0;
}

static int parse_raw(struct parser *p, struct err *e)
{
	for (; p->s < p->end; p->line++) {
		const char *end = line_end(p), *next = end < p->end ? end + 1 : end, *eq, *name;

		p->statement = p->line;
		if (end > p->s && end[-1] == '\r')
			end--;
		for (size_t len; p->s < end && is_space(rune_at(p->s, end, &len));)
			p->s += len;
		eq = memchr(p->s, '=', (size_t)(end - p->s));
		if (p->s < end && *p->s != '#') {
			name = arena_strndup(p->arena, p->s, (size_t)((eq ? eq : end) - p->s));
			if (!*name)
				return err_set(e, EINVAL, "line %d: no variable name before '='", p->line);
			if (strpbrk(name, " \t"))
				return err_set(e, EINVAL, "line %d: variable '%s' contains whitespaces", p->line, name);
			if (eq)
				set_var(p, name, arena_strndup(p->arena, eq + 1, (size_t)(end - eq - 1)));
			else if (p->env->lookup && p->env->lookup(p->env->arg, name))
				set_var(p, name, p->env->lookup(p->env->arg, name));
		}
		p->s = next;
	}
	return 0;
}

int dotenv_parse(struct arena *a, const char *text, size_t len, enum dotenv_format format,
		 const struct dotenv_env *env, struct dotenv_vars *ret, struct err *e)
{
	struct parser p = { .arena = a, .s = text, .end = text + len, .line = 1, .env = env, .names = MAP_INIT(NULL) };
	const char *nul = memchr(text, '\0', len);
	int r = 0;

	p.interp = (struct interp){ .lookup = lookup, .unset = unset, .arg = &p, .arena = a };
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		p.s += 3;
	if (nul) {
		for (const char *s = text; s < nul; s++)
			p.line += *s == '\n';
		return err_set(e, EINVAL, "line %d: a NUL character cannot be part of a value", p.line);
	}
	if (format == DOTENV_RAW)
		r = parse_raw(&p, e);
	else
		while (r >= 0 && next_statement(&p))
			r = take_statement(&p, e);
	map_done(&p.names);
	if (r < 0)
		return r;
	*ret = p.vars;
	return 0;
}

/* ---- files ---- */

static void drop_nameless(const char *path, const struct dotenv_env *env, struct dotenv_vars *vars)
{
	for (size_t i = 0; i < vars->n; i++) {
		AUTO_STR(text, 1024);

		if (*vars->v[i].name)
			continue;
		str_addf(&text, "%s: a variable without a name is dropped (does the last line lack an '='?)", path);
		if (env->warn)
			env->warn(env->arg, text.s);
		memmove(vars->v + i, vars->v + i + 1, (vars->n - i - 1) * sizeof *vars->v);
		vars->n--;
		return; /* names are unique */
	}
}

int dotenv_read(struct arena *a, const char *path, enum dotenv_format format, const struct dotenv_env *env,
		struct dotenv_vars *ret, struct err *e)
{
	const char *text;
	size_t len;

	TRY(read_text(a, path, env->given, READ_MAX_ENV, &text, &len, e));
	if (dotenv_parse(a, text, len, format, env, ret, e) < 0)
		return err_wrap(e, "failed to read %s", path);
	drop_nameless(path, env, ret);
	return 0;
}

int dotenv_format_parse(const char *s, enum dotenv_format *ret, struct err *e)
{
	if (!*s || streq(s, "dotenv"))
		*ret = DOTENV;
	else if (streq(s, "raw"))
		*ret = DOTENV_RAW;
	else
		return err_set(e, EINVAL, "unsupported env_file format \"%s\"", s);
	return 0;
}
