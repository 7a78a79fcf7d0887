/* SPDX-License-Identifier: MIT
 *
 * What only root may do (devices, owners, capabilities, mounts) is tested when we are root.
 */
#include "base/file.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

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

	if (file_remove_tree_path(top, &e) < 0) {
		print_error("%s\n", err_text(&e));
		r = -1;
	}
	free(TAKE(top));
	return r;
}

static void write_text(const char *path, const char *text)
{
	AUTO_ERR(e);

	if (file_replace(path, text, strlen(text), 0644, false, &e) < 0)
		fail_msg("%s", err_text(&e));
}

static void test_replace_and_read(void **state)
{
	AUTO_ERR(e);
	auto_free char *text = NULL, *none = NULL;
	struct stat st;
	size_t n;

	umask(077);
	assert_int_equal(file_replace("f", "one", 3, 0644, true, &e), 0);
	assert_int_equal(file_replace("f", "two!", 4, 04755, false, &e), 0);
	assert_int_equal(stat("f", &st), 0);
	assert_int_equal(st.st_mode & 07777, 04755);
	assert_int_equal(file_read("f", 4, &text, &n, &e), 0);
	assert_string_equal(text, "two!");
	assert_int_equal(n, 4);
	assert_int_equal(file_read("f", 3, &none, NULL, &e), -EFBIG);
	assert_string_equal(err_text(&e), "'f': larger than 3 bytes");
	err_clear(&e);
	assert_int_equal(file_read("none", 3, &none, NULL, &e), -ENOENT);
	err_clear(&e);
	assert_int_equal(file_read(".", 3, &none, NULL, &e), -EISDIR);
	err_clear(&e);
	assert_int_equal(mkdir("d", 0755), 0);
	assert_int_equal(file_replace("d", "x", 1, 0644, false, &e), -EISDIR);
	err_clear(&e);
	assert_int_equal(file_remove_tree_path("d", &e), 0);
	assert_int_equal(file_write("f", "x\n", &e), 0);
	assert_int_equal(file_write("none", "x\n", &e), -ENOENT);
	assert_false(file_exists("none"));
	/* no temporary file is left */
	assert_int_equal(unlink("f"), 0);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(top), 0);
	assert_int_equal(mkdir(top, 0700), 0);
}

static void test_mkdir_p(void **state)
{
	AUTO_ERR(e);

	assert_int_equal(file_mkdir_p("a/b//c/", 0755, &e), 0);
	assert_int_equal(file_mkdir_p("a/b/c", 0755, &e), 0);
	assert_true(file_exists("a/b/c"));
	write_text("a/f", "");
	assert_true(file_mkdir_p("a/f/x", 0755, &e) < 0);
	err_clear(&e);
	assert_int_equal(file_mkdir_p("a/f", 0755, &e), -ENOTDIR);
}

static void test_lock(void **state)
{
	AUTO_ERR(e);
	auto_close int a = -1, b = -1, c = -1;
	auto_free char *text = NULL;

	assert_int_equal(file_lock("l", false, true, &a, &e), 0);
	assert_int_equal(file_lock("l", false, false, &b, &e), 1);
	assert_int_equal(file_lock("l", true, false, &b, &e), 1);
	assert_int_equal(b, -1);
	assert_int_equal(file_read("l", 32, &text, NULL, &e), 0);
	assert_int_equal(strtol(text, NULL, 10), getpid());
	close(TAKE_FD(a));
	assert_int_equal(file_lock("l", true, false, &a, &e), 0);
	assert_int_equal(file_lock("l", true, false, &b, &e), 0);
	assert_int_equal(file_lock("l", false, false, &c, &e), 1);
}

static void test_remove(void **state)
{
	AUTO_ERR(e);

	assert_int_equal(file_remove_tree_path("none", &e), 1);
	assert_int_equal(file_mkdir_p("keep", 0755, &e), 0);
	write_text("keep/f", "x");
	assert_int_equal(file_mkdir_p("t/a/b", 0755, &e), 0);
	write_text("t/a/f", "x");
	assert_int_equal(symlink("../keep", "t/link"), 0);
	assert_int_equal(symlink("../../keep", "t/a/link"), 0);
	assert_int_equal(mkfifo("t/fifo", 0600), 0);
	assert_int_equal(file_mkdir_p("t/closed/in", 0755, &e), 0);
	assert_int_equal(chmod("t/closed/in", 0), 0);
	assert_int_equal(chmod("t/closed", 0), 0);
	assert_int_equal(file_remove_tree_path("t", &e), 0);
	assert_false(file_exists("t"));
	assert_true(file_exists("keep/f"));
	assert_int_equal(symlink("keep", "l"), 0);
	assert_int_equal(file_remove_tree_path("l", &e), 0);
	assert_true(file_exists("keep/f"));
	assert_int_equal(file_remove_tree_path("keep/f", &e), 0);
}

