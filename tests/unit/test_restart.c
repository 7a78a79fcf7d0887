/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/monitor/restart.h"

#define MS INT64_C(1000000)
#define S (1000 * MS)

static const struct restart_spec always = { .policy = RESTART_ALWAYS, .delay_ns = -1, .window_ns = -1 };
static const struct restart_end quick = { .exit_code = 1, .exit_known = true, .ran_ns = 1 * S };

static void backoff_doubles_to_a_minute(void **state)
{
	static const int64_t want_ms[] = { 100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000 };
	struct restart_state s = { 0 };
	int64_t delay = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(want_ms); i++) {
		assert_true(restart_decide(&always, &s, &quick, &delay));
		assert_int_equal(delay, want_ms[i] * MS);
	}
	assert_int_equal(s.count, ARRAY_LEN(want_ms));
}
static void ten_seconds_begin_anew(void **state)
{
	struct restart_state s = { .delay_ns = 3200 * MS, .count = 6 };
	struct restart_end end = quick;
	int64_t delay;

	(void)state;
	end.ran_ns = 10 * S;
	assert_true(restart_decide(&always, &s, &end, &delay));
	assert_int_equal(delay, 100 * MS);
	assert_int_equal(s.count, 7);
}
static void whether(void **state)
{
	static const struct {
		enum restart_policy policy;
		int64_t max, attempts;
		bool known;
		int64_t code;
		bool stopped, want;
	} rows[] = {
		{ RESTART_NO, 0, 0, true, 1, false, false },
		{ RESTART_ALWAYS, 0, 0, true, 0, false, true },
		{ RESTART_ALWAYS, 0, 0, true, 137, true, false },
		{ RESTART_UNLESS_STOPPED, 0, 0, true, 0, false, true },
		{ RESTART_UNLESS_STOPPED, 0, 0, true, 0, true, false },
		{ RESTART_ON_FAILURE, 0, 1000, true, 1, false, true },
		{ RESTART_ON_FAILURE, 0, 0, true, 0, false, false },
		{ RESTART_ON_FAILURE, 0, 0, false, 0, false, true },
		{ RESTART_ON_FAILURE, 2, 1, true, 5, false, true },
		{ RESTART_ON_FAILURE, 2, 2, true, 5, false, false },
		{ RESTART_ON_FAILURE, 2, 0, true, 5, true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct restart_spec spec = { .policy = rows[i].policy, .max_retries = rows[i].max, .delay_ns = -1, .window_ns = -1 };
		struct restart_state s = { .attempts = rows[i].attempts };
		struct restart_end end = { .exit_code = rows[i].code, .exit_known = rows[i].known, .ran_ns = S, .stopped = rows[i].stopped };
		int64_t delay;

		assert_int_equal(restart_decide(&spec, &s, &end, &delay), rows[i].want);
	}
}
static void deploy_delay_and_window(void **state)
{
	struct restart_spec spec = { .policy = RESTART_ON_FAILURE, .max_retries = 2, .delay_ns = 5 * S, .window_ns = 30 * S };
	struct restart_state s = { 0 };
	struct restart_end end = quick;
	int64_t delay;

	(void)state;
	assert_true(restart_decide(&spec, &s, &end, &delay));
	assert_true(restart_decide(&spec, &s, &end, &delay));
	assert_int_equal(delay, 5 * S);
	assert_false(restart_decide(&spec, &s, &end, &delay));
	end.ran_ns = 31 * S; /* a success: its attempts are back */
	assert_true(restart_decide(&spec, &s, &end, &delay));
	assert_int_equal(s.attempts, 1);
}

/* What docker 26.1 did, with its daemon stopped and started, and killed together with all containers. */
static void after_boot(void **state)
{
	enum { RAN = 1, STOPPED = 2, UNSEEN = 4 };
	static const struct {
		enum restart_policy policy;
		unsigned how;
		int64_t code, max, count;
		bool want;
	} rows[] = {
		{ RESTART_NO, RAN, 3, 0, 0, false },
		{ RESTART_NO, RAN | UNSEEN, 255, 0, 0, false },
		{ RESTART_ALWAYS, 0, 0, 0, 0, false },
		{ RESTART_ALWAYS, RAN, 0, 0, 0, true },
		{ RESTART_ALWAYS, RAN | STOPPED, 0, 0, 0, true },
		{ RESTART_UNLESS_STOPPED, 0, 0, 0, 0, false },
		{ RESTART_UNLESS_STOPPED, RAN, 0, 0, 0, true },
		{ RESTART_UNLESS_STOPPED, RAN | UNSEEN, 255, 0, 0, true },
		{ RESTART_UNLESS_STOPPED, RAN | STOPPED, 3, 0, 0, false },
		{ RESTART_ON_FAILURE, 0, 0, 0, 0, false },
		{ RESTART_ON_FAILURE, RAN, 0, 0, 0, false },
		{ RESTART_ON_FAILURE, RAN, 143, 0, 100, true },
		{ RESTART_ON_FAILURE, RAN | STOPPED, 3, 0, 0, true },
		{ RESTART_ON_FAILURE, RAN | UNSEEN, 0, 0, 0, true },
		{ RESTART_ON_FAILURE, RAN, 4, 2, 1, true },
		{ RESTART_ON_FAILURE, RAN, 4, 2, 2, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct restart_spec spec = { .policy = rows[i].policy, .max_retries = rows[i].max, .delay_ns = -1, .window_ns = -1 };
		struct restart_past past = {
			.started = rows[i].how & RAN, .stopped = rows[i].how & STOPPED, .exit_known = !(rows[i].how & UNSEEN),
			.exit_code = rows[i].code, .count = rows[i].count,
		};

		if (restart_after_boot(&spec, &past) != rows[i].want)
			fail_msg("row %zu", i);
	}
}
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(backoff_doubles_to_a_minute),
		cmocka_unit_test(ten_seconds_begin_anew),
		cmocka_unit_test(whether), cmocka_unit_test(after_boot),
		cmocka_unit_test(deploy_delay_and_window),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
