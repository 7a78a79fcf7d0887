/* SPDX-License-Identifier: MIT */
#include "tests/unit/compose_cases.h"
#include "base/arena.h"
#include "base/time.h"
#include "compose/node.h"
#include "compose/yaml.h"
#include <errno.h>

/* ---- scalars ---- */

static void test_resolve(void **state)
{
	static const struct {
		const char *in;
		enum yaml_plain type;
		const char *text;
	} rows[] = {
		{ "", YAML_NULL, "" },           { "~", YAML_NULL, "" },          { "null", YAML_NULL, "" },
		{ "NuLL", YAML_STR, "NuLL" },    { "true", YAML_BOOL, "true" },   { "FALSE", YAML_BOOL, "false" },
		{ "yes", YAML_STR, "yes" },      { "no", YAML_STR, "no" },        { "on", YAML_STR, "on" },
		{ "y", YAML_STR, "y" },          { "tRue", YAML_STR, "tRue" },    { "0", YAML_INT, "0" },
		{ "-0", YAML_INT, "0" },         { "+12", YAML_INT, "12" },       { "0440", YAML_INT, "288" },
		{ "0o17", YAML_INT, "15" },      { "0x1F", YAML_INT, "31" },      { "0b101", YAML_INT, "5" },
		{ "-0x10", YAML_INT, "-16" },    { "1_000", YAML_INT, "1000" },   { "08", YAML_FLOAT, "8" },
		{ "0o8", YAML_STR, "0o8" },      { "1.10", YAML_FLOAT, "1.1" },   { "1.0", YAML_FLOAT, "1" },
		{ "1e3", YAML_FLOAT, "1000" },   { "1e6", YAML_FLOAT, "1e+06" },  { "123456.5", YAML_FLOAT, "123456.5" },
		{ "1234567.5", YAML_FLOAT, "1.2345675e+06" },                     { ".5", YAML_FLOAT, "0.5" },
		{ "0.0001", YAML_FLOAT, "0.0001" },                               { "0.00001", YAML_FLOAT, "1e-05" },
		{ "-1.5", YAML_FLOAT, "-1.5" },  { "1.", YAML_FLOAT, "1" },       { ".inf", YAML_FLOAT, "+Inf" },
		{ "-.Inf", YAML_FLOAT, "-Inf" }, { ".nan", YAML_FLOAT, "NaN" },   { "1e999", YAML_STR, "1e999" },
		{ ".", YAML_STR, "." },          { "-", YAML_STR, "-" },          { "1.2.3", YAML_STR, "1.2.3" },
		{ "22:22", YAML_STR, "22:22" },  { "1k", YAML_STR, "1k" },        { "0x", YAML_STR, "0x" },
		{ "9223372036854775807", YAML_INT, "9223372036854775807" },
		{ "18446744073709551615", YAML_INT, "18446744073709551615" },
		{ "18446744073709551616", YAML_FLOAT, "1.8446744073709552e+19" },
		{ "-9223372036854775808", YAML_INT, "-9223372036854775808" },
		{ "2020-01-01", YAML_TIME, "2020-01-01 00:00:00 +0000 UTC" },
		{ "2001-1-2", YAML_TIME, "2001-01-02 00:00:00 +0000 UTC" },
		{ "2001-12-14T21:59:43.10-05:00", YAML_TIME, "2001-12-14 21:59:43.1 -0500 -0500" },
		{ "2001-12-14t21:59:43Z", YAML_TIME, "2001-12-14 21:59:43 +0000 UTC" },
		{ "2001-12-14 21:59:43.5", YAML_TIME, "2001-12-14 21:59:43.5 +0000 UTC" },
		{ "2001-02-30", YAML_STR, "2001-02-30" },
		{ "2001-12", YAML_STR, "2001-12" },
		{ "2020-01-01x", YAML_STR, "2020-01-01x" },
	};
	AUTO(arena_free) struct arena *a = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *text;
		enum yaml_plain type = yaml_resolve(a, rows[i].in, &text);

		if (type != rows[i].type || !streq(text, rows[i].text))
			fail_msg("'%s': %d '%s', want %d '%s'", rows[i].in, type, text, rows[i].type, rows[i].text);
	}
}

