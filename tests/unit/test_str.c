/* SPDX-License-Identifier: MIT */
#include "base/str.h"

#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void test_build(void **state)
{
	AUTO_STR(b, 1000);

	assert_string_equal(b.s, "");
	str_add(&b, "a");
	str_addc(&b, 'b');
	str_addf(&b, "%d-%s", 12, "x");
	str_addn(&b, "yz", 1);
	assert_string_equal(b.s, "ab12-xy");
	str_addf(&b, "%300d", 1); /* longer than the small buffer */
	assert_int_equal(b.len, 307);
	str_trunc(&b, 2);
	assert_string_equal(b.s, "ab");
	auto_free char *s = str_take(&b);
	assert_string_equal(s, "ab");
	assert_string_equal(b.s, "");
	auto_free char *none = str_take(&b);
	assert_string_equal(none, "");
}

static void test_utf8(void **state)
{
	AUTO_STR(b, 1000);
	static const unsigned long c[] = { 0x24, 0x7f, 0x80, 0x7ff, 0x800, 0x20ac, 0xffff, 0x10000, 0x10ffff };

	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		str_add_utf8(&b, c[i]);
	assert_string_equal(b.s, "$\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xe2\x82\xac\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
}

static void test_overflow_is_sticky(void **state)
{
	AUTO_STR(b, 5);
	AUTO_ERR(e);

	str_add(&b, "12345");
	assert_false(str_over(&b));
	assert_int_equal(str_check(&b, "log line", &e), 0);
	str_add(&b, "67");
	str_trunc(&b, 1);
	str_add(&b, "8");
	assert_true(str_over(&b));
	assert_string_equal(b.s, "1");
	assert_int_equal(str_check(&b, "log line", &e), -EFBIG);
	assert_string_equal(err_text(&e), "log line: longer than 5 bytes");
	str_reset(&b);
	str_addf(&b, "%s", "1234567");
	assert_string_equal(b.s, "12345"); /* cut, for those who want that */
	assert_true(str_over(&b));
}

static void test_parts(void **state)
{
	static const char *const list[] = { "a", "b", NULL };

	assert_true(str_starts("abc", "ab") && !str_starts("a", "ab"));
	assert_true(str_ends("abc", "bc") && !str_ends("c", "bc"));
	assert_string_equal(str_after("abc", "ab"), "c");
	assert_null(str_after("abc", "b"));
	assert_true(str_in("b", list) && !str_in("c", list));
	assert_true(streq0(NULL, NULL) && !streq0(NULL, "") && streq0("x", "x"));
}

static void test_nearest(void **state)
{
	static const struct {
		int other;
		const char *name;
	} keys[] = { { 0, "image" }, { 0, "environment" }, { 0, NULL }, { 0, "ports" }, { 0, "expose" } };
	static const struct {
		const char *input, *want;
	} rows[] = {
		{ "imgae", "image" }, { "enviroment", "environment" }, { "Image", "image" }, { "port", "ports" },
		{ "xyz", NULL },      { "", NULL },                    { "i", NULL },        { "exposes", "expose" },
		{ "network_mode", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *got = str_nearest(rows[i].input, &keys[0].name, ARRAY_LEN(keys), sizeof(keys[0]));

		if (!streq0(got, rows[i].want))
			fail_msg("'%s': '%s'", rows[i].input, str0(got));
	}
}

static void test_visible(void **state)
{
	static const struct {
		const char *input, *want;
		bool valid;
	} rows[] = {
		{ "plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "plain \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", true },
		{ "\033[31m", "\\x1b[31m", true },
		{ "a\nb\t\x7f", "a\\x0ab\\x09\\x7f", true },
		{ "\xc2\x9b" "1m", "\\xc2\\x9b1m", true },         /* C1: CSI */
		{ "\xe2\x80\xae", "\\xe2\\x80\\xae", true },       /* right-to-left override */
		{ "\xff\xc3", "\\xff\\xc3", false },
		{ "\xc0\x80", "\\xc0\\x80", false },               /* overlong */
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80", false },      /* surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", false }, /* beyond U+10FFFF */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *got = str_visible(rows[i].input, strlen(rows[i].input));

		assert_string_equal(got, rows[i].want);
		assert_int_equal(str_utf8_valid(rows[i].input, strlen(rows[i].input)), rows[i].valid);
	}
	auto_free char *nul = str_visible("a\0b", 3);
	assert_string_equal(nul, "a\\x00b");
}

static void test_visible_line(void **state)
{
	static const struct {
		const char *input, *want;
	} rows[] = {
		{ "", "" }, { "a\tb", "a\tb" }, { "\033[2Ja\n", "\\x1b[2Ja\\x0a" },
		{ "dos\r", "dos" }, { "\r\r", "" }, { "Reading 5%\rReading 50%\rReading done\r", "Reading done" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *got = str_visible_line(rows[i].input, strlen(rows[i].input));

		assert_string_equal(got, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_build), cmocka_unit_test(test_visible_line), cmocka_unit_test(test_utf8), cmocka_unit_test(test_overflow_is_sticky),
		cmocka_unit_test(test_parts),   cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_visible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
