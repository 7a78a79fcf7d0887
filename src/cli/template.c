/* SPDX-License-Identifier: MIT
 *
 * The text is walked once for each time it is shown; there is no tree. What is not to be shown is walked too, with `on` false: that finds
 * where it ends, and what is wrong in it. Values are borrowed from the row, or made in `made`, which lives as long as the walk.
 */
#include "cli/template.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

enum { DEPTH_MAX = 100, ARGS_MAX = 16, TEXT_MAX = 64 << 20, PAD_MAX = 10000 };
enum stop { STOP_TEXT, STOP_END, STOP_ELSE };

struct walk {
	const char *p;              /* where we are */
	const char *action;         /* where the action began, for messages */
	const struct cJSON *root;
	struct cJSON *made;
	struct str *out;
	struct err *e;
	bool heading;
	bool trim;                  /* blanks that follow are dropped */
	bool off;                   /* what is read is not shown: nothing is computed, an index may be out of range there */
	int depth;
};
typedef const struct cJSON value;

/* --- values -------------------------------------------------------------------------------------------------- */

static value *make_str(struct walk *w, const char *s)
{
	struct cJSON *box = json_add_array(w->made, NULL);

	json_add_str(box, NULL, s);
	return json_first(box);
}

static value *make_int(struct walk *w, int64_t n)
{
	struct cJSON *box = json_add_array(w->made, NULL);

	json_add_int(box, NULL, n);
	return json_first(box);
}

static value *make_bool(struct walk *w, bool b)
{
	struct cJSON *box = json_add_array(w->made, NULL);

	json_add_bool(box, NULL, b);
	return json_first(box);
}

static bool is_none(value *v)
{
	return !v || json_is_null(v);
}

/* As Go's %v: {a b} and [a b] for what has members. */
static void add_value(struct str *out, value *v, bool inside)
{
	const char *s = json_value_str(v);
	bool list = v && json_is_array(v);

	if (s) {
		str_add(out, s);
	} else if (is_none(v)) {
		str_add(out, inside ? "<nil>" : "<no value>");
	} else if (list || json_is_object(v)) {
		str_addc(out, list ? '[' : '{');
		for (value *c = json_first(v); c; c = json_next(c)) {
			str_add(out, c == json_first(v) ? "" : " ");
			add_value(out, c, true);
		}
		str_addc(out, list ? ']' : '}');
	} else {
		auto_free char *text = json_text(v, false);

		str_add(out, text);
	}
}

static char *text_of(value *v)
{
	struct str b = STR_INIT(TEXT_MAX);

	add_value(&b, v, false);
	return str_take(&b);
}

static bool truth(value *v)
{
	const char *s = json_value_str(v);
	int64_t n;

	if (is_none(v))
		return false;
	if (s)
		return *s != '\0';
	if (json_value_int(v, &n))
		return n != 0;
	if (json_is_array(v) || json_is_object(v))
		return json_count(v) > 0;
	auto_free char *text = json_text(v, false);

	return !streq(text, "false");
}

static int compare(value *a, value *b)
{
	int64_t x, y;

	if (json_value_int(a, &x) && json_value_int(b, &y))
		return x < y ? -1 : x > y;
	auto_free char *s = text_of(a);
	auto_free char *t = text_of(b);

	return strcmp(s, t);
}

/* --- functions ----------------------------------------------------------------------------------------------- */

struct call {
	const char *name;
	value *v[ARGS_MAX];
	size_t n;
};

static value *fn_json(struct walk *w, const struct call *c)
{
	auto_free char *text = c->v[0] ? json_text(c->v[0], false) : xstrdup("null");

	return make_str(w, text);
}

static value *fn_case(struct walk *w, const struct call *c)
{
	auto_free char *text = text_of(c->v[0]);

	for (char *p = text; *p; p++)
		if (streq(c->name, "lower"))
			*p = (char)tolower((unsigned char)*p);
		else if (streq(c->name, "upper") || p == text || p[-1] == ' ')
			*p = (char)toupper((unsigned char)*p);
	return make_str(w, text);
}

static value *fn_len(struct walk *w, const struct call *c)
{
	const char *s = json_value_str(c->v[0]);

	return make_int(w, (int64_t)(s ? strlen(s) : c->v[0] ? json_count(c->v[0]) : 0));
}