/* ---- trees, in one line: {a: s"x", b: [i1, ~]} ---- */

static void dump(const struct node *n, struct str *out)
{
	static const char types[] = { [SCALAR_STR] = 's', [SCALAR_BOOL] = 'b', [SCALAR_INT] = 'i', [SCALAR_FLOAT] = 'f',
				      [SCALAR_TIME] = 't' };

	if (n->tag)
		str_add(out, n->tag == TAG_RESET ? "!r " : "!o ");
	if (n->kind == NODE_NULL) {
		str_add(out, "~");
	} else if (n->kind == NODE_SCALAR) {
		str_addf(out, "%c%s", types[n->type], n->text);
	} else {
		str_addc(out, n->kind == NODE_MAP ? '{' : '[');
		for (size_t i = 0; i < n->n; i++) {
			str_add(out, i ? ", " : "");
			if (n->kind == NODE_MAP)
				str_addf(out, "%s: ", n->keys[i]->text);
			dump(n->items[i], out);
		}
		str_addc(out, n->kind == NODE_MAP ? '}' : ']');
	}
}

static int parse(struct arena *a, const char *text, size_t len, char **ret, struct err *e)
{
	struct source *src = arena_alloc(a, sizeof *src);
	struct yaml_docs docs;
	AUTO_STR(out, 1 << 20);

	*src = (struct source){ .path = "f.yaml", .dir = "/", .text = text, .len = len };
	TRY(yaml_parse(a, src, &docs, e));
	for (size_t i = 0; i < docs.n; i++) {
		str_add(&out, i ? " --- " : "");
		dump(docs.v[i], &out);
	}
	*ret = str_take(&out);
	return 0;
}

static void test_trees(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "", "" },
		{ "# only a comment\n", "" },
		{ "a: 1\n", "{a: i1}" },
		{ "{\"a\": [1, 'x', null]}", "{a: [i1, sx, ~]}" },
		{ "a: !!str 5\nb: !!int \"5\"\nc: !!float 1\nd: !!binary aGk=\ne: !x 5\n",
		  "{a: s5, b: i5, c: f1, d: shi, e: s5}" },
		{ "a: \"1\"\nb: |\n  true\n", "{a: s1, b: strue\n}" },
		{ "a: &x {k: 1}\nb: *x\n", "{a: {k: i1}, b: {k: i1}}" },
		{ "x: &x {k: 1, l: 2}\na:\n  <<: *x\n  l: 3\n", "{x: {k: i1, l: i2}, a: {l: i3, k: i1}}" },
		{ "p: &p {a: 1}\nq: &q {a: 2, b: 2}\nr: {<<: [*p, *q]}\n",
		  "{p: {a: i1}, q: {a: i2, b: i2}, r: {a: i1, b: i2}}" },
		{ "a: {\"<<\": 1}", "{a: {<<: i1}}" },
		{ "a: !reset null\nb: !override [1]\nc: !reset\n", "{a: !r snull, b: !o [i1], c: !r s}" },
		{ "a: 1\n---\nb: 2\n---\n", "{a: i1} --- {b: i2} --- ~" },
		{ "&k a: 1\n*k : 2\n", NULL },
		{ "a: *k\n", NULL },
		{ "\xef\xbb\xbf"
		  "a: 1\n",
		  "{a: i1}" },
		{ "a: &a 1\nb: &a 2\nc: *a\n", "{a: i1, b: i2, c: i2}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_free) struct arena *a = arena_new();
		auto_free char *got = NULL;
		AUTO_ERR(e);
		int r = parse(a, rows[i].in, strlen(rows[i].in), &got, &e);

		if ((r < 0) != !rows[i].want || (r >= 0 && !streq(got, rows[i].want)))
			fail_msg("'%s': '%s', want '%s'", rows[i].in, r < 0 ? err_text(&e) : got, str0(rows[i].want));
	}
}

static void test_utf16(void **state)
{
	static const char text[] = "\xff\xfe"
				   "a\0:\0 \0x\0\n";
	AUTO(arena_free) struct arena *a = arena_new();
	auto_free char *got = NULL;
	AUTO_ERR(e);

	assert_int_equal(parse(a, text, sizeof text, &got, &e), 0);
	assert_string_equal(got, "{a: sx}");
}

