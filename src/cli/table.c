/* SPDX-License-Identifier: MIT */
#include "cli/table.h"

#include "base/alloc.h"
#include <stdarg.h>
#include <string.h>

void table_init(struct table *t, const char *const *headings)
{
	*t = (struct table){ 0 };
	for (; headings[t->cols]; t->cols++)
		strv_add(&t->cells, headings[t->cols]);
}

void table_done(struct table *t)
{
	strv_done(&t->cells);
}

void table_cell(struct table *t, const char *text)
{
	strv_add(&t->cells, text ? text : "");
}

void table_cellf(struct table *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strv_add_take(&t->cells, xvasprintf(fmt, ap));
	va_end(ap);
}

/* Columns on a terminal: UTF-8 continuation bytes take none. */
static size_t width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

void table_print(const struct table *t, FILE *out)
{
	auto_free size_t *w = xcalloc(t->cols, sizeof *w);

	for (size_t i = 0; i < t->cells.n; i++)
		w[i % t->cols] = MAX(w[i % t->cols], width(t->cells.v[i]));
	for (size_t i = 0; i < t->cells.n; i++) {
		const char *cell = t->cells.v[i];
		size_t col = i % t->cols;

		if (col + 1 == t->cols)
			fprintf(out, "%s\n", cell);
		else
			fprintf(out, "%s%*s", cell, (int)(w[col] - width(cell) + 3), "");
	}
}