/* print puts a blank between two that are both no strings, println between all. */
static value *fn_print(struct walk *w, const struct call *c)
{
	bool line = streq(c->name, "println");
	AUTO_STR(b, TEXT_MAX);

	for (size_t i = 0; i < c->n; i++) {
		if (i && (line || (!json_value_str(c->v[i]) && !json_value_str(c->v[i - 1]))))
			str_addc(&b, ' ');
		add_value(&b, c->v[i], false);
	}
	str_add(&b, line ? "\n" : "");
	return make_str(w, b.s);
}

/* %s %v %d and %q without flags, with a width; %% */
static value *fn_printf(struct walk *w, const struct call *c)
{
	const char *f = str0(json_value_str(c->v[0]));
	AUTO_STR(b, TEXT_MAX);

	for (size_t next = 1; *f; f++) {
		char *end;
		bool left = false;
		long width;

		if (*f != '%') {
			str_addc(&b, *f);
			continue;
		}
		f++;
		left = *f == '-';
		f += left;
		width = strtol(f, &end, 10);
		width = width > PAD_MAX ? PAD_MAX : width;
		f = end;
		if (*f == '%') {
			str_addc(&b, '%');
			continue;
		}
		if (!*f || !strchr("svdq", *f) || next >= c->n) {
			err_set(w->e, EINVAL, "--format: printf: '%%%c' has no value, or is none of %%s %%v %%d %%q", *f ? *f : ' ');
			return NULL;
		}
		auto_free char *text = *f == 'q' ? json_text(c->v[next], false) : text_of(c->v[next]);

		next++;
		str_addf(&b, left ? "%-*s" : "%*s", (int)width, text);
	}
	return make_str(w, b.s);
}

static value *fn_join(struct walk *w, const struct call *c)
{
	auto_free char *sep = text_of(c->v[1]);
	AUTO_STR(b, TEXT_MAX);

	for (value *v = json_first(c->v[0]); v; v = json_next(v)) {
		str_add(&b, v == json_first(c->v[0]) ? "" : sep);
		add_value(&b, v, false);
	}
	return make_str(w, b.s);
}

static value *fn_split(struct walk *w, const struct call *c)
{
	struct cJSON *list = json_add_array(w->made, NULL);
	auto_free char *text = text_of(c->v[0]);
	auto_free char *sep = text_of(c->v[1]);

	if (*sep) {
		for (char *p = text, *at; p; p = at ? at + strlen(sep) : NULL) {
			at = strstr(p, sep);
			auto_free char *one = at ? xstrndup(p, (size_t)(at - p)) : xstrdup(p);

			json_add_str(list, NULL, one);
		}
	} else {
		json_add_str(list, NULL, text);
	}
	return list;
}

static value *fn_truncate(struct walk *w, const struct call *c)
{
	auto_free char *text = text_of(c->v[0]);
	int64_t n;

	if (json_value_int(c->v[1], &n) && n >= 0 && (uint64_t)n < strlen(text))
		text[n] = '\0';
	return make_str(w, text);
}

static value *fn_pad(struct walk *w, const struct call *c)
{
	auto_free char *text = text_of(c->v[0]);
	int64_t before = 0, after = 0;
	AUTO_STR(b, TEXT_MAX);

	(void)json_value_int(c->v[1], &before);
	(void)json_value_int(c->v[2], &after);
	if (*text)
		str_addf(&b, "%*s%s%*s", (int)(before > PAD_MAX ? PAD_MAX : before), "", text, (int)(after > PAD_MAX ? PAD_MAX : after), "");
	return make_str(w, b.s);
}

static value *fn_index(struct walk *w, const struct call *c)
{
	value *v = c->v[0];

	for (size_t i = 1; i < c->n; i++) {
		const char *key = json_value_str(c->v[i]);
		int64_t n;

		if (v && key && json_is_object(v)) {
			v = json_get(v, key);
		} else if (v && json_is_array(v) && json_value_int(c->v[i], &n)) {
			if (n < 0 || (uint64_t)n >= json_count(v)) {
				err_set(w->e, EINVAL, "--format: index %" PRId64 " is out of range: there are %zu", n, json_count(v));
				return NULL;
			}
			for (v = json_first(v); n > 0; n--)
				v = json_next(v);
		} else {
			return NULL;
		}
	}
	return v;
}

/* eq takes several to compare with the first. */
static value *fn_compare(struct walk *w, const struct call *c)
{
	int r = compare(c->v[0], c->v[1]);
	bool yes = false;

	if (streq(c->name, "eq"))
		for (size_t i = 1; i < c->n; i++)
			yes = yes || compare(c->v[0], c->v[i]) == 0;
	else
		yes = streq(c->name, "ne") ? r != 0 : streq(c->name, "lt") ? r < 0 : streq(c->name, "le") ? r <= 0 :
		      streq(c->name, "gt") ? r > 0 : r >= 0;
	return make_bool(w, yes);
}

