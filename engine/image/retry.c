/* SPDX-License-Identifier: MIT */
#include "engine/image/retry.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/num.h"
#include "base/str.h"

static const int64_t second = 1000000000;

/* "Wed, 21 Oct 2026 07:28:00 GMT" (RFC 9110 5.6.7); the two obsolete forms are not sent any more. */
enum { LAST_YEAR = 2200 }; /* nanoseconds in 64 bits end in 2262 */

static int64_t http_date(const char *s)
{
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	struct tm t = { 0 };
	char month[4] = "", zone[4] = "";
	const char *comma = strchr(s, ',');
	size_t i;

	if (!comma || sscanf(comma + 1, " %2d %3s %4d %2d:%2d:%2d %3s", &t.tm_mday, month, &t.tm_year, &t.tm_hour, &t.tm_min, &t.tm_sec, zone) != 7)
		return -1;
	for (i = 0; i < ARRAY_LEN(months) && !streq(months[i], month); i++)
		;
	if (i == ARRAY_LEN(months) || !streq(zone, "GMT") || t.tm_year < 1970 || t.tm_year > LAST_YEAR)
		return -1;
	t.tm_mon = (int)i;
	t.tm_year -= 1900;
	return timegm(&t) * second;
}

int64_t retry_after_ns(const char *text, int64_t now_ns)
{
	AUTO_ERR(ignored);
	int64_t seconds, date;

	if (!text)
		return -1;
	if (num_int(text, 0, INT32_MAX, &seconds, &ignored) >= 0)
		return seconds * second;
	date = http_date(text);
	return date < 0 ? -1 : MAX(date - now_ns, 0);
}

static int is_passing(long status, int code)
{
	static const long statuses[] = { 408, 429, 500, 502, 503, 504 };
	static const int codes[] = { ETIMEDOUT, ECONNRESET, ECONNREFUSED, EIO };

	for (size_t i = 0; status && i < ARRAY_LEN(statuses); i++)
		if (statuses[i] == status)
			return 1;
	for (size_t i = 0; code && i < ARRAY_LEN(codes); i++)
		if (codes[i] == code)
			return 1;
	return 0;
}

int64_t retry_delay(int tried, long status, int code, int64_t after_ns, unsigned jitter)
{
	int64_t wait = second / 2;

	if (tried + 1 >= RETRY_MOST || !is_passing(code ? 0 : status, code))
		return RETRY_NEVER;
	/* Nobody listens, or answers at all: it may be starting, but not for long. */
	if ((code == ECONNREFUSED || (code == ETIMEDOUT && !status)) && tried >= 1)
		return RETRY_NEVER;
	if (after_ns > RETRY_AFTER_CAP_NS)
		return RETRY_NEVER;
	if (after_ns >= 0)
		return after_ns;
	for (int i = 0; i < tried && wait < RETRY_CAP_NS; i++)
		wait *= 2;
	wait = MIN(wait, RETRY_CAP_NS);
	return wait / 2 + wait / 2 * (int64_t)(jitter & 1023) / 1024;
}
