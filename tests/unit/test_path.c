/* SPDX-License-Identifier: MIT
 *
 * Text, and a root with everything that a hostile tree has, opened by openat2 and, where seccomp denies that, by the walk.
 */
#include "base/path.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

static void test_clean(void **state)
{
	static const struct {
		const char *input, *want;
	} rows[] = {
		{ "", "." }, { ".", "." }, { "/", "/" }, { "//", "/" }, { "/..", "/" }, { "..", ".." }, { "../..", "../.." },
		{ "a/..", "." }, { "a/../..", ".." }, { "/a/../../b", "/b" }, { "a//b/./c/", "a/b/c" },
		{ "../a/../b", "../b" }, { "../../a/..", "../.." }, { "/a/b/..", "/a" }, { "./a", "a" }, { "a/b/../../c", "c" },
		{ "..a/..", "." }, { "/...", "/..." },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *got = path_clean(rows[i].input);

		if (!streq(got, rows[i].want))
			fail_msg("'%s': '%s', wanted '%s'", rows[i].input, got, rows[i].want);
	}
}

static void test_parts(void **state)
{
	static const struct {
		const char *input, *parent, *base;
	} rows[] = {
		{ "/a/b", "/a", "b" }, { "/a", "/", "a" }, { "/", "/", "" }, { "a", ".", "a" }, { "a/b", "a", "b" },
		{ "a/b/", "a", "" }, { "/a//b", "/a", "b" }, { "", ".", "" }, { "//a", "/", "a" },
	};
	static const struct {
		const char *dir, *name, *want;
	} joins[] = {
		{ "/a", "b", "/a/b" }, { "/a/", "b", "/a/b" }, { "/a", "/b", "/b" }, { "", "b", "b" }, { NULL, "b", "b" },
		{ "a", "", "a" }, { "/", "b", "/b" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *parent = path_parent(rows[i].input);

		assert_string_equal(parent, rows[i].parent);
		assert_string_equal(path_base(rows[i].input), rows[i].base);
	}
	for (size_t i = 0; i < ARRAY_LEN(joins); i++) {
		auto_free char *got = path_join(joins[i].dir, joins[i].name);

		assert_string_equal(got, joins[i].want);
	}
}

/* A root in a folder whose "secret" nothing in the root may reach. */
struct tree {
	char *top;
	int root;
};

static int tree_setup(void **state)
{
	static struct tree t;
	char template[] = "/tmp/gantry-test-XXXXXX";
	auto_free char *command = NULL;
	static const char *const links[][2] = {
		{ "../../../../secret", "rel" }, { "/secret", "abs" }, { "dir", "todir" }, { "/dir/file", "tofile" },
		{ "loop2", "loop1" }, { "loop1", "loop2" }, { "nowhere", "dangling" }, { "..", "dir/up" },
		{ "/", "dir/slash" }, { "dir/../../..", "climb" },
	};

	t.top = xstrdup(mkdtemp(template));
	if (chdir(t.top) < 0 || mkdir("root", 0755) < 0 || mkdir("root/dir", 0755) < 0 || mkdir("root/dir/sub", 0755) < 0)
		return -1;
	close(open("secret", O_CREAT | O_WRONLY, 0600));
	close(open("root/dir/file", O_CREAT | O_WRONLY, 0600));
	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		auto_free char *name = path_join("root", links[i][1]);

		if (symlink(links[i][0], name) < 0)
			return -1;
	}
	for (int i = 0; i < 42; i++) { /* c0 -> c1 -> … -> c42 -> dir/file */
		char from[32], to[16];

		snprintf(from, sizeof(from), "root/c%d", i);
		snprintf(to, sizeof(to), "c%d", i + 1);
		if (symlink(to, from) < 0)
			return -1;
	}
	if (symlink("dir/file", "root/c42") < 0)
		return -1;
	t.root = open("root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	*state = &t;
	return t.root < 0 ? -1 : 0;
}

static int tree_teardown(void **state)
{
	struct tree *t = *state;
	AUTO_ERR(e);
	int r;

	close(t->root);
	r = chdir("/");
	if (file_remove_tree_path(t->top, &e) < 0)
		r = -1;
	free(t->top);
	return r;
}

/* What PATH is below the root: "dir/file", or the error. */
static const struct {
	const char *path;
	int flags;
	int code;         /* 0: it opens */
	const char *want; /* below the root */
} opens[] = {
	{ "dir/file", O_RDONLY, 0, "/dir/file" },
	{ "/dir/file", O_RDONLY, 0, "/dir/file" },
	{ "../../dir/../dir//./file", O_RDONLY, 0, "/dir/file" },
	{ "rel", O_RDONLY, ENOENT, NULL },
	{ "abs", O_RDONLY, ENOENT, NULL },
	{ "../secret", O_RDONLY, ENOENT, NULL },
	{ "/../secret", O_RDONLY, ENOENT, NULL },
	{ "todir/file", O_RDONLY, 0, "/dir/file" },
	{ "todir/../dir/file", O_RDONLY, 0, "/dir/file" },
	{ "tofile", O_RDONLY, 0, "/dir/file" },
	{ "dir/up/dir/file", O_RDONLY, 0, "/dir/file" },
	{ "dir/slash/dir/sub/../file", O_RDONLY, 0, "/dir/file" },
	{ "climb", O_PATH, 0, "" },
	{ "climb/dir/file", O_RDONLY, 0, "/dir/file" },
	{ "loop1", O_RDONLY, ELOOP, NULL },
	{ "loop1/x", O_RDONLY, ELOOP, NULL },
	{ "c0", O_RDONLY, ELOOP, NULL },
	{ "c3", O_RDONLY, 0, "/dir/file" }, /* 40 links */
	{ "tofile", O_RDONLY | O_NOFOLLOW, ELOOP, NULL },
	{ "tofile", O_PATH | O_NOFOLLOW, 0, "/tofile" },
	{ "todir/", O_PATH | O_NOFOLLOW | O_DIRECTORY, 0, "/dir" },
	{ "dir/file/", O_RDONLY, ENOTDIR, NULL },
	{ "dir/file/x", O_RDONLY, ENOTDIR, NULL },
	{ "dir/file/..", O_PATH, ENOTDIR, NULL },
	{ "dir", O_RDONLY | O_DIRECTORY, 0, "/dir" },
	{ "dir/file", O_RDONLY | O_DIRECTORY, ENOTDIR, NULL },
	{ "/", O_PATH, 0, "" },
	{ "..", O_PATH, 0, "" },
	{ ".", O_PATH, 0, "" },
	{ "dir/sub/..", O_PATH, 0, "/dir" },
	{ "", O_RDONLY, ENOENT, NULL },
	{ "missing/x", O_RDONLY, ENOENT, NULL },
	{ "dangling", O_RDONLY, ENOENT, NULL },
	{ "dangling", O_WRONLY | O_CREAT | O_EXCL, EEXIST, NULL },
	{ "dir/file", O_WRONLY | O_CREAT | O_EXCL, EEXIST, NULL },
	{ "dangling", O_WRONLY | O_CREAT, 0, "/nowhere" },
	{ "new", O_WRONLY | O_CREAT | O_EXCL, 0, "/new" },
	{ "dir", O_WRONLY | O_CREAT, EISDIR, NULL },
};

static void check_opens(const struct tree *t)
{
	auto_free char *root = xasprintf("%s/root", t->top);

	for (size_t i = 0; i < ARRAY_LEN(opens); i++) {
		AUTO_ERR(e);
		auto_close int fd = path_open_in(t->root, opens[i].path, opens[i].flags, 0640, &e);
		auto_free char *got = fd < 0 ? NULL : path_of_fd(fd);
		struct stat st;

		if (fd < 0 ? -fd != opens[i].code : opens[i].code != 0)
			fail_msg("'%s' (%zu): %s", opens[i].path, i, fd < 0 ? err_text(&e) : got);
		if (fd < 0)
			continue;
		if (!str_starts(got, root) || !streq(got + strlen(root), opens[i].want))
			fail_msg("'%s': '%s', wanted '%s'", opens[i].path, got, opens[i].want);
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		if ((opens[i].flags & O_CREAT) && fstat(fd, &st) == 0)
			assert_int_equal(st.st_mode & 07777, 0640);
	}
	assert_int_equal(unlinkat(t->root, "new", 0), 0);
	assert_int_equal(unlinkat(t->root, "nowhere", 0), 0);
}

static void check_magic_links(void)
{
	auto_close int root = open("/", O_PATH | O_CLOEXEC);
	static const char *const refused[] = { "/proc/self/exe", "/proc/self/root/etc", "/proc/self/fd/0", "/proc/self/ns/mnt",
					       "/proc/self/cwd" };

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		AUTO_ERR(e);
		auto_close int fd = path_open_in(root, refused[i], O_PATH, 0, &e);

		if (fd != -ELOOP)
			fail_msg("'%s': %d %s", refused[i], fd, err_text(&e));
	}
	AUTO_ERR(e);
	auto_close int fd = path_open_in(root, "/proc/mounts", O_RDONLY, 0, &e); /* self/mounts: two ordinary links */
	assert_true(fd >= 0);
}

