/* SPDX-License-Identifier: MIT
 *
 * The table is data, so its meaning is tested as text; that increments end equal to a whole render is tested with random rows.
 */
#include "base/err.h"
#include "base/str.h"
#include "net/nat.h"
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <string.h>

static struct addr addr(const char *s)
{
	struct addr a = { 0 };
	AUTO_ERR(e);

	if (s)
		assert_int_equal(addr_parse(s, &a, &e), 0);
	return a;
}

/* Elements as "set: element" lines. */
static void elements(const struct nat_elems *l, struct str *out)
{
	for (size_t i = 0; i < l->n; i++) {
		str_addf(out, "%s: ", nat_sets[l->v[i].set].name);
		nat_elem_text(&l->v[i], out);
		str_addc(out, '\n');
	}
}

static void test_networks(void **state)
{
	static const struct {
		struct nat_network n;
		const char *want;
	} rows[] = {
		{ { "gb1", .icc = true, .masquerade = true, .ipv4 = true },
		  "bridges: \"gb1\"\nsame: \"gb1\" . \"gb1\"\nmasq4: \"gb1\"\n" },
		{ { "gb1", .icc = true, .masquerade = true, .ipv4 = true, .ipv6 = true },
		  "bridges: \"gb1\"\nsame: \"gb1\" . \"gb1\"\nmasq4: \"gb1\"\nmasq6: \"gb1\"\n" },
		{ { "gb1", .icc = true, .masquerade = true, .ipv4 = true, .internal = true },
		  "bridges: \"gb1\"\nsame: \"gb1\" . \"gb1\"\ninternal: \"gb1\"\n" },
		{ { "gb1", .masquerade = false, .ipv4 = true }, "bridges: \"gb1\"\n" },
		{ { "gb1", .icc = true, .masquerade = true, .ipv4 = true, .mode4 = NAT_MODE_ROUTED },
		  "bridges: \"gb1\"\nsame: \"gb1\" . \"gb1\"\nrouted: \"gb1\"\n" },
		{ { "gb1", .icc = true, .masquerade = true, .ipv4 = true, .mode4 = NAT_MODE_UNPROTECTED },
		  "bridges: \"gb1\"\nsame: \"gb1\" . \"gb1\"\nopen: \"gb1\"\nmasq4: \"gb1\"\n" },
		{ { "gb1", .icc = true, .masquerade = true, .ipv4 = true, .mode4 = NAT_MODE_ISOLATED },
		  "bridges: \"gb1\"\nsame: \"gb1\" . \"gb1\"\ninternal: \"gb1\"\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_DONE(nat_elems_done) struct nat_elems l = { 0 };
		AUTO_STR(got, 1000);

		nat_add_network(&l, &rows[i].n);
		nat_sort(&l);
		elements(&l, &got);
		assert_string_equal(got.s, rows[i].want);
	}
}

#define SELF4 "self4: 172.18.0.2 . 172.18.0.2\n"
#define SELF6 "self6: fd00::2 . fd00::2\n"
static void test_ports(void **state)
{
	static const struct {
		const char *host, *ctr4, *ctr6;
		int proto;
		enum nat_mode mode;
		const char *want;
	} rows[] = {
		{ NULL, "172.18.0.2", NULL, IPPROTO_TCP, 0, "any4: tcp . 8080 : 172.18.0.2 . 80\n" SELF4 },
		{ NULL, "172.18.0.2", "fd00::2", IPPROTO_UDP, 0,
		  "any4: udp . 8080 : 172.18.0.2 . 80\nany6: udp . 8080 : fd00::2 . 80\n" SELF4 SELF6 },
		{ "0.0.0.0", "172.18.0.2", "fd00::2", IPPROTO_TCP, 0, "any4: tcp . 8080 : 172.18.0.2 . 80\n" SELF4 },
		{ "::", "172.18.0.2", "fd00::2", IPPROTO_TCP, 0, "any6: tcp . 8080 : fd00::2 . 80\n" SELF6 },
		{ "127.0.0.1", "172.18.0.2", "fd00::2", IPPROTO_TCP, 0, "pub4: 127.0.0.1 . tcp . 8080 : 172.18.0.2 . 80\n" SELF4 },
		{ "fd01::9", "172.18.0.2", "fd00::2", IPPROTO_SCTP, 0, "pub6: fd01::9 . sctp . 8080 : fd00::2 . 80\n" SELF6 },
		{ "fd01::9", "172.18.0.2", NULL, IPPROTO_TCP, 0, "" },
		{ NULL, "172.18.0.2", NULL, IPPROTO_TCP, NAT_MODE_ROUTED, "routed4: 172.18.0.2 . tcp . 80\n" },
		{ NULL, "172.18.0.2", NULL, IPPROTO_TCP, NAT_MODE_ISOLATED, "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_DONE(nat_elems_done) struct nat_elems l = { 0 };
		struct nat_port p = { .proto = (uint8_t)rows[i].proto, .host = addr(rows[i].host), .host_port = 8080, .ctr_port = 80,
				      .ctr4 = addr(rows[i].ctr4), .ctr6 = addr(rows[i].ctr6), .mode4 = rows[i].mode, .mode6 = rows[i].mode };
		AUTO_STR(got, 1000);

		nat_add_port(&l, &p);
		nat_sort(&l);
		elements(&l, &got);
		assert_string_equal(got.s, rows[i].want);
	}
}

static void test_golden(void **state)
{
	AUTO_DONE(nat_elems_done) struct nat_elems l = { 0 };
	struct nat_port p = { .proto = IPPROTO_TCP, .host_port = 8080, .ctr_port = 80, .ctr4 = addr("172.18.0.2") };
	struct nat_network n = { "gb1a2b3-7", .icc = true, .masquerade = true, .ipv4 = true };
	AUTO_STR(got, 100000);

	nat_add_network(&l, &n);
	nat_add_port(&l, &p);
	nat_sort(&l);
	nat_text("gantry-1a2b3c4d", &l, &got);
	assert_true(str_starts(got.s, "table inet gantry-1a2b3c4d {\n\tset bridges {\n\t\ttype ifname\n\t\telements = { \"gb1a2b3-7\" }\n\t}\n"));
	assert_non_null(strstr(got.s, "\tmap any4 {\n\t\ttype inet_proto . inet_service : ipv4_addr . inet_service\n"
				      "\t\telements = { tcp . 8080 : 172.18.0.2 . 80 }\n\t}\n"));
	assert_non_null(strstr(got.s, "\tchain forward {\n\t\ttype filter hook forward priority 0; policy accept;\n"
				      "\t\tiifname != @bridges oifname != @bridges accept\n\t\tiifname . oifname @same accept\n"
				      "\t\tiifname @internal drop\n\t\toifname @internal drop\n"));
	/* What nobody published ends here. */
	assert_non_null(strstr(got.s, "\t\tip6 daddr . meta l4proto . th dport @routed6 accept\n\t\tdrop\n\t}\n"));
}

static void random_rows(struct nat_elems *l)
{
	unsigned n = (unsigned)rand() % 8;

	for (unsigned i = 0; i < n; i++) {
		struct nat_network net = { .icc = rand() % 2, .masquerade = rand() % 2, .internal = rand() % 4 == 0, .ipv4 = true, .ipv6 = rand() % 2 };

		snprintf(net.link, sizeof(net.link), "gb%d", rand() % 10);
		nat_add_network(l, &net);
	}
	for (unsigned i = 0; i < 4 * n; i++) {
		struct nat_port p = { .proto = rand() % 2 ? IPPROTO_TCP : IPPROTO_UDP, .host_port = (uint16_t)(rand() % 20 + 1),
				      .ctr_port = (uint16_t)(rand() % 3 + 1), .ctr4 = addr_v4(0xac120000u + (unsigned)rand() % 4) };

		if (rand() % 2)
			p.host = addr_v4(0x7f000001);
		nat_add_port(l, &p);
	}
	nat_sort(l);
}

/* Removes DEL, adds ADD, as nft_change() does to the kernel's table. */
static void apply(struct nat_elems *l, const struct nat_elems *del, const struct nat_elems *add)
{
	for (size_t i = 0; i < del->n; i++)
		for (size_t k = 0; k < l->n; k++)
			if (l->v[k].set == del->v[i].set && memcmp(l->v[k].key, del->v[i].key, NAT_KEY_MAX) == 0) {
				l->v[k] = l->v[--l->n];
				break;
			}
	for (size_t i = 0; i < add->n; i++) {
		l->v = realloc(l->v, (l->n + 1) * sizeof(*l->v));
		l->cap = l->n + 1;
		l->v[l->n++] = add->v[i];
	}
	nat_sort(l);
}

static void test_increments(void **state)
{
	AUTO_DONE(nat_elems_done) struct nat_elems kernel = { 0 };

	srand(1);
	for (int round = 0; round < 500; round++) {
		AUTO_DONE(nat_elems_done) struct nat_elems want = { 0 };
		AUTO_DONE(nat_elems_done) struct nat_elems del = { 0 };
		AUTO_DONE(nat_elems_done) struct nat_elems add = { 0 };
		AUTO_STR(a, 100000);
		AUTO_STR(b, 100000);

		random_rows(&want);
		nat_diff(&kernel, &want, &del, &add);
		apply(&kernel, &del, &add);
		nat_text("t", &kernel, &a);
		nat_text("t", &want, &b);
		assert_string_equal(a.s, b.s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_networks), cmocka_unit_test(test_ports), cmocka_unit_test(test_golden), cmocka_unit_test(test_increments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
