/* SPDX-License-Identifier: MIT */
#include "base/fail.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "base/time.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>

#include <cmocka.h>

#ifdef GANTRY_FAILPOINTS
/* Hits "a" four times under FP in a process of its own (what is read is kept) and returns how that ended; the results of the
 * hits are its exit code, a bit each. */
static int hits(const char *fp, const char *prog)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int bits = 0;

		setenv("GANTRY_FP", fp, 1);
		if (prog)
			setenv("GANTRY_FP_PROG", prog, 1);
		for (int i = 0; i < 4; i++) {
			bits |= (fail_point("a") < 0) << i;
			(void)fail_point("ab");
		}
		_exit(bits);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	return status;
}

static void test_actions(void **state)
{
	static const struct {
		const char *fp;
		int want; /* exit code, -signal */
	} rows[] = {
		{ "", 0 }, { "b=error(EIO)", 0 }, { "a=error(EIO)", 15 }, { "a=1*error(ENOSPC)", 1 },
		{ "a=2*off->error(5)", 12 }, { "a=1*error(EIO)->1*off->1*error(EIO)", 5 }, { "a=kill9", -SIGKILL },
		{ "a=2*off->kill9", -SIGKILL }, { "a=4*off->kill9", 0 }, { "a=exit(42)", 42 }, { "b=kill9;a=1*off->exit(9)", 9 },
		{ "a=off", 0 }, { ";a=1*delay(1)->exit(3);", 3 }, { "a", -SIGABRT }, { "a=nonsense", -SIGABRT },
		{ "a=error", -SIGABRT }, { "a=error(ENOTHING)", -SIGABRT }, { "a=kill9(1)", -SIGABRT }, { "a=exit(x)", -SIGABRT },
		{ "a=1*", -SIGABRT }, { "=off", -SIGABRT },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int status = hits(rows[i].fp, NULL), got = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);

		if (got != rows[i].want)
			fail_msg("'%s': %d", rows[i].fp, got);
	}
	assert_int_equal(WEXITSTATUS(hits("a=exit(1)", "another")), 0);
	assert_int_equal(WEXITSTATUS(hits("a=exit(1)", program_invocation_short_name)), 1);
}

static void test_stop(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		setenv("GANTRY_FP", "a=stop", 1);
		(void)fail_point("a");
		_exit(6);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	kill(pid, SIGCONT);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 6);
}

static void test_trace(void **state)
{
	char path[] = "/tmp/gantry-test-XXXXXX";
	auto_close int fd = mkstemp(path);
	auto_free char *text = NULL;
	AUTO_ERR(e);

	setenv("GANTRY_FP_LOG", path, 1);
	assert_int_equal(WEXITSTATUS(hits("trace", NULL)), 0);
	assert_int_equal(file_read(path, 1000, &text, NULL, &e), 0);
	assert_string_equal(text, "a\nab\na\nab\na\nab\na\nab\n");
	unsetenv("GANTRY_FP_LOG");
	unlink(path);
}

static int step(struct err *e)
{
	FP("step", e);
	return 0;
}

static void test_macro_and_cost(void **state)
{
	AUTO_ERR(e);
	int64_t begin = time_mono_ns();

	for (int i = 0; i < 1000000; i++)
		assert_true(step(&e) == 0);
	assert_true(time_mono_ns() - begin < 500000000); /* ns each */
	pid_t pid = fork();
	int status;
	if (pid == 0) {
		/* the parent has read its environment already; a child that execs reads its own */
		_exit(fail_point("step"));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_actions), cmocka_unit_test(test_stop), cmocka_unit_test(test_trace),
		cmocka_unit_test(test_macro_and_cost),
	};

	unsetenv("GANTRY_FP");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void)
{
	printf("skipped: fail points need --enable-developer\n");
	return 77;
}
#endif