/* The first that decides, else the last. */
static value *fn_logic(struct walk *w, const struct call *c)
{
	bool or = streq(c->name, "or");

	(void)w;
	for (size_t i = 0; i < c->n; i++)
		if (truth(c->v[i]) == or)
			return c->v[i];
	return c->v[c->n - 1];
}

static value *fn_not(struct walk *w, const struct call *c)
{
	return make_bool(w, !truth(c->v[0]));
}

static const struct {
	const char *name;
	value *(*fn)(struct walk *w, const struct call *c); /* NULL is a value; failed: w->e is set */
	size_t min, max;
} functions[] = {
	{ "json", fn_json, 1, 1 }, { "upper", fn_case, 1, 1 }, { "lower", fn_case, 1, 1 }, { "title", fn_case, 1, 1 },
	{ "len", fn_len, 1, 1 }, { "print", fn_print, 0, ARGS_MAX }, { "println", fn_print, 0, ARGS_MAX }, { "printf", fn_printf, 1, ARGS_MAX },
	{ "join", fn_join, 2, 2 }, { "split", fn_split, 2, 2 }, { "truncate", fn_truncate, 2, 2 }, { "pad", fn_pad, 3, 3 },
	{ "index", fn_index, 1, ARGS_MAX }, { "eq", fn_compare, 2, ARGS_MAX }, { "ne", fn_compare, 2, 2 }, { "lt", fn_compare, 2, 2 },
	{ "le", fn_compare, 2, 2 }, { "gt", fn_compare, 2, 2 }, { "ge", fn_compare, 2, 2 }, { "and", fn_logic, 1, ARGS_MAX },
	{ "or", fn_logic, 1, ARGS_MAX }, { "not", fn_not, 1, 1 },
};

/* {{.Label "KEY"}}: the last of that name, nothing when it is not there. */
static value *label(struct walk *w, value *dot, value *key)
{
	const char *labels = str0(json_str(dot, "Labels"));
	auto_free char *k = text_of(key);
	size_t n = strlen(k), found_len = 0;
	const char *found = "";

	if (w->heading)
		return make_str(w, k);
	while (*labels) {
		size_t len = strcspn(labels, ",");

		if (len > n && labels[n] == '=' && memcmp(labels, k, n) == 0)
			found = labels + n + 1, found_len = len - n - 1;
		labels += len + (labels[len] == ',');
	}
	auto_free char *text = xstrndup(found, found_len);

	return make_str(w, text);
}

/* --- expressions: value NULL is "no value"; < 0 is an error ---------------------------------------------------- */

static int not_understood(struct walk *w)
{
	return err_set(w->e, ENOTSUP, "--format: '{{%.*s}}' is not understood: fields, .Label \"KEY\", if, range, with and functions like json are",
		       (int)MIN(strcspn(w->action, "}"), (size_t)200), w->action);
}

static int deeper(struct walk *w)
{
	return ++w->depth > DEPTH_MAX ? err_set(w->e, E2BIG, "--format: nested more than %d levels", DEPTH_MAX) : 0;
}

static void skip_blanks(struct walk *w)
{
	w->p += strspn(w->p, " \t\n\r");
}

static size_t word_len(const char *s)
{
	size_t n = 0;

	while (isalnum((unsigned char)s[n]) || s[n] == '_')
		n++;
	return n;
}

static bool at_close(const struct walk *w)
{
	return str_starts(w->p, "}}") || str_starts(w->p, "-}}");
}

/* "text" with \n \t \" \\, or `text` */
static int quoted(struct walk *w, value **ret)
{
	char q = *w->p++;
	AUTO_STR(b, TEXT_MAX);

	for (; *w->p && *w->p != q; w->p++) {
		if (q == '"' && *w->p == '\\' && w->p[1]) {
			w->p++;
			str_addc(&b, *w->p == 'n' ? '\n' : *w->p == 't' ? '\t' : *w->p);
		} else {
			str_addc(&b, *w->p);
		}
	}
	if (!*w->p)
		return not_understood(w);
	w->p++;
	*ret = make_str(w, b.s);
	return 0;
}

/* .A.B behind a value */
static void fields(struct walk *w, value **v)
{
	while (*w->p == '.' && word_len(w->p + 1)) {
		size_t n = word_len(w->p + 1);
		auto_free char *key = xstrndup(w->p + 1, n);

		*v = *v ? json_get(*v, key) : NULL;
		w->p += n + 1;
	}
}

