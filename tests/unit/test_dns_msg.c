/* SPDX-License-Identifier: MIT */
#include "base/str.h"
#include "net/dns_msg.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <string.h>

#define HEADER(flags, qd, an, ns, ar) "\x12\x34" flags "\0" qd "\0" an "\0" ns "\0" ar
#define RD "\x01\0"
#define WEB "\3web\0\0\x01\0\x01"

/* A message with a length of its own, so that sanitizers see the first byte too much. */
static uint8_t *exact(const void *p, size_t n)
{
	uint8_t *m = malloc(n ? n : 1);

	memcpy(m, p, n);
	return m;
}

static void test_queries(void **state)
{
	static const struct {
		const char *m;
		size_t n;
		int want;
		const char *name;
	} rows[] = {
#define ROW(text, want, name) { text, sizeof(text) - 1, want, name }
		ROW("", DNS_DROP, ""),
		ROW("\x12\x34\x01\0\0\1\0\0\0\0\0", DNS_DROP, ""),
		ROW(HEADER(RD, "\1", "\0", "\0", "\0") WEB, DNS_NOERROR, "web"),
		ROW(HEADER(RD, "\1", "\0", "\0", "\0") "\3wEb\5Front\0\0\x1c\0\x01", DNS_NOERROR, "web.front"),
		ROW(HEADER(RD, "\1", "\0", "\0", "\0") "\0\0\2\0\x01", DNS_NOERROR, ""),
		ROW(HEADER("\x81\0", "\1", "\0", "\0", "\0") WEB, DNS_DROP, ""),
		ROW(HEADER("\x29\0", "\1", "\0", "\0", "\0") WEB, DNS_NOTIMP, ""),
		ROW(HEADER(RD, "\0", "\0", "\0", "\0"), DNS_DROP, ""),
		ROW(HEADER(RD, "\1", "\0", "\0", "\0") "\3web\0\0\x01\0\x03", DNS_NOTIMP, "web"),
		ROW(HEADER(RD, "\1", "\0", "\0", "\0") "\3we", DNS_FORMERR, ""),
		ROW(HEADER(RD, "\1", "\0", "\0", "\0") "\3web\0\0\x01", DNS_FORMERR, ""),
		ROW(HEADER(RD, "\1", "\0", "\0", "\0") "\xc0\x0c\0\x01\0\x01", DNS_FORMERR, ""),
		ROW(HEADER(RD, "\1", "\0", "\0", "\0") "\x40web\0\0\x01\0\x01", DNS_FORMERR, ""),
		ROW(HEADER(RD, "\1", "\0", "\0", "\0") "\3w.b\0\0\x01\0\x01", DNS_NOERROR, ""), /* a dot inside a label: no name of ours */
		ROW(HEADER(RD, "\1", "\0", "\0", "\1") WEB "\0\0\x29\x10\0\0\0\0\0\0\0", DNS_NOERROR, "web"),
		ROW(HEADER(RD, "\1", "\0", "\0", "\1") WEB "\0\0\x29\x10\0\0\0\0\0\0\5", DNS_FORMERR, "web"),
		ROW(HEADER(RD, "\1", "\0", "\0", "\2") WEB "\0\0\x29\x10\0\0\0\0\0\0\0\0\0\x29\x10\0\0\0\0\0\0\0", DNS_FORMERR, "web"),
		ROW("\x12\x34\x01\0\0\1\0\0\0\0\xff\xff" WEB, DNS_FORMERR, "web"),
#undef ROW
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free uint8_t *m = exact(rows[i].m, rows[i].n);
		struct dns_query q;
		int r = dns_query_read(m, rows[i].n, &q);

		if (r != rows[i].want || (r == DNS_NOERROR && !streq(q.name, rows[i].name)))
			fail_msg("row %zu: %d '%s'", i, r, q.name);
	}
}

static void test_long_name(void **state)
{
	uint8_t m[12 + 256 + 4] = { 0x12, 0x34, 1, 0, 0, 1 };
	struct dns_query q;

	for (int labels = 0; labels < 5; labels++) {
		size_t at = 12;

		for (int i = 0; i < labels; i++) {
			m[at] = i == 3 ? 61 : 63; /* 3 * 64 + 62 + 1 = 255: the longest */
			memset(m + at + 1, 'a', m[at]);
			at += m[at] + 1u;
		}
		m[at] = 0;
		memcpy(m + at + 1, "\0\1\0\1", 4);
		assert_int_equal(dns_query_read(m, at + 5, &q), DNS_NOERROR);
		if (labels == 4)
			assert_int_equal(strlen(q.name), 253);
	}
	m[12 + 3 * 64] = 62;
	memset(m + 12 + 3 * 64 + 1, 'a', 62);
	m[12 + 3 * 64 + 63] = 0;
	assert_int_equal(dns_query_read(m, 12 + 256 + 4, &q), DNS_FORMERR);
}

