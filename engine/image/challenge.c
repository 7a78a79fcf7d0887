/* SPDX-License-Identifier: MIT */
#include "engine/image/challenge.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"

void challenges_done(struct challenges *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].name);
		free(l->v[i].realm);
		free(l->v[i].service);
		free(l->v[i].scope);
		free(l->v[i].error);
	}
	*l = (struct challenges){ 0 };
}

static bool is_token_char(char c)
{
	return c > 0x20 && c < 0x7f && !strchr("\"(),/:;<=>?@[\\]{}", c);
}

static const char *skip_blank(const char *p)
{
	return p + strspn(p, " \t");
}

static size_t token_len(const char *p)
{
	size_t n = 0;

	while (is_token_char(p[n]))
		n++;
	return n;
}

/* A quoted string, or what stands there unquoted: some send a realm's address like that. */
static const char *take_value(const char *p, char **ret, struct err *e)
{
	AUTO_STR(b, CHALLENGE_TEXT_MAX);

	if (*p != '"') {
		size_t n = strcspn(p, ", \t");

		*ret = xstrndup(p, n);
		return p + n;
	}
	for (p++; *p && *p != '"'; p++) {
		if (*p == '\\' && p[1])
			p++;
		if ((unsigned char)*p < 0x20 || *p == 0x7f) {
			err_set(e, EINVAL, "WWW-Authenticate: a control character");
			return NULL;
		}
		str_addc(&b, *p);
	}
	if (*p != '"') {
		err_set(e, EINVAL, "WWW-Authenticate: a quote is not closed");
		return NULL;
	}
	*ret = str_take(&b);
	return p + 1;
}

static void keep(struct challenge *c, const char *name, size_t n, char *value)
{
	const struct {
		const char *name;
		char **to;
	} rows[] = { { "realm", &c->realm }, { "service", &c->service }, { "scope", &c->scope }, { "error", &c->error } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strlen(rows[i].name) == n && strncasecmp(rows[i].name, name, n) == 0 && !*rows[i].to) {
			*rows[i].to = value;
			return;
		}
	free(value);
}

static void begin(struct challenge *c, const char *name, size_t n)
{
	*c = (struct challenge){ .name = xstrndup(name, n) };
	if (strcasecmp(c->name, "basic") == 0)
		c->scheme = CHALLENGE_BASIC;
	else if (strcasecmp(c->name, "bearer") == 0)
		c->scheme = CHALLENGE_BEARER;
}

/* "Bearer realm="…",service="…", Basic realm="…"": a word that no '=' follows begins the next challenge. */
int challenges_parse(const char *text, struct challenges *l, struct err *e)
{
	const char *p = text;
	struct challenge *now = NULL;

	if (strlen(text) > CHALLENGE_TEXT_MAX)
		return err_set(e, EFBIG, "WWW-Authenticate: more than %d bytes", CHALLENGE_TEXT_MAX);
	for (;;) {
		size_t n;
		const char *after;
		char *value = NULL;

		p += strspn(p, " \t,");
		if (!*p)
			return 0;
		n = token_len(p);
		if (n == 0)
			return err_set(e, EINVAL, "WWW-Authenticate: not a challenge");
		after = skip_blank(p + n);
		if (*after != '=') {
			if (l->n == CHALLENGES_MAX)
				return 0;
			now = &l->v[l->n++];
			begin(now, p, n);
			p += n;
			continue;
		}
		if (!now)
			return err_set(e, EINVAL, "WWW-Authenticate: a parameter before the scheme");
		after = take_value(skip_blank(after + 1), &value, e);
		if (!after)
			return -e->code;
		keep(now, p, n, value);
		p = after;
	}
}

const struct challenge *challenges_best(const struct challenges *l)
{
	const struct challenge *basic = NULL;

	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].scheme == CHALLENGE_BEARER && l->v[i].realm)
			return &l->v[i];
		if (l->v[i].scheme == CHALLENGE_BASIC && !basic)
			basic = &l->v[i];
	}
	return basic;
}
