/* SPDX-License-Identifier: MIT
 *
 * engine/build/gofmt.h - text as Go prints it, for history entries that are equal byte by byte
 */
#pragma once
struct strv;
/* ["/bin/sh" "-c" "x"]: fmt's %q of a list. Caller frees. */
char *go_quoted_list(const struct strv *l);
/* [a b] */
char *go_list(const struct strv *l);
