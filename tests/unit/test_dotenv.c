/* SPDX-License-Identifier: MIT */
#include "tests/unit/compose_cases.h"
#include "base/arena.h"
#include "base/strv.h"
#include "compose/dotenv.h"
#include <errno.h>

static const char *lookup(void *arg, const char *name)
{
	return strv_env_get(arg, name);
}

/* "A=1;B=x;" */
static char *flat(const struct dotenv_vars *v)
{
	AUTO_STR(b, 1 << 20);

	for (size_t i = 0; i < v->n; i++)
		str_addf(&b, "%s=%s;", v->v[i].name, v->v[i].value);
	return str_take(&b);
}

static void check(const char *in, enum dotenv_format format, const char *want, const char *want_err)
{
	AUTO(arena_free) struct arena *a = arena_new();
	AUTO_STRV(env);
	struct dotenv_env x = { .lookup = lookup, .arg = &env };
	struct dotenv_vars v = { 0 };
	AUTO_ERR(e);
	auto_free char *got = NULL;

	strv_add(&env, "OS=os");
	if (dotenv_parse(a, in, strlen(in), format, &x, &v, &e) < 0) {
		assert_non_null(want_err);
		assert_string_equal(err_text(&e), want_err);
		return;
	}
	got = flat(&v);
	assert_null(want_err);
	assert_string_equal(got, want);
}

static void test_rows(void **state)
{
	static const struct {
		const char *in, *want, *want_err;
	} rows[] = {
		{ "", "", NULL },
		{ "# c\n\nA=1 # c\nB='x # y'\n", "A=1;B=x # y;", NULL },
		{ "A=1\r\nB=2\r\n", "A=1;B=2;", NULL },
		{ "A=x\nA=${A}z\n", "A=xz;", NULL },
		{ "A=\"l1\nl2\" B=y\n", "A=l1\nl2;B=y;", NULL },
		{ "OS=file\nB=$OS", "OS=file;B=os;", NULL },
		{ "OS\nNOT\n", "OS=os;", NULL },
		{ "LONE", "=LONE;", NULL },
		{ "A=\"\\0\\01\\012x\\0400\\x\"", "A=\\\\1\\12x\\400\\x;", NULL },
		{ "A=\"\\0351\"", "A=\xc3\xa9;", NULL },
		{ "export\n A=1", "A=1;", NULL },
		{ "A=1\nB!=2", NULL, "line 2: unexpected character \"!\" in variable name \"B!=2\"" },
		{ "A=\"x\n\ny", NULL, "line 3: unterminated quoted value \"x" },
		{ "A B=1\n", NULL, "line 1: key cannot contain a space" },
		{ "A=${X:?no}", NULL, "required variable X is missing a value: no" },
		{ "A=${", NULL, "Invalid template: \"${\"" },
		{ "\xff=1", NULL, "line 1: unexpected character \"\xff\" in variable name \"\xff=1\"" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(rows[i].in, DOTENV, rows[i].want, rows[i].want_err);
}

static void test_raw(void **state)
{
	static const struct {
		const char *in, *want, *want_err;
	} rows[] = {
		{ "A='x' # no comment\nB=$OS\n  # c\n\nOS\nNOT\n", "A='x' # no comment;B=$OS;OS=os;", NULL },
		{ "  A=1\r\nB= x \n", "A=1;B= x ;", NULL },
		{ "A\tB=1", NULL, "line 1: variable 'A\tB' contains whitespaces" },
		{ "A=1\n=x", NULL, "line 2: no variable name before '='" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(rows[i].in, DOTENV_RAW, rows[i].want, rows[i].want_err);
}

static void test_nul(void **state)
{
	AUTO(arena_free) struct arena *a = arena_new();
	struct dotenv_env x = { 0 };
	struct dotenv_vars v;
	AUTO_ERR(e);

	assert_true(dotenv_parse(a, "A=1\nB=\0x", 8, DOTENV, &x, &v, &e) < 0);
	assert_string_equal(err_text(&e), "line 2: a NUL character cannot be part of a value");
}

/* ---- recorded ---- */

static const char *value_of(const struct dotenv_vars *v, const struct strv *prior, const char *name)
{
	for (size_t i = 0; i < v->n; i++)
		if (streq(v->v[i].name, name))
			return v->v[i].value;
	return strv_env_get(prior, name);
}

static void one_case(const struct cJSON *c)
{
	AUTO(arena_free) struct arena *a = arena_new();
	AUTO_STRV(env);
	AUTO_STRV(prior);
	const char *id = json_str(c, "id"), *content = json_str(c, "content"), *want_err = json_str(c, "error");
	struct dotenv_env x = { .lookup = lookup, .arg = &env };
	struct dotenv_vars v = { 0 };
	AUTO_ERR(e);
	const char *rest;

	json_map_strv(c, "env", &env);
	json_map_strv(c, "prior", &prior);
	if (dotenv_parse(a, content, strlen(content), DOTENV, &x, &v, &e) < 0) {
		rest = want_err ? str_after(want_err, "failed to read @DIR@/x.env: ") : NULL;
		if (!want_err || !streq(rest ? rest : want_err, err_text(&e)))
			fail_msg("%s: error '%s', want '%s'", id, err_text(&e), want_err ? want_err : "none");
	} else if (want_err) {
		fail_msg("%s: no error, want '%s'", id, want_err);
	} else {
		size_t n = 0;

		for (struct cJSON *k = json_first(json_get(c, "expected")); k; k = json_next(k), n++) {
			const char *got = value_of(&v, &prior, json_key(k));

			if (!got || !streq(got, json_value_str(k)))
				fail_msg("%s: %s is '%s', want '%s'", id, json_key(k), got ? got : "(none)",
					 json_value_str(k));
		}
		if (v.n > n)
			fail_msg("%s: %zu variables, want %zu", id, v.n, n);
	}
}

static void test_recorded(void **state)
{
	each_case("compose/dotenv_cases.jsonl", one_case);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows), cmocka_unit_test(test_raw), cmocka_unit_test(test_nul),
		cmocka_unit_test(test_recorded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
