/* SPDX-License-Identifier: MIT */
#include "tests/unit/compose_cases.h"

#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "base/strv.h"
#include "engine/build/expand.h"

static const struct {
	const char *in, *want; /* want NULL: refused with ERR in its text */
	const char *err;
} rows[] = {
	{ "hello", "hello", NULL }, { "he'll'o", "hello", NULL }, { "he'llo", NULL, "matching single-quote" }, { "he\\'llo", "he'llo", NULL },
	{ "\"abc\\tdef\"", "abc\\tdef", NULL }, { "abc\\tdef", "abctdef", NULL }, { "hello\\", "hello", NULL }, { "\"hello", NULL, "matching double-quote" },
	{ "$.", "$.", NULL }, { "$", "$", NULL }, { "$v", "foobarbaz", NULL }, { "${v}x", "foobarbazx", NULL }, { "$nope", "", NULL },
	{ "'$v'", "$v", NULL }, { "\"$v\"", "foobarbaz", NULL }, { "\\$v", "$v", NULL }, { "$1a", "a", NULL },
	{ "${nope:-d}", "d", NULL }, { "${e:-d}", "d", NULL }, { "${e-d}", "", NULL }, { "${v:+s}", "s", NULL }, { "${e:+s}", "", NULL },
	{ "${e+s}", "s", NULL }, { "${nope+s}", "", NULL }, { "${nope:-${v}}", "foobarbaz", NULL }, { "${nope:-\"a b\"}", "a b", NULL },
	{ "${nope:?gone}", NULL, "nope: gone" }, { "${nope?}", NULL, "nope: is not allowed to be unset" },
	{ "${e:?}", NULL, "e: is not allowed to be empty" },
	{ "${v#f*b}", "arbaz", NULL }, { "${v##f*b}", "az", NULL }, { "${v%b*}", "foobar", NULL }, { "${v%%b*}", "foo", NULL },
	{ "${v/ba/X}", "fooXrbaz", NULL }, { "${v//ba/X}", "fooXrXz", NULL }, { "${v//o/}", "fbarbaz", NULL }, { "${v/?/X}", "Xoobarbaz", NULL },
	{ "${p##*/}", "c.tar.gz", NULL }, { "${p//\\//_}", "_a_b_c.tar.gz", NULL }, { "${p%%.*}", "/a/b/c", NULL }, { "${u#?}", "x", NULL },
	{ "${}", NULL, "bad substitution" }, { "${v", NULL, "missing '}'" }, { "${v:#x}", NULL, "unsupported modifier (:#)" },
	{ "${v/x", NULL, "missing '/'" }, { "${v^^}", NULL, "unsupported modifier (^)" }, { "${v#\\q}", NULL, "invalid escape" },
};

static void test_rows(void **state)
{
	AUTO_STRV(env);

	(void)state;
	strv_add(&env, "v=foobarbaz");
	strv_add(&env, "e=");
	strv_add(&env, "p=/a/b/c.tar.gz");
	strv_add(&env, "u=\xc3\xa4x");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *got = NULL;
		AUTO_ERR(e);
		int r = expand_word(rows[i].in, '\\', &env, 0, NULL, &got, &e);

		if (rows[i].want ? r < 0 || !streq(got, rows[i].want) : r >= 0 || !strstr(err_text(&e), rows[i].err))
			fail_msg("'%s': got '%s' (%s), want '%s'", rows[i].in, str0(got), err_text(&e), rows[i].want ? rows[i].want : rows[i].err);
	}
}

static void test_heredoc_and_escape(void **state)
{
	AUTO_STRV(env);
	AUTO_STRV(unset);
	auto_free char *a = NULL, *b = NULL;
	AUTO_ERR(e);

	(void)state;
	strv_add(&env, "v=x");
	assert_int_equal(expand_word("say \"$v\" it's \\$v $w\n", '\\', &env, EXPAND_RAW_QUOTES, &unset, &a, &e), 0);
	assert_string_equal(a, "say \"x\" it's $v \n");
	assert_int_equal(unset.n, 1);
	assert_string_equal(unset.v[0], "w");
	assert_int_equal(expand_word("C:\\$v`$v", '`', &env, 0, NULL, &b, &e), 0);
	assert_string_equal(b, "C:\\x$v");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_heredoc_and_escape) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
