/* SPDX-License-Identifier: MIT
 *
 * base/str.h - bounded string builder and small string helpers
 *
 * s is never NULL and always terminated. Overflow of max is sticky: keep adding, test str_over() once.
 */
#pragma once
#include "base/auto.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct str {
	char *s;
	size_t len, cap, max;
	bool over;
};
extern char str_empty_[1];
#define STR_INIT(maximum) ((struct str){ .s = str_empty_, .max = (maximum) })
#define AUTO_STR(name, maximum) AUTO_DONE(str_done) struct str name = STR_INIT(maximum)

void str_done(struct str *b);
void str_reset(struct str *b); /* empty again, memory kept, overflow forgotten */
void str_add(struct str *b, const char *s);
void str_addn(struct str *b, const char *s, size_t n);
void str_addc(struct str *b, char c);
void str_add_utf8(struct str *b, unsigned long c); /* the character C, at most 0x10ffff (RFC 3629) */
void str_addf(struct str *b, const char *fmt, ...) PRINTF(2, 3);
void str_addv(struct str *b, const char *fmt, va_list ap) PRINTF(2, 0);
void str_trunc(struct str *b, size_t len);
bool str_over(const struct str *b);
/* Hands out the (malloc'd) string and empties b. */
char *str_take(struct str *b);
/* Returns -EFBIG with "WHAT: longer than N bytes" when over. */
struct err;
int str_check(const struct str *b, const char *what, struct err *e);

static inline bool streq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}
/* NULL equals NULL only. */
static inline bool streq0(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}
static inline const char *str0(const char *s)
{
	return s ? s : "";
}
void str_lower(char *s); /* A to Z, in place */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* The rest after PREFIX, or NULL. */
const char *str_after(const char *s, const char *prefix);
bool str_in(const char *s, const char *const *list); /* NULL-terminated list */
/* Nearest of N names within an edit distance that makes a useful "did you mean", or NULL. STRIDE: bytes between the
 * `const char *` entries, so that it walks any table; a NULL entry is skipped. */
const char *str_nearest(const char *s, const void *names, size_t n, size_t stride);
/* Bytes safe to show on a terminal: control bytes, ESC, invalid UTF-8 as \xHH. Caller frees. */
char *str_visible(const char *s, size_t n);
/* The same for a line of a program's output: tabs stay, and a CR within it starts it over, as on a terminal. */
char *str_visible_line(const char *s, size_t n);
bool str_utf8_valid(const char *s, size_t n);
/* S with U+FFFD for each byte that is in no character, as Go writes text into JSON. Caller frees. */
char *str_utf8_repaired(const char *s);
