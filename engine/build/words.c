/* SPDX-License-Identifier: MIT */
#include "engine/build/words.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "base/strv.h"

/* Length of the blank at S, as unicode.IsSpace has it; 0: none. */
static size_t blank_len(const char *s)
{
	static const char *const wide[] = { "\xc2\x85", "\xc2\xa0", "\xe1\x9a\x80", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f",
					    "\xe3\x80\x80" };

	if (*s == ' ' || (*s >= '\t' && *s <= '\r'))
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(wide); i++)
		if (str_starts(s, wide[i]))
			return strlen(wide[i]);
	/* U+2000 to U+200A */
	return str_starts(s, "\xe2\x80") && (unsigned char)s[2] >= 0x80 && (unsigned char)s[2] <= 0x8a ? 3 : 0;
}

/* Length of the word at S. */
static size_t word_len(const char *s, char escape)
{
	char quote = 0;
	size_t i = 0;

	for (; s[i] && (quote || !blank_len(s + i)); i++) {
		if (s[i] == escape && s[i + 1] && quote != '\'')
			i++;
		else if (quote ? s[i] == quote : s[i] == '"' || s[i] == '\'')
			quote = quote ? 0 : s[i];
	}
	return i;
}

void words_split(const char *text, char escape, struct strv *ret)
{
	for (;;) {
		size_t n;

		while ((n = blank_len(text)) > 0)
			text += n;
		if (!*text)
			return;
		n = word_len(text, escape);
		strv_add_take(ret, xstrndup(text, n));
		text += n;
	}
}

char *words_unquote(const char *word, char escape)
{
	char *out = xstrdup(word), *to = out, quote = 0;

	for (const char *p = word; *p; p++) {
		if (*p == escape && p[1] && quote != '\'' && (!quote || p[1] == '"' || p[1] == '$' || p[1] == escape))
			*to++ = *++p;
		else if (quote ? *p == quote : *p == '"' || *p == '\'')
			quote = quote ? 0 : *p;
		else
			*to++ = *p;
	}
	*to = '\0';
	if (quote) {
		free(out);
		return NULL;
	}
	return out;
}
