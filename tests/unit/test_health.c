/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "engine/monitor/health.h"
#include <string.h>

#define S INT64_C(1000000000)

static struct health_spec *spec_of(const char *kind, int64_t retries, int64_t start_period_s)
{
	struct health_spec *s = xcalloc(1, sizeof(*s));

	strv_add(&s->test, kind);
	strv_add(&s->test, "test -e /ok");
	s->retries = retries;
	s->start_period_ns = start_period_s * S;
	return s;
}
static void spec_done(struct health_spec *s)
{
	strv_done(&s->test);
	free(s);
}
static int take(struct health *h, const struct health_spec *s, int64_t at_s, int64_t code)
{
	struct health_result r = { .start_ns = 1000 * S + at_s * S, .end_ns = 1000 * S + at_s * S + 1, .code = code, .output = xstrdup("out") };

	return health_take(h, s, 1000 * S, &r);
}

static void failures_in_a_row(void **state)
{
	struct health_spec *s = spec_of("CMD-SHELL", 3, 0);
	struct health h = { 0 };

	(void)state;
	health_begin(&h, s);
	assert_int_equal(h.status, HEALTH_STARTING);
	assert_int_equal(take(&h, s, 1, 1), HEALTH_LOG);
	assert_int_equal(take(&h, s, 2, 1), 0); /* the same again: nothing is written */
	assert_int_equal(h.status, HEALTH_STARTING);
	assert_int_equal(take(&h, s, 3, 1), HEALTH_STATUS);
	assert_int_equal(h.status, HEALTH_UNHEALTHY);
	assert_int_equal(take(&h, s, 4, 0), HEALTH_STATUS);
	assert_int_equal(h.status, HEALTH_HEALTHY);
	assert_int_equal(h.streak, 0);
	assert_int_equal(take(&h, s, 5, 0), 0);
	assert_int_equal(take(&h, s, 6, 1), HEALTH_LOG);
	assert_int_equal(take(&h, s, 7, 0), HEALTH_LOG);
	assert_int_equal(h.nkept, HEALTH_KEPT);
	assert_int_equal(h.kept[0].start_ns, 1003 * S);
	health_done(&h);
	spec_done(s);
}
static void start_period_forgives(void **state)
{
	struct health_spec *s = spec_of("CMD", 1, 60);
	struct health h = { 0 };

	(void)state;
	s->start_interval_ns = S / 5;
	s->interval_ns = 60 * S;
	health_begin(&h, s);
	assert_int_equal(health_pause(&h, s, 0), S / 5);
	take(&h, s, 10, 1);
	take(&h, s, 59, 1);
	assert_int_equal(h.status, HEALTH_STARTING);
	assert_int_equal(h.streak, 0);
	take(&h, s, 59, 0);
	assert_int_equal(h.status, HEALTH_HEALTHY);
	assert_int_equal(health_pause(&h, s, 59 * S), 60 * S); /* the period ends with the first success */
	take(&h, s, 59, HEALTH_TIMEOUT_CODE);                  /* healthy once: failures count at once */
	assert_int_equal(h.status, HEALTH_UNHEALTHY);
	health_done(&h);
	spec_done(s);
}
static void defaults(void **state)
{
	struct health_spec *s = spec_of("CMD", 0, 0);
	struct health h = { 0 };

	(void)state;
	health_begin(&h, s);
	assert_int_equal(health_pause(&h, s, 0), 30 * S);
	assert_int_equal(health_timeout(s), 30 * S);
	take(&h, s, 1, 1);
	take(&h, s, 2, 1);
	assert_int_equal(h.status, HEALTH_STARTING);
	take(&h, s, 3, 1);
	assert_int_equal(h.status, HEALTH_UNHEALTHY);
	s->start_period_ns = 10 * S;
	health_begin(&h, s);
	assert_int_equal(health_pause(&h, s, S), 5 * S);
	health_done(&h);
	spec_done(s);
}
static void none_and_argv(void **state)
{
	struct health_spec *s = spec_of("NONE", 0, 0);
	AUTO_STRV(argv);

	(void)state;
	assert_false(health_wanted(s));
	free(s->test.v[0]);
	s->test.v[0] = xstrdup("CMD-SHELL");
	assert_true(health_wanted(s));
	health_argv(s, &argv);
	assert_int_equal(argv.n, 3);
	assert_string_equal(argv.v[2], "test -e /ok");
	spec_done(s);
}
static void log_as_json(void **state)
{
	struct health_spec *s = spec_of("CMD", 1, 0);
	struct health h = { 0 };
	auto_free char *text = NULL;
	AUTO(json_free) struct cJSON *j = NULL;
	AUTO_ERR(e);

	(void)state;
	health_begin(&h, s);
	take(&h, s, 1, 3);
	text = health_json(&h);
	assert_int_equal(json_parse(text, strlen(text), "log", &j, &e), 0);
	assert_int_equal(json_count(j), 1);
	assert_int_equal(json_int(json_first(j), "ExitCode", -7), 3);
	assert_string_equal(json_str(json_first(j), "Output"), "out");
	health_done(&h);
	spec_done(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failures_in_a_row), cmocka_unit_test(start_period_forgives), cmocka_unit_test(defaults),
		cmocka_unit_test(none_and_argv), cmocka_unit_test(log_as_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