static void check_mkdir(const struct tree *t)
{
	AUTO_ERR(e);
	auto_free char *root = xasprintf("%s/root", t->top), *got = NULL;
	auto_close int fd = path_mkdir_in(t->root, "/todir/../../x/y//z/", 02750, (uid_t)-1, (gid_t)-1, &e);
	struct stat st;

	assert_true(fd >= 0);
	got = path_of_fd(fd);
	assert_string_equal(got + strlen(root), "/x/y/z");
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 02750);
	close(TAKE_FD(fd));
	fd = path_mkdir_in(t->root, "x/y/z", 0700, 1, 1, &e); /* there: as it is */
	assert_true(fd >= 0);
	assert_int_equal(path_mkdir_in(t->root, "dir/file/x", 0755, (uid_t)-1, (gid_t)-1, &e), -ENOTDIR);
	err_clear(&e);
	assert_int_equal(path_mkdir_in(t->root, "rel/x", 0755, (uid_t)-1, (gid_t)-1, &e), -EEXIST);
	err_clear(&e);
	assert_int_equal(path_mkdir_in(t->root, "abs", 0755, (uid_t)-1, (gid_t)-1, &e), -EEXIST);
	err_clear(&e);
	assert_int_equal(file_remove_tree(t->root, "x", &e), 0);
}

