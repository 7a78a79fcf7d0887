/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/str.h"
#include "engine/kernel/rlimit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct rlimit hard[RLIMIT_COUNT];

static void unlimited(void)
{
	for (int i = 0; i < RLIMIT_COUNT; i++)
		hard[i] = (struct rlimit){ RLIM_INFINITY, RLIM_INFINITY };
}

static void test_names(void **state)
{
	(void)state;
	for (int i = 0; i < RLIMIT_COUNT; i++)
		assert_int_equal(rlimit_parse(rlimit_name(i)), i);
}

static void test_baseline(void **state)
{
	struct rlimit_set s;

	(void)state;
	unlimited();
	rlimit_baseline(hard, &s);
	assert_true(s.v[RLIMIT_NOFILE].rlim_cur == 1024 && s.v[RLIMIT_NOFILE].rlim_max == 524288);
	assert_true(s.v[RLIMIT_CORE].rlim_cur == 0 && s.v[RLIMIT_CORE].rlim_max == RLIM_INFINITY);
	assert_false(s.set & (1u << RLIMIT_CPU));
	hard[RLIMIT_NOFILE].rlim_max = 500;
	rlimit_baseline(hard, &s);
	assert_true(s.v[RLIMIT_NOFILE].rlim_cur == 500 && s.v[RLIMIT_NOFILE].rlim_max == 500);
}

static void test_lifted(void **state)
{
	struct rlimit r;

	(void)state;
	r = rlimit_lifted(RLIMIT_FSIZE, (struct rlimit){ 1024, 2048 }, true);
	assert_true(r.rlim_cur == RLIM_INFINITY && r.rlim_max == RLIM_INFINITY);
	r = rlimit_lifted(RLIMIT_FSIZE, (struct rlimit){ 1024, 2048 }, false);
	assert_true(r.rlim_cur == 2048 && r.rlim_max == 2048);
	r = rlimit_lifted(RLIMIT_NOFILE, (struct rlimit){ 8, 1024 }, true);
	assert_true(r.rlim_cur == 524288 && r.rlim_max == 524288);
	r = rlimit_lifted(RLIMIT_NOFILE, (struct rlimit){ 8, RLIM_INFINITY }, false);
	assert_true(r.rlim_cur == 524288 && r.rlim_max == RLIM_INFINITY);
	r = rlimit_lifted(RLIMIT_NOFILE, (struct rlimit){ 1000000, 2000000 }, true);
	assert_true(r.rlim_cur == 1000000 && r.rlim_max == 2000000);
}

static void test_add(void **state)
{
	static const struct {
		const char *name;
		int64_t soft, max;
		bool raise;
		const char *want_err;
	} rows[] = {
		{ "nofile", 10, 20, false, NULL },
		{ "nofile", 10, 5000, false, "nofile: a hard limit of 5000 is above ours (4000)" },
		{ "nofile", 10, 5000, true, NULL },
		{ "core", -1, -1, false, NULL },
		{ "core", -1, 7, false, "above the hard limit" },
		{ "nofiles", 1, 1, false, "unknown limit 'nofiles'" },
	};

	(void)state;
	unlimited();
	hard[RLIMIT_NOFILE].rlim_max = 4000;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_ERR(e);
		struct rlimit_set s = { 0 };
		int r = rlimit_add(&s, hard, rows[i].raise, rows[i].name, rows[i].soft, rows[i].max, &e);

		if (rows[i].want_err) {
			assert_true(r < 0);
			assert_non_null(strstr(err_text(&e), rows[i].want_err));
			continue;
		}
		assert_int_equal(r, 0);
		r = rlimit_parse(rows[i].name);
		assert_true(s.set == 1u << r);
		assert_true(s.v[r].rlim_max == (rows[i].max < 0 ? RLIM_INFINITY : (rlim_t)rows[i].max));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_baseline),
		cmocka_unit_test(test_lifted),
		cmocka_unit_test(test_add),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
