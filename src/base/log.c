/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "base/time.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

enum { LOG_LINE_MAX = 64 * 1024 };

static struct {
	const char *prefix;
	int fd;
	bool debug;
} log_state = { .prefix = "gantry", .fd = 2 };

void log_setup(const char *prefix, int fd, bool debug)
{
	if (prefix)
		log_state.prefix = prefix;
	log_state.fd = fd >= 0 ? fd : 2;
	log_state.debug = debug;
}

bool log_debugging(void)
{
	return log_state.debug;
}

/* Text with its line ends and tabs (positioned errors show the line and a caret), everything else made harmless. */
static void add_visible(struct str *b, const char *s)
{
	while (*s) {
		size_t n = strcspn(s, "\n\t");
		auto_free char *shown = str_visible(s, n);

		str_add(b, shown);
		s += n;
		if (*s)
			str_addc(b, *s++);
	}
}

/* One write a message, so that lines of several processes do not mix. */
static void put(int fd, struct str *b)
{
	int saved = errno;

	if (b->len == 0 || b->s[b->len - 1] != '\n')
		str_addc(b, '\n');
	for (size_t at = 0; at < b->len;) {
		ssize_t n = write(fd, b->s + at, b->len - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	errno = saved;
}

void log_debug_(const char *file, int line, const char *fmt, ...)
{
	AUTO_STR(b, LOG_LINE_MAX);
	auto_free char *text = NULL;
	int64_t now = time_mono_ns();
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	str_addf(&b, "%s[%d] %lld.%06lld %s:%d: ", log_state.prefix, (int)getpid(),
		 (long long)(now / 1000000000), (long long)(now / 1000 % 1000000), file, line);
	add_visible(&b, text);
	put(log_state.fd, &b);
}

void log_warning(const char *fmt, ...)
{
	AUTO_STR(b, LOG_LINE_MAX);
	auto_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	str_addf(&b, "%s: warning: ", log_state.prefix);
	add_visible(&b, text);
	put(2, &b);
}

void log_err(const struct err *e)
{
	AUTO_STR(b, LOG_LINE_MAX);

	if (!e->code)
		return;
	if (!e->positioned)
		str_addf(&b, "%s: ", log_state.prefix);
	add_visible(&b, err_text(e));
	if (e->hint) {
		if (b.s[b.len - 1] != '\n')
			str_addc(&b, '\n');
		str_add(&b, "hint: ");
		add_visible(&b, e->hint);
	}
	if (log_state.debug && e->file) {
		if (b.s[b.len - 1] != '\n')
			str_addc(&b, '\n');
		str_addf(&b, "%s: raised at %s:%d", log_state.prefix, e->file, e->line);
	}
	put(2, &b);
}
