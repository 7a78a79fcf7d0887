/* SPDX-License-Identifier: MIT */
#include "cli/format.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/table.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>

enum { FORMAT_MAX = 64 << 20 };
enum format_kind { FORMAT_TABLE, FORMAT_JSON, FORMAT_TEMPLATE, FORMAT_TABLE_TEMPLATE };

struct format {
	enum format_kind kind;
	const char *tmpl;
	const struct format_column *columns;
	size_t defaults;
	bool json_array;
	struct cJSON *array;
	struct strv lines;   /* rows of templates and of json, one string each */
	struct strv cells;   /* table: cells row by row */
};

/* --- values ------------------------------------------------------------------------------------------------- */

static void add_value(struct str *out, const struct cJSON *v)
{
	const char *s = json_value_str(v);
	int64_t n;

	if (s)
		str_add(out, s);
	else if (!v || json_is_null(v))
		str_add(out, "<no value>");
	else if (json_value_int(v, &n))
		str_addf(out, "%" PRId64, n);
	else {
		auto_free char *text = json_text(v, false);

		str_add(out, text);
	}
}

static const struct cJSON *get_path(const struct cJSON *v, const char *path, size_t n)
{
	while (n && v) {
		size_t k;

		path++, n--; /* the dot */
		if (!n)
			break;
		for (k = 0; k < n && path[k] != '.'; k++)
			;
		auto_free char *key = xstrndup(path, k);

		v = json_get(v, key);
		path += k, n -= k;
	}
	return v;
}

/* --- {{action}} --------------------------------------------------------------------------------------------- */

typedef void fn_apply(struct str *out, const struct cJSON *v);

static void fn_json(struct str *out, const struct cJSON *v)
{
	auto_free char *text = v ? json_text(v, false) : xstrdup("null");

	str_add(out, text);
}

static void add_cased(struct str *out, const struct cJSON *v, int (*change)(int))
{
	AUTO_STR(t, FORMAT_MAX);

	add_value(&t, v);
	for (size_t i = 0; i < t.len; i++)
		str_addc(out, (char)change((unsigned char)t.s[i]));
}

static void fn_upper(struct str *out, const struct cJSON *v)
{
	add_cased(out, v, toupper);
}

static void fn_lower(struct str *out, const struct cJSON *v)
{
	add_cased(out, v, tolower);
}

static void fn_title(struct str *out, const struct cJSON *v)
{
	AUTO_STR(t, FORMAT_MAX);

	add_value(&t, v);
	for (size_t i = 0; i < t.len; i++)
		str_addc(out, (char)(i == 0 || t.s[i - 1] == ' ' ? toupper((unsigned char)t.s[i]) : t.s[i]));
}

static void fn_len(struct str *out, const struct cJSON *v)
{
	const char *s = json_value_str(v);

	str_addf(out, "%zu", s ? strlen(s) : v ? json_count(v) : 0);
}

static const struct {
	const char *name;
	fn_apply *apply;
} functions[] = {
	{ "json", fn_json }, { "upper", fn_upper }, { "lower", fn_lower }, { "title", fn_title },
	{ "len", fn_len }, { "println", add_value }, { "print", add_value },
};

/* In the object whose values are headings: no field has a blank in its name. */
static const char heading_row[] = "heading row";

/* {{.Label "KEY"}}: its value out of "K=V,K=V", the last one as docker reads it; nothing when it is not there */
static int add_label(struct str *out, const char *key, size_t n, const struct cJSON *row, struct err *e)
{
	const char *labels = str0(json_str(row, "Labels"));
	const char *found = NULL;
	size_t found_len = 0;

	while (n && isspace((unsigned char)*key))
		key++, n--;
	if (n < 2 || (*key != '"' && *key != '`') || key[n - 1] != *key)
		return err_set(e, EINVAL, "--format: .Label wants a key in quotes, found '%.*s'", (int)n, key);
	key++, n -= 2;
	if (json_bool(row, heading_row, false)) {
		str_addn(out, key, n);
		return 0;
	}
	while (*labels) {
		size_t len = strcspn(labels, ",");

		if (len > n && labels[n] == '=' && memcmp(labels, key, n) == 0)
			found = labels + n + 1, found_len = len - n - 1;
		labels += len + (labels[len] == ',');
	}
	str_addn(out, str0(found), found_len);
	return 0;
}

static int action(struct str *out, const char *text, size_t n, const struct cJSON *row, struct err *e)
{
	size_t word;

	while (n && isspace((unsigned char)*text))
		text++, n--;
	while (n && isspace((unsigned char)text[n - 1]))
		n--;
	if (n && *text == '.' && !memchr(text, ' ', n) && !memchr(text, '|', n)) {
		add_value(out, get_path(row, text, n));
		return 0;
	}
	if (n > 7 && strncmp(text, ".Label ", 7) == 0)
		return add_label(out, text + 7, n - 7, row, e);
	for (word = 0; word < n && isalpha((unsigned char)text[word]); word++)
		;
	for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
		if (strlen(functions[i].name) != word || memcmp(functions[i].name, text, word))
			continue;
		text += word, n -= word;
		while (n && *text == ' ')
			text++, n--;
		if (n && *text == '.' && !memchr(text, ' ', n)) {
			functions[i].apply(out, get_path(row, text, n));
			return 0;
		}
		break;
	}
	return err_set(e, ENOTSUP, "--format: '{{%.*s}}' is not understood (fields, .Label \"KEY\", json, upper, lower, title, len are)", (int)n,
		       text);
}

