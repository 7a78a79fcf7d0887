/* SPDX-License-Identifier: MIT */
#include "base/str.h"

#include "base/alloc.h"
#include "base/err.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>

char str_empty_[1];

void str_done(struct str *b)
{
	if (b->s != str_empty_)
		free(b->s);
	*b = STR_INIT(b->max);
}

void str_reset(struct str *b)
{
	str_trunc(b, 0);
	b->over = false;
}

/* Room for N more bytes and the NUL; N is within the maximum. */
static void reserve(struct str *b, size_t n)
{
	size_t need = b->len + n + 1;

	if (need <= b->cap)
		return;
	b->cap = MAX(need, MAX(b->cap * 2, (size_t)64));
	b->s = xrealloc(b->s == str_empty_ ? NULL : b->s, b->cap);
}

void str_addn(struct str *b, const char *s, size_t n)
{
	if (b->over)
		return;
	if (n > b->max - b->len) {
		b->over = true; /* what fits is there, for those who want it cut */
		n = b->max - b->len;
	}
	if (n == 0)
		return;
	reserve(b, n);
	memcpy(b->s + b->len, s, n);
	b->len += n;
	b->s[b->len] = '\0';
}

void str_add(struct str *b, const char *s)
{
	str_addn(b, s, strlen(s));
}

void str_addc(struct str *b, char c)
{
	str_addn(b, &c, 1);
}

void str_addv(struct str *b, const char *fmt, va_list ap)
{
	char small[256];
	va_list again;
	int n;

	if (b->over)
		return;
	va_copy(again, ap);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	BUG_ON(n < 0);
	if ((size_t)n < sizeof(small)) {
		str_addn(b, small, (size_t)n);
	} else {
		auto_free char *large = xvasprintf(fmt, again);

		str_addn(b, large, (size_t)n);
	}
	va_end(again);
}

void str_add_utf8(struct str *b, unsigned long c)
{
	unsigned more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3; /* bytes of six bits behind the first one */

	str_addc(b, (char)(more ? (0x780U >> more & 0xf0U) | c >> 6 * more : c));
	while (more-- > 0)
		str_addc(b, (char)(0x80 | (c >> 6 * more & 0x3f)));
}

void str_addf(struct str *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	str_addv(b, fmt, ap);
	va_end(ap);
}

void str_trunc(struct str *b, size_t len)
{
	if (len >= b->len)
		return;
	b->len = len;
	b->s[len] = '\0';
}

bool str_over(const struct str *b)
{
	return b->over;
}

char *str_take(struct str *b)
{
	char *s = b->s == str_empty_ ? xstrdup("") : b->s;

	*b = STR_INIT(b->max);
	return s;
}

int str_check(const struct str *b, const char *what, struct err *e)
{
	if (!b->over)
		return 0;
	return err_set(e, EFBIG, "%s: longer than %zu bytes", what, b->max);
}

void str_lower(char *s)
{
	for (; *s; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s - 'A' + 'a');
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return m <= n && memcmp(s + n - m, suffix, m) == 0;
}

const char *str_after(const char *s, const char *prefix)
{
	return str_starts(s, prefix) ? s + strlen(prefix) : NULL;
}

bool str_in(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (streq(s, *list))
			return true;
	return false;
}

enum { NEAR_MAX = 64 };

static unsigned char lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

/* Edit distance with swapped neighbours as one edit (optimal string alignment); case costs nothing. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
	size_t rows[3][NEAR_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t j = 0; j <= m; j++)
		last[j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *spare = before;

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			bool same = lower(a[i - 1]) == lower(b[j - 1]);

			row[j] = MIN(MIN(last[j], row[j - 1]) + 1, last[j - 1] + !same);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
			    lower(a[i - 2]) == lower(b[j - 1]))
				row[j] = MIN(row[j], before[j - 2] + 1);
		}
		before = last;
		last = row;
		row = spare;
	}
	return last[m];
}

const char *str_nearest(const char *s, const void *names, size_t n, size_t stride)
{
	size_t len = strlen(s), limit = MIN((len + 1) / 3, (size_t)3), best = limit + 1;
	const char *found = NULL;

	if (len == 0 || len > NEAR_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		const char *name;
		size_t m, d;

		memcpy(&name, (const char *)names + i * stride, sizeof(name));
		if (!name || (m = strlen(name)) > NEAR_MAX || (m > len ? m - len : len - m) >= best)
			continue;
		d = distance(s, len, name, m);
		if (d < best) {
			best = d;
			found = name;
		}
	}
	return found;
}

/* Length of the character at S (N bytes), 0: not UTF-8 (RFC 3629: no surrogates, no overlong forms). */
static size_t utf8_char(const unsigned char *s, size_t n, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = s[0] < 0x80 ? 1 : s[0] >= 0xf0 && s[0] < 0xf8 ? 4 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
		   : s[0] >= 0xc0 && s[0] < 0xe0 ? 2 : 0;
	uint32_t c = len == 1 ? s[0] : len ? s[0] & (0x7fu >> len) : 0;

	if (len == 0 || len > n)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return len;
}

/* Changes how the rest of the line looks: C0, DEL, C1, and the marks that turn the writing direction. */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static char *visible(const char *s, size_t n, bool tabs)
{
	struct str b = STR_INIT(SIZE_MAX / 2);
	const unsigned char *p = (const unsigned char *)s;

	for (size_t i = 0; i < n;) {
		uint32_t c = 0;
		size_t len = utf8_char(p + i, n - i, &c);

		if (len && (!is_control(c) || (tabs && c == '\t'))) {
			str_addn(&b, s + i, len);
		} else {
			len = len ? len : 1;
			for (size_t k = 0; k < len; k++)
				str_addf(&b, "\\x%02x", p[i + k]);
		}
		i += len;
	}
	return str_take(&b);
}

char *str_visible(const char *s, size_t n)
{
	return visible(s, n, false);
}

char *str_visible_line(const char *s, size_t n)
{
	const char *over;

	while (n && s[n - 1] == '\r')
		n--;
	over = n ? memrchr(s, '\r', n) : NULL;
	if (over) {
		n -= (size_t)(over + 1 - s);
		s = over + 1;
	}
	return visible(s, n, true);
}

bool str_utf8_valid(const char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		uint32_t c;
		size_t len = utf8_char((const unsigned char *)s + i, n - i, &c);

		if (len == 0)
			return false;
		i += len;
	}
	return true;
}

char *str_utf8_repaired(const char *s)
{
	size_t n = strlen(s);
	AUTO_STR(out, n * 3 + 1);

	for (size_t i = 0; i < n;) {
		uint32_t c;
		size_t len = utf8_char((const unsigned char *)s + i, n - i, &c);

		if (len)
			str_addn(&out, s + i, len);
		else
			str_add(&out, "\xef\xbf\xbd");
		i += len ? len : 1;
	}
	return str_take(&out);
}
