/* SPDX-License-Identifier: MIT */
#include "base/num.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void test_int(void **state)
{
	static const struct {
		const char *input;
		int want;
		int64_t value;
	} rows[] = {
		{ "0", 0, 0 }, { "-5", 0, -5 }, { "+5", 0, 5 }, { "007", 0, 7 },
		{ "9223372036854775807", 0, INT64_MAX }, { "-9223372036854775808", 0, INT64_MIN },
		{ "9223372036854775808", -ERANGE, 0 }, { "-9223372036854775809", -ERANGE, 0 },
		{ "99999999999999999999999", -ERANGE, 0 }, { "", -EINVAL, 0 }, { "-", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 }, { "1 ", -EINVAL, 0 }, { "1.0", -EINVAL, 0 }, { "0x1", -EINVAL, 0 },
		{ "--1", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_ERR(e);
		int64_t v = 0;

		if (num_int(rows[i].input, INT64_MIN, INT64_MAX, &v, &e) != rows[i].want || v != rows[i].value)
			fail_msg("'%s': %lld %s", rows[i].input, (long long)v, err_text(&e));
	}
	AUTO_ERR(e);
	int64_t v;
	assert_int_equal(num_int("70000", 0, 65535, &v, &e), -ERANGE);
	assert_string_equal(err_text(&e), "'70000': must be between 0 and 65535");
	err_clear(&e);
	assert_int_equal(num_int("x\033", 0, 1, &v, &e), -EINVAL);
	assert_string_equal(err_text(&e), "'x\\x1b': not a whole number");
}

static void test_others(void **state)
{
	AUTO_ERR(e);
	uint64_t u;
	uint32_t o;
	double d;
	bool b;

	assert_int_equal(num_uint("18446744073709551615", UINT64_MAX, &u, &e), 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(num_uint("18446744073709551616", UINT64_MAX, &u, &e), -ERANGE);
	err_clear(&e);
	assert_int_equal(num_uint("+1", 5, &u, &e), -EINVAL);
	err_clear(&e);
	assert_int_equal(num_octal("0440", 07777, &o, &e), 0);
	assert_int_equal(o, 0440);
	assert_int_equal(num_octal("8", 07777, &o, &e), -EINVAL);
	err_clear(&e);
	assert_int_equal(num_double("-1.5e2", &d, &e), 0);
	assert_true(d == -150);
	static const char *const bad[] = { "", ".", "e1", "1e", "0x1p3", "inf", "nan", "1 ", "1_0" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(num_double(bad[i], &d, &e), -EINVAL);
		err_clear(&e);
	}
	assert_int_equal(num_double("1e400", &d, &e), -ERANGE);
	err_clear(&e);
	assert_int_equal(num_bool("True", &b, &e), 0);
	assert_true(b);
	assert_int_equal(num_bool("f", &b, &e), 0);
	assert_false(b);
	assert_int_equal(num_bool("yes", &b, &e), -EINVAL);
}

static void test_bytes(void **state)
{
	static const struct {
		const char *input;
		int64_t want; /* -1: -EINVAL, -2: -ERANGE */
	} rows[] = {
		{ "0", 0 }, { "32.3", 32 }, { "1.5GiB", 1610612736 }, { "64 KB", 65536 }, { "32KIB", 32768 },
		{ "32Pb", 32ll << 50 }, { "1i", 1 }, { "1ib", 1 }, { "5B", 5 }, { "09m", 9437184 },
		{ "", -1 }, { "hello", -1 }, { "-32", -1 }, { " 32 ", -1 }, { "32m b", -1 }, { "32bm", -1 }, { "32 ", 32 },
		{ ".3kB", -1 }, { "1.", -1 }, { "1.2.3", -1 }, { "1e3", -1 }, { "+1m", -1 }, { "1x", -1 }, { "1  m", -1 },
		{ "0x10", -1 }, { "k", -1 }, { "inf", -1 }, { "1bb", -1 }, { "8191p", 8191ll << 50 }, { "8192p", -2 },
		{ "99999999999999999999999999", -2 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_ERR(e);
		int64_t v = -3;
		int r = num_bytes(rows[i].input, &v, &e);

		v = r == -EINVAL ? -1 : r == -ERANGE ? -2 : v;
		if (v != rows[i].want)
			fail_msg("'%s': %lld, wanted %lld", rows[i].input, (long long)v, (long long)rows[i].want);
	}
}

static void test_duration(void **state)
{
	static const struct {
		const char *input, *want; /* NULL: -EINVAL, "": -ERANGE */
	} rows[] = {
		{ "0", "0s" }, { "-0", "0s" }, { "5s", "5s" }, { "1m30s", "1m30s" }, { "1.5h", "1h30m0s" },
		{ "-1.5h", "-1h30m0s" }, { "500ms", "500ms" }, { "10us", "10\xc2\xb5s" }, { "10\xc2\xb5s", "10\xc2\xb5s" },
		{ "10\xce\xbcs", "10\xc2\xb5s" }, { "1ns", "1ns" }, { "1d", "24h0m0s" }, { "1w2d", "216h0m0s" },
		{ ".5s", "500ms" }, { "1.s", "1s" }, { "1s1m", "1m1s" }, { "1.0000000001s", "1s" },
		{ "0.3333333333333333333h", "20m0s" }, { "9223372036854775807ns", "2562047h47m16.854775807s" },
		{ "-9223372036854775808ns", "-2562047h47m16.854775808s" }, { "9223372036854775808ns", "" },
		{ "2562048h", "" }, { "99999999999999999999s", "" }, { "3000000h", "" }, { "100d", "2400h0m0s" },
		{ "", NULL }, { "3", NULL }, { "-", NULL }, { "s", NULL }, { ".", NULL }, { ".s", NULL }, { "1y", NULL },
		{ "1 m", NULL }, { "1M", NULL }, { "1h 30m", NULL }, { "1e3s", NULL }, { "+", NULL }, { "00", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_ERR(e);
		int64_t v = 0;
		int r = num_duration(rows[i].input, &v, &e);
		auto_free char *text = r == 0 ? num_duration_text(v) : NULL;
		const char *got = r == -ERANGE ? "" : text;

		if (!streq0(got, rows[i].want))
			fail_msg("'%s': '%s' (%d)", rows[i].input, str0(got), r);
	}
}

static void test_texts(void **state)
{
	static const struct {
		uint64_t n;
		const char *size;
	} sizes[] = { { 0, "0B" }, { 999, "999B" }, { 1000, "1kB" }, { 1048576, "1.049MB" }, { 3420000000, "3.42GB" },
		      { UINT64_MAX, "18.45EB" } };
	static const struct {
		uint64_t n;
		unsigned base;
		int digits;
		const char *want;
	} units[] = { { 1982291, 1000, 3, "1.98MB" }, { 1230, 1000, 3, "1.23kB" }, { 67108864, 1024, 4, "64MiB" },
		      { 593920, 1024, 4, "580KiB" }, { 0, 1024, 4, "0B" }, { UINT64_MAX, 1024, 4, "16EiB" } };
	static const struct {
		int64_t s;
		const char *want;
	} ago[] = {
		{ 0, "Less than a second" }, { 1, "1 second" }, { 59, "59 seconds" }, { 60, "About a minute" },
		{ 119, "About a minute" }, { 120, "2 minutes" }, { 3599, "59 minutes" }, { 3600, "About an hour" },
		{ 5399, "About an hour" }, { 5400, "2 hours" }, { 47 * 3600, "47 hours" }, { 48 * 3600, "2 days" },
		{ 14 * 86400, "2 weeks" }, { 60 * 86400, "2 months" }, { 730 * 86400, "2 years" },
	};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		auto_free char *got = num_size_text(sizes[i].n);

		assert_string_equal(got, sizes[i].size);
	}
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		auto_free char *got = num_size_units(units[i].n, units[i].base, units[i].digits);

		assert_string_equal(got, units[i].want);
	}
	for (size_t i = 0; i < ARRAY_LEN(ago); i++) {
		auto_free char *got = num_ago_text(ago[i].s);

		assert_string_equal(got, ago[i].want);
	}
}

/* "-1" is compose's own word for "no limit", and blanks around a value and "${…}" are its loader's. */
static bool ours(const char *attribute, const char *value)
{
	static const char *const sizes[] = { "mem_limit", "shm_size", "mem_reservation", "memswap_limit",
					     "deploy.resources.limits.memory", "build.shm_size", NULL };
	static const char *const durations[] = { "stop_grace_period", "healthcheck.interval",
						 "deploy.restart_policy.delay", NULL };

	if (streq(value, "-1") || strchr(value, '$') || strstr(value, "  "))
		return false;
	return str_in(attribute, sizes) || str_in(attribute, durations);
}

static char *render(const char *attribute, const char *value)
{
	AUTO_ERR(e);
	int64_t v;

	if (strstr(attribute, "mem") || strstr(attribute, "shm"))
		return num_bytes(value, &v, &e) == 0 ? xasprintf("%lld", (long long)v) : NULL;
	return num_duration(value, &v, &e) == 0 ? num_duration_text(v) : NULL;
}

/* Zero is left out of docker's output. */
static void check_case(const struct cJSON *c, int *count)
{
	const char *attribute = json_str(c, "attr"), *value = json_str(c, "value");
	const struct cJSON *newest = json_get(c, "newest");
	auto_free char *got = NULL;
	const char *want = json_str(newest, "ok");

	if (!attribute || !value || !ours(attribute, value))
		return;
	if (json_bool(newest, "ok_absent", false))
		want = strstr(attribute, "mem") || strstr(attribute, "shm") ? "0" : "0s";
	got = render(attribute, value);
	if (!streq0(got, want))
		fail_msg("%s: %s '%s': '%s', docker compose: '%s'", json_str(c, "id"), attribute, value, str0(got),
			 str0(want));
	++*count;
}

static void test_recorded(void **state)
{
	static const char *const files[] = { "duration_size_cases.jsonl", "value_cases.jsonl" };
	const char *top = getenv("srcdir");

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		auto_free char *path = xasprintf("%s/../shared/data/compose/%s", top ? top : ".", files[i]);
		auto_free char *text = NULL;
		AUTO_ERR(e);
		int count = 0;

		if (file_read(path, 16 << 20, &text, NULL, &e) < 0) {
			print_message("skipped: what docker compose makes of values: %s\n", err_text(&e));
			skip();
		}
		for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
			AUTO(json_free) struct cJSON *c = NULL;

			assert_int_equal(json_parse(line, (size_t)(end - line), "case", &c, &e), 0);
			check_case(c, &count);
		}
		print_message("%s: %d values\n", files[i], count);
		assert_true(count > 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_int),      cmocka_unit_test(test_others), cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_duration), cmocka_unit_test(test_texts),  cmocka_unit_test(test_recorded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