/* HEADINGS: every field becomes its column's heading. */
static int expand(struct str *out, const char *tmpl, const struct cJSON *row, struct err *e)
{
	for (const char *p = tmpl; *p;) {
		if (p[0] == '{' && p[1] == '{') {
			const char *end = strstr(p, "}}");

			if (!end)
				return err_set(e, EINVAL, "--format: '{{' without '}}' in '%s'", tmpl);
			TRY(action(out, p + 2, (size_t)(end - p - 2), row, e));
			p = end + 2;
		} else if (p[0] == '\\' && (p[1] == 't' || p[1] == 'n')) {
			str_addc(out, p[1] == 't' ? '\t' : '\n');
			p += 2;
		} else {
			str_addc(out, *p++);
		}
	}
	return str_check(out, "--format", e);
}

int format_template(const char *tmpl, const struct cJSON *value, char **ret, struct err *e)
{
	AUTO_STR(out, FORMAT_MAX);

	TRY(expand(&out, tmpl, value, e));
	*ret = str_take(&out);
	return 0;
}

/* --- rows --------------------------------------------------------------------------------------------------- */

static int add_headings(struct format *f, struct err *e)
{
	AUTO(json_free) struct cJSON *names = json_object();
	char *line;

	json_add_bool(names, heading_row, true);

	for (const struct format_column *c = f->columns; c->key; c++)
		json_add_str(names, c->key, c->heading);
	TRY(format_template(f->tmpl, names, &line, e));
	strv_add_take(&f->lines, line);
	return 0;
}

int format_new(const char *spec, const struct format_column *columns, size_t defaults, bool as_array, struct format **ret,
	       struct err *e)
{
	struct format *f = xcalloc(1, sizeof *f);
	const char *table = spec ? str_after(spec, "table ") : NULL;

	*f = (struct format){ .columns = columns, .defaults = defaults, .json_array = as_array, .tmpl = table ? table : spec };
	if (!spec || !*spec || streq(spec, "table"))
		f->kind = FORMAT_TABLE;
	else if (streq(spec, "json"))
		f->kind = FORMAT_JSON;
	else
		f->kind = table ? FORMAT_TABLE_TEMPLATE : FORMAT_TEMPLATE;
	if (f->kind == FORMAT_JSON && as_array)
		f->array = json_array();
	if (f->kind == FORMAT_TABLE)
		for (size_t i = 0; i < defaults; i++)
			strv_add(&f->cells, columns[i].heading);
	if (f->kind == FORMAT_TABLE_TEMPLATE && add_headings(f, e) < 0) {
		int r = -e->code;

		format_free(f);
		return r < 0 ? r : -EINVAL;
	}
	*ret = f;
	return 0;
}

int format_row(struct format *f, const struct cJSON *row, struct err *e)
{
	char *line;

	switch (f->kind) {
	case FORMAT_TABLE:
		for (size_t i = 0; i < f->defaults; i++) {
			AUTO_STR(cell, FORMAT_MAX);

			add_value(&cell, json_get(row, f->columns[i].key));
			strv_add(&f->cells, cell.s);
		}
		return 0;
	case FORMAT_JSON:
		if (f->array)
			json_add(f->array, NULL, json_copy(row));
		else
			strv_add_take(&f->lines, json_text(row, false));
		return 0;
	case FORMAT_TEMPLATE:
	case FORMAT_TABLE_TEMPLATE:
		TRY(format_template(f->tmpl, row, &line, e));
		strv_add_take(&f->lines, line);
		return 0;
	}
	BUG("format kind %d", f->kind);
}

/* Lines whose cells are separated by tabs, as columns. */
static void print_tabbed(const struct strv *lines, FILE *out)
{
	struct table t = { 0 };

	for (size_t i = 0; i < lines->n; i++) {
		AUTO_STRV(cells);

		strv_split(&cells, lines->v[i], "\t");
		if (i == 0)
			t.cols = cells.n;
		for (size_t k = 0; k < t.cols; k++)
			table_cell(&t, k < cells.n ? cells.v[k] : "");
	}
	if (t.cols)
		table_print(&t, out);
	table_done(&t);
}

void format_end(struct format *f, FILE *out)
{
	if (f->kind == FORMAT_TABLE) {
		struct table t = { .cols = f->defaults, .cells = f->cells };

		table_print(&t, out);
	} else if (f->kind == FORMAT_TABLE_TEMPLATE) {
		print_tabbed(&f->lines, out);
	} else if (f->array) {
		auto_free char *text = json_text(f->array, false);

		fprintf(out, "%s\n", text);
	} else {
		for (size_t i = 0; i < f->lines.n; i++)
			fprintf(out, "%s\n", f->lines.v[i]);
	}
	format_free(f);
}

void format_free(struct format *f)
{
	if (!f)
		return;
	json_free(f->array);
	strv_done(&f->lines);
	strv_done(&f->cells);
	free(f);
}
