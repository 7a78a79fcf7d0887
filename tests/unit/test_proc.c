/* SPDX-License-Identifier: MIT */
#include "base/proc.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cmocka.h>

/* What "sh -c SCRIPT" prints; *STATUS: how it ended. */
static char *run(const char *script, const int *fds, bool setsid, int *status)
{
	AUTO_ERR(e);
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)(uintptr_t)script, NULL };
	int p[2];
	char *text = NULL;
	pid_t pid;
	auto_close int pidfd = -1;

	assert_int_equal(fd_pipe(p, &e), 0);
	const int stdio[3] = { -1, p[1], 2 };
	const struct proc_spawn s = { .path = "/bin/sh", .argv = argv, .stdio = stdio, .fds = fds, .setsid = setsid };
	if (proc_spawn(&s, &pid, &pidfd, &e) < 0)
		fail_msg("%s", err_text(&e));
	close(p[1]);
	assert_int_equal(fd_read_all(p[0], 65536, &text, NULL, &e), 0);
	close(p[0]);
	assert_int_equal(proc_wait(pid, status, &e), 0);
	return text;
}

static void test_status(void **state)
{
	int status;
	auto_free char *a = run("echo hi; exit 7", NULL, false, &status);

	assert_string_equal(a, "hi\n");
	assert_int_equal(status, 7);
	auto_free char *b = run("kill -TERM $$", NULL, false, &status);
	assert_int_equal(status, 128 + SIGTERM);
}

/* Only what was named is open, under its own number; /dev/null is where nothing was given. */
static void test_descriptors(void **state)
{
	auto_close int kept = open("/dev/zero", O_RDONLY | O_CLOEXEC), leak = open("/dev/zero", O_RDONLY);
	const int fds[] = { kept, -1 };
	auto_free char *want = xasprintf("0 1 2 %d ", kept), *got = NULL;
	int status;

	got = run("i=0; while [ $i -lt 32 ]; do [ -e /proc/$$/fd/$i ] && printf '%s ' $i; i=$((i+1)); done", fds, false, &status);
	assert_true(leak > kept);
	assert_string_equal(got, want);
	assert_int_equal(fcntl(kept, F_GETFD), FD_CLOEXEC); /* here it stays as it was */
	auto_free char *in = run("readlink /proc/$$/fd/0", NULL, false, &status);
	assert_string_equal(in, "/dev/null\n");
}

/* stdin and stdout given crosswise. */
static void test_stdio_swapped(void **state)
{
	AUTO_ERR(e);
	int p[2], saved[2] = { dup(0), dup(1) }, status;
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)"echo x", NULL }, buf[8];
	ssize_t n;
	pid_t pid;

	assert_int_equal(fd_pipe(p, &e), 0);
	dup2(p[1], 0); /* our 0 is to be its 1, and the other way round */
	dup2(p[0], 1);
	close(p[1]);
	const int stdio[3] = { 1, 0, 2 };
	int r = proc_spawn(&(struct proc_spawn){ .path = "/bin/sh", .argv = argv, .stdio = stdio }, &pid, NULL, &e);
	dup2(saved[0], 0);
	dup2(saved[1], 1);
	close(saved[0]);
	close(saved[1]);
	assert_int_equal(r, 0);
	n = read(p[0], buf, sizeof(buf));
	close(p[0]);
	assert_int_equal(proc_wait(pid, &status, &e), 0);
	assert_int_equal(n, 2);
}

/* Blocked and ignored signals of ours are nobody else's; also those that libc keeps to itself (by system call, therefore). */
static void test_signals_reset(void **state)
{
	static const struct {
		uint64_t handler, rest[7];
	} ignore = { .handler = 1 };
	auto_free char *got = NULL;
	sigset_t set, before;
	int status;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &before);
	signal(SIGPIPE, SIG_IGN);
	for (int sig = 32; sig <= 33; sig++)
		assert_int_equal(syscall(SYS_rt_sigaction, sig, &ignore, NULL, 8), 0);
	got = run("grep -E 'Sig(Blk|Ign)' /proc/self/status | grep -c 0000000000000000", NULL, false, &status);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	assert_string_equal(got, "2\n");
}

static void test_session(void **state)
{
	int status;
	auto_free char *got = run("cut -d' ' -f6 /proc/$$/stat; echo $$", NULL, true, &status), *half = NULL;

	half = xstrndup(got, strlen(got) / 2);
	assert_string_equal(half, got + strlen(got) / 2); /* the session is its own pid */
}

static void test_exec_error(void **state)
{
	static const struct {
		const char *path;
		int code;
		const char *text;
	} rows[] = {
		{ "/no/such", ENOENT, "run '/no/such': No such file or directory" },
		{ "/etc/passwd", EACCES, "run '/etc/passwd': Permission denied" },
	};
	char *argv[] = { (char *)"x", NULL };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_ERR(e);
		pid_t pid = -7;
		int pidfd = -7;

		assert_int_equal(proc_spawn(&(struct proc_spawn){ .path = rows[i].path, .argv = argv }, &pid, &pidfd, &e),
				 -rows[i].code);
		assert_string_equal(err_text(&e), rows[i].text);
		assert_true(pid == -7 && pidfd == -7);
	}
	AUTO_ERR(e);
	const int bad[] = { 999, -1 };
	assert_int_equal(proc_spawn(&(struct proc_spawn){ .path = "/bin/true", .argv = argv, .fds = bad }, NULL, NULL, &e),
			 -EBADF);
}

