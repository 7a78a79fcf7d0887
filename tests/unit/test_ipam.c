/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/str.h"
#include "net/ipam.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static void take(struct cidr_list *l, const char *text)
{
	struct cidr c;
	AUTO_ERR(e);

	assert_int_equal(cidr_parse(text, &c, &e), 0);
	cidr_list_add(l, &c);
}

static void expect(unsigned family, unsigned len, const struct cidr_list *taken, const char *want)
{
	struct cidr ula = ipam_ula("host"), c;
	char buf[CIDR_TEXT];
	AUTO_ERR(e);

	assert_int_equal(ipam_choose_subnet(family, len, taken, &ula, &c, &e), 0);
	assert_string_equal(cidr_text(&c, buf), want);
}

static void test_pools(void **state)
{
	AUTO_DONE(cidr_list_done) struct cidr_list taken = { 0 };

	expect(4, 0, &taken, "172.17.0.0/16");
	take(&taken, "172.17.4.0/24");
	expect(4, 0, &taken, "172.18.0.0/16");
	take(&taken, "172.16.0.0/12");
	expect(4, 0, &taken, "192.168.0.0/20");
	take(&taken, "192.168.0.53/32"); /* a name server */
	expect(4, 0, &taken, "192.168.16.0/20");
	expect(4, 24, &taken, "192.168.1.0/24");
}

static void test_pools_order(void **state)
{
	AUTO_DONE(cidr_list_done) struct cidr_list taken = { 0 };
	unsigned n = 0;
	struct cidr ula = ipam_ula("host"), c;
	char buf[CIDR_TEXT];
	AUTO_ERR(e);

	while (ipam_choose_subnet(4, 0, &taken, &ula, &c, &e) == 0) {
		if (n == 2)
			assert_string_equal(cidr_text(&c, buf), "172.19.0.0/16");
		if (n == 3)
			assert_string_equal(cidr_text(&c, buf), "172.20.0.0/16");
		if (n == 15)
			assert_string_equal(cidr_text(&c, buf), "192.168.0.0/20");
		cidr_list_add(&taken, &c);
		n++;
	}
	assert_int_equal(n, 31); /* docker ends at the 31st, its own docker0 included */
	assert_true(str_starts(err_text(&e), "all predefined address pools have been fully subnetted"));
}

static void test_ula(void **state)
{
	AUTO_DONE(cidr_list_done) struct cidr_list taken = { 0 };
	struct cidr ula = ipam_ula("host"), other = ipam_ula("other"), a, b;
	AUTO_ERR(e);

	assert_int_equal(ula.a.b[0], 0xfd);
	assert_false(cidr_overlaps(&ula, &other));
	assert_int_equal(ipam_choose_subnet(6, 0, &taken, &ula, &a, &e), 0);
	assert_int_equal(a.len, 64);
	assert_true(cidr_has(&ula, &a.a));
	cidr_list_add(&taken, &a);
	assert_int_equal(ipam_choose_subnet(6, 0, &taken, &ula, &b, &e), 0);
	assert_false(cidr_overlaps(&a, &b));
}

static void test_any(void **state)
{
	unsigned family, len;

	assert_true(ipam_is_any("0.0.0.0/24", &family, &len) && family == 4 && len == 24);
	assert_true(ipam_is_any("::/96", &family, &len) && family == 6 && len == 96);
	assert_false(ipam_is_any("10.0.0.0/24", &family, &len));
	assert_false(ipam_is_any("0.0.0.0/0", &family, &len));
}

