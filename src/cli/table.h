/* SPDX-License-Identifier: MIT
 *
 * cli/table.h - columns on stdout, as wide as their widest cell and three blanks apart
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include <stdio.h>

struct table {
	size_t cols;
	struct strv cells; /* row by row; the first row is the heading */
};
void table_init(struct table *t, const char *const *headings); /* NULL-terminated */
void table_done(struct table *t);
void table_cell(struct table *t, const char *text);
void table_cellf(struct table *t, const char *fmt, ...) PRINTF(2, 3);
void table_print(const struct table *t, FILE *out);
