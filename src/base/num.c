/* SPDX-License-Identifier: MIT
 *
 * The grammars are Go's, because compose files were written against them: strconv.ParseFloat, time.ParseDuration,
 * go-units' RAMInBytes (its regular expression), HumanSize and HumanDuration, time.Duration.String.
 */
#include "base/num.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NUM_SHOWN = 64 }; /* of the value, in messages */

static int not_a(struct err *e, const char *s, const char *what)
{
	auto_free char *shown = str_visible(s, strnlen(s, NUM_SHOWN));

	return err_set(e, EINVAL, "'%s': not %s", shown, what);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits only, at least one. -EINVAL, -ERANGE (beyond MAX); says nothing. */
static int digits(const char *s, unsigned base, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*s)
		return -EINVAL;
	for (const char *p = s; *p; p++)
		if (*p < '0' || *p >= (char)('0' + base))
			return -EINVAL;
	for (; *s; s++)
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v) || v > max)
			return -ERANGE;
	*ret = v;
	return 0;
}

int num_int(const char *s, int64_t min, int64_t max, int64_t *ret, struct err *e)
{
	bool neg = *s == '-';
	uint64_t v = 0;
	int64_t value = 0;
	int r = digits(s + (*s == '-' || *s == '+'), 10, neg ? (uint64_t)INT64_MAX + 1 : INT64_MAX, &v);

	if (r == -EINVAL)
		return not_a(e, s, "a whole number");
	if (r == 0)
		value = neg ? (int64_t)(0 - v) : (int64_t)v;
	if (r < 0 || value < min || value > max)
		return err_set(e, ERANGE, "'%.*s': must be between %lld and %lld", NUM_SHOWN, s,
			       (long long)min, (long long)max);
	*ret = value;
	return 0;
}

int num_uint(const char *s, uint64_t max, uint64_t *ret, struct err *e)
{
	int r = digits(s, 10, max, ret);

	if (r == -EINVAL)
		return not_a(e, s, "a whole number");
	if (r < 0)
		return err_set(e, ERANGE, "'%.*s': must be between 0 and %llu", NUM_SHOWN, s,
			       (unsigned long long)max);
	return 0;
}

int num_octal(const char *s, uint32_t max, uint32_t *ret, struct err *e)
{
	uint64_t v = 0;
	int r = digits(s, 8, max, &v);

	if (r == -EINVAL)
		return not_a(e, s, "an octal number");
	if (r < 0)
		return err_set(e, ERANGE, "'%.*s': must be between 0 and %o (octal)", NUM_SHOWN, s, max);
	*ret = (uint32_t)v;
	return 0;
}

/* [+-]digits[.digits][e[+-]digits], the decimal half of strconv.ParseFloat, N bytes. -EINVAL, -ERANGE; says nothing. */
static int decimal(const char *s, size_t n, double *ret)
{
	static locale_t c_locale;
	char copy[512];
	size_t i = 0, mantissa = 0;
	double v;

	if (n >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, s, n);
	copy[n] = '\0';
	s = copy;
	if (s[i] == '+' || s[i] == '-')
		i++;
	for (; s[i] >= '0' && s[i] <= '9'; i++)
		mantissa++;
	if (s[i] == '.')
		for (i++; s[i] >= '0' && s[i] <= '9'; i++)
			mantissa++;
	if (mantissa && (s[i] == 'e' || s[i] == 'E')) {
		i++;
		if (s[i] == '+' || s[i] == '-')
			i++;
		if (s[i] < '0' || s[i] > '9')
			return -EINVAL;
		while (s[i] >= '0' && s[i] <= '9')
			i++;
	}
	if (!mantissa || i != n)
		return -EINVAL;
	if (!c_locale)
		c_locale = newlocale(LC_ALL_MASK, "C", NULL);
	v = c_locale ? strtod_l(s, NULL, c_locale) : strtod(s, NULL);
	if (!isfinite(v))
		return -ERANGE;
	*ret = v;
	return 0;
}

int num_double(const char *s, double *ret, struct err *e)
{
	int r = decimal(s, strlen(s), ret);

	if (r == -EINVAL)
		return not_a(e, s, "a number");
	if (r < 0)
		return err_set(e, ERANGE, "'%.*s': too large", NUM_SHOWN, s);
	return 0;
}