static int pipeline(struct walk *w, value *dot, value **ret);
static int operand(struct walk *w, value *dot, value **ret);

static int literal(struct walk *w, value **ret)
{
	size_t n = *w->p == '-' ? 1 + word_len(w->p + 1) : word_len(w->p);
	auto_free char *word = xstrndup(w->p, n);
	AUTO_ERR(ignored);
	int64_t number;

	if (streq(word, "true") || streq(word, "false"))
		*ret = make_bool(w, *word == 't');
	else if (streq(word, "nil"))
		*ret = NULL;
	else if (num_int(word, INT64_MIN, INT64_MAX, &number, &ignored) >= 0)
		*ret = make_int(w, number);
	else
		return not_understood(w);
	w->p += n;
	return 0;
}

static int operand(struct walk *w, value *dot, value **ret)
{
	if (*w->p == '"' || *w->p == '`')
		return quoted(w, ret);
	if (*w->p == '(') {
		w->p++;
		TRY(pipeline(w, dot, ret));
		if (*w->p++ != ')')
			return not_understood(w);
	} else if (*w->p == '$' || *w->p == '.') {
		*ret = *w->p == '$' ? w->root : dot;
		w->p += *w->p == '$' || !word_len(w->p + 1);
	} else {
		return literal(w, ret);
	}
	fields(w, ret);
	return 0;
}

static int arguments(struct walk *w, value *dot, struct call *c)
{
	for (;;) {
		skip_blanks(w);
		if (!*w->p || at_close(w) || *w->p == '|' || *w->p == ')')
			return 0;
		if (c->n == ARGS_MAX - 1)
			return not_understood(w);
		TRY(operand(w, dot, &c->v[c->n]));
		c->n++;
	}
}

/* One command of a pipeline; PIPED is what comes before it, its last argument. */
static int command(struct walk *w, value *dot, value *piped, bool has_piped, value **ret)
{
	struct call c = { 0 };
	size_t n = word_len(w->p), i = 0;

	if (str_starts(w->p, ".Label ")) {
		w->p += strlen(".Label ");
		skip_blanks(w);
		if (*w->p != '"' && *w->p != '`')
			return err_set(w->e, EINVAL, "--format: .Label wants a key in quotes");
		TRY(quoted(w, ret));
		*ret = w->off ? NULL : label(w, dot, *ret);
		return 0;
	}
	while (i < ARRAY_LEN(functions) && (strlen(functions[i].name) != n || memcmp(functions[i].name, w->p, n)))
		i++;
	if (i == ARRAY_LEN(functions)) {
		TRY(operand(w, dot, ret));
		skip_blanks(w);
		return has_piped || !(at_close(w) || *w->p == '|' || *w->p == ')') ? not_understood(w) : 0;
	}
	w->p += n;
	c.name = functions[i].name;
	TRY(arguments(w, dot, &c));
	if (has_piped)
		c.v[c.n++] = piped;
	if (c.n < functions[i].min || c.n > functions[i].max)
		return err_set(w->e, EINVAL, "--format: %s: wrong number of arguments: %zu", c.name, c.n);
	*ret = w->off ? NULL : functions[i].fn(w, &c);
	return w->e->code ? -w->e->code : 0;
}

static int pipeline(struct walk *w, value *dot, value **ret)
{
	bool more = false;

	TRY(deeper(w));
	*ret = NULL;
	do {
		skip_blanks(w);
		TRY(command(w, dot, *ret, more, ret));
		skip_blanks(w);
		more = *w->p == '|';
		w->p += more;
	} while (more);
	w->depth--;
	return 0;
}

/* --- actions --------------------------------------------------------------------------------------------------- */

static int close_action(struct walk *w)
{
	skip_blanks(w);
	w->trim = *w->p == '-';
	w->p += w->trim;
	if (!str_starts(w->p, "}}"))
		return not_understood(w);
	w->p += 2;
	return 0;
}

static int block(struct walk *w, value *dot, bool on, enum stop *ret);
static int branches(struct walk *w, value *dot, bool on, bool with);

static bool take_word(struct walk *w, const char *word)
{
	size_t n = strlen(word);

	if (word_len(w->p) != n || memcmp(w->p, word, n))
		return false;
	w->p += n;
	return true;
}

