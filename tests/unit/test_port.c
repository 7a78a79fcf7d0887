/* SPDX-License-Identifier: MIT */
#include "base/err.h"
#include "base/str.h"
#include "net/linkname.h"
#include "net/netopt.h"
#include "net/port.h"
#include "base/strv.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include <string.h>

static void test_ports(void **state)
{
	static const struct {
		const char *in, *want, *err;
	} rows[] = {
		{ "80", "tcp  0-0 80-80", NULL }, { "8080:80", "tcp  8080-8080 80-80", NULL }, { "80/UDP", "udp  0-0 80-80", NULL },
		{ "127.0.0.1:8000-8010:80/tcp", "tcp 127.0.0.1 8000-8010 80-80", NULL }, { "127.0.0.1::80", "tcp 127.0.0.1 0-0 80-80", NULL },
		{ "::1:6000:6000", "tcp ::1 6000-6000 6000-6000", NULL }, { "[::1]:6000:6000", "tcp ::1 6000-6000 6000-6000", NULL },
		{ "7000-7001:8000-8001", "tcp  7000-7001 8000-8001", NULL }, { ":80", "tcp  0-0 80-80", NULL },
		{ "80:", NULL, "no port specified: 80:<empty>" }, { "", NULL, "no port specified: <empty>" },
		{ "x:80", NULL, "invalid hostPort: x" }, { "80:x", NULL, "invalid containerPort: x" }, { "80:99999", NULL, "invalid containerPort: 99999" },
		{ "name:80:80", NULL, "invalid IP address: name" }, { "80/icmp", NULL, "invalid proto: icmp" },
		{ "1-3:10-11", NULL, "invalid ranges specified for container and host Ports: 10-11 and 1-3" }, { "80-70", NULL, "invalid containerPort: 80-70" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct port p;
		char got[200], host[ADDR_TEXT];
		AUTO_ERR(e);
		int r = port_parse(rows[i].in, &p, &e);

		if (rows[i].err) {
			assert_int_equal(r, -EINVAL);
			assert_string_equal(err_text(&e), rows[i].err);
			continue;
		}
		assert_int_equal(r, 0);
		snprintf(got, sizeof(got), "%s %s %u-%u %u-%u", port_proto_name(p.proto), addr_text(&p.host, host), p.host_first, p.host_last,
			 p.ctr_first, p.ctr_last);
		assert_string_equal(got, rows[i].want);
	}
}

static void test_options(void **state)
{
	struct net_options o;
	AUTO_STRV(unknown);
	AUTO_ERR(e);

	assert_int_equal(net_options_read("bridge", "{\"com.docker.network.bridge.enable_icc\":\"false\",\"com.docker.network.driver.mtu\":1400,"
					  "\"com.docker.network.bridge.gateway_mode_ipv4\":\"routed\",\"com.docker.network.driver.mtux\":\"1\"}",
					  &o, &unknown, &e), 0);
	assert_false(o.icc);
	assert_true(o.masquerade);
	assert_int_equal(o.mtu, 1400);
	assert_int_equal(o.mode4, NAT_MODE_ROUTED);
	assert_int_equal(unknown.n, 1);
	assert_string_equal(unknown.v[0], "driver 'bridge' does not know the option 'com.docker.network.driver.mtux' (did you mean "
					  "'com.docker.network.driver.mtu'?)");
}

static void test_options_bad(void **state)
{
	static const struct {
		const char *driver, *options, *err;
	} rows[] = {
		{ "bridge", "{\"com.docker.network.bridge.enable_icc\":\"maybe\"}", "driver option 'com.docker.network.bridge.enable_icc'" },
		{ "bridge", "{\"com.docker.network.bridge.name\":\"a/b\"}", "driver option 'com.docker.network.bridge.name': 'a/b': not a name" },
		{ "bridge", "{\"com.docker.network.bridge.name\":\"sixteen-letters-\"}", "driver option 'com.docker.network.bridge.name'" },
		{ "bridge", "{\"com.docker.network.driver.mtu\":\"67\"}", "driver option 'com.docker.network.driver.mtu': '67': an MTU is at least 68" },
		{ "macvlan", "{\"macvlan_mode\":\"x\"}", "driver option 'macvlan_mode': 'x': must be one of bridge, vepa, passthru, private" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct net_options o;
		AUTO_ERR(e);

		assert_true(net_options_read(rows[i].driver, rows[i].options, &o, NULL, &e) < 0);
		assert_true(str_starts(err_text(&e), rows[i].err));
	}
}

static void test_link_names(void **state)
{
	char name[IFNAMSIZ], mark[LINK_ALIAS_LEN], kind;
	int64_t id;

	link_name(name, "1a2b3c4d", LINK_BRIDGE, 7);
	assert_string_equal(name, "gb1a2b3-7");
	link_name(name, "1a2b3c4d", LINK_VETH, INT64_C(78364164095));
	assert_string_equal(name, "gv1a2b3-zzzzzzz");
	assert_true(strlen(name) < IFNAMSIZ);
	link_mark(mark, "1a2b3c4d", LINK_VETH, 42);
	assert_string_equal(mark, "gantry:1a2b3c4d:v42");
	assert_true(link_mark_read(mark, "1a2b3c4d", &kind, &id) && kind == LINK_VETH && id == 42);
	assert_false(link_mark_read(mark, "1a2b3c4e", &kind, &id));
	assert_false(link_mark_read("gantry:1a2b3c4d:v42x", "1a2b3c4d", &kind, &id));
	assert_false(link_mark_read("", "1a2b3c4d", &kind, &id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports), cmocka_unit_test(test_options), cmocka_unit_test(test_options_bad), cmocka_unit_test(test_link_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
