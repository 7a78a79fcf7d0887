/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "base/strv.h"
#include "engine/image/since.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];

static void sh(const char *script)
{
	auto_free char *line = xasprintf("cd %s && set -e; %s", dir, script);

	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", line, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void list(int fd, const char *path, struct str *out)
{
	AUTO_STRV(names);

	assert_int_equal(file_names(fd, &names), 0);
	strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		auto_free char *full = xasprintf("%s%s", path, names.v[i]), *below = xasprintf("%s/", full);
		auto_close int sub = openat(fd, names.v[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		str_addf(out, "%s%s ", full, sub >= 0 ? "/" : "");
		if (sub >= 0)
			list(sub, below, out);
	}
}

static int open_at(const char *name)
{
	auto_free char *path = xasprintf("%s/%s", dir, name);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* BEFORE makes a tree, CHANGE changes it: the layer is WANT. The state goes through a file, as for containers. */
static void check_as(const char *before, const char *change, const char *want, bool last)
{
	auto_free char *file = xasprintf("%s/before", dir);
	auto_close int root = -1, out = -1;
	AUTO(since_free) struct since *now = NULL, *was = NULL;
	AUTO_STR(got, 1 << 16);
	AUTO_ERR(e);

	sh("rm -rf root out; mkdir root out");
	sh(before);
	root = open_at("root");
	assert_int_equal(since_read(root, &now, &e), 0);
	assert_int_equal(since_save(now, file, &e), 0);
	assert_int_equal(since_load(file, &was, &e), 0);
	assert_int_equal(since_settle(dir, &e), 0);
	sh(change);
	out = open_at("out");
	if (since_changes(root, was, last, out, &e) < 0)
		fail_msg("%s", err_text(&e));
	list(out, "", &got);
	assert_string_equal(got.s, want);
}

static void check(const char *before, const char *change, const char *want)
{
	check_as(before, change, want, true);
	check_as(before, change, want, false);
}

#define TREE "cd root; mkdir -p a/b c; echo 1 >a/one; echo 2 >a/b/two; echo 1 >c/one; ln a/one a/link; ln -s one a/sym; echo n >'a/x\ny'"

static void test_nothing(void **state)
{
	(void)state;
	check(TREE, "true", "");
	check("true", "true", "");
	check(TREE, "cat root/a/one >/dev/null; ls -R root >/dev/null", "");
}

static void test_changes(void **state)
{
	(void)state;
	check(TREE, "echo 3 >>root/a/b/two", "a/ a/b/ a/b/two ");
	/* neither size nor mtime tells */
	check(TREE, "touch -r root/c/one ref; echo 9 >root/c/one; touch -r ref root/c/one", "c/ c/one ");
	check(TREE, "chmod 600 root/a/one; [ root/a/one -ef root/a/link ]", "a/ a/link a/one ");
	check(TREE, "rm root/a/b/two root/c/one; rmdir root/c", ".wh.c a/ a/b/ a/b/.wh.two ");
	check(TREE, "echo new >root/a/b/new; mkfifo root/p", "a/ a/b/ a/b/new p ");
	check("true", TREE, "a/ a/b/ a/b/two a/link a/one a/sym a/x\ny c/ c/one ");
}

static void test_kinds(void **state)
{
	(void)state;
	check(TREE, "rm root/c/one; mkdir root/c/one; touch root/c/one/in", "c/ c/one/ c/one/.wh..wh..opq c/one/in ");
	check(TREE, "rm -r root/c; echo file >root/c", "c ");
	check(TREE, "rm -r root/c; mkdir root/c", "c/ c/.wh..wh..opq ");
	check(TREE, "rm root/a/sym; ln -s two root/a/sym", "a/ a/sym ");
}

/* What is in a moved folder has kept its times. */
static void test_moved(void **state)
{
	(void)state;
	check(TREE, "mv root/a root/d", ".wh.a d/ d/b/ d/b/two d/link d/one d/sym d/x\ny ");
	check("cd root; mkdir x y; echo 1 >x/same; echo 2 >y/same", "rm -r root/x; mv root/y root/x", ".wh.y x/ x/.wh..wh..opq x/same ");
	check("cd root; mkdir x y; echo 1 >x/same; echo 2 >y/same", "mv root/x t; mv root/y root/x; mv t root/y",
		"x/ x/.wh..wh..opq x/same y/ y/.wh..wh..opq y/same ");
}

static void test_attributes(void **state)
{
	struct stat st;
	auto_free char *a = xasprintf("%s/out/a", dir), *one = xasprintf("%s/out/a/one", dir);

	(void)state;
	check(TREE, "rm root/a/b/two; chmod 710 root/a; touch -d @1000000000 root/a root/a/b; chmod 4711 root/a/one", "a/ a/b/ a/b/.wh.two a/link a/one ");
	assert_int_equal(stat(a, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0710);
	assert_int_equal(st.st_mtim.tv_sec, 1000000000);
	assert_int_equal(stat(one, &st), 0);
	assert_int_equal(st.st_mode & 07777, 04711);
	assert_int_equal(st.st_nlink, 2);
}

static void test_damaged(void **state)
{
	auto_free char *file = xasprintf("%s/before", dir);
	struct since *was = NULL;

	(void)state;
	for (int i = 0; i < 3; i++) {
		static const char *const texts[] = { "1 4000 1 1 1 x", "nonsense", "0 4000 1 1 1" };
		AUTO_ERR(e);

		assert_int_equal(file_replace(file, texts[i], strlen(texts[i]) + 1, 0600, false, &e), 0);
		assert_int_equal(since_load(file, &was, &e), -EPROTO);
	}
}

static int make(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/gantry-since-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int clean(void **state)
{
	AUTO_ERR(e);

	(void)state;
	return file_remove_tree_path(dir, &e) < 0 ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing), cmocka_unit_test(test_changes), cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_moved), cmocka_unit_test(test_attributes), cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, make, clean);
}