static void check_all(const struct tree *t)
{
	check_opens(t);
	check_magic_links();
	check_mkdir(t);
}

static void test_openat2(void **state)
{
	check_all(*state);
}

/* Makes openat2 fail with CODE in this process for good. */
static int deny_openat2(int code)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)code),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = ARRAY_LEN(filter), .filter = filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
			       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0
		       ? -errno
		       : 0;
}

/* Somebody exchanges a folder for a link that leads out, all the time: what opens is inside, always. */
static void check_race(const struct tree *t)
{
	AUTO_ERR(e);
	pid_t pid;

	assert_int_equal(mkdirat(t->root, "race", 0755), 0);
	assert_int_equal(mkdirat(t->root, "race/a", 0755), 0);
	assert_int_equal(symlinkat("../..", t->root, "evil"), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			(void)renameat2(t->root, "race", t->root, "evil", RENAME_EXCHANGE);
			(void)renameat2(t->root, "race/a", AT_FDCWD, "outside", 0);
			(void)renameat2(AT_FDCWD, "outside", t->root, "race/a", 0);
		}
	}
	for (int i = 0; i < 3000; i++) {
		auto_close int fd = path_open_in(t->root, "race/a/../../../secret", O_PATH, 0, &e);

		assert_true(fd == -ENOENT || fd == -EAGAIN);
		err_clear(&e);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_true(file_remove_tree(t->root, "race", &e) >= 0 && file_remove_tree(t->root, "evil", &e) >= 0 &&
		    file_remove_tree_path("outside", &e) >= 0);
}

static void in_child(struct tree *t, int code)
{
	pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0) {
		/* cmocka leaves a failed test by longjmp, up to here too: another run group would go on in the child */
		if (deny_openat2(code) < 0)
			_exit(77);
		check_all(t);
		check_race(t);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_walk(void **state)
{
	struct tree *t = *state;

	check_race(t);
	in_child(t, ENOSYS);
	in_child(t, EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean), cmocka_unit_test(test_parts),
		cmocka_unit_test_setup_teardown(test_openat2, tree_setup, tree_teardown),
		cmocka_unit_test_setup_teardown(test_walk, tree_setup, tree_teardown),
	};

	umask(0); /* the modes that are asked for are looked at */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
