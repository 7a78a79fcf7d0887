/* SPDX-License-Identifier: MIT */
#include "cli/format.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/table.h"
#include "cli/template.h"
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

int format_template(const char *tmpl, const struct cJSON *value, char **ret, struct err *e)
{
	AUTO_STR(out, FORMAT_MAX);

	TRY(template_render(tmpl, value, false, &out, e));
	*ret = str_take(&out);
	return 0;
}

/* --- rows --------------------------------------------------------------------------------------------------- */

static int add_headings(struct format *f, struct err *e)
{
	AUTO(json_free) struct cJSON *names = json_object();
	AUTO_STR(line, FORMAT_MAX);

	for (const struct format_column *c = f->columns; c->key; c++)
		json_add_str(names, c->key, c->heading);
	TRY(template_render(f->tmpl, names, true, &line, e));
	strv_add(&f->lines, line.s);
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
