/* SPDX-License-Identifier: MIT
 *
 * Patterns of COPY and .dockerignore: rows of its own, and the recorded answers of moby where they are there.
 */
#include "tests/unit/compose_cases.h"

#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "base/strv.h"
#include "engine/build/glob.h"

static void test_match(void **state)
{
	static const struct {
		const char *pattern, *name;
		int want; /* -1: bad */
	} rows[] = {
		{ "abc", "abc", 1 }, { "*", "abc", 1 }, { "*c", "abc", 1 }, { "a*", "ab/c", 0 }, { "a*/b", "abc/b", 1 }, { "a?c", "abc", 1 },
		{ "a?c", "a/c", 0 }, { "a[a-c]c", "abc", 1 }, { "a[^b]c", "abc", 0 }, { "a[!b]c", "abc", 1 }, { "[", "a", -1 }, { "[]a]", "a", -1 },
		{ "a\\*b", "a*b", 1 }, { "a\\*b", "axb", 0 }, { "*x", "xxx", 1 }, { "a*b*c*d", "axbxcxxd", 1 }, { "\xc3\xa4?", "\xc3\xa4\xc3\xb6", 1 },
		{ "arr[[]0].txt", "arr[0].txt", 1 }, { "", "", 1 }, { "*", "", 1 }, { "a\\", "a", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_ERR(e);
		int got = glob_check(rows[i].pattern, &e) < 0 ? -1 : glob_match(rows[i].pattern, rows[i].name);

		if (got != rows[i].want)
			fail_msg("'%s' on '%s': got %d, want %d", rows[i].pattern, rows[i].name, got, rows[i].want);
	}
}

static void test_ignore(void **state)
{
	static const struct {
		const char *text, *path;
		bool want;
	} rows[] = {
		{ "a", "a", true }, { "a", "b/a", false }, { "a", "a/b", true }, { "**/a", "a", true }, { "**/a", "b/c/a", true }, { "a/**", "a/b/c", true },
		{ "a/**", "a", false }, { "a/**/b", "a/b", true }, { "a/**/b", "a/x/y/b", true }, { "**x", "ab/cx", true }, { "*.md\n!README.md", "README.md", false },
		{ "*\n!x", "y", true }, { "*\n!x", "x", false }, { "d\n!d/f", "d/f", false }, { "d\n!d/f", "d/g", true }, { "# c\n  a  ", "a", true },
		{ "/a", "a", true }, { "a/../b", "b", true }, { ".", "a", false }, { "!a\na", "a", true }, { "[a-c]x", "bx", true }, { "\\#x", "#x", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(ignore_free) struct ignore *g = NULL;
		AUTO_ERR(e);

		assert_int_equal(ignore_parse(rows[i].text, strlen(rows[i].text), &g, &e), 0);
		if (ignore_has(g, rows[i].path) != rows[i].want)
			fail_msg("'%s' on '%s': want %d", rows[i].text, rows[i].path, rows[i].want);
	}
}

static void test_bad(void **state)
{
	AUTO(ignore_free) struct ignore *g = NULL;
	AUTO_ERR(e);

	(void)state;
	assert_true(ignore_parse("a\n!\n", 4, &g, &e) < 0);
	assert_string_equal(err_text(&e), "illegal exclusion pattern: \"!\"");
	err_clear(&e);
	assert_true(ignore_parse("[\n", 2, &g, &e) < 0);
	assert_string_equal(err_text(&e), "syntax error in pattern");
}

/* {"multi": [{"patterns": […], "path": "…", "match": bool}]} */
static void test_recorded(void **state)
{
	auto_free char *path = case_path("build/testdata/patternmatcher/patterns.json"), *text = NULL;
	AUTO(json_free) struct cJSON *j = NULL;
	AUTO_ERR(e);
	size_t n, bad = 0;

	(void)state;
	if (!path || file_read(path, 4 << 20, &text, &n, &e) < 0) {
		skip();
		return;
	}
	assert_int_equal(json_parse(text, n, "patterns", &j, &e), 0);
	for (const struct cJSON *c = json_first(json_get(j, "multi")); c; c = json_next(c)) {
		AUTO(ignore_free) struct ignore *g = NULL;
		AUTO_STRV(patterns);
		AUTO_ERR(refused);
		const char *raw = str0(json_str(c, "path"));
		auto_free char *clean = path_clean(raw);

		json_strv(c, "patterns", &patterns);
		if (!*raw || *clean == '/' || ignore_new(&patterns, &g, &refused) < 0)
			continue;
		if (ignore_has(g, clean) != json_bool(c, "match", false)) {
			print_message("%s on '%s': want %d\n", patterns.n ? patterns.v[0] : "", raw, json_bool(c, "match", false));
			bad++;
		}
	}
	assert_int_equal(bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_match), cmocka_unit_test(test_ignore), cmocka_unit_test(test_bad),
					    cmocka_unit_test(test_recorded) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
