/* SPDX-License-Identifier: MIT */
#include "engine/build/gofmt.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <wctype.h>

#include "base/alloc.h"
#include "base/auto.h"
#include "base/str.h"
#include "base/strv.h"

enum { TEXT_MAX = 8 << 20 };

/* Length of the UTF-8 character at S, its code in *RET; 0: none. */
static unsigned utf8_len(const unsigned char *s, uint32_t *ret)
{
	unsigned n = *s < 0x80 ? 1 : (*s & 0xe0) == 0xc0 ? 2 : (*s & 0xf0) == 0xe0 ? 3 : (*s & 0xf8) == 0xf0 ? 4 : 0;

	if (!n || strnlen((const char *)s, n) < n || !str_utf8_valid((const char *)s, n))
		return 0;
	*ret = n == 1 ? *s : *s & (0xffu >> (n + 1));
	for (unsigned i = 1; i < n; i++)
		*ret = *ret << 6 | (s[i] & 0x3f);
	return n;
}

/* strconv.IsPrint, near enough: what is no control, format, private or unassigned character at the usual places. */
static int printable(uint32_t c)
{
	static const struct {
		uint32_t from, to;
	} no[] = { { 0x7f, 0xa0 }, { 0xad, 0xad }, { 0x600, 0x605 }, { 0x61c, 0x61c }, { 0x1680, 0x1680 }, { 0x180e, 0x180e }, { 0x2000, 0x200f },
		   { 0x2028, 0x202f }, { 0x205f, 0x206f }, { 0x3000, 0x3000 }, { 0xd800, 0xf8ff }, { 0xfeff, 0xfeff }, { 0xfff0, 0xfffb },
		   { 0xfffe, 0xffff }, { 0xe0000, 0x10ffff } };

	if (c < 0x20)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		if (c >= no[i].from && c <= no[i].to)
			return 0;
	return 1;
}

static void add_quoted(struct str *out, const char *s)
{
	static const char named[] = "\a\b\f\n\r\t\v\\\"", letters[] = "abfnrtv\\\"";

	str_addc(out, '"');
	for (const unsigned char *p = (const unsigned char *)s; *p;) {
		uint32_t c = 0;
		unsigned n = utf8_len(p, &c);
		const char *at = strchr(named, *p);

		if (at)
			str_addf(out, "\\%c", letters[at - named]);
		else if (!n)
			str_addf(out, "\\x%02x", *p);
		else if (printable(c))
			str_addn(out, (const char *)p, n);
		else if (c < 0x80)
			str_addf(out, "\\x%02x", c);
		else
			str_addf(out, c > 0xffff ? "\\U%08x" : "\\u%04x", c);
		p += n ? n : 1;
	}
	str_addc(out, '"');
}

char *go_quoted_char(int64_t c)
{
	static const char named[] = "\a\b\f\n\r\t\v\\'", letters[] = "abfnrtv\\'";
	const char *at = c > 0 && c < 0x80 ? strchr(named, (int)c) : NULL;
	AUTO_STR(utf8, 8);

	if (c < 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		c = 0xfffd;
	if (at)
		return xasprintf("'\\%c'", letters[at - named]);
	if (!printable((uint32_t)c))
		return xasprintf(c < 0x80 ? "'\\x%02x'" : c > 0xffff ? "'\\U%08x'" : "'\\u%04x'", (unsigned)c);
	str_add_utf8(&utf8, (unsigned long)c);
	return xasprintf("'%s'", utf8.s);
}

char *go_quoted(const char *s)
{
	AUTO_STR(out, TEXT_MAX);

	add_quoted(&out, s);
	return str_take(&out);
}

char *go_quoted_list(const struct strv *l)
{
	AUTO_STR(out, TEXT_MAX);

	str_addc(&out, '[');
	for (size_t i = 0; i < l->n; i++) {
		if (i)
			str_addc(&out, ' ');
		add_quoted(&out, l->v[i]);
	}
	str_addc(&out, ']');
	return str_take(&out);
}

char *go_list(const struct strv *l)
{
	AUTO_STR(out, TEXT_MAX);

	str_addc(&out, '[');
	for (size_t i = 0; i < l->n; i++)
		str_addf(&out, "%s%s", i ? " " : "", l->v[i]);
	str_addc(&out, ']');
	return str_take(&out);
}