static void test_subnet_rows(void **state)
{
	static const struct {
		const char *cidr, *gateway, *range, *aux, *err;
	} rows[] = {
		{ "10.1.2.3/24", NULL, NULL, NULL, "invalid network config: invalid subnet 10.1.2.3/24: it should be 10.1.2.0/24" },
		{ "10.1.2.0/24", "10.1.3.1", NULL, NULL,
		  "invalid network config: invalid gateway 10.1.3.1: parent subnet 10.1.2.0/24 doesn't contain this address" },
		{ "10.1.2.0/24", "fd00::1", NULL, NULL, "invalid network config: invalid gateway fd00::1: parent subnet is an IPv4 block" },
		{ "10.1.2.0/24", NULL, "10.1.0.0/16", NULL,
		  "invalid network config: invalid ip-range 10.1.0.0/16: CIDR block is bigger than its parent subnet 10.1.2.0/24" },
		{ "10.1.2.0/24", NULL, "10.1.3.0/28", NULL,
		  "invalid network config: invalid ip-range 10.1.3.0/28: parent subnet 10.1.2.0/24 doesn't contain ip-range" },
		{ "10.1.2.0/24", NULL, NULL, "{\"a\":\"10.9.9.9\"}",
		  "invalid network config: invalid auxiliary address 10.9.9.9: parent subnet 10.1.2.0/24 doesn't contain this address" },
		{ "ff02::/64", NULL, NULL, NULL, "invalid network config: invalid subnet ff02::/64: multicast addresses cannot be given to containers" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct subnet_row row = { (char *)rows[i].cidr, (char *)rows[i].gateway, (char *)rows[i].range, (char *)rows[i].aux };
		struct ipam_subnet s;
		AUTO_ERR(e);

		assert_true(ipam_subnet_read(&row, true, &s, &e) < 0);
		assert_string_equal(err_text(&e), rows[i].err);
	}
}

static struct ipam_subnet subnet(const char *cidr, const char *range, const char *aux)
{
	struct subnet_row row = { .cidr = (char *)cidr, .ip_range = (char *)range, .aux = (char *)aux };
	struct ipam_subnet s;
	AUTO_ERR(e);

	assert_int_equal(ipam_subnet_read(&row, true, &s, &e), 0);
	return s;
}

static void test_addresses(void **state)
{
	static const struct {
		const char *cidr, *range, *aux, *want;
	} rows[] = { /* what they get, one after the other */
		{ "10.0.0.0/29", NULL, NULL, "10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 full" },
		{ "10.0.0.0/29", NULL, "{\"r\":\"10.0.0.3\"}", "10.0.0.2 10.0.0.4 10.0.0.5 10.0.0.6 full" },
		{ "10.0.0.0/24", "10.0.0.128/30", NULL, "10.0.0.128 10.0.0.129 10.0.0.130 10.0.0.131 full" },
		{ "10.0.0.4/31", NULL, NULL, "10.0.0.4 10.0.0.5 full" },
		{ "10.0.0.4/32", NULL, NULL, "10.0.0.4 full" },
		{ "fd00::/126", NULL, NULL, "fd00::2 fd00::3 full" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ipam_subnet s = subnet(rows[i].cidr, rows[i].range, rows[i].aux);
		struct addr used[16], a;
		size_t n = 0;
		char buf[ADDR_TEXT];
		AUTO_STR(got, 1000);
		AUTO_ERR(e);

		while (n < 16 && ipam_choose_address(&s, used, n, &a, &e) == 0) {
			str_addf(&got, "%s ", addr_text(&a, buf));
			used[n++] = a;
		}
		str_add(&got, "full");
		assert_string_equal(got.s, rows[i].want);
		assert_true(err_is(&e, ENOSPC));
	}
}

static void test_gap(void **state)
{
	struct ipam_subnet s = subnet("10.0.0.0/24", NULL, NULL);
	struct addr used[3] = { addr_v4(0x0a000004), addr_v4(0x0a000002), addr_v4(0x0a000001) }, a;
	char buf[ADDR_TEXT];
	AUTO_ERR(e);

	assert_int_equal(ipam_choose_address(&s, used, 3, &a, &e), 0);
	assert_string_equal(addr_text(&a, buf), "10.0.0.3");
}

static void test_check(void **state)
{
	struct ipam_subnet s = subnet("10.0.0.0/24", NULL, "{\"r\":\"10.0.0.9\"}");
	static const struct {
		const char *a;
		int want;
	} rows[] = { { "10.0.0.7", 0 }, { "10.0.0.9", 0 }, { "10.0.0.1", -EADDRINUSE }, { "10.0.0.0", -EINVAL }, { "10.0.0.255", -EINVAL },
		     { "10.0.1.1", -EINVAL } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr a;
		AUTO_ERR(e);

		assert_int_equal(addr_parse(rows[i].a, &a, &e), 0);
		assert_int_equal(ipam_check_address(&s, &a, &e), rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pools), cmocka_unit_test(test_pools_order), cmocka_unit_test(test_ula), cmocka_unit_test(test_any),
		cmocka_unit_test(test_subnet_rows), cmocka_unit_test(test_addresses), cmocka_unit_test(test_gap), cmocka_unit_test(test_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
