/* SPDX-License-Identifier: MIT
 *
 * Nothing is allocated and the environment is read once, so that a point costs a comparison when none is set, and may also
 * stand between fork and exec.
 */
#include "base/fail.h"

#ifdef GANTRY_FAILPOINTS
#include "base/auto.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { POINTS_MAX = 64 };

struct point {
	const char *name, *terms, *end; /* in the environment's text */
	unsigned long hits;
};
static struct {
	enum { UNREAD, OFF, ON } state;
	bool trace;
	struct point points[POINTS_MAX];
	size_t n;
} fail;

static _Noreturn void bad(const char *at, const char *end)
{
	fprintf(stderr, "gantry: GANTRY_FP: cannot be read at '%.*s'\n", (int)(end - at), at);
	abort();
}

static int do_error(const char *arg, size_t n)
{
	int v = 0;

	for (int i = 1; i < 4096; i++) {
		const char *name = strerrorname_np(i);

		if (name && strlen(name) == n && memcmp(name, arg, n) == 0)
			return -i;
	}
	for (size_t i = 0; i < n && v < 4096; i++) {
		if (arg[i] < '0' || arg[i] > '9')
			bad(arg, arg + n);
		v = v * 10 + (arg[i] - '0');
	}
	if (v <= 0 || v >= 4096)
		bad(arg, arg + n);
	return -v;
}

static long argument(const char *arg, size_t n)
{
	long v = 0;

	if (n == 0 || n > 9)
		bad(arg, arg + n);
	for (size_t i = 0; i < n; i++) {
		if (arg[i] < '0' || arg[i] > '9')
			bad(arg, arg + n);
		v = v * 10 + (arg[i] - '0');
	}
	return v;
}

static int do_off(const char *arg, size_t n)
{
	return 0;
}

static int do_kill9(const char *arg, size_t n)
{
	(void)raise(SIGKILL);
	return 0;
}

static int do_exit(const char *arg, size_t n)
{
	_exit((int)argument(arg, n));
}

static int do_stop(const char *arg, size_t n)
{
	(void)raise(SIGSTOP);
	return 0;
}

static int do_delay(const char *arg, size_t n)
{
	long ms = argument(arg, n);
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
	return 0;
}

static const struct {
	const char *name;
	bool arg;
	int (*run)(const char *arg, size_t n);
} actions[] = {
	{ "off", false, do_off },   { "error", true, do_error }, { "kill9", false, do_kill9 },
	{ "exit", true, do_exit },  { "stop", false, do_stop },  { "delay", true, do_delay },
};

static int run(const char *term, const char *end)
{
	const char *open = memchr(term, '(', (size_t)(end - term));
	size_t n = (size_t)((open ? open : end) - term);

	if (open && end[-1] != ')')
		bad(term, end);
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		if (strlen(actions[i].name) == n && memcmp(actions[i].name, term, n) == 0 &&
		    actions[i].arg == (open != NULL))
			return actions[i].run(open ? open + 1 : NULL,
					      open ? (size_t)(end - open - 2) : 0);
	bad(term, end);
}

/* The term of hit number HIT (from 0): counted ones first, one without a count stays for good. */
static int hit(const struct point *p, unsigned long nth)
{
	for (const char *term = p->terms; term < p->end;) {
		const char *arrow = memmem(term, (size_t)(p->end - term), "->", 2);
		const char *end = arrow ? arrow : p->end, *action = term;
		unsigned long count = 0;

		while (action < end && *action >= '0' && *action <= '9' && count < 1000000)
			count = count * 10 + (unsigned long)(*action++ - '0');
		if (action == term)
			return run(term, end);
		if (action == end || *action != '*')
			bad(term, end);
		if (nth < count)
			return run(action + 1, end);
		nth -= count;
		term = arrow ? arrow + 2 : p->end;
	}
	return 0;
}

static void read_environment(void)
{
	const char *text = getenv("GANTRY_FP"), *prog = getenv("GANTRY_FP_PROG");

	fail.state = OFF;
	if (!text || !*text || (prog && strcmp(prog, program_invocation_short_name) != 0))
		return;
	while (*text) {
		size_t n = strcspn(text, ";");
		const char *is = memchr(text, '=', n);

		if (n == 5 && memcmp(text, "trace", 5) == 0)
			fail.trace = true;
		else if (n && (!is || is == text || fail.n == POINTS_MAX))
			bad(text, text + n);
		else if (n)
			fail.points[fail.n++] =
				(struct point){ .name = text, .terms = is + 1, .end = text + n };
		text += n + (text[n] == ';');
	}
	fail.state = ON;
}

static void trace(const char *name)
{
	const char *path = getenv("GANTRY_FP_LOG");
	char line[128];
	int fd, n;

	n = snprintf(line, sizeof(line), "%.120s\n", name);
	fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600) : 2;
	if (fd < 0)
		return;
	(void)!write(fd, line, (size_t)n);
	if (path)
		close(fd);
}

int fail_point(const char *name)
{
	size_t n;

	if (fail.state == UNREAD)
		read_environment();
	if (fail.state == OFF)
		return 0;
	if (fail.trace)
		trace(name);
	n = strlen(name);
	for (size_t i = 0; i < fail.n; i++) {
		struct point *p = &fail.points[i];

		if (strncmp(p->name, name, n) == 0 && p->name[n] == '=')
			return hit(p, p->hits++);
	}
	return 0;
}
#endif