/* Behind {{else: nothing, or another if. */
static int otherwise(struct walk *w, value *dot, bool on)
{
	enum stop stop;

	skip_blanks(w);
	if (take_word(w, "if"))
		return branches(w, dot, on, false);
	if (take_word(w, "with"))
		return branches(w, dot, on, true);
	TRY(close_action(w));
	TRY(block(w, dot, on, &stop));
	return stop == STOP_END ? 0 : not_understood(w);
}

static int condition(struct walk *w, value *dot, bool on, value **ret)
{
	w->off = !on;
	return pipeline(w, on ? dot : NULL, ret);
}

static int branches(struct walk *w, value *dot, bool on, bool with)
{
	value *v;
	enum stop stop;
	bool yes;

	TRY(condition(w, dot, on, &v));
	TRY(close_action(w));
	yes = truth(v);
	TRY(block(w, with ? v : dot, on && yes, &stop));
	if (stop == STOP_ELSE)
		return otherwise(w, dot, on && !yes);
	return stop == STOP_END ? 0 : not_understood(w);
}

static int range(struct walk *w, value *dot, bool on)
{
	const char *body;
	value *list;
	enum stop stop = STOP_TEXT;
	size_t n;

	TRY(condition(w, dot, on, &list));
	TRY(close_action(w));
	body = w->p;
	n = on && list && (json_is_array(list) || json_is_object(list)) ? json_count(list) : 0;
	if (n == 0)
		TRY(block(w, NULL, false, &stop));
	for (value *v = n ? json_first(list) : NULL; v; v = json_next(v)) {
		w->p = body;
		TRY(block(w, v, true, &stop));
	}
	if (stop == STOP_ELSE)
		return otherwise(w, dot, on && n == 0);
	return stop == STOP_END ? 0 : not_understood(w);
}

static int show(struct walk *w, value *dot, bool on)
{
	value *v;

	TRY(condition(w, dot, on, &v));
	TRY(close_action(w));
	if (on)
		add_value(w->out, v, false);
	return 0;
}

/* From behind {{ to behind }}. */
static int action(struct walk *w, value *dot, bool on, enum stop *ret)
{
	w->action = w->p;
	skip_blanks(w);
	if (str_starts(w->p, "/*")) {
		const char *end = strstr(w->p, "*/");

		w->p = end ? end + 2 : w->p;
		return close_action(w);
	}
	if (take_word(w, "end")) {
		*ret = STOP_END;
		return close_action(w);
	}
	if (take_word(w, "else")) {
		*ret = STOP_ELSE;
		return 0;
	}
	if (take_word(w, "if"))
		return branches(w, dot, on, false);
	if (take_word(w, "with"))
		return branches(w, dot, on, true);
	return take_word(w, "range") ? range(w, dot, on) : show(w, dot, on);
}

static void text(struct walk *w, size_t n, bool on, bool trim_end)
{
	const char *p = w->p, *end = w->p + n;

	w->p = end;
	while (w->trim && p < end && isspace((unsigned char)*p))
		p++;
	while (trim_end && end > p && isspace((unsigned char)end[-1]))
		end--;
	for (; on && p < end; p++) {
		bool escape = *p == '\\' && p + 1 < end && (p[1] == 't' || p[1] == 'n');

		str_addc(w->out, !escape ? *p : *++p == 't' ? '\t' : '\n');
	}
	w->trim = false;
}

/* Text and actions up to the end, or to an {{end}} or {{else. */
static int block(struct walk *w, value *dot, bool on, enum stop *ret)
{
	*ret = STOP_TEXT;
	TRY(deeper(w));
	while (*ret == STOP_TEXT) {
		const char *open = strstr(w->p, "{{");
		bool trims = open && open[2] == '-' && isspace((unsigned char)open[3]);

		text(w, open ? (size_t)(open - w->p) : strlen(w->p), on, trims);
		if (!open)
			break;
		if (!strstr(open, "}}"))
			return err_set(w->e, EINVAL, "--format: '{{' without '}}' in '%s'", open);
		w->p += trims ? 3 : 2;
		TRY(action(w, dot, on, ret));
	}
	w->depth--;
	return str_check(w->out, "--format", w->e);
}

int template_render(const char *tmpl, const struct cJSON *row, bool heading, struct str *out, struct err *e)
{
	AUTO(json_free) struct cJSON *made = json_array();
	struct walk w = { .p = tmpl, .action = tmpl, .root = row, .made = made, .out = out, .e = e, .heading = heading };
	enum stop stop;

	TRY(block(&w, row, true, &stop));
	return stop == STOP_TEXT ? 0 : err_set(e, EINVAL, "--format: {{end}} or {{else}} without a beginning in '%s'", tmpl);
}
