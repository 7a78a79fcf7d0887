/* SPDX-License-Identifier: MIT */
#include "base/dirs.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

static char *top;

static int setup(void **state)
{
	char template[] = "/tmp/gantry-test-XXXXXX";

	top = xstrdup(mkdtemp(template));
	return chdir(top);
}

static int teardown(void **state)
{
	AUTO_ERR(e);
	int r = chdir("/");

	r |= file_remove_tree_path(top, &e) < 0;
	free(TAKE(top));
	return r;
}

static void test_init(void **state)
{
	struct dirs d;
	auto_free char *cwd = path_cwd(), *want = path_join(cwd, "rel");

	unsetenv("GANTRY_ROOT");
	unsetenv("GANTRY_RUN");
	dirs_init(&d, NULL, NULL);
	assert_string_equal(d.root, "/var/lib/gantry");
	assert_string_equal(d.run, "/run/gantry");
	dirs_done(&d);
	setenv("GANTRY_ROOT", "/env//root/", 1);
	setenv("GANTRY_RUN", "", 1);
	dirs_init(&d, NULL, "./x/../rel");
	assert_string_equal(d.root, "/env/root");
	assert_string_equal(d.run, want);
	auto_free char *path = dirs_root(&d, "volumes/%s/data", "db");
	assert_string_equal(path, "/env/root/volumes/db/data");
	dirs_done(&d);
	unsetenv("GANTRY_ROOT");
	unsetenv("GANTRY_RUN");
}

static void test_prepare(void **state)
{
	static const char *const made[] = { "root/id", "root/reserve", "root/images/blobs", "root/images/layers", "root/images/tmp",
					    "root/volumes", "root/containers", "root/trash", "root/tmp", "root/seccomp", "run" };
	AUTO_ERR(e);
	struct dirs a, b;
	struct stat st;

	dirs_init(&a, "root", "run");
	dirs_init(&b, "root", "run");
	assert_int_equal(dirs_prepare(&a, &e), 0);
	assert_int_equal(dirs_prepare(&b, &e), 0);
	assert_string_equal(a.root_id, b.root_id);
	assert_int_equal(strlen(a.root_id), 8);
	assert_int_equal(strlen(a.boot_id), 36);
	for (size_t i = 0; i < ARRAY_LEN(made); i++)
		if (!file_exists(made[i]))
			fail_msg("'%s' is missing", made[i]);
	assert_int_equal(stat("root", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat("root/reserve", &st), 0);
	assert_int_equal(st.st_size, 1 << 20);
	assert_true(st.st_blocks * 512 >= 1 << 20);

	assert_int_equal(chmod("root", 0777), 0);
	assert_int_equal(dirs_prepare(&b, &e), -EPERM);
	assert_non_null(e.hint);
	err_clear(&e);
	assert_int_equal(chmod("root", 0700), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown("root", 1, 1), 0);
		assert_int_equal(dirs_prepare(&b, &e), -EPERM);
		err_clear(&e);
		assert_int_equal(chown("root", 0, 0), 0);
	}
	assert_int_equal(file_replace("root/id", "short\n", 6, 0600, false, &e), 0);
	assert_int_equal(dirs_prepare(&b, &e), -EINVAL); /* never replaced: kernel objects carry it */
	dirs_done(&a);
	dirs_done(&b);
}

/* Many at once on a new root: one id. */
static void test_race(void **state)
{
	pid_t pids[16];
	auto_free char *text = NULL;
	AUTO_ERR(e);

	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct dirs d;
			auto_free char *name = xasprintf("got-%zu", i);

			dirs_init(&d, "root", "run");
			if (dirs_prepare(&d, &e) < 0 || file_replace(name, d.root_id, 8, 0600, false, &e) < 0)
				_exit(1);
			_exit(0);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(file_read("root/id", 64, &text, NULL, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		auto_free char *name = xasprintf("got-%zu", i), *got = NULL;

		assert_int_equal(file_read(name, 64, &got, NULL, &e), 0);
		assert_memory_equal(got, text, 8);
	}
}

static void test_program(void **state)
{
	AUTO_ERR(e);
	auto_free char *here = NULL, *there = NULL, *want = path_join(top, "gantry-x");

	assert_int_equal(dirs_program(program_invocation_short_name, &here, &e), 0); /* beside us */
	assert_int_equal(dirs_program("gantry-x", &there, &e), -ENOENT);
	err_clear(&e);
	assert_int_equal(file_replace("gantry-x", "", 0, 0755, false, &e), 0);
	setenv("GANTRY_LIBEXEC", top, 1);
	assert_int_equal(dirs_program("gantry-x", &there, &e), 0);
	assert_string_equal(there, want);
	unsetenv("GANTRY_LIBEXEC");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init),
		cmocka_unit_test_setup_teardown(test_prepare, setup, teardown),
		cmocka_unit_test_setup_teardown(test_race, setup, teardown),
		cmocka_unit_test_setup_teardown(test_program, setup, teardown),
	};

	umask(022);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
