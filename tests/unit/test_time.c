/* SPDX-License-Identifier: MIT */
#include "base/time.h"

#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

static void test_rfc3339(void **state)
{
	static const struct {
		int64_t ns;
		const char *want;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00.000000000Z" },
		{ 1, "1970-01-01T00:00:00.000000001Z" },
		{ -1, "1969-12-31T23:59:59.999999999Z" },
		{ 1709200800250000000, "2024-02-29T10:00:00.250000000Z" },
		{ INT64_MAX, "2262-04-11T23:47:16.854775807Z" },
		{ INT64_MIN, "1677-09-21T00:12:43.145224192Z" },
	};
	char buf[TIME_TEXT];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(time_rfc3339(rows[i].ns, buf), rows[i].want);
}

static void test_parse(void **state)
{
	static const int64_t now = 1800000000000000000;
	static const struct {
		const char *input, *want; /* NULL: not a time */
	} rows[] = {
		{ "2024-02-29T10:00:00.25Z", "2024-02-29T10:00:00.250000000Z" },
		{ "2024-02-29T10:00:00.1234567891Z", "2024-02-29T10:00:00.123456789Z" },
		{ "2024-02-29T10:00:00+02:00", "2024-02-29T08:00:00.000000000Z" },
		{ "2024-02-29T10:00:00-00:30", "2024-02-29T10:30:00.000000000Z" },
		{ "2024-02-29T10:00:00", "2024-02-29T09:00:00.000000000Z" }, /* the local zone, see main */
		{ "2024-02-29T10:00", "2024-02-29T09:00:00.000000000Z" },
		{ "2024-02-29T10", "2024-02-29T09:00:00.000000000Z" },
		{ "2024-07-01", "2024-06-30T23:00:00.000000000Z" },
		{ "2024-07-01Z", "2024-07-01T00:00:00.000000000Z" },
		{ "1136073600.5", "2006-01-01T00:00:00.500000000Z" },
		{ "1136073600.000000001", "2006-01-01T00:00:00.000000001Z" },
		{ "10m", "2027-01-15T07:50:00.000000000Z" },
		{ "1d", "2027-01-14T08:00:00.000000000Z" },
		{ "0", "2027-01-15T08:00:00.000000000Z" },
		{ "2023-02-29", NULL }, { "2024-13-01", NULL }, { "2024-00-01", NULL }, { "2024-04-31", NULL },
		{ "2024-1-1", NULL }, { "2024-01-01T24", NULL }, { "2024-01-01T10:00:00.Z", NULL },
		{ "2024-01-01 10:00", NULL }, { "2024-01-01T10:00:00+2", NULL }, { "9999-01-01", NULL },
		{ "", NULL }, { "yesterday", NULL }, { "12345678901", NULL }, { "1.", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_ERR(e);
		char buf[TIME_TEXT];
		int64_t v;
		int r = time_parse(rows[i].input, now, &v, &e);

		if (r != (rows[i].want ? 0 : -EINVAL))
			fail_msg("'%s': %d %s", rows[i].input, r, err_text(&e));
		if (rows[i].want)
			assert_string_equal(time_rfc3339(v, buf), rows[i].want);
	}
}

static void test_clocks(void **state)
{
	int64_t a = time_mono_ns(), b = time_mono_ns();

	assert_true(a > 0 && b >= a);
	assert_true(time_now_ns() > 1700000000000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc3339), cmocka_unit_test(test_parse), cmocka_unit_test(test_clocks),
	};

	setenv("TZ", "XXX-1", 1); /* an hour east, without a time zone database */
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