int num_bool(const char *s, bool *ret, struct err *e)
{
	static const char *const yes[] = { "1", "t", "T", "TRUE", "true", "True", NULL };
	static const char *const no[] = { "0", "f", "F", "FALSE", "false", "False", NULL };

	if (!str_in(s, yes) && !str_in(s, no))
		return not_a(e, s, "true or false");
	*ret = str_in(s, yes);
	return 0;
}

/* Skips C in either case. */
static bool skip(const char **s, char c)
{
	if ((**s | 0x20) != c)
		return false;
	(*s)++;
	return true;
}

/* digits[.digits][ ][kmgtp][i][b]: neither sign nor exponent, and "1i" is a byte, as go-units has it. */
int num_bytes(const char *s, int64_t *ret, struct err *e)
{
	static const char units[] = "kmgtp";
	size_t n = strspn(s, "0123456789");
	const char *rest = s + n;
	int power = 0, r = -EINVAL;
	double v = 0;

	if (n && *rest == '.' && is_digit(rest[1])) {
		rest++;
		rest += strspn(rest, "0123456789");
	}
	if (n)
		r = decimal(s, (size_t)(rest - s), &v);
	rest += n && *rest == ' ';
	for (int i = 0; power == 0 && units[i]; i++)
		if (skip(&rest, units[i]))
			power = i + 1;
	(void)skip(&rest, 'i');
	(void)skip(&rest, 'b');
	if (r == -EINVAL || *rest) {
		r = not_a(e, s, "a size");
		err_hint(e, "write a number with an optional unit: b, k, m, g, t or p, as in '512m'");
		return r;
	}
	v *= (double)(1ull << (10 * power));
	if (r == -ERANGE || v >= 0x1p63)
		return err_set(e, ERANGE, "'%.*s': too large for a size", NUM_SHOWN, s);
	*ret = (int64_t)v;
	return 0;
}

static const struct {
	const char *name;
	uint64_t ns;
} duration_units[] = {
	{ "ns", 1 },
	{ "us", 1000 },
	{ "\xc2\xb5s", 1000 }, /* U+00B5 */
	{ "\xce\xbcs", 1000 }, /* U+03BC */
	{ "ms", 1000000 },
	{ "s", 1000000000 },
	{ "m", 60000000000 },
	{ "h", 3600000000000 },
	{ "d", 24 * 3600000000000 },
	{ "w", 7 * 24 * 3600000000000 },
};

static const uint64_t duration_limit = (uint64_t)1 << 63;

static uint64_t unit_find(const char *s, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(duration_units); i++)
		if (strlen(duration_units[i].name) == n && memcmp(duration_units[i].name, s, n) == 0)
			return duration_units[i].ns;
	return 0;
}

/* Digits after the point: *F / *SCALE. Those that no longer fit are dropped, as Go does. */
static const char *fraction(const char *s, uint64_t *f, double *scale)
{
	bool full = false;

	for (*f = 0, *scale = 1; is_digit(*s); s++) {
		full = full || *f > (duration_limit - 1) / 10;
		if (full)
			continue;
		*f = *f * 10 + (uint64_t)(*s - '0');
		*scale *= 10;
	}
	return s;
}

/* One "1.5h" at *S, added to *SUM. */
static int duration_part(const char **s, uint64_t *sum)
{
	const char *p = *s, *start = p;
	uint64_t v = 0, f = 0, unit;
	double scale = 1;
	bool any;
	size_t n;

	for (; is_digit(*p); p++) {
		if (v > duration_limit / 10)
			return -ERANGE;
		v = v * 10 + (uint64_t)(*p - '0');
		if (v > duration_limit)
			return -ERANGE;
	}
	any = p > start;
	if (*p == '.') {
		start = p + 1;
		p = fraction(start, &f, &scale);
		any = any || p > start;
	}
	for (n = 0; p[n] && p[n] != '.' && !is_digit(p[n]);)
		n++;
	unit = any ? unit_find(p, n) : 0;
	if (!unit)
		return -EINVAL;
	if (v > duration_limit / unit)
		return -ERANGE;
	v = v * unit + (uint64_t)((double)f * ((double)unit / scale));
	if (v > duration_limit || (*sum += v) > duration_limit)
		return -ERANGE;
	*s = p + n;
	return 0;
}

