/* SPDX-License-Identifier: MIT */
#include "base/loop.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include <cmocka.h>

/* A watch in an owner on the heap, with a pipe that is readable. */
struct owner {
	struct watch w;
	struct owner **others; /* all of them; freed by whoever comes first */
	int pipe[2];
	int *calls;
};

static struct owner *owner_new(struct loop *l, watch_fn *fn, int *calls)
{
	AUTO_ERR(e);
	struct owner *o = xcalloc(1, sizeof(*o));

	o->calls = calls;
	assert_int_equal(fd_pipe(o->pipe, &e), 0);
	assert_int_equal(watch_fd(l, &o->w, o->pipe[0], EPOLLIN, fn, &e), 0);
	assert_int_equal(write(o->pipe[1], "x", 1), 1);
	return o;
}

static void owner_free(struct owner *o)
{
	watch_done(&o->w);
	close(o->pipe[0]);
	close(o->pipe[1]);
	free(o);
}

static int free_all(struct watch *w, uint32_t events)
{
	struct owner *o = CONTAINER_OF(w, struct owner, w), **others = o->others;

	++*o->calls;
	for (int i = 0; i < 10; i++)
		owner_free(TAKE(others[i]));
	return 0;
}

static void test_done_in_handler(void **state)
{
	AUTO_ERR(e);
	AUTO(loop_free) struct loop *l = loop_new(&e);
	struct owner *owners[10];
	int calls = 0;

	for (int i = 0; i < 10; i++) {
		owners[i] = owner_new(l, free_all, &calls);
		owners[i]->others = owners;
	}
	assert_int_equal(loop_once(l, 0), 1);
	assert_int_equal(calls, 1); /* nobody after that: all are gone */
	assert_int_equal(loop_once(l, 0), 0);
}

static int count_deaf(struct watch *w, uint32_t events)
{
	struct owner *o = CONTAINER_OF(w, struct owner, w);

	++*o->calls;
	return watch_events(w, 0);
}

static void test_deaf(void **state)
{
	AUTO_ERR(e);
	AUTO(loop_free) struct loop *l = loop_new(&e);
	int calls = 0;
	struct owner *o = owner_new(l, count_deaf, &calls);

	close(TAKE_FD(o->pipe[1])); /* and a hang-up that stays */
	assert_int_equal(loop_once(l, 0), 1);
	assert_int_equal(loop_once(l, 0), 0);
	assert_int_equal(calls, 1);
	assert_int_equal(watch_events(&o->w, EPOLLIN), 0);
	assert_int_equal(loop_once(l, 0), 1);
	assert_int_equal(calls, 2);
	assert_true(watch_active(&o->w));
	watch_done(&o->w);
	assert_false(watch_active(&o->w));
	watch_done(&o->w);
	close(o->pipe[0]);
	free(o);
}

static int fired;
static int quit_at_three(struct watch *w, uint32_t events)
{
	if (++fired == 3)
		loop_quit(w->loop);
	else
		watch_arm(w, 1000000);
	return 0;
}

static void test_timer(void **state)
{
	AUTO_ERR(e);
	AUTO(loop_free) struct loop *l = loop_new(&e);
	struct watch t = { 0 };
	int64_t begin = time_mono_ns();

	fired = 0;
	assert_int_equal(watch_timer(l, &t, quit_at_three, &e), 0);
	assert_int_equal(loop_once(l, 5), 0); /* not armed */
	watch_arm(&t, 1);
	watch_arm(&t, INT64_MAX);
	assert_int_equal(loop_once(l, 5), 0);
	watch_arm(&t, -5);
	assert_int_equal(loop_run(l), 0);
	assert_int_equal(fired, 3);
	assert_true(time_mono_ns() - begin >= 2000000);
	int fd = t.fd;
	watch_done(&t);
	assert_int_equal(fcntl(fd, F_GETFD), -1); /* its own */
}

static int first_of_two(struct watch *w, uint32_t events)
{
	fired++;
	watch_arm(w + 1, INT64_MAX);
	watch_arm(w, INT64_MAX);
	return 0;
}

static int second_of_two(struct watch *w, uint32_t events)
{
	fired++;
	watch_arm(w - 1, INT64_MAX);
	watch_arm(w, INT64_MAX);
	return 0;
}

/* Two timers that are due at once; whichever comes first disarms the other, which then has not fired. */
static void test_timer_disarmed_in_batch(void **state)
{
	AUTO_ERR(e);
	AUTO(loop_free) struct loop *l = loop_new(&e);
	struct watch t[2] = { 0 };

	fired = 0;
	assert_int_equal(watch_timer(l, &t[0], first_of_two, &e), 0);
	assert_int_equal(watch_timer(l, &t[1], second_of_two, &e), 0);
	watch_arm(&t[0], 0);
	watch_arm(&t[1], 0);
	for (int64_t until = time_mono_ns() + 1000000; time_mono_ns() < until;) /* both are due */
		;
	assert_int_equal(loop_once(l, 100), 1);
	(void)loop_once(l, 5);
	assert_int_equal(fired, 1);
}

static int got_signal(struct watch *w, uint32_t events)
{
	struct signalfd_siginfo info;

	assert_int_equal(read(w->fd, &info, sizeof(info)), sizeof(info));
	return -(int)info.ssi_signo;
}

static void test_signals_and_end(void **state)
{
	AUTO_ERR(e);
	AUTO(loop_free) struct loop *l = loop_new(&e);
	static const int sigs[] = { SIGUSR1, SIGUSR2, 0 };
	struct watch w = { 0 };

	assert_int_equal(watch_signals(l, &w, sigs, got_signal, &e), 0);
	raise(SIGUSR2);
	assert_int_equal(loop_run(l), -SIGUSR2); /* what a handler returns ends the loop */
}

static void test_regular_file(void **state)
{
	AUTO_ERR(e);
	AUTO(loop_free) struct loop *l = loop_new(&e);
	auto_close int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct watch w = { 0 };

	assert_int_equal(watch_fd(l, &w, fd, EPOLLIN, got_signal, &e), -EPERM);
	assert_false(watch_active(&w));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_done_in_handler), cmocka_unit_test(test_deaf),
		cmocka_unit_test(test_timer),           cmocka_unit_test(test_timer_disarmed_in_batch),
		cmocka_unit_test(test_signals_and_end), cmocka_unit_test(test_regular_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
