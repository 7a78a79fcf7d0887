/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/str.h"
#include "net/resolv.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void test_parse(void **state)
{
	AUTO_DONE(resolv_done) struct resolv r = { 0 };
	auto_free char *search = NULL, *options = NULL, *servers = NULL;

	resolv_parse("# c\n; c\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\nnameserver nonsense\nnameserver\t2001:4860::8888 # x\n"
		     "domain old\nsearch a.example  b.example\r\noptions edns0 trust-ad\noptions ndots:2\nlookup file bind\nnameserver", &r);
	servers = strv_join(&r.servers, " ");
	search = strv_join(&r.search, " ");
	options = strv_join(&r.options, " ");
	assert_string_equal(servers, "127.0.0.53 2001:4860::8888");
	assert_string_equal(search, "a.example b.example");
	assert_string_equal(options, "edns0 trust-ad ndots:2");
	assert_true(resolv_has_ndots(&r));
}

static void test_bounds(void **state)
{
	AUTO_DONE(resolv_done) struct resolv r = { 0 };
	AUTO_STR(text, 1 << 20);

	for (int i = 0; i < 1000; i++)
		str_addf(&text, "nameserver 10.0.0.%d\noptions o%d\n", i % 250, i);
	resolv_parse(text.s, &r);
	assert_int_equal(r.servers.n, 8);
	assert_int_equal(r.options.n, 32);
}

static void test_text(void **state)
{
	AUTO_DONE(resolv_done) struct resolv r = { 0 };
	AUTO_STRV(dot);
	AUTO_STR(out, 4096);

	resolv_parse("nameserver 10.0.0.1\nnameserver 10.0.0.2\nsearch lan\noptions edns0\n", &r);
	resolv_text(&r, true, &out);
	assert_string_equal(out.s, "# Made by gantry at each start. 127.0.0.11 answers the names of services itself and asks for all others: "
				   "10.0.0.1, 10.0.0.2\nnameserver 127.0.0.11\nsearch lan\noptions edns0 ndots:0\n");
	str_reset(&out);
	resolv_text(&r, false, &out);
	assert_string_equal(out.s, "nameserver 10.0.0.1\nnameserver 10.0.0.2\nsearch lan\noptions edns0\n");
	strv_add(&dot, ".");
	resolv_override(&r, NULL, &dot, NULL);
	str_reset(&out);
	resolv_text(&r, false, &out);
	assert_string_equal(out.s, "nameserver 10.0.0.1\nnameserver 10.0.0.2\noptions edns0\n");
}

static void test_hosts(void **state)
{
	struct addr own[2] = { addr_v4(0xac120002), { 6, { 0xfd, [15] = 2 } } };
	AUTO_STRV(extra);
	struct hosts_want w = { .hostname = "web", .domainname = "example.org", .own = own, .nown = 2, .extra = &extra,
				.gateway4 = addr_v4(0xac120001), .ipv6 = true };
	AUTO_STR(out, 4096);
	AUTO_ERR(e);

	strv_add(&extra, "a:10.0.0.9");
	strv_add(&extra, "b=fd00::9");
	strv_add(&extra, "c:fd00::8");
	strv_add(&extra, "d:[fd00::7]");
	strv_add(&extra, "host.docker.internal:host-gateway");
	assert_int_equal(hosts_text(&w, &out, &e), 0);
	assert_string_equal(out.s, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n"
				   "ff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
				   "10.0.0.9\ta\nfd00::9\tb\nfd00::8\tc\nfd00::7\td\n172.18.0.1\thost.docker.internal\n"
				   "172.18.0.2\tweb.example.org web\nfd00::2\tweb.example.org web\n");
}

static void test_hosts_bad(void **state)
{
	static const char *const bad[] = { "a", ":1.2.3.4", "a:", "a:1.2.3", "a b:1.2.3.4", "a:1.2.3.4\nb 5.6.7.8", "a:host-gateway" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_STRV(extra);
		struct hosts_want w = { .hostname = "web", .extra = &extra };
		AUTO_STR(out, 4096);
		AUTO_ERR(e);

		strv_add(&extra, bad[i]);
		assert_int_equal(hosts_text(&w, &out, &e), -EINVAL);
		assert_true(str_starts(err_text(&e), "extra_hosts: '"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse), cmocka_unit_test(test_bounds), cmocka_unit_test(test_text), cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_hosts_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