static void test_identity(void **state)
{
	AUTO_ERR(e);
	struct proc_id id, other;
	char *argv[] = { (char *)"sleep", (char *)"60", NULL };
	auto_close int pidfd = -1, again = -1;
	int status;
	pid_t pid;

	assert_int_equal(proc_spawn(&(struct proc_spawn){ .path = "/bin/sleep", .argv = argv }, &pid, &pidfd, &e), 0);
	assert_int_equal(proc_id_of(pid, &id, &e), 0);
	assert_true(proc_alive(&id));
	other = id;
	other.start++;
	assert_false(proc_alive(&other));
	assert_int_equal(proc_pidfd(&other, &e), -ESRCH);
	err_clear(&e);
	again = proc_pidfd(&id, &e);
	assert_true(again >= 0);
	assert_int_equal(proc_kill_fd(again, SIGKILL, &e), 0);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_false(proc_alive(&id)); /* a zombie */
	assert_int_equal(proc_wait(pid, &status, &e), 0);
	assert_int_equal(status, 137);
	assert_int_equal(proc_id_of(pid, &id, &e), -ESRCH);
	err_clear(&e);
	assert_false(proc_alive(&(struct proc_id){ 0 }));
	assert_int_equal(proc_pidfd(&(struct proc_id){ 0 }, &e), -ESRCH);
}

static void test_listener(void **state)
{
	static const struct {
		const char *proto;
		int family, type;
	} rows[] = { { "tcp", AF_INET, SOCK_STREAM }, { "udp", AF_INET, SOCK_DGRAM }, { "tcp", AF_INET6, SOCK_STREAM } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_close int fd = socket(rows[i].family, rows[i].type | SOCK_CLOEXEC, 0);
		struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
		struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		bool six = rows[i].family == AF_INET6;
		struct sockaddr *address = six ? (struct sockaddr *)&a6 : (struct sockaddr *)&a;
		socklen_t n = six ? sizeof(a6) : sizeof(a);
		auto_free char *got = NULL, *want = xasprintf("(pid %d)", (int)getpid());
		uint16_t port;

		if (fd < 0 || bind(fd, address, n) < 0) {
			assert_true(six); /* hosts without IPv6 */
			continue;
		}
		if (rows[i].type == SOCK_STREAM)
			assert_int_equal(listen(fd, 1), 0);
		assert_int_equal(getsockname(fd, address, &n), 0);
		port = ntohs(six ? a6.sin6_port : a.sin_port);
		got = proc_find_listener(rows[i].proto, port);
		if (!got || !strstr(got, want))
			fail_msg("%s port %d: %s", rows[i].proto, port, str0(got));
		close(TAKE_FD(fd));
		auto_free char *none = proc_find_listener(rows[i].proto, port);
		assert_null(none);
	}
}

static void test_signal_names(void **state)
{
	static const struct {
		const char *input;
		int want; /* 0: none */
	} rows[] = {
		{ "TERM", SIGTERM }, { "SIGTERM", SIGTERM }, { "sigkill", SIGKILL }, { "15", 15 }, { "64", 64 },
		{ "RTMIN+3", 37 }, { "SIGRTMIN", 34 }, { "RTMAX-1", 63 }, { "SIGRTMAX", 64 }, { "POLL", SIGIO }, { "cld", SIGCHLD },
		{ "", 0 }, { "SIG", 0 }, { "0", 0 }, { "65", 0 }, { "-1", 0 }, { "RTMIN+31", 0 }, { "RTMIN+", 0 }, { "RTMIN+-1", 0 },
		{ "TERMINATE", 0 }, { "SIGSIGTERM", 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_ERR(e);
		int sig = 0;

		(void)proc_signal_parse(rows[i].input, &sig, &e);
		if (sig != rows[i].want)
			fail_msg("'%s': %d", rows[i].input, sig);
	}
	for (int sig = 1; sig <= 64; sig++) {
		AUTO_ERR(e);
		const char *name = proc_signal_name(sig);
		int back = 0;

		if (!name) {
			assert_true(sig == 32 || sig == 33); /* libc's own */
			continue;
		}
		assert_int_equal(proc_signal_parse(name, &back, &e), 0);
		assert_int_equal(back, sig);
	}
	assert_null(proc_signal_name(0));
	assert_null(proc_signal_name(65));
	AUTO_ERR(e);
	int sig;
	assert_int_equal(proc_signal_parse("SIGTREM", &sig, &e), -EINVAL);
	assert_string_equal(e.hint, "did you mean 'SIGTERM'?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),        cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_stdio_swapped), cmocka_unit_test(test_signals_reset),
		cmocka_unit_test(test_session),       cmocka_unit_test(test_exec_error),
		cmocka_unit_test(test_identity),      cmocka_unit_test(test_listener),
		cmocka_unit_test(test_signal_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
