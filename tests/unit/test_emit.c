/* SPDX-License-Identifier: MIT
 *
 * What is written reads back the same, whatever the string; keys come in go-yaml's order.
 */
#include "tests/unit/compose_world.h"
#include "compose/node.h"

static struct node *map_of(struct arena *a, const char *key, const char *value)
{
	struct node *m = node_map(a, (struct pos){ 0 }), *l = node_list(a, (struct pos){ 0 });

	node_append(a, l, node_str(a, (struct pos){ 0 }, value));
	node_set(a, m, key, node_str(a, (struct pos){ 0 }, value));
	node_set(a, m, "list", l);
	return m;
}

static void check(const char *s)
{
	AUTO(arena_free) struct arena *a = arena_new();

	for (int format = EMIT_YAML; format <= EMIT_JSON; format++) {
		AUTO_STR(out, 1 << 16);
		struct node *m = map_of(a, *s ? s : "k", s), *back;

		emit_tree(m, (enum emit_format)format, &out);
		back = tree_of(a, out.s);
		if (!node_equal(m, back) || node_get(back, *s ? s : "k")->type != SCALAR_STR)
			fail_msg("'%s' written as\n%s", s, out.s);
	}
}

static void test_strings(void **state)
{
	static const char *const rows[] = {
		"", " ", "a", "a b", " a", "a ", "\n", "\n\n", "a\n", "a\n\n", "\na", "a\nb", " a\nb", "a \nb", "a\n b", "\ta", "a\tb", "yes",
		"null", "~", "1", "0x1f", "1e3", ".5", "1:30", "2020-01-01", "2020-01-01 10:00:00", "- a", "-", "-a", "? a", ": a", "a: b",
		"a:b", "a #b", "a#b", "#a", "*a", "&a", "!a", "|", ">", "%a", "@a", "`a", "{a}", "[a]", "a, b", "'", "\"", "a'b", "<<", "=",
		"---", "--- a", "...", "true", "True", "NO", "on", "\xc3\xa9", "\xf0\x9f\x98\x80", "\x01", "\x7f", "\xc2\x85", "\xe2\x80\xa8", "\\", "$a",
		"a\r\nb", "line one\n  indented\nline three", "x\n\n\ny\n", "trailing  \nspaces\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(rows[i]);
}

static void test_any_string(void **state)
{
	static const char *const parts[] = {
		" ", "\n", "\t", ":", "#", "-", "'", "\"", "{", "}", "[", "]", "a", "1", ",", "&", "*", "!", "|", ">", "%", "@", "~", ".",
		"\xc3\xa9", "?", "=", "<", "0x", "e", "\\", "$", "\x01", "\xe2\x80\xa8",
	};
	uint32_t seed = 1;

	for (int i = 0; i < 20000; i++) {
		AUTO_STR(s, 256);

		seed = seed * 1664525u + 1013904223u;
		for (unsigned n = (seed >> 8) % 8; n; n--) {
			seed = seed * 1664525u + 1013904223u;
			str_add(&s, parts[(seed >> 8) % ARRAY_LEN(parts)]);
		}
		check(s.s);
	}
}

static void test_order(void **state)
{
	static const char *const want[] = {
		"_URL", "A_B", "A1", "A2", "A10", "AB", "AB_C", "ABC", "a", "b-1", "b-02", "b-10", "b1",
	};
	AUTO(arena_free) struct arena *a = arena_new();
	struct node *m = node_map(a, (struct pos){ 0 });
	AUTO_STR(out, 4096);
	const char *at;

	for (size_t i = ARRAY_LEN(want); i-- > 0;)
		node_set(a, m, want[i], node_null(a, (struct pos){ 0 }));
	emit_tree(m, EMIT_YAML, &out);
	at = out.s;
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		auto_free char *line = xasprintf("%s: null\n", want[i]);

		if (!str_starts(at, line))
			fail_msg("want %s, got\n%s", want[i], out.s);
		at += strlen(line);
	}
}

static void test_shapes(void **state)
{
	static const char yaml[] = "a:\n  - b: 1\n    c:\n      - - x\n        - []\n      - {}\n  - null\nd: {}\n";
	static const char json[] = "{\n  \"a\": [\n    {\n      \"b\": 1,\n      \"c\": [\n        [\n          \"x\",\n          []\n        ],\n        {}\n      ]\n"
				   "    },\n    null\n  ],\n  \"d\": {}\n}\n";
	AUTO(arena_free) struct arena *a = arena_new();
	AUTO_STR(out, 4096);
	AUTO_STR(text, 4096);

	emit_tree(tree_of(a, yaml), EMIT_YAML, &out);
	assert_string_equal(out.s, yaml);
	emit_tree(tree_of(a, yaml), EMIT_JSON, &text);
	assert_string_equal(text.s, json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings), cmocka_unit_test(test_any_string), cmocka_unit_test(test_order), cmocka_unit_test(test_shapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