static void test_answer(void **state)
{
	static const char query[] = HEADER(RD, "\1", "\0", "\0", "\0") WEB;
	struct addr a = addr_v4(0xac120002);
	struct dns_query q;
	struct dns_answer ans;
	uint8_t buf[512];
	size_t n;

	assert_int_equal(dns_query_read((const uint8_t *)query, sizeof(query) - 1, &q), 0);
	dns_answer_begin(&ans, buf, sizeof(buf), (const uint8_t *)query, &q, DNS_NOERROR);
	dns_answer_addr(&ans, &a);
	n = dns_answer_end(&ans);
	assert_int_equal(n, 21 + 16);
	assert_memory_equal(buf, "\x12\x34\x81\x80\0\1\0\1\0\0\0\0" WEB "\xc0\x0c\0\1\0\1\0\0\0\5\0\4\xac\x12\0\2", n);
	assert_true(dns_reply_matches(buf, n, (const uint8_t *)query, sizeof(query) - 1));
}

static void test_cut(void **state)
{
	static const char query[] = HEADER(RD, "\1", "\0", "\0", "\1") WEB "\0\0\x29\x02\0\0\0\0\0\0\0";
	struct addr a = addr_v4(0xac120002);
	struct dns_query q;
	struct dns_answer ans;
	auto_free uint8_t *buf = malloc(512);
	size_t n;

	assert_int_equal(dns_query_read((const uint8_t *)query, sizeof(query) - 1, &q), 0);
	assert_true(q.edns);
	dns_answer_begin(&ans, buf, 512, (const uint8_t *)query, &q, DNS_NOERROR);
	for (int i = 0; i < 64; i++)
		dns_answer_addr(&ans, &a);
	n = dns_answer_end(&ans);
	assert_true(n <= 512);
	assert_true(buf[2] & 2);                 /* TC */
	assert_int_equal(buf[7], (512 - 21 - 11) / 16);
	assert_int_equal(buf[11], 1);            /* our OPT is in */
}

static void test_ptr(void **state)
{
	static const struct {
		const char *name, *want;
	} rows[] = {
		{ "2.0.18.172.in-addr.arpa", "172.18.0.2" }, { "2.0.18.in-addr.arpa", NULL }, { "256.0.18.172.in-addr.arpa", NULL },
		{ "2.0.18.172.in-addr.arpa.x", NULL }, { "web", NULL },
		{ "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", "fd00::2" },
		{ "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.ip6.arpa", NULL },
		{ "x.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr a;
		char buf[ADDR_TEXT];
		bool r = dns_ptr_addr(rows[i].name, &a);

		assert_int_equal(r, rows[i].want != NULL);
		if (r)
			assert_string_equal(addr_text(&a, buf), rows[i].want);
	}
}

static void test_matches(void **state)
{
	static const char query[] = HEADER(RD, "\1", "\0", "\0", "\0") WEB;
	static const struct {
		const char *m;
		size_t n;
		bool want;
	} rows[] = {
#define ROW(text, want) { text, sizeof(text) - 1, want }
		ROW(HEADER("\x81\x80", "\1", "\0", "\0", "\0") "\3WEB\0\0\x01\0\x01", true),
		ROW("\x12\x35\x81\x80\0\1\0\0\0\0\0\0" WEB, false),
		ROW(HEADER("\x01\x80", "\1", "\0", "\0", "\0") WEB, false),
		ROW(HEADER("\x81\x80", "\1", "\0", "\0", "\0") "\3wex\0\0\x01\0\x01", false),
		ROW(HEADER("\x81\x80", "\1", "\0", "\0", "\0") "\3web\0\0\x1c\0\x01", false),
		ROW(HEADER("\x81\x80", "\1", "\0", "\0", "\0") "\3web\0\0", false),
		ROW(HEADER("\x81\x82", "\0", "\0", "\0", "\0"), true),  /* SERVFAIL without the question */
		ROW(HEADER("\x81\x80", "\0", "\0", "\0", "\0"), false),
		ROW("\x12\x34\x81", false),
#undef ROW
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free uint8_t *m = exact(rows[i].m, rows[i].n);

		if (dns_reply_matches(m, rows[i].n, (const uint8_t *)query, sizeof(query) - 1) != rows[i].want)
			fail_msg("row %zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_queries), cmocka_unit_test(test_long_name), cmocka_unit_test(test_answer), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_ptr), cmocka_unit_test(test_matches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
