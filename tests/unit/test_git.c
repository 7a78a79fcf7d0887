/* SPDX-License-Identifier: MIT
 *
 * What is a git repository, and which part of which commit of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/build/git.h"

static const struct {
	const char *in, *want; /* "remote|ref|subdir|commit|keep|no submodules", or the error; NULL: no git URL */
} rows[] = {
	{ "https://h/a.git", "https://h/a.git|-|-|-|0|0" },
	{ "https://h/a.git#main", "https://h/a.git|main|-|-|0|0" },
	{ "https://h/a.git#main:sub/dir", "https://h/a.git|main|sub/dir|-|0|0" },
	{ "https://h/a.git#:sub", "https://h/a.git|-|sub|-|0|0" },
	{ "https://h/a.git#", "https://h/a.git|-|-|-|0|0" },
	{ "https://h/a.git?ref=v1&subdir=x", "https://h/a.git|v1|x|-|0|0" },
	{ "https://h/a.git?tag=v1&commit=abc&keep-git-dir&submodules=false", "https://h/a.git|v1|-|abc|1|1" },
	{ "https://h/a.git?checksum=abc#v2:y", "https://h/a.git|v2|y|abc|0|0" },
	{ "git@h:a/b.git#x", "git@h:a/b.git|x|-|-|0|0" },
	{ "ssh://u@h:22/a", "ssh://u@h:22/a|-|-|-|0|0" },
	{ "git://h/a", "git://h/a|-|-|-|0|0" },
	{ "github.com/a/b", "https://github.com/a/b|-|-|-|0|0" },
	{ "file:///a/b.git", "file:///a/b.git|-|-|-|0|0" },
	{ "https://h/a.git#--upload-pack=x", "git ref '--upload-pack=x' begins with a '-'" },
	{ "https://h/a.git#x:-y", "git subdir '-y' begins with a '-'" },
	{ "https://h/a.git?nope=1", "unexpected query 'nope=1' in a git URL" },
	{ "https://h/a.git?submodules=maybe", "unexpected query 'submodules=maybe' in a git URL" },
	{ "https://h/a.tar", NULL },
	{ "https://h/a.git/x", NULL },
	{ "/a/b.git", NULL },
	{ "a.git", NULL },
	{ "-", NULL },
	{ "", NULL },
};

static void urls(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_DONE(git_url_done) struct git_url u = { 0 };
		auto_free char *got = NULL;
		AUTO_ERR(e);

		assert_int_equal(git_is_url(rows[i].in), rows[i].want != NULL);
		if (!rows[i].want)
			continue;
		if (git_url_parse(rows[i].in, &u, &e) < 0)
			got = xstrdup(err_text(&e));
		else
			got = xasprintf("%s|%s|%s|%s|%d|%d", u.remote, u.ref ? u.ref : "-", u.subdir ? u.subdir : "-", u.commit ? u.commit : "-",
				u.keep_git_dir, u.no_submodules);
		assert_string_equal(got, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(urls) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