int num_duration(const char *s, int64_t *ret_ns, struct err *e)
{
	const char *p = s + (*s == '-' || *s == '+');
	uint64_t sum = 0;
	bool neg = *s == '-';
	int r = *p ? 0 : -EINVAL;

	if (streq(p, "0"))
		p++;
	while (r == 0 && *p)
		r = duration_part(&p, &sum);
	if (r == -EINVAL) {
		r = not_a(e, s, "a duration");
		err_hint(e, "write numbers with units: ns, us, ms, s, m, h, d or w, as in '1m30s'");
		return r;
	}
	if (r < 0 || (!neg && sum == duration_limit))
		return err_set(e, ERANGE, "'%.*s': too long for a duration", NUM_SHOWN, s);
	*ret_ns = neg ? (int64_t)(0 - sum) : (int64_t)sum;
	return 0;
}

/* V / 10^PLACES without trailing zeros. */
static void add_decimal(struct str *b, uint64_t v, int places)
{
	uint64_t unit = 1;

	for (int i = 0; i < places; i++)
		unit *= 10;
	str_addf(b, "%llu", (unsigned long long)(v / unit));
	v %= unit;
	if (v == 0)
		return;
	while (v % 10 == 0) {
		v /= 10;
		places--;
	}
	str_addf(b, ".%0*llu", places, (unsigned long long)v);
}

char *num_duration_text(int64_t ns)
{
	struct str b = STR_INIT(64);
	uint64_t u = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;

	if (ns < 0)
		str_addc(&b, '-');
	if (u == 0) {
		str_add(&b, "0s");
	} else if (u < 1000) {
		str_addf(&b, "%lluns", (unsigned long long)u);
	} else if (u < 1000000) {
		add_decimal(&b, u, 3);
		str_add(&b, "\xc2\xb5s");
	} else if (u < 1000000000) {
		add_decimal(&b, u, 6);
		str_add(&b, "ms");
	} else {
		uint64_t minutes = u / 60000000000;

		if (minutes >= 60)
			str_addf(&b, "%lluh", (unsigned long long)(minutes / 60));
		if (minutes)
			str_addf(&b, "%llum", (unsigned long long)(minutes % 60));
		add_decimal(&b, u % 60000000000, 9);
		str_addc(&b, 's');
	}
	return str_take(&b);
}

char *num_size_units(uint64_t bytes, unsigned base, int digits)
{
	static const char *const decimal[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	static const char *const binary[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)bytes;
	size_t i = 0;

	for (; v >= base && i < ARRAY_LEN(decimal) - 1; i++)
		v /= base;
	return xasprintf("%.*g%s", digits, v, base == 1000 ? decimal[i] : binary[i]);
}

char *num_size_text(uint64_t bytes)
{
	return num_size_units(bytes, 1000, 4);
}

char *num_ago_text(int64_t seconds)
{
	int64_t minutes = seconds / 60, hours = (seconds + 1800) / 3600;
	const struct {
		bool here;
		int64_t n;
		const char *unit;
	} steps[] = {
		{ seconds < 60, seconds, "seconds" }, { minutes < 60, minutes, "minutes" },
		{ hours < 48, hours, "hours" },       { hours < 24 * 14, hours / 24, "days" },
		{ hours < 24 * 60, hours / 168, "weeks" }, { hours < 24 * 730, hours / 720, "months" },
		{ true, seconds / 3600 / 24 / 365, "years" },
	};
	size_t i = 0;

	if (seconds < 1)
		return xstrdup("Less than a second");
	if (seconds == 1)
		return xstrdup("1 second");
	if (minutes == 1)
		return xstrdup("About a minute");
	if (minutes >= 60 && hours == 1)
		return xstrdup("About an hour");
	while (!steps[i].here)
		i++;
	return xasprintf("%lld %s", (long long)steps[i].n, steps[i].unit);
}
