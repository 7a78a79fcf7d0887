/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/str.h"
#include "engine/kernel/caps.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define ALL ((UINT64_C(1) << 41) - 1)
#define DEFAULT UINT64_C(0xa80425fb) /* what docker gives, see /proc/PID/status */

static void test_names(void **state)
{
	(void)state;
	for (int i = 0; i <= 40; i++)
		assert_int_equal(cap_parse(cap_name(i)), i);
	assert_true(caps_default() == DEFAULT);
}

static void split(struct strv *l, const char *s)
{
	if (*s)
		strv_split(l, s, " ");
}

static void test_resolve(void **state)
{
	static const struct {
		const char *add, *drop;
		bool privileged;
		uint64_t available, want;
		const char *want_err;
	} rows[] = {
		{ "", "", false, ALL, DEFAULT, NULL },
		{ "NET_ADMIN", "", false, ALL, DEFAULT | CAP_BIT(12), NULL },
		{ "cap_net_admin", "chown", false, ALL, (DEFAULT | CAP_BIT(12)) & ~CAP_BIT(0), NULL },
		{ "", "ALL", false, ALL, 0, NULL },
		{ "CHOWN KILL", "ALL", false, ALL, CAP_BIT(0) | CAP_BIT(5), NULL },
		{ "ALL", "", false, ALL, ALL, NULL },
		{ "ALL", "SYS_ADMIN", false, ALL, ALL & ~CAP_BIT(21), NULL },
		{ "", "", true, ALL & ~CAP_BIT(24), ALL & ~CAP_BIT(24), NULL },
		{ "ALL", "", false, ALL & ~CAP_BIT(24), ALL & ~CAP_BIT(24), NULL },
		{ "", "", false, CAP_BIT(0) | CAP_BIT(21), CAP_BIT(0), NULL }, /* defaults that are not there are left out */
		{ "SYS_RESOURCE", "", false, ALL & ~CAP_BIT(24), 0, "CAP_SYS_RESOURCE is not available" },
		{ "FOO", "", false, ALL, 0, "cap_add: unknown capability 'FOO'" },
		{ "", "SYS_ADMN", false, ALL, 0, "cap_drop: unknown capability 'SYS_ADMN'" },
		{ "CAP_ALL", "", false, ALL, 0, "unknown capability" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_ERR(e);
		AUTO_STRV(add);
		AUTO_STRV(drop);
		uint64_t set = 0;
		int r;

		split(&add, rows[i].add);
		split(&drop, rows[i].drop);
		r = caps_resolve(&add, &drop, rows[i].privileged, rows[i].available, &set, &e);
		if (rows[i].want_err) {
			assert_true(r < 0);
			assert_non_null(strstr(err_text(&e), rows[i].want_err));
			continue;
		}
		if (r < 0 || set != rows[i].want)
			fail_msg("row %zu: %s, got %llx", i, err_text(&e), (unsigned long long)set);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_names), cmocka_unit_test(test_resolve) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
