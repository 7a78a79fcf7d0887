/* SPDX-License-Identifier: MIT
 *
 * The table is docker's recorded behaviour with our two exceptions: digits are always a number, and a line with an id that is none is skipped.
 */
#include "base/err.h"
#include "base/str.h"
#include "engine/container/user.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "app:x:1000:1001::/home/app:/bin/sh\n"
			     "dup:x:1000:2000::/home/dup:/bin/sh\n"
			     "1234:x:77:77::/home/n:/bin/sh\n"
			     "nohome:x:1002:1002:::/bin/sh\n"
			     "  spaced:x:1003:1003::/home/spaced:/bin/sh\n"
			     "# comment:x:1004:1004::/home/comment:/bin/sh\n"
			     "short:x:1005\n"
			     "bad:x:abc:def::/:/bin/sh\n"
			     "neg:x:-5:0::/:/bin/sh\n"
			     "big:x:4294967296:0::/:/bin/sh\n"
			     "99999999999999999999:x:0:0::/:\n"
			     "last:x:1006:1006::/l:"; /* no newline at the end */
static const char group[] = "root:x:0:\n"
			    "app:x:1001:\n"
			    "extra:x:3000:app,other\n"
			    "more:x:3001:root,app\n"
			    "5000:x:5001:app2\n"
			    "dupg:x:6000:\n"
			    "dupg:x:6001:\n"
			    "badg:x:zz:app\n"
			    "nearly:x:3002:apps,xapp\n";

static const struct {
	const char *spec, *add, *want;
} rows[] = {
	{ NULL, "", "0 0 [0 3001] /root" },
	{ "", "", "0 0 [0 3001] /root" },
	{ "root", "", "0 0 [0 3001] /root" },
	{ "0", "", "0 0 [0 3001] /root" },
	{ "app", "", "1000 1001 [1001 3000 3001] /home/app" },
	{ "1000", "", "1000 1001 [1001 3000 3001] /home/app" },
	{ "+1000", "", "1000 1001 [1001 3000 3001] /home/app" },
	{ "dup", "", "1000 2000 [2000] /home/app" },
	{ "1000:1001", "", "1000 1001 [1001] /home/app" },
	{ "app:extra", "", "1000 3000 [3000] /home/app" },
	{ "app:5000", "", "1000 5000 [5000] /home/app" },
	{ "app:dupg", "", "1000 6000 [6000] /home/app" },
	{ "1234", "", "1234 0 [0] /" }, /* a number, whoever is named so */
	{ "9999", "", "9999 0 [0] /" },
	{ "9999:8888", "", "9999 8888 [8888] /" },
	{ "nohome", "", "1002 1002 [1002] /" },
	{ "spaced", "", "1003 1003 [1003] /home/spaced" },
	{ "short", "", "1005 0 [0] /" },
	{ "last", "", "1006 1006 [1006] /l" },
	{ ":extra", "", "0 3000 [3000] /root" },
	{ ":3000", "", "0 3000 [3000] /root" },
	{ "app:", "", "1000 1001 [1001 3000 3001] /home/app" },
	{ "app:extra:zzz", "", "1000 3000 [3000] /home/app" },
	{ "2147483647", "", "2147483647 0 [0] /" },
	{ "app", "777", "1000 1001 [1001 3000 3001 777] /home/app" },
	{ "app", "extra", "1000 1001 [1001 3000 3001] /home/app" },
	{ "app", "5000", "1000 1001 [1001 3000 3001 5000] /home/app" },
	{ "bad", "", "!unable to find user 'bad'" },
	{ "neg", "", "!unable to find user 'neg'" },
	{ "big", "", "!unable to find user 'big'" },
	{ "# comment", "", "!unable to find user" },
	{ "nouser", "", "!unable to find user 'nouser'" },
	{ " app", "", "!unable to find user" },
	{ "app\n", "", "!unable to find user" },
	{ "1e3", "", "!unable to find user" },
	{ "0x0", "", "!unable to find user" },
	{ "1 ", "", "!unable to find user" },
	{ "\xd9\xa3", "", "!unable to find user" },
	{ "app:nogroup", "", "!unable to find group 'nogroup'" },
	{ "app:badg", "", "!unable to find group 'badg'" },
	{ "app", "nogroup", "!group_add: unable to find group" },
	{ "app", "-3", "!range" },
	{ "-1", "", "!range" },
	{ "2147483648", "", "!range" },
	{ "4294967296", "", "!range" },
	{ "99999999999999999999", "", "!range" },
	{ "app:4294967296", "", "!range" },
};

static void test_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_DONE(ctr_user_done) struct ctr_user u = CTR_USER_INIT;
		AUTO_ERR(e);
		AUTO_STRV(add);
		AUTO_STR(got, 4096);

		if (*rows[i].add)
			strv_add(&add, rows[i].add);
		if (ctr_user_parse(rows[i].spec, &add, passwd, group, &u, &e) < 0) {
			str_addf(&got, "!%s", err_text(&e));
		} else {
			str_addf(&got, "%u %u [", u.uid, u.gid);
			for (size_t k = 0; k < u.ngroups; k++)
				str_addf(&got, "%s%u", k ? " " : "", u.groups[k]);
			str_addf(&got, "] %s", u.home);
		}
		if (*rows[i].want == '!' ? *got.s != '!' || !strstr(got.s, rows[i].want + 1) : !streq(got.s, rows[i].want))
			fail_msg("'%s' +'%s': got '%s', want '%s'", str0(rows[i].spec), rows[i].add, got.s, rows[i].want);
	}
}

static void test_no_files(void **state)
{
	AUTO_DONE(ctr_user_done) struct ctr_user u = CTR_USER_INIT;
	AUTO_ERR(e);

	(void)state;
	assert_int_equal(ctr_user_parse("5:6", NULL, "", "", &u, &e), 0);
	assert_true(u.uid == 5 && u.gid == 6 && u.ngroups == 1 && u.groups[0] == 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_parse), cmocka_unit_test(test_no_files) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
