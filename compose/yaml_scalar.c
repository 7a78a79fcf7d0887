/* SPDX-License-Identifier: MIT
 *
 * What a plain scalar means: go-yaml v3's resolve(), by cases of its documentation and recorded outputs. The first
 * character decides what is tried, in this order: words, timestamp, integer, float.
 */
#include "compose/yaml.h"
#include "base/arena.h"
#include "base/str.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
	const char *word;
	enum yaml_plain type;
	const char *text;
} words[] = {
	{ "true", YAML_BOOL, "true" },    { "True", YAML_BOOL, "true" },    { "TRUE", YAML_BOOL, "true" },
	{ "false", YAML_BOOL, "false" },  { "False", YAML_BOOL, "false" },  { "FALSE", YAML_BOOL, "false" },
	{ "~", YAML_NULL, "" },           { "null", YAML_NULL, "" },        { "Null", YAML_NULL, "" },
	{ "NULL", YAML_NULL, "" },        { ".nan", YAML_FLOAT, "NaN" },    { ".NaN", YAML_FLOAT, "NaN" },
	{ ".NAN", YAML_FLOAT, "NaN" },    { ".inf", YAML_FLOAT, "+Inf" },   { ".Inf", YAML_FLOAT, "+Inf" },
	{ ".INF", YAML_FLOAT, "+Inf" },   { "+.inf", YAML_FLOAT, "+Inf" },  { "+.Inf", YAML_FLOAT, "+Inf" },
	{ "+.INF", YAML_FLOAT, "+Inf" },  { "-.inf", YAML_FLOAT, "-Inf" },  { "-.Inf", YAML_FLOAT, "-Inf" },
	{ "-.INF", YAML_FLOAT, "-Inf" },
};

/* ---- numbers ---- */

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* Go's ParseInt(s, 0, 64), then ParseUint: sign, 0x 0o 0b or a leading 0 for octal. S has no underscores any more. */
static bool parse_int(struct arena *a, const char *s, const char **ret)
{
	bool neg = *s == '-', sign = *s == '-' || *s == '+';
	uint64_t v = 0;
	unsigned base = 10;

	s += sign;
	if (*s == '0' && s[1]) {
		char c = s[1] | 0x20;

		base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
		s += c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
	}
	if (!*s)
		return false;
	for (; *s; s++) {
		unsigned d = (unsigned)digit(*s);

		if (d >= base || __builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)d, &v))
			return false;
	}
	if (neg ? v > (uint64_t)INT64_MAX + 1 : sign && v > INT64_MAX)
		return false;
	*ret = arena_printf(a, "%s%" PRIu64, neg && v ? "-" : "", v);
	return true;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_float(const char *s)
{
	size_t whole, frac = 0;

	s += *s == '-' || *s == '+';
	whole = strspn(s, "0123456789");
	s += whole;
	if (*s == '.') {
		frac = strspn(s + 1, "0123456789");
		s += 1 + frac;
	}
	if (!whole && !frac)
		return false;
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '-' || *s == '+';
		if (!isdigit((unsigned char)*s))
			return false;
		s += strspn(s, "0123456789");
	}
	return !*s;
}

const char *yaml_float_text(struct arena *a, double v)
{
	char digits[32], *exp_at;
	int prec, exp10;
	char sign[2] = "";
	size_t n;

	if (isnan(v))
		return "NaN";
	if (isinf(v))
		return v > 0 ? "+Inf" : "-Inf";
	if (v == 0)
		return signbit(v) ? "-0" : "0";
	for (prec = 0; prec < 17; prec++) { /* the shortest that reads back to the same */
		snprintf(digits, sizeof digits, "%.*e", prec, v);
		if (strtod(digits, NULL) == v)
			break;
	}
	if (digits[0] == '-') {
		sign[0] = '-';
		memmove(digits, digits + 1, strlen(digits));
	}
	exp_at = strchr(digits, 'e');
	exp10 = (int)strtol(exp_at + 1, NULL, 10);
	*exp_at = '\0';
	if (exp10 < -4 || exp10 >= 6) /* strconv: the shortest %g takes precision 6 for this decision */
		return arena_printf(a, "%s%se%c%02d", sign, digits, exp10 < 0 ? '-' : '+', abs(exp10));
	if (digits[1] == '.')
		memmove(digits + 1, digits + 2, strlen(digits + 2) + 1);
	n = strlen(digits);
	if (exp10 < 0)
		return arena_printf(a, "%s0.%.*s%s", sign, -exp10 - 1, "0000", digits);
	if (n <= (size_t)exp10 + 1)
		return arena_printf(a, "%s%s%.*s", sign, digits, exp10 + 1 - (int)n, "000000");
	return arena_printf(a, "%s%.*s.%s", sign, exp10 + 1, digits, digits + exp10 + 1);
}

