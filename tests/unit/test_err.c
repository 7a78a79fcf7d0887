/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include "base/alloc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_set_and_wrap(void **state)
{
	AUTO_ERR(e);

	assert_int_equal(err_set(&e, EINVAL, "port %d: out of range", 70000), -EINVAL);
	assert_int_equal(err_wrap(&e, "service '%s'", "web"), -EINVAL);
	assert_string_equal(err_text(&e), "service 'web': port 70000: out of range");
	assert_true(err_is(&e, EINVAL) && err_is(&e, -EINVAL) && !err_is(&e, 0));
	assert_int_equal(err_exit(&e, 127), -EINVAL);
	assert_int_equal(e.exit, 127);
	err_clear(&e);
	assert_string_equal(err_text(&e), "");
	assert_false(err_is(&e, 0));
}

static void test_sys(void **state)
{
	AUTO_ERR(e);

	errno = ENOENT;
	assert_int_equal(err_sys(&e, "open '%s'", "/x"), -ENOENT);
	assert_string_equal(err_text(&e), "open '/x': No such file or directory");
	err_clear(&e);
	assert_int_equal(err_code(&e, EPERM, "mount"), -EPERM);
	assert_string_equal(err_text(&e), "mount: Operation not permitted");
}

static void test_positioned_is_not_wrapped(void **state)
{
	AUTO_ERR(e);

	err_set(&e, EINVAL, "compose.yaml:12:5: unknown key");
	e.positioned = true;
	assert_int_equal(err_wrap(&e, "service 'web'"), -EINVAL);
	assert_string_equal(err_text(&e), "compose.yaml:12:5: unknown key");
}

static void test_first_hint_stays(void **state)
{
	AUTO_ERR(e);

	err_set(&e, ENOENT, "x");
	err_hint(&e, "create %s", "it");
	err_hint(&e, "look around");
	assert_string_equal(e.hint, "create it");
}

static void test_bounds(void **state)
{
	AUTO_ERR(e);
	auto_free char *text = xmalloc(3 * ERR_TEXT);

	/* two-byte characters, shifted by one: the cut must not split one */
	for (size_t i = 0; i < ERR_TEXT; i++)
		memcpy(text + 2 * i, "\xc3\xa9", 2);
	text[2 * (size_t)ERR_TEXT] = '\0';
	err_set(&e, EINVAL, "x%s", text);
	assert_true(strlen(e.text) < ERR_TEXT && strlen(e.text) > ERR_TEXT - 8);
	assert_string_equal(e.text + strlen(e.text) - 5, "\xc3\xa9...");
	err_hint(&e, "%s", text);
	assert_true(strlen(e.hint) < ERR_HINT);
	err_wrap(&e, "%s", text);
	assert_true(strlen(e.text) < ERR_TEXT);
	err_clear(&e);
	errno = ENOSPC;
	err_sys(&e, "%s", text);
	assert_non_null(strstr(e.text, "No space left"));
}

static void test_encode(void **state)
{
	AUTO_ERR(a);
	AUTO_ERR(b);
	size_t n;

	err_set(&a, ENOSPC, "volume 'x':\nfull");
	err_hint(&a, "free some room");
	err_exit(&a, 17);
	a.positioned = true;
	auto_free char *wire = err_encode(&a, &n);
	assert_int_equal(err_decode(&b, wire, n), -ENOSPC);
	assert_string_equal(b.text, a.text);
	assert_string_equal(b.hint, a.hint);
	assert_int_equal(b.exit, 17);
	assert_true(b.positioned);
	for (size_t cut = 0; cut < n; cut++) {
		err_clear(&b);
		assert_int_equal(err_decode(&b, wire, cut), -EPROTO);
	}
}

static void test_decode_hostile(void **state)
{
	static const char *const rows[] = {
		"gerr 0 0 0 0 0\n", "gerr 5000 0 0 0 0\n", "gerr 1 0 2 0 0\n", "gerr 1 0 0 0 1\n",
		"gerr 1 0 0 99999999999999999999 0\n", "gerr -1 0 0 0 0\n", "gerr 1 0 0 0 0", "hello, world",
		"gerr 1 0 0 0 0\nx", "gerr  1 0 0 0 0\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_ERR(e);

		assert_int_equal(err_decode(&e, rows[i], strlen(rows[i])), -EPROTO);
	}
}

static void test_move(void **state)
{
	AUTO_ERR(a);
	AUTO_ERR(b);

	err_set(&a, EIO, "disk");
	assert_int_equal(err_move(&b, &a), -EIO);
	assert_int_equal(a.code, 0);
	assert_null(a.text);
	assert_string_equal(b.text, "disk");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_and_wrap), cmocka_unit_test(test_sys),
		cmocka_unit_test(test_positioned_is_not_wrapped), cmocka_unit_test(test_first_hint_stays),
		cmocka_unit_test(test_bounds), cmocka_unit_test(test_encode),
		cmocka_unit_test(test_decode_hostile), cmocka_unit_test(test_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
