/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* S, at most MAX - 1 bytes, cut between characters and marked where it was longer. Takes S. */
static char *bounded_take(char *s, size_t max)
{
	size_t n = strlen(s);

	if (n < max)
		return s;
	n = max - 4;
	while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	memcpy(s + n, "...", 4);
	return xrealloc(s, n + 4);
}

static int raise_take(struct err *e, const char *file, int line, int code, char *text)
{
	if (e->code)
		bug_(file, line, "error '%s' raised over '%s'", text, err_text(e));
	e->code = code < 0 ? -code : code ? code : EIO;
	e->file = file;
	e->line = line;
	e->text = bounded_take(text, ERR_TEXT);
	return -e->code;
}

int err_set_(struct err *e, const char *file, int line, int code, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	return raise_take(e, file, line, code, text);
}

int err_sys_(struct err *e, const char *file, int line, int code, const char *fmt, ...)
{
	auto_free char *what = NULL;
	va_list ap;

	code = code < 0 ? -code : code ? code : EIO;
	va_start(ap, fmt);
	what = bounded_take(xvasprintf(fmt, ap), ERR_TEXT - 128); /* the cause stays readable */
	va_end(ap);
	return raise_take(e, file, line, code, xasprintf("%s: %s", what, strerror(code)));
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	auto_free char *prefix = NULL, *old = NULL;
	va_list ap;

	BUG_ON(!e->code);
	if (e->positioned) /* file:line:column already says where */
		return -e->code;
	va_start(ap, fmt);
	prefix = xvasprintf(fmt, ap);
	va_end(ap);
	old = TAKE(e->text);
	e->text = bounded_take(xasprintf("%s: %s", prefix, old ? old : ""), ERR_TEXT);
	return -e->code;
}

void err_hint(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (e->hint)
		return;
	va_start(ap, fmt);
	e->hint = bounded_take(xvasprintf(fmt, ap), ERR_HINT);
	va_end(ap);
}

int err_exit(struct err *e, int exit_code)
{
	e->exit = exit_code;
	return -e->code;
}

void err_clear(struct err *e)
{
	free(e->text);
	free(e->hint);
	*e = ERR_INIT;
}

bool err_is(const struct err *e, int code)
{
	return e->code != 0 && e->code == (code < 0 ? -code : code);
}

int err_move(struct err *to, struct err *from)
{
	BUG_ON(!from->code);
	if (to->code)
		bug_(from->file ? from->file : "?", from->line, "error '%s' moved over '%s'",
		     err_text(from), err_text(to));
	*to = *from;
	*from = ERR_INIT;
	return -to->code;
}

const char *err_text(const struct err *e)
{
	return e->text ? e->text : "";
}

/*
 * "gerr CODE EXIT POSITIONED HINT TEXT\n" in decimal (HINT, TEXT: lengths), then the hint's and the text's bytes.
 */
static const char magic[] = "gerr ";

char *err_encode(const struct err *e, size_t *ret_len)
{
	const char *hint = e->hint ? e->hint : "";
	char *s = xasprintf("%s%d %d %d %zu %zu\n%s%s", magic, e->code, e->exit, e->positioned,
			    strlen(hint), strlen(err_text(e)), hint, err_text(e));

	if (ret_len)
		*ret_len = strlen(s);
	return s;
}

/* One decimal number up to MAX, followed by END. Returns what comes after, NULL: something else. */
static const char *field(const char *p, const char *limit, char end, long max, long *ret)
{
	long v = 0;
	const char *start = p;

	for (; p < limit && *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (*p - '0');
		if (v > max)
			return NULL;
	}
	if (p == start || p >= limit || *p != end)
		return NULL;
	*ret = v;
	return p + 1;
}

int err_decode(struct err *e, const char *data, size_t len)
{
	static const struct {
		char end;
		long max;
	} fields[] = { { ' ', 4095 }, { ' ', 255 }, { ' ', 1 }, { ' ', ERR_HINT - 1 }, { '\n', ERR_TEXT - 1 } };
	const char *p = data, *limit = data + len;
	long v[ARRAY_LEN(fields)] = { 0 };
	bool ok = len > sizeof(magic) && memcmp(p, magic, sizeof(magic) - 1) == 0;

	if (ok)
		p += sizeof(magic) - 1;
	for (size_t i = 0; ok && i < ARRAY_LEN(fields); i++) {
		const char *next = field(p, limit, fields[i].end, fields[i].max, &v[i]);

		ok = next != NULL;
		p = next;
	}
	if (!ok || v[0] == 0 || limit - p != v[3] + v[4])
		return err_set(e, EPROTO, "an error message of another program could not be read");
	raise_take(e, NULL, 0, (int)v[0], xstrndup(p + v[3], (size_t)v[4]));
	e->exit = (int)v[1];
	e->positioned = v[2];
	if (v[3])
		e->hint = xstrndup(p, (size_t)v[3]);
	return -e->code;
}

void bug_(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "gantry: bug at %s:%d: ", file ? file : "?", line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}