static void test_errors(void **state)
{
	static const struct {
		const char *in, *want; /* start of the text */
	} rows[] = {
		{ "a: 1\nb: 2\na: 3\n", "f.yaml:3:1: mapping key \"a\" already defined at line 1\n    3 | a: 3\n      | ^" },
		{ "s:\n  a:\n    1: x\n", "f.yaml:3:5: non-string key in s.a: 1\n" },
		{ "true: x\n", "f.yaml:1:1: non-string key at top level: true\n" },
		{ "s: [{null: x}]\n", "f.yaml:1:6: non-string key in s[0]: <nil>\n" },
		{ "? [a]\n: x\n", "f.yaml:1:3: a key must be a string, not a list\n" },
		{ "a: &x {<<: *x}\n", "f.yaml:1:12: anchor 'x' value contains itself\n" },
		{ "a: *nope\n", "f.yaml:1:4: unknown anchor 'nope' referenced\n" },
		{ "a: {<<: 5}\n", "f.yaml:1:9: map merge requires map or sequence of maps as the value\n" },
		{ "<<: {a: 1}\n<<: {b: 1}\n", "f.yaml:2:1: mapping key \"<<\" already defined at line 1\n" },
		{ "a: b: c\n", "f.yaml:1:5: mapping values are not allowed in this context\n" },
		{ "a:\n\t- x\n", "f.yaml:2:1: found character that cannot start any token" },
		{ "a: [1\n", "f.yaml:1:4: did not find expected ',' or ']' before the file ends" },
		{ "a: \"x\\0\"\n", "f.yaml:1:4: a NUL character cannot be part of a value\n" },
		{ "a: !!int x\n", "f.yaml:1:4: cannot decode !!str `x` as a !!int\n" },
		{ "a: 1\nb: \x01\n", "f.yaml:2:4: control characters are not allowed\n" },
		{ "a: 1\nb: \xff\n", "f.yaml:2:4: invalid leading UTF-8 octet" },
		{ "\xc3\xa9: 1\n\xc3\xa9\xc3\xa9: [x, *n]\n", "f.yaml:2:9: unknown anchor 'n' referenced\n"
							     "    2 | \xc3\xa9\xc3\xa9: [x, *n]\n      |         ^" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_free) struct arena *a = arena_new();
		auto_free char *got = NULL;
		AUTO_ERR(e);

		if (parse(a, rows[i].in, strlen(rows[i].in), &got, &e) >= 0)
			fail_msg("'%s': no error, '%s'", rows[i].in, got);
		if (!str_starts(err_text(&e), rows[i].want))
			fail_msg("'%s': '%s', want '%s'", rows[i].in, err_text(&e), rows[i].want);
		assert_true(e.positioned);
	}
}

/* ---- hostile ---- */

static void check_hostile(const struct str *text, const char *want)
{
	AUTO(arena_free) struct arena *a = arena_new();
	auto_free char *got = NULL;
	int64_t start = time_mono_ns();
	AUTO_ERR(e);

	assert_true(parse(a, text->s, text->len, &got, &e) < 0);
	if (!strstr(err_text(&e), want))
		fail_msg("'%s', want '%s'", err_text(&e), want);
	assert_true(time_mono_ns() - start < 1000000000);
	assert_true(arena_used(a) < 64 << 20);
}