static bool parse_float(struct arena *a, const char *s, const char **ret)
{
	double v;

	if (!is_float(s))
		return false;
	v = strtod(s, NULL); /* the C locale: gantry never calls setlocale(LC_NUMERIC) */
	if (isinf(v))
		return false;
	*ret = yaml_float_text(a, v);
	return true;
}

/* ---- timestamps ---- */

struct clock {
	int year, month, day, hour, min, sec, off; /* off: minutes east */
	char frac[10];                             /* digits without trailing zeros */
	bool zone;
};

static bool take(const char **s, int min, int max, int *ret)
{
	int n = 0;

	for (*ret = 0; n < max && isdigit((unsigned char)**s); n++)
		*ret = *ret * 10 + *(*s)++ - '0';
	return n >= min;
}

static bool take_char(const char **s, char c)
{
	if (**s != c)
		return false;
	++*s;
	return true;
}

static bool take_frac(const char **s, struct clock *c)
{
	size_t n = 0;

	if (**s != '.' && **s != ',')
		return true;
	++*s;
	if (!isdigit((unsigned char)**s))
		return false;
	for (; isdigit((unsigned char)**s); ++*s)
		if (n < 9)
			c->frac[n++] = **s;
	while (n && c->frac[n - 1] == '0')
		n--;
	c->frac[n] = '\0';
	return true;
}

static bool take_zone(const char **s, struct clock *c)
{
	int h, m, sign;

	c->zone = true;
	if (take_char(s, 'Z'))
		return true;
	if (**s != '+' && **s != '-')
		return false;
	sign = *(*s)++ == '-' ? -1 : 1;
	if (!take(s, 2, 2, &h) || !take_char(s, ':') || !take(s, 2, 2, &m) || h > 24 || m > 60)
		return false;
	c->off = sign * (h * 60 + m);
	return true;
}

static bool valid_date(const struct clock *c)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0);

	return c->month >= 1 && c->month <= 12 && c->day >= 1 &&
	       c->day <= days[c->month - 1] + (leap && c->month == 2) && c->hour < 24 && c->min < 60 &&
	       c->sec < 60;
}

/* 2006-1-2, 2006-1-2T15:4:5[.9]Z07:00 (or t), 2006-1-2 15:4:5[.9] */
static bool parse_time(struct arena *a, const char *s, const char **ret)
{
	struct clock c = { 0 };
	char zone[8];

	if (strspn(s, "0123456789") != 4 || s[4] != '-')
		return false;
	if (!take(&s, 4, 4, &c.year) || !take_char(&s, '-') || !take(&s, 1, 2, &c.month) ||
	    !take_char(&s, '-') || !take(&s, 1, 2, &c.day))
		return false;
	if (*s) {
		char sep = *s++;

		if (sep != 'T' && sep != 't' && sep != ' ')
			return false;
		if (!take(&s, 1, 2, &c.hour) || !take_char(&s, ':') || !take(&s, 1, 2, &c.min) ||
		    !take_char(&s, ':') || !take(&s, 1, 2, &c.sec) || !take_frac(&s, &c))
			return false;
		if (sep != ' ' && !take_zone(&s, &c))
			return false;
	}
	if (*s || !valid_date(&c))
		return false;
	snprintf(zone, sizeof zone, "%c%02d%02d", c.off < 0 ? '-' : '+', abs(c.off) / 60 % 100, abs(c.off) % 60);
	*ret = arena_printf(a, "%04d-%02d-%02d %02d:%02d:%02d%s%s %s %s", c.year, c.month, c.day, c.hour, c.min,
			    c.sec, c.frac[0] ? "." : "", c.frac, zone, c.off ? zone : "UTC");
	return true;
}

/* ---- all together ---- */

enum yaml_plain yaml_resolve(struct arena *a, const char *s, const char **ret_text)
{
	char buf[128];
	size_t n = 0;

	*ret_text = s;
	if (!*s)
		return YAML_NULL;
	if (!strchr("+-.0123456789nNtTfF~", *s)) /* nothing below starts with anything else */
		return YAML_STR;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (streq(words[i].word, s)) {
			*ret_text = words[i].text;
			return words[i].type;
		}
	if (*s == '.')
		return parse_float(a, s, ret_text) ? YAML_FLOAT : YAML_STR;
	if (!strchr("+-0123456789", *s))
		return YAML_STR;
	if (parse_time(a, s, ret_text))
		return YAML_TIME;
	for (const char *p = s; *p; p++) {
		if (n == sizeof buf - 1)
			return YAML_STR; /* no number is that long */
		if (*p != '_')
			buf[n++] = *p;
	}
	buf[n] = '\0';
	if (parse_int(a, buf, ret_text))
		return YAML_INT;
	return parse_float(a, buf, ret_text) ? YAML_FLOAT : YAML_STR;
}
