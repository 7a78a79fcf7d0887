/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct cJSON *parse(const char *text)
{
	AUTO_ERR(e);
	struct cJSON *j = NULL;

	if (json_parse(text, strlen(text), "doc", &j, &e) < 0)
		fail_msg("%s: %s", text, err_text(&e));
	return j;
}

/* Compact text comes back as it was. */
static void test_same_text(void **state)
{
	static const char *const rows[] = {
		"{}", "[]", "null", "true", "0", "-1", "1.5", "\"\"", "\"a\\\"\\\\\\n\\t\\u0001\"", "\"\xc3\xa9\"",
		"9007199254740991", "9007199254740993", "-9007199254740993", "9223372036854775807",
		"-9223372036854775808", "18446744073709551616", "[9007199254740993,1,\"12345678901234567890\",[],"
		"{\"a\":9007199254740995,\"b\":{\"c\":9223372036854775807}},9007199254740997]",
		"{\"a\":[1,2,{\"b\":null}],\"c\":false}", "0.1", "1e+300",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(json_free) struct cJSON *j = parse(rows[i]);
		auto_free char *text = json_text(j, false);

		assert_string_equal(text, rows[i]);
	}
}

static void test_refused(void **state)
{
	static const char *const rows[] = {
		"", " ", "{", "[1,]", "{\"a\":1,}", "{a:1}", "'a'", "01", "1.", ".5", "+1", "1e", "-", "NaN", "tru", "\"a",
		"\"a\nb\"", "\"\\u0000\"", "\"\\x\"", "[1]x", "{} {}", "\"\xff\"", "[1 2]",
	};
	auto_free char *deep = xmalloc(200001);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_ERR(e);
		struct cJSON *j = NULL;

		if (json_parse(rows[i], strlen(rows[i]), "doc", &j, &e) != -EINVAL)
			fail_msg("'%s' was taken", rows[i]);
		assert_null(j);
	}
	AUTO_ERR(e);
	struct cJSON *j = NULL;
	memset(deep, '[', 200000);
	assert_int_equal(json_parse(deep, 200000, "doc", &j, &e), -EINVAL);
	err_clear(&e);
	assert_int_equal(json_parse("1\0", 2, "doc", &j, &e), -EINVAL);
	err_clear(&e);
	assert_int_equal(json_parse("{\"a\":\n  01}", 11, "doc", &j, &e), -EINVAL);
	assert_string_equal(err_text(&e), "doc: not valid JSON at line 2, column 3");
	/* a backslash before the escape makes it text */
	AUTO(json_free) struct cJSON *fine = parse("\"\\\\u0000\"");
	assert_string_equal(json_value_str(fine), "\\u0000");
}

static void test_getters(void **state)
{
	AUTO_ERR(e);
	AUTO(json_free) struct cJSON *j = parse("{\"s\":\"x\",\"n\":-5,\"big\":9223372036854775807,\"huge\":1e300,\"f\":1.5,"
						"\"b\":true,\"l\":[\"a\",1,\"b\"],\"m\":{\"A\":\"1\",\"B\":null,\"C\":2},"
						"\"d\":1,\"d\":2,\"toobig\":18446744073709551616}");
	AUTO_STRV(l);
	AUTO_STRV(m);
	auto_free char *list = NULL, *map = NULL;
	const char *s = NULL;

	assert_string_equal(json_str(j, "s"), "x");
	assert_null(json_str(j, "n"));
	assert_null(json_str(NULL, "n"));
	assert_int_equal(json_int(j, "n", 0), -5);
	assert_true(json_int(j, "big", 0) == INT64_MAX);
	assert_int_equal(json_int(j, "huge", 7), 7);
	assert_int_equal(json_int(j, "f", 7), 7);
	assert_int_equal(json_int(j, "toobig", 7), 7);
	assert_true(json_double(j, "f", 0) == 1.5);
	assert_true(json_double(j, "big", 0) == 0x1p63);
	assert_true(json_bool(j, "b", false) && !json_bool(j, "s", false));
	assert_int_equal(json_int(j, "d", 0), 2); /* the last of equal keys */
	json_strv(j, "l", &l);
	list = strv_join(&l, ",");
	assert_string_equal(list, "a,b");
	json_map_strv(j, "m", &m);
	map = strv_join(&m, ",");
	assert_string_equal(map, "A=1,B");
	assert_int_equal(json_need_str(j, "s", "doc", &s, &e), 0);
	assert_string_equal(s, "x");
	assert_int_equal(json_need_str(j, "none", "doc", &s, &e), -EINVAL);
	assert_string_equal(err_text(&e), "doc: 'none' is missing");
	err_clear(&e);
	assert_int_equal(json_need_str(j, "n", "doc", &s, &e), -EINVAL);
	json_remove(j, "d");
	assert_null(json_get(j, "d"));
	json_remove(j, "d");
	assert_int_equal(json_count(json_get(j, "l")), 3);
	assert_string_equal(json_key(json_first(j)), "s");
	assert_null(json_key(json_first(json_get(j, "l"))));
}

static void test_build(void **state)
{
	AUTO(json_free) struct cJSON *j = json_object();
	AUTO_STRV(env);
	struct cJSON *o, *a;

	strv_add(&env, "A=1=2");
	strv_add(&env, "B");
	json_add_str(j, "s", "a\"b");
	json_add_str(j, "none", NULL);
	json_add_int(j, "i", INT64_MIN);
	o = json_add_object(j, "o");
	json_add_bool(o, "t", true);
	json_add_null(o, "n");
	json_add_array(j, "empty");
	a = json_add_array(j, "a");
	json_add_double(a, NULL, 0.5);
	json_add_raw(a, NULL, "{\"raw\":1}");
	json_add_strv(j, "l", &env);
	json_add_map(j, "m", &env);
	auto_free char *text = json_text(j, false);
	assert_string_equal(text, "{\"s\":\"a\\\"b\",\"i\":-9223372036854775808,\"o\":{\"t\":true,\"n\":null},\"empty\":[],"
				  "\"a\":[0.5,{\"raw\":1}],\"l\":[\"A=1=2\",\"B\"],\"m\":{\"A\":\"1=2\",\"B\":null}}");
	AUTO(json_free) struct cJSON *copy = json_copy(j);
	auto_free char *again = json_text(copy, false);
	assert_string_equal(again, text);
	auto_free char *pretty = json_text(json_get(j, "o"), true);
	assert_string_equal(pretty, "{\n    \"t\": true,\n    \"n\": null\n}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_text), cmocka_unit_test(test_refused), cmocka_unit_test(test_getters),
		cmocka_unit_test(test_build),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
