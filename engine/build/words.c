/* SPDX-License-Identifier: MIT */
#include "engine/build/words.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/strv.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r' || c == '\n';
}

/* Length of the word at S. */
static size_t word_len(const char *s, char escape)
{
	char quote = 0;
	size_t i = 0;

	for (; s[i] && (quote || !is_blank(s[i])); i++) {
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

		while (is_blank(*text))
			text++;
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
