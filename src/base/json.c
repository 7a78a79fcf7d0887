/* SPDX-License-Identifier: MIT
 *
 * cJSON keeps the tree. Around it: a check of the text beforehand (cJSON takes more than RFC 8259 allows, and its C strings
 * would end at "\u0000"), integers from 2^53 on kept as their text (a cJSON_Raw node), and our own printer, which writes those
 * exactly and looks like everybody's `inspect`.
 */
#include "base/json.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/num.h"
#include "base/str.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { JSON_MAX = 64 << 20, INDENT = 4, LONG_DIGITS = 16 };
static const double exact_max = 9007199254740992.0; /* 2^53: itself, or 2^53 + 1 rounded */

/* Out of memory aborts, as everywhere. */
__attribute__((constructor)) static void hooks(void)
{
	cJSON_Hooks h = { .malloc_fn = xmalloc, .free_fn = free };

	cJSON_InitHooks(&h);
}

void json_free(struct cJSON *j)
{
	cJSON_Delete(j);
}

/* A whole number that a double holds exactly. (No libm: every program would have to link it.) */
static bool is_whole(double v)
{
	return v > -exact_max && v < exact_max && v == (double)(int64_t)v;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The number at P: its length, 0: not one. *WHOLE: without fraction and exponent. */
static size_t number_length(const char *p, const char *end, bool *whole)
{
	const char *s = p;

	*whole = true;
	if (s < end && *s == '-')
		s++;
	if (s == end || !is_digit(*s) || (*s == '0' && s + 1 < end && is_digit(s[1])))
		return 0;
	while (s < end && is_digit(*s))
		s++;
	if (s < end && *s == '.') {
		*whole = false;
		if (++s == end || !is_digit(*s))
			return 0;
		while (s < end && is_digit(*s))
			s++;
	}
	if (s < end && (*s == 'e' || *s == 'E')) {
		*whole = false;
		s++;
		if (s < end && (*s == '+' || *s == '-'))
			s++;
		if (s == end || !is_digit(*s))
			return 0;
		while (s < end && is_digit(*s))
			s++;
	}
	return (size_t)(s - p);
}

/* The string at P (behind its quote): length with the closing quote, 0: not one. */
static size_t string_length(const char *p, const char *end)
{
	const char *s = p;

	while (s < end && *s != '"') {
		if ((unsigned char)*s < 0x20)
			return 0;
		if (*s == '\\') {
			if (end - s >= 6 && memcmp(s, "\\u0000", 6) == 0)
				return 0;
			s++;
		}
		s += s < end;
	}
	return s < end ? (size_t)(s - p) + 1 : 0;
}

struct token {
	const char *at;
	size_t n;      /* 0: the end, or a mistake at AT */
	bool long_int;
};

/* The next number at or after P; strings are checked on the way. */
static struct token next_number(const char *p, const char *end, bool *bad)
{
	*bad = false;
	while (p < end) {
		bool whole;
		size_t n;

		if (*p == '"') {
			n = string_length(p + 1, end);
			if (n == 0) {
				*bad = true;
				return (struct token){ .at = p };
			}
			p += n + 1;
		} else if (is_digit(*p) || *p == '-') {
			n = number_length(p, end, &whole);
			*bad = n == 0;
			return (struct token){ p, n, whole && n >= LONG_DIGITS };
		} else {
			if (*p == '\0') {
				*bad = true;
				return (struct token){ .at = p };
			}
			p++;
		}
	}
	return (struct token){ .at = end };
}

static int bad_at(const char *text, const char *at, const char *what, const char *why, struct err *e)
{
	size_t line = 1, column = 1;

	for (const char *p = text; p < at; p++) {
		column = *p == '\n' ? 1 : column + 1;
		line += *p == '\n';
	}
	return err_set(e, EINVAL, "%s: not valid JSON at line %zu, column %zu%s", what, line, column, why);
}

/* The node after C in the order of the text. */
static cJSON *walk(cJSON *c, cJSON **stack, size_t *depth)
{
	if (c->child) {
		stack[(*depth)++] = c;
		return c->child;
	}
	while (!c->next) {
		if (*depth == 0)
			return NULL;
		c = stack[--*depth];
	}
	return *depth ? c->next : NULL;
}

/* Numbers come in the tree in the order of the text, so both are walked together. */
static void keep_long(cJSON *root, const char *text, const char *end)
{
	cJSON *stack[CJSON_NESTING_LIMIT + 1];
	size_t depth = 0;
	bool bad;
	struct token t = next_number(text, end, &bad);

	for (cJSON *c = root; c && t.n; c = walk(c, stack, &depth)) {
		if (!cJSON_IsNumber(c))
			continue;
		if (t.long_int && fabs(c->valuedouble) >= exact_max) {
			c->type = (c->type & ~0xff) | cJSON_Raw;
			c->valuestring = xstrndup(t.at, t.n);
		}
		t = next_number(t.at + t.n, end, &bad);
	}
}

int json_parse(const char *text, size_t n, const char *what, struct cJSON **ret, struct err *e)
{
	AUTO(json_free) cJSON *j = NULL;
	const char *end = text + n, *stop = NULL;
	bool bad, any_long = false;
	struct token t;

	if (n > JSON_MAX)
		return err_set(e, EFBIG, "%s: larger than %d bytes", what, JSON_MAX);
	if (!str_utf8_valid(text, n))
		return err_set(e, EINVAL, "%s: not valid JSON: not UTF-8", what);
	for (t = next_number(text, end, &bad); t.n; t = next_number(t.at + t.n, end, &bad))
		any_long = any_long || t.long_int;
	if (bad)
		return bad_at(text, t.at, what, *t.at == '"' ? " (a string)" : "", e);
	j = cJSON_ParseWithLengthOpts(text, n, &stop, false);
	if (!j)
		return bad_at(text, stop ? MIN(stop, end) : text, what, n ? "" : " (it is empty)", e);
	while (stop < end && strchr(" \t\r\n", *stop) && *stop)
		stop++;
	if (stop < end)
		return bad_at(text, stop, what, " (something comes after the end)", e);
	if (any_long)
		keep_long(j, text, end);
	*ret = TAKE(j);
	return 0;
}

static void add_string(struct str *b, const char *s)
{
	static const char plain[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";

	str_addc(b, '"');
	for (; *s; s++) {
		const char *special = strchr(plain, *s);

		if (special) {
			str_addc(b, '\\');
			str_addc(b, names[special - plain]);
		} else if ((unsigned char)*s < 0x20 || *s == 0x7f) {
			str_addf(b, "\\u%04x", (unsigned char)*s);
		} else {
			str_addc(b, *s);
		}
	}
	str_addc(b, '"');
}

static void add_number(struct str *b, double v)
{
	char text[32];

	if (!isfinite(v)) {
		str_add(b, "null");
		return;
	}
	if (is_whole(v)) {
		str_addf(b, "%.0f", v);
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	str_add(b, text);
}

static void add_line(struct str *b, bool pretty, unsigned depth)
{
	if (pretty)
		str_addf(b, "\n%*s", (int)(depth * INDENT), "");
}

/* Depth is that of what was parsed, or of our own documents. */
static void add_value(struct str *b, const cJSON *c, bool pretty, unsigned depth)
{
	bool object = cJSON_IsObject(c);

	switch (c->type & 0xff) {
	case cJSON_False:
		str_add(b, "false");
		return;
	case cJSON_True:
		str_add(b, "true");
		return;
	case cJSON_Number:
		add_number(b, c->valuedouble);
		return;
	case cJSON_String:
		add_string(b, str0(c->valuestring));
		return;
	case cJSON_Raw:
		str_add(b, str0(c->valuestring));
		return;
	case cJSON_Array:
	case cJSON_Object:
		break;
	default:
		str_add(b, "null");
		return;
	}
	str_addc(b, object ? '{' : '[');
	for (const cJSON *k = c->child; k; k = k->next) {
		add_line(b, pretty, depth + 1);
		if (object) {
			add_string(b, str0(k->string));
			str_add(b, pretty ? ": " : ":");
		}
		add_value(b, k, pretty, depth + 1);
		if (k->next)
			str_addc(b, ',');
	}
	if (c->child)
		add_line(b, pretty, depth);
	str_addc(b, object ? '}' : ']');
}

char *json_text(const struct cJSON *j, bool pretty)
{
	struct str b = STR_INIT(SIZE_MAX / 2);

	add_value(&b, j, pretty, 0);
	return str_take(&b);
}

struct cJSON *json_object(void)
{
	return cJSON_CreateObject();
}

struct cJSON *json_array(void)
{
	return cJSON_CreateArray();
}

struct cJSON *json_copy(const struct cJSON *j)
{
	return cJSON_Duplicate(j, true);
}

struct cJSON *json_add(struct cJSON *o, const char *key, struct cJSON *v)
{
	BUG_ON(!(key ? cJSON_AddItemToObject(o, key, v) : cJSON_AddItemToArray(o, v)));
	return v;
}

struct cJSON *json_add_object(struct cJSON *o, const char *key)
{
	return json_add(o, key, cJSON_CreateObject());
}

struct cJSON *json_add_array(struct cJSON *o, const char *key)
{
	return json_add(o, key, cJSON_CreateArray());
}

void json_add_str(struct cJSON *o, const char *key, const char *s)
{
	if (s)
		json_add(o, key, cJSON_CreateString(s));
}

void json_add_int(struct cJSON *o, const char *key, int64_t v)
{
	char text[24];

	if (fabs((double)v) < exact_max) {
		json_add(o, key, cJSON_CreateNumber((double)v));
		return;
	}
	snprintf(text, sizeof(text), "%lld", (long long)v);
	json_add_raw(o, key, text);
}

void json_add_bool(struct cJSON *o, const char *key, bool v)
{
	json_add(o, key, cJSON_CreateBool(v));
}

void json_add_double(struct cJSON *o, const char *key, double v)
{
	json_add(o, key, cJSON_CreateNumber(v));
}

void json_add_null(struct cJSON *o, const char *key)
{
	json_add(o, key, cJSON_CreateNull());
}

void json_add_raw(struct cJSON *o, const char *key, const char *text)
{
	json_add(o, key, cJSON_CreateRaw(text));
}

void json_add_strv(struct cJSON *o, const char *key, const struct strv *l)
{
	cJSON *a = json_add_array(o, key);

	for (size_t i = 0; i < l->n; i++)
		json_add_str(a, NULL, l->v[i]);
}

void json_add_map(struct cJSON *o, const char *key, const struct strv *env)
{
	cJSON *m = json_add_object(o, key);

	for (size_t i = 0; i < env->n; i++) {
		size_t n = strcspn(env->v[i], "=");
		auto_free char *name = xstrndup(env->v[i], n);

		if (env->v[i][n])
			json_add_str(m, name, env->v[i] + n + 1);
		else
			json_add_null(m, name);
	}
}

void json_remove(struct cJSON *o, const char *key)
{
	cJSON *c;

	while ((c = json_get(o, key)))
		cJSON_Delete(cJSON_DetachItemViaPointer(o, c));
}

/* The last of equal keys, as Go and most others take them. */
struct cJSON *json_get(const struct cJSON *o, const char *key)
{
	cJSON *found = NULL;

	if (!cJSON_IsObject(o))
		return NULL;
	for (cJSON *c = o->child; c; c = c->next)
		if (c->string && streq(c->string, key))
			found = c;
	return found;
}

const char *json_str(const struct cJSON *o, const char *key)
{
	return json_value_str(json_get(o, key));
}

int64_t json_int(const struct cJSON *o, const char *key, int64_t dflt)
{
	int64_t v;

	return json_value_int(json_get(o, key), &v) ? v : dflt;
}

double json_double(const struct cJSON *o, const char *key, double dflt)
{
	AUTO_ERR(scratch);
	const cJSON *c = json_get(o, key);
	double v;

	if (cJSON_IsNumber(c))
		return c->valuedouble;
	return cJSON_IsRaw(c) && num_double(c->valuestring, &v, &scratch) == 0 ? v : dflt;
}

bool json_bool(const struct cJSON *o, const char *key, bool dflt)
{
	const cJSON *c = json_get(o, key);

	return cJSON_IsBool(c) ? cJSON_IsTrue(c) : dflt;
}

void json_strv(const struct cJSON *o, const char *key, struct strv *l)
{
	const cJSON *a = json_get(o, key);

	if (!cJSON_IsArray(a))
		return;
	for (const cJSON *c = a->child; c; c = c->next)
		if (cJSON_IsString(c))
			strv_add(l, c->valuestring);
}

void json_map_strv(const struct cJSON *o, const char *key, struct strv *l)
{
	const cJSON *m = json_get(o, key);

	if (!cJSON_IsObject(m))
		return;
	for (const cJSON *c = m->child; c; c = c->next) {
		if (cJSON_IsString(c))
			strv_addf(l, "%s=%s", c->string, c->valuestring);
		else if (cJSON_IsNull(c))
			strv_add(l, c->string);
	}
}

int json_need_str(const struct cJSON *o, const char *key, const char *what, const char **ret, struct err *e)
{
	const cJSON *c = json_get(o, key);

	if (!c)
		return err_set(e, EINVAL, "%s: '%s' is missing", what, key);
	if (!cJSON_IsString(c))
		return err_set(e, EINVAL, "%s: '%s' must be a string", what, key);
	*ret = c->valuestring;
	return 0;
}

struct cJSON *json_first(const struct cJSON *o)
{
	return cJSON_IsArray(o) || cJSON_IsObject(o) ? o->child : NULL;
}

struct cJSON *json_next(const struct cJSON *c)
{
	return c->next;
}

const char *json_key(const struct cJSON *c)
{
	return c->string;
}

const char *json_value_str(const struct cJSON *c)
{
	return cJSON_IsString(c) ? c->valuestring : NULL;
}

bool json_value_int(const struct cJSON *c, int64_t *ret)
{
	AUTO_ERR(scratch);

	if (cJSON_IsRaw(c))
		return num_int(c->valuestring, INT64_MIN, INT64_MAX, ret, &scratch) == 0;
	if (!cJSON_IsNumber(c) || !is_whole(c->valuedouble))
		return false;
	*ret = (int64_t)c->valuedouble;
	return true;
}

bool json_is_object(const struct cJSON *c)
{
	return cJSON_IsObject(c);
}

bool json_is_array(const struct cJSON *c)
{
	return cJSON_IsArray(c);
}

bool json_is_null(const struct cJSON *c)
{
	return cJSON_IsNull(c);
}

size_t json_count(const struct cJSON *c)
{
	size_t n = 0;

	for (c = json_first(c); c; c = c->next)
		n++;
	return n;
}
