/* SPDX-License-Identifier: MIT */
#include "base/time.h"

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const int64_t second = 1000000000;

static int64_t clock_ns(clockid_t id)
{
	struct timespec t = { 0 };

	if (clock_gettime(id, &t) < 0)
		BUG("clock_gettime: %s", strerror(errno));
	return t.tv_sec * second + t.tv_nsec;
}

int64_t time_now_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

int64_t time_mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

char *time_rfc3339(int64_t ns, char *buf)
{
	time_t s = ns / second;
	int64_t rest = ns % second;
	struct tm tm;
	size_t n;

	if (rest < 0) {
		rest += second;
		s--;
	}
	gmtime_r(&s, &tm);
	n = strftime(buf, TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, TIME_TEXT - n, ".%09dZ", (int)rest);
	return buf;
}

/* Exactly N digits at *S. */
static bool number(const char **s, int n, int min, int max, int *ret)
{
	int v = 0;

	for (; n > 0; n--, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		v = v * 10 + (**s - '0');
	}
	*ret = v;
	return v >= min && v <= max;
}

static bool skip(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

/* Up to nine digits after a point, as nanoseconds. */
static bool nanoseconds(const char **s, int64_t *ret)
{
	int n = 0;
	int64_t v = 0;

	for (; **s >= '0' && **s <= '9'; (*s)++, n++)
		if (n < 9)
			v = v * 10 + (**s - '0');
	for (int i = n; i < 9; i++)
		v *= 10;
	*ret = v;
	return n > 0;
}

/* "Z", "+02:00", or nothing: local time. */
static bool zone(const char *s, bool *local, long *offset)
{
	int h, m, sign = *s == '-' ? -1 : 1;

	*offset = 0;
	*local = !*s;
	if (!*s || streq(s, "Z"))
		return true;
	if (*s != '-' && *s != '+')
		return false;
	s++;
	if (!number(&s, 2, 0, 23, &h) || !skip(&s, ':') || !number(&s, 2, 0, 59, &m) || *s)
		return false;
	*offset = sign * (h * 3600 + m * 60);
	return true;
}

/* "2006-01-02[T15[:04[:05[.999]]]][zone]" */
static bool calendar(const char *s, int64_t *ret)
{
	struct tm tm = { .tm_isdst = -1 };
	static const int month_days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int64_t fraction = 0;
	long offset;
	bool local;
	time_t t;

	if (!number(&s, 4, 1678, 2261, &tm.tm_year) || !skip(&s, '-') || /* what int64_t nanoseconds can say */
	    !number(&s, 2, 1, 12, &tm.tm_mon) || !skip(&s, '-') ||
	    !number(&s, 2, 1, month_days[tm.tm_mon - 1], &tm.tm_mday))
		return false;
	if (tm.tm_mon == 2 && tm.tm_mday == 29 &&
	    (tm.tm_year % 4 != 0 || (tm.tm_year % 100 == 0 && tm.tm_year % 400 != 0)))
		return false;
	if (skip(&s, 'T') || skip(&s, 't')) {
		if (!number(&s, 2, 0, 23, &tm.tm_hour))
			return false;
		if (skip(&s, ':') && !number(&s, 2, 0, 59, &tm.tm_min))
			return false;
		if (skip(&s, ':') && !number(&s, 2, 0, 60, &tm.tm_sec))
			return false;
		if (skip(&s, '.') && !nanoseconds(&s, &fraction))
			return false;
	}
	if (!zone(s, &local, &offset))
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	t = local ? mktime(&tm) : timegm(&tm) - offset;
	*ret = t * second + fraction;
	return true;
}

/* "[-]1136073600[.5]" */
static bool unix_seconds(const char *s, int64_t *ret)
{
	bool neg = skip(&s, '-');
	int64_t v = 0, fraction = 0;
	int n = 0;

	for (; *s >= '0' && *s <= '9'; s++, n++) {
		if (n >= 10)
			return false;
		v = v * 10 + (*s - '0');
	}
	if (n == 0 || (skip(&s, '.') && !nanoseconds(&s, &fraction)) || *s || v > INT64_MAX / second - 1)
		return false;
	v = v * second + fraction;
	*ret = neg ? -v : v;
	return true;
}

int time_parse(const char *s, int64_t now_ns, int64_t *ret_ns, struct err *e)
{
	AUTO_ERR(scratch);
	int64_t ago;

	if (num_duration(s, &ago, &scratch) >= 0) {
		if (__builtin_sub_overflow(now_ns, ago, &ago))
			return err_set(e, ERANGE, "'%.64s': too long ago", s);
		*ret_ns = ago;
		return 0;
	}
	if (!calendar(s, ret_ns) && !unix_seconds(s, ret_ns)) {
		auto_free char *shown = str_visible(s, strnlen(s, 64));
		int r = err_set(e, EINVAL, "'%s': not a time", shown);

		err_hint(e, "write a time ('2026-11-25T14:30:00Z'), a date, seconds since 1970, "
			    "or how long ago ('10m')");
		return r;
	}
	return 0;
}
