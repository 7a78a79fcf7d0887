/* SPDX-License-Identifier: MIT */
#include "engine/image/ref.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/id.h"
#include "base/str.h"

#define DEFAULT_HOST "docker.io"
#define OTHER_HOST "index.docker.io"
#define OFFICIAL "library/"

enum { HOST_MAX = 255, HEX_MIN = 32 };

void ref_done(struct ref *r)
{
	free(r->host);
	free(r->path);
	free(r->tag);
	free(r->digest);
	*r = (struct ref){ 0 };
}

/* ASCII only: the locale must not decide what a name is. */
static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}
static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}
static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}
static bool is_alnum(char c)
{
	return is_lower(c) || is_upper(c) || is_digit(c);
}
static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
static size_t span(const char *s, bool (*is)(char))
{
	size_t n = 0;

	while (s[n] && is(s[n]))
		n++;
	return n;
}
static bool is_lower_alnum(char c)
{
	return is_lower(c) || is_digit(c);
}
static bool is_lower_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f');
}
static bool has_upper(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_upper(s[i]))
			return true;
	return false;
}

static const struct digest_algorithm {
	const char *prefix;
	size_t hex;
} algorithms[] = {
	{ "sha256:", 64 },
	{ "sha512:", 128 },
};

bool digest_is_valid(const char *s)
{
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
		const char *hex = str_after(s, algorithms[i].prefix);

		if (hex)
			return strlen(hex) == algorithms[i].hex && span(hex, is_lower_hex) == algorithms[i].hex;
	}
	return false;
}

const char *digest_hex_part(const char *digest)
{
	const char *colon = strchr(digest, ':');

	return colon ? colon + 1 : digest;
}

/* [a-z0-9]+ joined by one of '.', '_', '__' or any number of '-' */
static bool component_is_valid(const char *s, size_t n)
{
	size_t i = 0;

	for (;;) {
		size_t word = i;

		while (i < n && is_lower_alnum(s[i]))
			i++;
		if (i == word)
			return false;
		if (i == n)
			return true;
		if (s[i] == '-') {
			while (i < n && s[i] == '-')
				i++;
		} else if (s[i] == '_') {
			i += i + 1 < n && s[i + 1] == '_' ? 2 : 1;
		} else if (s[i] == '.') {
			i++;
		} else {
			return false;
		}
	}
}

static bool path_is_valid(const char *path)
{
	for (const char *p = path;; p++) {
		size_t n = strcspn(p, "/");

		if (!component_is_valid(p, n))
			return false;
		p += n;
		if (!*p)
			return true;
	}
}

