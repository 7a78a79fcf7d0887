/* SPDX-License-Identifier: MIT
 *
 * cli/format.h - --format table|json|TEMPLATE over rows that are JSON objects
 *
 * Templates: cli/template.h, and "table TEMPLATE" for a heading and columns.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stdio.h>

struct cJSON;
struct err;
struct format;
struct format_column {
	const char *key;     /* member of the row */
	const char *heading; /* "NAME" */
};
/* SPEC NULL or "table": the default columns. COLUMNS: NULL-key-terminated, for headings of templates too (first DEFAULTS of them are
 * the table). JSON_ARRAY: `json` prints one array (images, ls) instead of an object per line (ps). */
int format_new(const char *spec, const struct format_column *columns, size_t defaults, bool json_array, struct format **ret, struct err *e);
int format_row(struct format *f, const struct cJSON *row, struct err *e);
/* Prints what is held back (tables, arrays) and frees. */
void format_end(struct format *f, FILE *out);
/* Forgets everything unprinted. */
void format_free(struct format *f);
/* One template over one value. Caller frees *ret. */
int format_template(const char *tmpl, const struct cJSON *value, char **ret, struct err *e);
