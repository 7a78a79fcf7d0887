/* SPDX-License-Identifier: MIT
 *
 * cli/template.h - Go's text/template as far as people use it with docker, over JSON values. Pure.
 *
 *   {{.A.B}} {{.}} {{$.A}} "text" `text` 12 true false nil ( ) pipelines a | b, {{- and -}}, comments
 *   if, else, else if, range, with, end (no variables, define, template or block)
 *   json upper lower title len print printf println join split truncate pad index eq ne lt le gt ge and or not
 *   .Label "KEY" out of "K=V,K=V" in .Labels; \t and \n outside of the braces, as docker's command line has them
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>

struct cJSON;
struct err;
struct str;
/* Appends TMPL over ROW to OUT. HEADING: ROW has headings for values, so .Label gives its key. Errors name what is not understood. */
int template_render(const char *tmpl, const struct cJSON *row, bool heading, struct str *out, struct err *e);