static bool label_is_valid(const char *s, size_t n)
{
	if (n == 0 || !is_alnum(s[0]) || !is_alnum(s[n - 1]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_alnum(s[i]) && s[i] != '-')
			return false;
	return true;
}

/* labels[:port] or [hex and colons][:port] */
static bool host_is_valid(const char *host)
{
	const char *p = host;

	if (strlen(host) > HOST_MAX)
		return false;
	if (*p == '[') {
		size_t n = strcspn(p + 1, "]");

		for (size_t i = 1; i <= n; i++)
			if (!is_hex(p[i]) && p[i] != ':')
				return false;
		if (n == 0 || p[n + 1] != ']')
			return false;
		p += n + 2;
	} else {
		for (;; p++) {
			size_t n = strcspn(p, ".:");

			if (!label_is_valid(p, n))
				return false;
			p += n;
			if (*p != '.')
				break;
		}
	}
	if (!*p)
		return true;
	if (*p++ != ':')
		return false;
	size_t digits = span(p, is_digit);
	return digits > 0 && digits <= 5 && p[digits] == '\0' && strtoul(p, NULL, 10) <= 65535;
}

static bool is_word(char c)
{
	return is_alnum(c) || c == '_';
}

static bool tag_is_valid(const char *tag)
{
	size_t n = strlen(tag);

	if (n == 0 || n > REF_TAG_MAX || !is_word(tag[0]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_word(tag[i]) && tag[i] != '.' && tag[i] != '-')
			return false;
	return true;
}

static int format_error(const char *text, const char *what, struct err *e)
{
	auto_free char *seen = str_visible(text, strnlen(text, 300));

	if (what)
		return err_set(e, EINVAL, "'%s': invalid reference format: %s", seen, what);
	return err_set(e, EINVAL, "'%s': invalid reference format", seen);
}

static int digest_check(const char *text, const char *digest, struct err *e)
{
	const char *colon = strchr(digest, ':');

	if (!colon || colon == digest || span(colon + 1, is_hex) < HEX_MIN)
		return format_error(text, NULL, e);
	if (digest_is_valid(digest))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
		if (str_starts(digest, algorithms[i].prefix))
			return format_error(text, "invalid checksum digest length or format", e);
	return format_error(text, "unsupported digest algorithm", e);
}

/* What is not a name at all, with the way out for the common mistakes. */
static int refuse(const char *text, struct err *e)
{
	const char *after = strstr(text, "://");
	int r;

	if (!*text) {
		r = err_set(e, EINVAL, "invalid reference format: the image's name is empty");
		err_hint(e, "is a variable in it not set?");
		return r;
	}
	if (after) {
		r = format_error(text, "an image's name has no scheme", e);
		err_hint(e, "write it as '%.200s'", after + 3);
		return r;
	}
	if (*text == ':' || *text == '@') {
		r = format_error(text, "there is no name before the tag", e);
		err_hint(e, "is a variable in it not set?");
		return r;
	}
	if (id_is(text))
		return err_set(e, EINVAL, "invalid repository name (%s), cannot specify 64-byte hexadecimal strings", text);
	return 0;
}

static bool is_host(const char *s, size_t n)
{
	return memchr(s, '.', n) || memchr(s, ':', n) || has_upper(s, n) || (n == 9 && memcmp(s, "localhost", n) == 0);
}

static char *lowered(const char *s)
{
	char *l = xstrdup(s);

	for (char *p = l; *p; p++)
		*p = is_upper(*p) ? (char)(*p - 'A' + 'a') : *p;
	return l;
}

/* REST is what follows the host: path[:tag][@digest]. */
static int split_rest(const char *text, const char *rest, bool official, struct ref *r, struct err *e)
{
	size_t n = strcspn(rest, "@");
	auto_free char *named = xstrndup(rest, n);
	char *colon = strchr(named, ':');

	if (rest[n])
		r->digest = xstrdup(rest + n + 1);
	if (colon) {
		r->tag = xstrdup(colon + 1);
		*colon = '\0';
	}
	r->path = xasprintf("%s%s", official && !strchr(named, '/') ? OFFICIAL : "", named);
	if (has_upper(r->path, strlen(r->path))) {
		auto_free char *what = xasprintf("repository name (%.300s) must be lowercase", r->path);
		auto_free char *low = lowered(named);
		int rc = format_error(text, what, e);

		err_hint(e, "did you mean '%.200s'?", low);
		return rc;
	}
	if (!path_is_valid(r->path))
		return format_error(text, NULL, e);
	if (strlen(r->path) > REF_PATH_MAX)
		return err_set(e, EINVAL, "'%.300s': repository name must not be more than 255 characters", text);
	if (r->tag && !tag_is_valid(r->tag))
		return format_error(text, NULL, e);
	return r->digest ? digest_check(text, r->digest, e) : 0;
}

int ref_parse(const char *text, struct ref *ret, struct err *e)
{
	AUTO_DONE(ref_done) struct ref r = { 0 };
	size_t n = strcspn(text, "/");
	bool hosted = text[n] && is_host(text, n);

	TRY(refuse(text, e));
	r.host = hosted ? xstrndup(text, n) : xstrdup(DEFAULT_HOST);
	if (streq(r.host, OTHER_HOST)) {
		free(r.host);
		r.host = xstrdup(DEFAULT_HOST);
	}
	if (!host_is_valid(r.host))
		return format_error(text, "the part before the first '/' is not a host name", e);
	TRY(split_rest(text, hosted ? text + n + 1 : text, streq(r.host, DEFAULT_HOST), &r, e));
	*ret = r;
	r = (struct ref){ 0 };
	return 0;
}

int ref_parse_tagged(const char *text, struct ref *ret, struct err *e)
{
	TRY(ref_parse(text, ret, e));
	if (!ret->tag && !ret->digest)
		ret->tag = xstrdup("latest");
	return 0;
}

char *ref_name(const struct ref *r)
{
	return xasprintf("%s/%s", r->host, r->path);
}

char *ref_text(const struct ref *r)
{
	if (r->digest)
		return xasprintf("%s/%s@%s", r->host, r->path, r->digest);
	return xasprintf("%s/%s%s%s", r->host, r->path, r->tag ? ":" : "", str0(r->tag));
}

const char *ref_familiar(const char *text)
{
	const char *path = str_after(text, DEFAULT_HOST "/");
	const char *short_name = path ? str_after(path, OFFICIAL) : NULL;
	size_t n = path ? strcspn(path, "/") : 0;

	if (short_name && !strchr(short_name, '/'))
		return short_name;
	/* Without its host docker.io/foo.bar/x would be x of the host foo.bar. */
	return path && !(path[n] && is_host(path, n)) ? path : text;
}

char *ref_familiar_name(const struct ref *r)
{
	auto_free char *name = ref_name(r);

	return xstrdup(ref_familiar(name));
}
