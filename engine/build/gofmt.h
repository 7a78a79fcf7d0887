/* SPDX-License-Identifier: MIT
 *
 * engine/build/gofmt.h - text as Go prints it, for history entries that are equal byte by byte
 */
#pragma once
#include <stdint.h>

struct strv;
/* 'x': fmt's %q of a number, which is the character it stands for. Caller frees. */
char *go_quoted_char(int64_t c);
/* "a\tb": fmt's %q of a text. Caller frees. */
char *go_quoted(const char *s);
/* ["/bin/sh" "-c" "x"]: fmt's %q of a list. Caller frees. */
char *go_quoted_list(const struct strv *l);
/* [a b] */
char *go_list(const struct strv *l);
