/* SPDX-License-Identifier: MIT */
#include "base/id.h"

#include "base/digest.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void test_ids(void **state)
{
	char a[ID_BUF], b[ID_BUF], odd[8];

	id_new(a);
	id_new(b);
	assert_true(id_is(a) && id_is(b) && !streq(a, b));
	a[3] = 'A';
	assert_false(id_is(a));
	b[63] = '\0';
	assert_false(id_is(b));
	assert_false(id_is(""));
	memset(odd, '!', sizeof(odd));
	id_hex(odd, 5);
	assert_int_equal(strspn(odd, "0123456789abcdef"), 5);
	assert_int_equal(strlen(odd), 5);
	assert_int_equal(odd[6], '!');
}

static void test_names(void **state)
{
	static const struct {
		const char *name;
		bool container, project;
	} rows[] = {
		{ "web-1", true, true }, { "my_app.x", true, false }, { "Web", true, false }, { "9a", true, true },
		{ "a", false, true }, { "", false, false }, { "-a", false, false }, { "_a", false, false }, { ".a", false, false },
		{ "..", false, false }, { "a/b", false, false }, { "a b", false, false }, { "a\n", false, false },
		{ "\xc3\xa9t\xc3\xa9", false, false },
	};
	char longest[300];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (name_is_container(rows[i].name) != rows[i].container || name_is_project(rows[i].name) != rows[i].project)
			fail_msg("'%s'", rows[i].name);
	memset(longest, 'a', sizeof(longest));
	longest[255] = '\0';
	assert_true(name_is_container(longest) && name_is_project(longest));
	longest[255] = 'a';
	longest[256] = '\0';
	assert_false(name_is_container(longest) || name_is_project(longest));
}

static void test_digest(void **state)
{
	char text[DIGEST_TEXT];

	digest_text("abc", 3, text); /* FIPS 180-2, B.1 */
	assert_string_equal(text, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	digest_text("", 0, text);
	assert_string_equal(text, "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids), cmocka_unit_test(test_names), cmocka_unit_test(test_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
