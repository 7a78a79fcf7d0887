/* SPDX-License-Identifier: MIT */
#include "base/fd.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

static void test_read_all(void **state)
{
	AUTO_ERR(e);
	auto_free char *text = NULL;
	int p[2];
	size_t n;

	assert_int_equal(fd_pipe(p, &e), 0);
	assert_int_equal(fd_write_all(p[1], "hel\0lo", 6, &e), 0);
	close(p[1]);
	assert_int_equal(fd_read_all(p[0], 6, &text, &n, &e), 0);
	assert_int_equal(n, 6);
	assert_memory_equal(text, "hel\0lo", 7);
	close(p[0]);

	auto_close int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	auto_free char *none = NULL;
	assert_int_equal(fd_read_all(zero, 100000, &none, NULL, &e), -EFBIG);
	assert_null(none);
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void test_pass(void **state)
{
	AUTO_ERR(e);
	int pair[2], got[FD_PASS_MAX], many[FD_PASS_MAX], before;
	size_t n = FD_PASS_MAX;
	char buf[8];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	for (int i = 0; i < FD_PASS_MAX; i++)
		many[i] = 1;
	assert_int_equal(fd_send(pair[0], "abc", 3, many, FD_PASS_MAX, &e), 0);
	assert_int_equal(fd_recv(pair[1], buf, sizeof(buf), got, &n, &e), 3);
	assert_int_equal(n, FD_PASS_MAX);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(fcntl(got[i], F_GETFD), FD_CLOEXEC);
		close(got[i]);
	}

	/* too long, too many, none wanted: refused, and nothing stays open */
	static const struct {
		size_t bytes, room;
	} rows[] = { { 9, FD_PASS_MAX }, { 3, 2 }, { 3, 0 } };
	before = open_fds();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		n = rows[i].room;
		assert_int_equal(fd_send(pair[0], "123456789", rows[i].bytes, many, 3, &e), 0);
		assert_int_equal(fd_recv(pair[1], buf, sizeof(buf), got, &n, &e), -EMSGSIZE);
		assert_int_equal(open_fds(), before);
		err_clear(&e);
	}
	close(pair[0]);
	n = 0;
	assert_int_equal(fd_recv(pair[1], buf, sizeof(buf), got, &n, &e), 0);
	assert_int_equal(fd_send(pair[1], "x", 1, NULL, 0, &e), -EPIPE);
	close(pair[1]);
}

/* A short path, and one that no sun_path holds. */
static void test_listen(void **state)
{
	char template[] = "/tmp/gantry-test-XXXXXX";
	const char *top = mkdtemp(template);
	static const char *const names[] = {
		"s",
		"a-folder-whose-name-is-long-enough-that-no-socket-address-can-hold-it/and-another-folder-of-that-kind-in-it/s",
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		auto_free char *path = xasprintf("%s/%s", top, names[i]), *dir = xstrndup(path, strlen(path) - 2);
		auto_close int server = -1, client = -1, peer = -1;
		AUTO_ERR(e);
		struct stat st;
		char c;

		assert_int_equal(file_mkdir_p(dir, 0700, &e), 0);
		assert_int_equal(fd_connect(path, &e), -ENOENT);
		err_clear(&e);
		server = fd_listen(path, &e);
		assert_true(server >= 0);
		assert_true(fcntl(server, F_GETFL) & O_NONBLOCK);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		assert_int_equal(fd_listen(path, &e), -EADDRINUSE);
		err_clear(&e);
		close(accept(server, NULL, NULL)); /* that was asked by connecting */
		client = fd_connect(path, &e);
		assert_true(client >= 0);
		peer = accept(server, NULL, NULL);
		assert_int_equal(fd_send(client, "x", 1, NULL, 0, &e), 0);
		assert_int_equal(fd_recv(peer, &c, 1, NULL, NULL, &e), 1);
		close(TAKE_FD(server));
		assert_int_equal(fd_connect(path, &e), -ECONNREFUSED);
		err_clear(&e);
		server = fd_listen(path, &e); /* the stale file makes way */
		assert_true(server >= 0);
	}
	AUTO_ERR(e);
	assert_int_equal(file_remove_tree_path(top, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_all), cmocka_unit_test(test_pass), cmocka_unit_test(test_listen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
