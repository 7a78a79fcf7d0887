/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/str.h"
#include "net/addr.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

static void test_parse(void **state)
{
	static const struct {
		const char *in, *want; /* NULL: refused */
	} rows[] = {
		{ "1.2.3.4", "1.2.3.4" }, { "::1", "::1" }, { "[fd00::2]", "fd00::2" }, { "FD00:0::2", "fd00::2" }, { "", NULL }, { "1.2.3", NULL },
		{ "01.2.3.4", NULL }, { "1.2.3.4 ", NULL }, { "fe80::1%eth0", NULL }, { "::ffff:1.2.3.4", NULL }, { "[1.2.3.4]", NULL },
		{ "[]", NULL }, { "name", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr a;
		char buf[ADDR_TEXT];
		AUTO_ERR(e);
		int r = addr_parse(rows[i].in, &a, &e);

		if (rows[i].want) {
			assert_int_equal(r, 0);
			assert_string_equal(addr_text(&a, buf), rows[i].want);
		} else {
			assert_int_equal(r, -EINVAL);
			assert_true(str_starts(err_text(&e), "invalid IP address"));
		}
	}
}

static void test_cidr(void **state)
{
	static const struct {
		const char *in, *first, *last, *err;
	} rows[] = {
		{ "10.1.2.0/24", "10.1.2.0", "10.1.2.255", NULL }, { "172.16.0.0/12", "172.16.0.0", "172.31.255.255", NULL },
		{ "10.0.0.4/31", "10.0.0.4", "10.0.0.5", NULL }, { "1.2.3.4/32", "1.2.3.4", "1.2.3.4", NULL },
		{ "fd00:1::/63", "fd00:1::", "fd00:1:0:1:ffff:ffff:ffff:ffff", NULL }, { "0.0.0.0/0", "0.0.0.0", "255.255.255.255", NULL },
		{ "10.1.2.3/24", NULL, NULL, "invalid subnet 10.1.2.3/24: it should be 10.1.2.0/24" },
		{ "10.1.2.0", NULL, NULL, "'10.1.2.0': not a subnet like 172.28.0.0/16" },
		{ "10.1.2.0/33", NULL, NULL, "'10.1.2.0/33': not a subnet like 172.28.0.0/16" },
		{ "/24", NULL, NULL, "'/24': not a subnet like 172.28.0.0/16" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cidr c;
		struct addr a;
		char buf[CIDR_TEXT];
		AUTO_ERR(e);
		int r = cidr_parse(rows[i].in, &c, &e);

		if (rows[i].err) {
			assert_true(r < 0);
			assert_string_equal(err_text(&e), rows[i].err);
			continue;
		}
		assert_int_equal(r, 0);
		assert_string_equal(cidr_text(&c, buf), rows[i].in);
		a = cidr_first(&c);
		assert_string_equal(addr_text(&a, buf), rows[i].first);
		a = cidr_last(&c);
		assert_string_equal(addr_text(&a, buf), rows[i].last);
	}
}

static struct cidr cidr(const char *s)
{
	struct cidr c;
	AUTO_ERR(e);

	assert_int_equal(cidr_parse(s, &c, &e), 0);
	return c;
}

static void test_overlap(void **state)
{
	static const struct {
		const char *a, *b;
		bool want;
	} rows[] = {
		{ "10.0.0.0/8", "10.1.0.0/16", true }, { "10.1.0.0/16", "10.0.0.0/8", true }, { "10.0.0.0/16", "10.1.0.0/16", false },
		{ "0.0.0.0/0", "fd00::/8", false }, { "fd00::/48", "fd00:0:0:1::/64", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cidr a = cidr(rows[i].a), b = cidr(rows[i].b);

		assert_int_equal(cidr_overlaps(&a, &b), rows[i].want);
	}
}

static void test_add(void **state)
{
	struct addr a;
	char buf[ADDR_TEXT];
	AUTO_ERR(e);

	assert_int_equal(addr_parse("10.0.255.255", &a, &e), 0);
	assert_true(addr_add(&a, 1));
	assert_string_equal(addr_text(&a, buf), "10.1.0.0");
	assert_int_equal(addr_parse("255.255.255.255", &a, &e), 0);
	assert_false(addr_add(&a, 1));
	assert_string_equal(addr_text(&a, buf), "255.255.255.255");
	assert_int_equal(addr_parse("fd00::ffff:ffff", &a, &e), 0);
	assert_true(addr_add(&a, 2));
	assert_string_equal(addr_text(&a, buf), "fd00::1:0:1");
}

static void test_mac(void **state)
{
	static const char *const bad[] = { "", "02:42:ac:11:00", "01:42:ac:11:00:02", "00:00:00:00:00:00", "02:42:ac:11:00:0g", "02.42.ac.11.00.02" };
	uint8_t m[MAC_LEN], n[MAC_LEN];
	char buf[MAC_TEXT];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_ERR(e);

		assert_int_equal(mac_parse(bad[i], m, &e), -EINVAL);
	}
	AUTO_ERR(e);
	assert_int_equal(mac_parse("02:42:AC:11:00:02", m, &e), 0);
	assert_string_equal(mac_text(m, buf), "02:42:ac:11:00:02");
	mac_random(m);
	mac_random(n);
	assert_true((m[0] & 3) == 2);
	assert_memory_not_equal(m, n, MAC_LEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse), cmocka_unit_test(test_cidr), cmocka_unit_test(test_overlap), cmocka_unit_test(test_add),
		cmocka_unit_test(test_mac),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
