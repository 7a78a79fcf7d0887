/* SPDX-License-Identifier: MIT */
#include "tests/unit/compose_cases.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/strv.h"
#include "compose/interp.h"
#include "compose/node.h"
#include "compose/project.h"
#include <errno.h>
#include <stdio.h>

struct world {
	struct strv env, unset;
};

static const char *lookup(void *arg, const char *name)
{
	return strv_env_get(&((struct world *)arg)->env, name);
}

static void unset(void *arg, const char *name)
{
	strv_add(&((struct world *)arg)->unset, name);
}

static void world_done(struct world *w)
{
	strv_done(&w->env);
	strv_done(&w->unset);
}

/* ---- own rows ---- */

static void test_rows(void **state)
{
	static const struct {
		const char *in, *want, *want_err; /* A=1 E="" ; others are not set */
	} rows[] = {
		{ "plain", "plain", NULL },
		{ "", "", NULL },
		{ "$A-$A", "1-1", NULL },
		{ "${A}${A}", "11", NULL },
		{ "$$A", "$A", NULL },
		{ "$$$A", "$1", NULL },
		{ "$", "$", NULL },
		{ "$1 $(x) $. $\xc3\x89", "$1 $(x) $. $\xc3\x89", NULL },
		{ "${U:-d}${U-d}${E:-d}${E-d}", "ddd", NULL },
		{ "${A:+x}${A+x}${E:+x}${E+x}${U+x}", "xxx", NULL },
		{ "${U:-${V:-${A}}}", "1", NULL },
		{ "${U:-a}b}", "ab}", NULL },
		{ "${U:-{x}}", "{x}", NULL },
		{ "${U-a:-b}", "a:-b", NULL },
		{ "${A:-${U:?never asked}}", "1", NULL },
		{ "${U:-$$A}", "$A", NULL },
		{ "a\n${A}\n", "a\n1\n", NULL },
		{ "${U:-a b}", "a b", NULL },
		{ "${A", NULL, "${A" },
		{ "x${}", NULL, "x${}" },
		{ "${U:-${!}}", NULL, "${!}" },
		{ "${U:-a\nb}", NULL, "${U:-a\nb}" },
		{ "${U?}", NULL, "required variable U is missing a value" },
		{ "${E:?say $A}", NULL, "required variable E is missing a value: say 1" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w = { 0 };
		AUTO(arena_free) struct arena *a = arena_new();
		struct interp x = { .lookup = lookup, .unset = unset, .arg = &w, .arena = a };
		AUTO_ERR(e);
		const char *got = NULL;
		int r;

		strv_add(&w.env, "A=1");
		strv_add(&w.env, "E=");
		r = interp_text(&x, rows[i].in, &got, &e);
		if (rows[i].want_err) {
			assert_true(r < 0);
			assert_string_equal(err_text(&e), rows[i].want_err);
		} else {
			assert_true(r >= 0);
			assert_string_equal(got, rows[i].want);
		}
		world_done(&w);
	}
}

static void test_limits(void **state)
{
	struct world w = { 0 };
	AUTO(arena_free) struct arena *a = arena_new();
	struct interp x = { .lookup = lookup, .arg = &w, .arena = a };
	AUTO_STR(deep, 1 << 20);
	AUTO_STR(wide, 1 << 20);
	AUTO_STR(big, 1 << 20);
	AUTO_ERR(e);
	const char *got;

	for (int i = 0; i < 20000; i++)
		str_add(&deep, "${U:-");
	for (int i = 0; i < 20000; i++)
		str_add(&deep, "}");
	assert_true(interp_text(&x, deep.s, &got, &e) < 0);
	assert_non_null(strstr(err_text(&e), "nested"));
	err_clear(&e);

	str_add(&big, "B=");
	for (int i = 0; i < 1000; i++)
		str_add(&big, "0123456789");
	strv_add(&w.env, big.s);
	for (int i = 0; i < 100000; i++)
		str_add(&wide, "$B ");
	assert_true(interp_text(&x, wide.s, &got, &e) < 0);
	assert_non_null(strstr(err_text(&e), "grow"));
	world_done(&w);
}

struct seen {
	char text[512];
};

static void see(void *arg, const char *name, char kind, const char *operand)
{
	struct seen *s = arg;
	size_t n = strlen(s->text);

	snprintf(s->text + n, sizeof s->text - n, "%s%c%s;", name, kind ? kind : '.', operand ? operand : "");
}

static void test_each(void **state)
{
	AUTO(arena_free) struct arena *a = arena_new();
	struct seen s = { "" };

	interp_each(a, "$A ${B} $$C ${D:-x${E?m}} ${!} ${F+y}", see, &s);
	assert_string_equal(s.text, "A.;B.;D-x${E?m};E?m;F+y;");
}

static void test_tree(void **state)
{
	struct world w = { 0 };
	AUTO(arena_free) struct arena *a = arena_new();
	struct interp x = { .lookup = lookup, .arg = &w, .arena = a };
	static const struct source src = { .path = "f.yaml", .text = "services:\n  a: ${U}\n", .len = 20 };
	struct node *root = node_map(a, (struct pos){ &src, 1, 1 }), *list = node_list(a, (struct pos){ &src, 2, 6 });
	struct notes notes = { 0 };
	AUTO_ERR(e);

	node_set(a, root, "k$A", node_str(a, (struct pos){ &src, 2, 6 }, "$A${U}"));
	node_set(a, root, "list", list);
	strv_add(&w.env, "A=1");
	assert_int_equal(interp_tree(&x, root, &notes, &e), 0);
	assert_string_equal(node_get(root, "k$A")->text, "1");
	assert_int_equal(notes.n, 1);
	assert_string_equal(notes.v[0].text, "The \"U\" variable is not set. Defaulting to a blank string.");
	assert_int_equal(notes.v[0].pos.line, 2);
	node_append(a, list, node_str(a, (struct pos){ &src, 2, 6 }, "${"));
	assert_true(interp_tree(&x, root, &notes, &e) < 0);
	assert_true(e.positioned);
	assert_non_null(strstr(err_text(&e), "f.yaml:2:6: invalid interpolation format for list.[].\n"
					     "You may need to escape any $ with another $.\n${\n"));
	assert_non_null(strstr(err_text(&e), "    2 |   a: ${U}\n      |      ^"));
	world_done(&w);
}

/* ---- recorded ---- */

static void one_case(const struct cJSON *c)
{
	struct world w = { 0 };
	AUTO(arena_free) struct arena *a = arena_new();
	struct interp x = { .lookup = lookup, .unset = unset, .arg = &w, .arena = a };
	const char *id = json_str(c, "id"), *want = json_str(c, "expected"), *want_err = json_str(c, "error");
	const char *got = NULL;
	AUTO_STRV(want_unset);
	AUTO_ERR(e);
	AUTO_STR(text, 8192);

	json_map_strv(json_get(c, "env") ? c : NULL, "env", &w.env);
	json_strv(c, "warn_unset", &want_unset);
	if (interp_text(&x, json_str(c, "template"), &got, &e) < 0) {
		str_addf(&text,
			 err_is(&e, EBADMSG) ?
				 "invalid interpolation format for services.a.labels.l.\nYou may need to escape any $ with another $.\n%s" :
				 "error while interpolating services.a.labels.l: %s",
			 err_text(&e));
		if (!want_err || !streq(text.s, want_err))
			fail_msg("%s: error '%s', want '%s'", id, text.s, want_err ? want_err : want);
	} else if (!want || !streq(got, want)) {
		fail_msg("%s: '%s', want '%s'", id, got, want ? want : want_err);
	} else if (json_get(c, "warn_unset")) {
		for (size_t i = 0; i < want_unset.n; i++)
			if (!strv_has(&w.unset, want_unset.v[i]))
				fail_msg("%s: no warning for %s", id, want_unset.v[i]);
		if (want_unset.n == 0 && w.unset.n)
			fail_msg("%s: warning for %s", id, w.unset.v[0]);
	}
	world_done(&w);
}

static void test_recorded(void **state)
{
	each_case("compose/interpolation_cases.jsonl", one_case);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows), cmocka_unit_test(test_limits), cmocka_unit_test(test_each),
		cmocka_unit_test(test_tree), cmocka_unit_test(test_recorded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
