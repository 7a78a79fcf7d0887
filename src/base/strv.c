/* SPDX-License-Identifier: MIT */
#include "base/strv.h"

#include "base/alloc.h"
#include "base/str.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

void strv_done(struct strv *l)
{
	strv_clear(l);
	free(l->v);
	*l = STRV_INIT;
}

void strv_clear(struct strv *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	l->n = 0;
	if (l->v)
		l->v[0] = NULL;
}

void strv_add_take(struct strv *l, char *s)
{
	xgrow(&l->v, l->n + 1, &l->cap, sizeof(*l->v)); /* + 1: the NULL */
	l->v[l->n++] = s;
	l->v[l->n] = NULL;
}

void strv_add(struct strv *l, const char *s)
{
	strv_add_take(l, xstrdup(s));
}

void strv_addf(struct strv *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strv_add_take(l, xvasprintf(fmt, ap));
	va_end(ap);
}

void strv_add_all(struct strv *l, char *const *v)
{
	for (; v && *v; v++)
		strv_add(l, *v);
}

void strv_remove(struct strv *l, size_t i)
{
	if (i >= l->n)
		return;
	free(l->v[i]);
	memmove(l->v + i, l->v + i + 1, (l->n - i) * sizeof(*l->v)); /* with the NULL */
	l->n--;
}

char *const *strv_v(const struct strv *l)
{
	static char *const none[1] = { NULL };

	return l->v ? l->v : none;
}

bool strv_has(const struct strv *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++)
		if (streq(l->v[i], s))
			return true;
	return false;
}

void strv_add_unique(struct strv *l, const char *s)
{
	if (!strv_has(l, s))
		strv_add(l, s);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strv_sort(struct strv *l)
{
	if (l->n > 1)
		qsort(l->v, l->n, sizeof(*l->v), compare);
}

void strv_copy(struct strv *to, const struct strv *from)
{
	for (size_t i = 0, n = from->n; i < n; i++)
		strv_add(to, from->v[i]);
}

char *strv_join(const struct strv *l, const char *sep)
{
	struct str b = STR_INIT(SIZE_MAX / 2);

	for (size_t i = 0; i < l->n; i++) {
		if (i)
			str_add(&b, sep);
		str_add(&b, l->v[i]);
	}
	return str_take(&b);
}

void strv_split(struct strv *l, const char *s, const char *seps)
{
	for (;;) {
		size_t n = strcspn(s, seps);

		strv_add_take(l, xstrndup(s, n));
		if (!s[n])
			return;
		s += n + 1;
	}
}

void strv_split_csv(struct strv *l, const char *s)
{
	bool quoted = false;

	for (bool more = true; more; s++) {
		char *piece = xmalloc(strlen(s) + 1), *to = piece;

		for (; *s && (*s != ',' || quoted); s++) {
			if (*s == '"')
				quoted = !quoted;
			else
				*to++ = *s;
		}
		*to = 0;
		strv_add_take(l, piece);
		more = *s;
	}
}

static size_t env_find(const struct strv *l, const char *key)
{
	size_t n = strlen(key), i;

	for (i = 0; i < l->n; i++)
		if (strncmp(l->v[i], key, n) == 0 && l->v[i][n] == '=')
			break;
	return i;
}

const char *strv_env_get(const struct strv *l, const char *key)
{
	size_t i = env_find(l, key);

	return i < l->n ? l->v[i] + strlen(key) + 1 : NULL;
}

void strv_env_set(struct strv *l, const char *key, const char *value)
{
	size_t i = env_find(l, key);
	char *s = xasprintf("%s=%s", key, value);

	if (i == l->n) {
		strv_add_take(l, s);
		return;
	}
	free(l->v[i]);
	l->v[i] = s;
}

void strv_env_unset(struct strv *l, const char *key)
{
	size_t i;

	while ((i = env_find(l, key)) < l->n)
		strv_remove(l, i);
}
