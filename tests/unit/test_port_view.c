/* SPDX-License-Identifier: MIT */
#include "base/auto.h"
#include "cli/port_view.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct row {
	const char *ip;
	uint16_t published, target;
	const char *proto;
};

static void check(const struct row *rows, size_t n, const char *want)
{
	AUTO_DONE(shown_ports_done) struct shown_ports l = { 0 };

	for (size_t i = 0; i < n; i++)
		shown_ports_add(&l, rows[i].ip, rows[i].published, rows[i].target, rows[i].proto);
	shown_ports_sort(&l);
	auto_free char *text = shown_ports_text(&l);

	assert_string_equal(text, want);
}

static void test_text(void **state)
{
	static const struct row exposed[] = { { "", 0, 80, "tcp" }, { "", 0, 81, "tcp" }, { "", 0, 53, "udp" }, { "", 0, 90, "tcp" }, { "", 0, 80, "tcp" } };
	static const struct row published[] = { { "0.0.0.0", 8080, 80, "tcp" }, { "::", 8080, 80, "tcp" }, { "", 0, 80, "tcp" }, { "", 0, 80, "udp" } };
	static const struct row ranges[] = { { "0.0.0.0", 7000, 7000, "tcp" }, { "0.0.0.0", 7001, 7001, "tcp" }, { "::", 7000, 7000, "tcp" },
					     { "::", 7001, 7001, "tcp" }, { "0.0.0.0", 7003, 7003, "tcp" } };

	(void)state;
	check(NULL, 0, "");
	check(exposed, ARRAY_LEN(exposed), "80-81/tcp, 53/udp, 90/tcp");
	check(published, ARRAY_LEN(published), "80/udp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp");
	check(ranges, ARRAY_LEN(ranges), "0.0.0.0:7000-7001->7000-7001/tcp, 0.0.0.0:7003->7003/tcp, [::]:7000-7001->7000-7001/tcp");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_text) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