/* Deeper than any path is long and any table of descriptors is wide; many files beside. */
static void make_deep(int levels)
{
	auto_close int at = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < levels; i++) {
		int next;

		assert_int_equal(mkdirat(at, "deep", 0755), 0);
		next = openat(at, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(at);
		at = next;
	}
	close(openat(at, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static void test_deep(void **state)
{
	AUTO_ERR(e);
	struct rlimit before, few;

	make_deep(3000);
	assert_int_equal(file_mkdir_p("wide", 0755, &e), 0);
	for (int i = 0; i < 3000; i++) {
		char name[32];

		snprintf(name, sizeof(name), i % 10 ? "wide/%d" : "wide/d%d", i);
		if (i % 10)
			close(open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
		else
			assert_int_equal(mkdir(name, 0755), 0);
	}
	getrlimit(RLIMIT_NOFILE, &before);
	few = before;
	few.rlim_cur = 24;
	setrlimit(RLIMIT_NOFILE, &few);
	if (file_copy_tree(AT_FDCWD, "deep", AT_FDCWD, "copy", &e) < 0 ||
	    file_remove_tree_path("copy", &e) < 0 || file_remove_tree_path("deep", &e) < 0 ||
	    file_remove_tree_path("wide", &e) < 0) {
		setrlimit(RLIMIT_NOFILE, &before);
		fail_msg("%s", err_text(&e));
	}
	setrlimit(RLIMIT_NOFILE, &before);
	assert_false(file_exists("deep") || file_exists("copy") || file_exists("wide"));
}

/* In a mount namespace of its own: what is mounted in the tree stays, and so does the way to it. */
static void test_remove_mounts(void **state)
{
	int status = 0;
	pid_t pid;
	AUTO_ERR(e);

	if (geteuid() != 0)
		skip();
	assert_int_equal(file_mkdir_p("t/a/mnt", 0755, &e), 0);
	assert_int_equal(file_mkdir_p("source", 0755, &e), 0);
	write_text("source/f", "precious");
	write_text("t/a/other", "x");
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("source", "t/a/mnt", NULL, MS_BIND, NULL) < 0) /* the same file system */
			_exit(77);
		if (file_remove_tree_path("t", &e) != -EBUSY || file_exists("t/a/other") ||
		    !file_exists("t/a/mnt/f"))
			_exit(1);
		err_clear(&e);
		_exit(file_remove_tree_path("t/a/mnt", &e) == -EBUSY && file_exists("source/f") ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
	assert_true(file_exists("source/f"));
	assert_int_equal(file_remove_tree_path("t", &e), 0);
}

static void same(const char *a, const char *b)
{
	struct stat x, y;

	assert_int_equal(lstat(a, &x), 0);
	if (lstat(b, &y) < 0)
		fail_msg("'%s': %s", b, strerror(errno));
	if (x.st_mode != y.st_mode || x.st_uid != y.st_uid || x.st_gid != y.st_gid || x.st_rdev != y.st_rdev ||
	    (!S_ISDIR(x.st_mode) && x.st_size != y.st_size) ||
	    x.st_mtim.tv_sec != y.st_mtim.tv_sec || x.st_mtim.tv_nsec != y.st_mtim.tv_nsec)
		fail_msg("'%s' and '%s' differ: mode %o %o, uid %u %u, mtime %lld.%09ld %lld.%09ld", a, b, x.st_mode,
			 y.st_mode, x.st_uid, y.st_uid, (long long)x.st_mtim.tv_sec, x.st_mtim.tv_nsec,
			 (long long)y.st_mtim.tv_sec, y.st_mtim.tv_nsec);
}

static void set_time(const char *path, long second, long ns)
{
	struct timespec t[2] = { { .tv_sec = second, .tv_nsec = ns }, { .tv_sec = second, .tv_nsec = ns } };

	assert_int_equal(utimensat(AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW), 0);
}

static void test_copy(void **state)
{
	static const char *const names[] = { "", "/d", "/d/setuid", "/d/hard", "/link", "/dangling", "/fifo", "/closed",
					     "/closed/f", "/sparse", "/sticky" };
	AUTO_ERR(e);
	struct stat x, y;
	char target[32] = "";

	assert_int_equal(file_mkdir_p("s/d", 0755, &e), 0);
	assert_int_equal(file_mkdir_p("s/closed", 0755, &e), 0);
	assert_int_equal(file_mkdir_p("s/sticky", 0755, &e), 0);
	write_text("s/d/setuid", "#!");
	write_text("s/closed/f", "f");
	assert_int_equal(chmod("s/d/setuid", 04755), 0);
	assert_int_equal(link("s/d/setuid", "s/d/hard"), 0);
	assert_int_equal(link("s/d/setuid", "s/hard2"), 0);
	assert_int_equal(symlink("d/setuid", "s/link"), 0);
	assert_int_equal(symlink("/no/where", "s/dangling"), 0);
	assert_int_equal(link("s/dangling", "s/dangling2"), 0);
	assert_int_equal(mkfifo("s/fifo", 0640), 0);
	assert_int_equal(chmod("s/sticky", 01777), 0);
	auto_close int sparse = open("s/sparse", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(pwrite(sparse, "middle", 6, 5 << 20), 6);
	assert_int_equal(ftruncate(sparse, 64 << 20), 0);
	(void)setxattr("s/d", "user.test", "dir", 3, 0);
	bool xattrs = setxattr("s/d/setuid", "user.test", "file", 4, 0) == 0;
	set_time("s/link", 1000000000, 123456789);
	set_time("s/d/setuid", 1100000000, 987654321);
	set_time("s/fifo", 5, 7);
	assert_int_equal(chmod("s/closed", 0555), 0);
	set_time("s/d", 1200000000, 1);
	set_time("s", 1300000000, 2);

	assert_int_equal(file_copy_tree(AT_FDCWD, "s", AT_FDCWD, "t", &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		auto_free char *a = xasprintf("s%s", names[i]), *b = xasprintf("t%s", names[i]);

		same(a, b);
	}
	assert_int_equal(readlink("t/dangling", target, sizeof(target) - 1), 9);
	assert_string_equal(target, "/no/where");
	assert_int_equal(stat("t/d/setuid", &x), 0);
	assert_int_equal(stat("t/hard2", &y), 0);
	assert_true(x.st_ino == y.st_ino && x.st_nlink == 3);
	assert_int_equal(lstat("t/dangling2", &x), 0);
	assert_int_equal(x.st_nlink, 2);
	assert_int_equal(stat("t/sparse", &x), 0);
	assert_true(x.st_blocks * 512 < 4 << 20);
	auto_close int copy = open("t/sparse", O_RDONLY | O_CLOEXEC);
	char middle[7] = "";
	assert_int_equal(pread(copy, middle, 6, 5 << 20), 6);
	assert_string_equal(middle, "middle");
	if (xattrs) {
		char value[8] = "";

		assert_int_equal(getxattr("t/d/setuid", "user.test", value, sizeof(value)), 4);
		assert_int_equal(getxattr("t/d", "user.test", value, sizeof(value)), 3);
	}
	assert_int_equal(file_remove_tree_path("s", &e), 0);
	assert_int_equal(file_remove_tree_path("t", &e), 0);
}

static void test_copy_into(void **state)
{
	AUTO_ERR(e);

	assert_int_equal(file_mkdir_p("s/d", 0750, &e), 0);
	write_text("s/d/f", "new");
	assert_int_equal(mkdir("t", 0700), 0);
	assert_int_equal(file_copy_tree(AT_FDCWD, "s", AT_FDCWD, "t", &e), 0); /* an existing folder is filled */
	same("s", "t");
	same("s/d/f", "t/d/f");
	assert_int_equal(file_copy_tree(AT_FDCWD, "s", AT_FDCWD, "t", &e), -EEXIST); /* but nothing replaced */
	err_clear(&e);
	/* a link that waits where the copy goes is not followed */
	assert_int_equal(mkdir("outside", 0755), 0);
	assert_int_equal(symlink("outside", "u"), 0);
	assert_true(file_copy_tree(AT_FDCWD, "s", AT_FDCWD, "u", &e) < 0);
	assert_false(file_exists("outside/d"));
	err_clear(&e);
	assert_int_equal(file_copy_tree(AT_FDCWD, "s/d/f", AT_FDCWD, "single", &e), 0);
	same("s/d/f", "single");
	assert_int_equal(file_copy_tree(AT_FDCWD, "none", AT_FDCWD, "v", &e), -ENOENT);
}

static void test_copy_as_root(void **state)
{
	/* cap_net_raw, version 2 (linux/capability.h) */
	static const unsigned char cap[20] = { 1, 0, 0, 2, 0, 32 };
	unsigned char got[20] = { 0 };
	AUTO_ERR(e);

	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir("s", 0755), 0);
	write_text("s/f", "x");
	assert_int_equal(chown("s/f", 1234, 4321), 0);
	assert_int_equal(chmod("s/f", 06755), 0);
	bool caps = setxattr("s/f", "security.capability", cap, sizeof(cap), 0) == 0;
	assert_int_equal(symlink("f", "s/l"), 0);
	assert_int_equal(lchown("s/l", 77, 88), 0);
	bool devices = mknod("s/null", S_IFCHR | 0666, makedev(1, 3)) == 0 && mknod("s/b", S_IFBLK | 0600, makedev(7, 0)) == 0;
	assert_int_equal(mknod("s/sock", S_IFSOCK | 0600, 0), 0);
	assert_int_equal(file_copy_tree(AT_FDCWD, "s", AT_FDCWD, "t", &e), 0);
	same("s/f", "t/f");
	same("s/l", "t/l");
	same("s/sock", "t/sock");
	if (devices) {
		same("s/null", "t/null");
		same("s/b", "t/b");
	}
	if (caps) {
		assert_int_equal(getxattr("t/f", "security.capability", got, sizeof(got)), sizeof(cap));
		assert_memory_equal(got, cap, sizeof(cap));
	}
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(test_replace_and_read), ROW(test_mkdir_p), ROW(test_lock), ROW(test_remove), ROW(test_deep),
		ROW(test_remove_mounts), ROW(test_copy), ROW(test_copy_into), ROW(test_copy_as_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
