/* SPDX-License-Identifier: MIT */
#include "base/map.h"

#include "base/alloc.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const char *key(int i)
{
	static char buf[16];

	snprintf(buf, sizeof(buf), "k%d", i);
	return buf;
}

/* Around the size at which the index begins, and far beyond. */
static void test_sizes(void **state)
{
	static const int sizes[] = { 0, 1, 16, 17, 18, 64, 65, 5000 };

	for (size_t s = 0; s < ARRAY_LEN(sizes); s++) {
		AUTO_MAP(m, free);

		for (int i = 0; i < sizes[s]; i++)
			assert_true(map_set(&m, key(i), xstrdup(key(i))));
		for (int i = 0; i < sizes[s]; i++) {
			assert_string_equal(map_get(&m, key(i)), key(i));
			assert_string_equal(m.v[i].key, key(i)); /* order */
		}
		assert_false(map_has(&m, "none"));
		assert_null(map_get(&m, "none"));
		assert_false(map_remove(&m, "none"));
	}
}

static void test_replace_and_remove(void **state)
{
	AUTO_MAP(m, free);

	for (int i = 0; i < 40; i++)
		map_set(&m, key(i), xstrdup("old"));
	assert_false(map_set(&m, "k3", xstrdup("new")));
	assert_string_equal(m.v[3].value, "new");
	for (int i = 0; i < 40; i += 2)
		assert_true(map_remove(&m, key(i)));
	assert_int_equal(m.n, 20);
	for (int i = 0; i < 40; i++)
		assert_int_equal(map_has(&m, key(i)), i % 2);
	assert_string_equal(m.v[0].key, "k1");
	assert_true(map_set(&m, "null", NULL));
	assert_true(map_has(&m, "null"));
}

static void test_sort(void **state)
{
	AUTO_MAP(m, NULL);
	int v;

	for (int i = 99; i >= 0; i--)
		map_set(&m, key(i), &v);
	map_sort(&m);
	assert_string_equal(m.v[0].key, "k0");
	assert_string_equal(m.v[2].key, "k10");
	for (int i = 0; i < 100; i++)
		assert_ptr_equal(map_get(&m, key(i)), &v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes), cmocka_unit_test(test_replace_and_remove),
		cmocka_unit_test(test_sort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