/* What went wrong is told from the lines around it. */
static void test_hints(void **state)
{
	static const struct {
		const char *in, *hint;
	} rows[] = {
		{ "a:\n\tb: c\n", "that is a tab: indent with spaces" },
		{ "a: @b\n", "quote a value that starts with '@'" },
		{ "a:\n  b: x\n    c: y\n", "this line stands deeper than line 2, which has its value already" },
		{ "a:\n  b\n    c: y\n", "line 2: is a ':' missing at its end?" },
		{ "a:\n  b:x\n  # more\n\n  c: y\n", "line 2: a ':' needs a blank behind it" },
		{ "a: echo b: c\n", "quote the value: it has a ':' with a blank behind it" },
		{ "a:\n-b\n", "an item of a list needs a blank behind its '-'" },
		{ "a:\n  b: \"x\n  c: \"y\"\n", "the quote that opens in line 2 ends in line 3: is one missing?" },
		{ "a:\n  b: x\n c: y\n", "check the indentation of this line and the one before" },
		{ "a:\n  - b\n  c: d\n", "all items of a list start in the same column" },
		{ "{a: b\n", "close the brace; within it, quote a value that has brackets, braces or ${…}" },
		{ "a: !!int x\n", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(arena_free) struct arena *a = arena_new();
		struct source src = { .path = "f", .text = rows[i].in, .len = strlen(rows[i].in) };
		struct yaml_docs docs;
		AUTO_ERR(e);

		assert_true(yaml_parse(a, &src, &docs, &e) < 0);
		if (!streq0(e.hint, rows[i].hint))
			fail_msg("'%s': '%s', want '%s'", rows[i].in, str0(e.hint), str0(rows[i].hint));
	}
}

static void test_hostile(void **state)
{
	AUTO_STR(bomb, 1 << 20);
	AUTO_STR(deep, 1 << 20);
	AUTO_STR(deepmap, 1 << 20);
	AUTO_STR(ladder, 8 << 20);
	AUTO_STR(gap, 1 << 20);

	str_add(&bomb, "a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 12; i++)
		str_addf(&bomb, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1, i - 1, i - 1,
			 i - 1, i - 1);
	check_hostile(&bomb, "excessive aliasing");
	for (int i = 0; i < 20000; i++)
		str_addc(&deep, '[');
	check_hostile(&deep, "nested more than");
	for (int i = 0; i < 20000; i++)
		str_add(&deepmap, "{a: ");
	check_hostile(&deepmap, "nested more than");
	for (int i = 0; i < 4; i++) { /* each level puts the one before 600 deeper */
		str_addf(&ladder, "a%d: &a%d\n%*s", i, i, 1, "");
		for (int k = 0; k < 600; k++)
			str_add(&ladder, "- ");
		str_addf(&ladder, i ? "*a%d\n" : "x\n", i - 1);
	}
	check_hostile(&ladder, "nested more than");
	str_add(&gap, "a:\n  b: x\n"); /* the hint speaks of the line before it */
	for (int i = 0; i < 300000; i++)
		str_addc(&gap, '\n');
	str_add(&gap, "    c: y\n");
	check_hostile(&gap, "mapping values are not allowed");
}

static void test_many_keys(void **state)
{
	AUTO_STR(text, 16 << 20);
	AUTO(arena_free) struct arena *a = arena_new();
	auto_free char *got = NULL;
	int64_t start = time_mono_ns();
	AUTO_ERR(e);

	for (int i = 0; i < 40000; i++)
		str_addf(&text, "key%d: {image: x}\n", i);
	assert_int_equal(parse(a, text.s, text.len, &got, &e), 0);
	assert_true(time_mono_ns() - start < 2000000000);
}

/* ---- nodes ---- */

static void test_node_map(void **state)
{
	AUTO(arena_free) struct arena *a = arena_new();
	struct pos none = { 0 };
	struct node *m = node_map(a, none), *copy;
	char key[16];

	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof key, "k%d", i);
		node_set(a, m, key, node_str(a, none, key));
	}
	node_set(a, m, "k7", node_str(a, none, "seven"));
	assert_int_equal(m->n, 100);
	assert_string_equal(node_get(m, "k7")->text, "seven");
	assert_string_equal(m->keys[7]->text, "k7");
	copy = node_copy(a, m);
	assert_true(node_equal(copy, m));
	assert_true(node_remove(m, "k3"));
	assert_false(node_remove(m, "k3"));
	assert_null(node_get(m, "k3"));
	assert_string_equal(node_get(m, "k99")->text, "k99");
	node_set(a, m, "new", node_null(a, none));
	assert_string_equal(node_get(m, "k50")->text, "k50");
	assert_non_null(node_get(copy, "k3"));
	assert_false(node_equal(copy, m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resolve), cmocka_unit_test(test_trees),     cmocka_unit_test(test_utf16),
		cmocka_unit_test(test_errors),  cmocka_unit_test(test_hints), cmocka_unit_test(test_hostile),   cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_node_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
