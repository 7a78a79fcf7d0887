/* SPDX-License-Identifier: MIT */
#include "base/strv.h"

#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void test_list(void **state)
{
	AUTO_STRV(l);
	AUTO_STRV(copy);

	assert_null(strv_v(&l)[0]);
	for (int i = 0; i < 100; i++) {
		strv_addf(&l, "%d", i);
		assert_null(l.v[l.n]);
	}
	strv_remove(&l, 99);
	strv_remove(&l, 0);
	strv_remove(&l, 1000);
	assert_int_equal(l.n, 98);
	assert_string_equal(l.v[0], "1");
	assert_null(l.v[98]);
	strv_add_unique(&l, "1");
	assert_int_equal(l.n, 98);
	strv_copy(&copy, &l);
	strv_add_all(&copy, strv_v(&l));
	strv_add_all(&copy, NULL);
	assert_int_equal(copy.n, 196);
	strv_clear(&l);
	assert_null(strv_v(&l)[0]);
	strv_add(&l, "b");
	strv_add(&l, "a");
	strv_sort(&l);
	auto_free char *joined = strv_join(&l, ", ");
	assert_string_equal(joined, "a, b");
	assert_true(strv_has(&l, "b") && !strv_has(&l, "c"));
}

static void test_split(void **state)
{
	static const struct {
		const char *input, *want, *csv;
	} rows[] = {
		{ "a:b", "a|b", "a:b" }, { "", "", "" }, { ":", "|", ":" }, { "a,:b", "a||b", "a|:b" }, { "abc", "abc", "abc" },
		{ "a,\"b,c\",", "a|\"b|c\"|", "a|b,c|" }, { "\"a", "\"a", "a" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_STRV(l);
		AUTO_STRV(csv);
		auto_free char *got = NULL, *got_csv = NULL;

		strv_split(&l, rows[i].input, ":,");
		got = strv_join(&l, "|");
		assert_string_equal(got, rows[i].want);
		assert_true(l.n >= 1);
		strv_split_csv(&csv, rows[i].input);
		got_csv = strv_join(&csv, "|");
		assert_string_equal(got_csv, rows[i].csv);
	}
}

static void test_env(void **state)
{
	AUTO_STRV(l);

	strv_env_set(&l, "A", "1");
	strv_env_set(&l, "AB", "2=3");
	strv_env_set(&l, "A", "");
	assert_int_equal(l.n, 2);
	assert_string_equal(l.v[0], "A=");
	assert_string_equal(strv_env_get(&l, "A"), "");
	assert_string_equal(strv_env_get(&l, "AB"), "2=3");
	assert_null(strv_env_get(&l, "B"));
	strv_add(&l, "A=again");
	strv_env_unset(&l, "A");
	assert_int_equal(l.n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list), cmocka_unit_test(test_split), cmocka_unit_test(test_env),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
