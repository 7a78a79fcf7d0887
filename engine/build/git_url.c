/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "base/strv.h"
#include "engine/build/git.h"

void git_url_done(struct git_url *u)
{
	free(u->remote);
	free(u->ref);
	free(u->subdir);
	free(u->commit);
	*u = (struct git_url){ 0 };
}

static size_t bare_len(const char *s)
{
	return strcspn(s, "#?");
}

bool git_is_url(const char *text)
{
	auto_free char *bare = xstrndup(text, bare_len(text));
	bool http = str_starts(text, "http://") || str_starts(text, "https://") || str_starts(text, "file://");

	return str_starts(text, "git://") || str_starts(text, "ssh://") || str_starts(text, "git@") || str_starts(text, "github.com/") ||
	       (http && str_ends(bare, ".git"));
}

static int set_text(char **place, const char *value, const char *what, struct err *e)
{
	if (*value == '-')
		return err_set(e, EINVAL, "git %s '%s' begins with a '-'", what, value);
	free(*place);
	*place = *value ? xstrdup(value) : NULL;
	return 0;
}

/* "ref=main&subdir=a" */
static int query(const char *text, struct git_url *u, struct err *e)
{
	AUTO_STRV(parts);

	strv_split(&parts, text, "&");
	for (size_t i = 0; i < parts.n; i++) {
		const char *eq = strchr(parts.v[i], '='), *value = eq ? eq + 1 : "";
		auto_free char *key = xstrndup(parts.v[i], eq ? (size_t)(eq - parts.v[i]) : strlen(parts.v[i]));
		bool yes = true;
		AUTO_ERR(bad);

		if (streq(key, "ref") || streq(key, "tag") || streq(key, "branch"))
			TRY(set_text(&u->ref, value, "ref", e));
		else if (streq(key, "subdir"))
			TRY(set_text(&u->subdir, value, "subdir", e));
		else if (streq(key, "commit") || streq(key, "checksum"))
			TRY(set_text(&u->commit, value, "commit", e));
		else if (streq(key, "keep-git-dir") && num_bool(*value ? value : "true", &yes, &bad) >= 0)
			u->keep_git_dir = yes;
		else if (streq(key, "submodules") && num_bool(*value ? value : "true", &yes, &bad) >= 0)
			u->no_submodules = !yes;
		else
			return err_set(e, EINVAL, "unexpected query '%s' in a git URL", parts.v[i]);
	}
	return 0;
}

static int fragment(const char *text, struct git_url *u, struct err *e)
{
	const char *colon = strchr(text, ':');
	auto_free char *ref = xstrndup(text, colon ? (size_t)(colon - text) : strlen(text));

	if (*ref)
		TRY(set_text(&u->ref, ref, "ref", e));
	return colon && colon[1] ? set_text(&u->subdir, colon + 1, "subdir", e) : 0;
}

int git_url_parse(const char *text, struct git_url *ret, struct err *e)
{
	AUTO_DONE(git_url_done) struct git_url u = { 0 };
	size_t n = bare_len(text);
	const char *hash = strchr(text, '#');

	if (n == 0 || *text == '-')
		return err_set(e, EINVAL, "'%s': not a git URL", text);
	u.remote = str_starts(text, "github.com/") ? xasprintf("https://%.*s", (int)n, text) : xstrndup(text, n);
	if (text[n] == '?') {
		auto_free char *q = xstrndup(text + n + 1, hash ? (size_t)(hash - text - (ptrdiff_t)n - 1) : strlen(text + n + 1));

		TRY(query(q, &u, e));
	}
	if (hash)
		TRY(fragment(hash + 1, &u, e));
	*ret = u;
	u = (struct git_url){ 0 };
	return 0;
}
