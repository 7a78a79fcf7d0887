/* SPDX-License-Identifier: MIT */
#include "engine/image/registry_error.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/image/http.h"
#include "engine/image/retry.h"

enum { SHOWN_MAX = 500 };

static char *visible(const char *s)
{
	return str_visible(s, strnlen(s, SHOWN_MAX));
}

static char *html_title(const char *body)
{
	const char *from = strcasestr(body, "<title>"), *to = from ? strcasestr(from, "</title>") : NULL;
	auto_free char *title = to ? str_visible(from + 7, MIN((size_t)(to - from - 7), (size_t)SHOWN_MAX)) : NULL;

	if (!strcasestr(body, "<html") && !title)
		return NULL;
	return xasprintf("%s%sthis is not a registry's answer: a proxy or a portal?", str0(title), title ? "; " : "");
}

char *registry_error_text(const char *body)
{
	AUTO(json_free) struct cJSON *j = NULL;
	AUTO_ERR(ignored);
	const struct cJSON *first;
	const char *code, *message;
	auto_free char *detail = NULL, *text = NULL;

	if (!body || !*body)
		return NULL;
	if (json_parse(body, strlen(body), "error", &j, &ignored) < 0) {
		text = html_title(body);
		return text ? TAKE(text) : visible(body);
	}
	first = json_first(json_get(j, "errors"));
	code = json_str(first, "code");
	message = json_str(first, "message");
	if (!first) {
		const char *other = json_str(j, "error") ? json_str(j, "error") : json_str(j, "details") ? json_str(j, "details") : json_str(j, "message");

		return other ? visible(other) : NULL;
	}
	if (json_get(first, "detail") && !json_is_null(json_get(first, "detail")))
		detail = json_value_str(json_get(first, "detail")) ? xstrdup(json_value_str(json_get(first, "detail"))) :
								     json_text(json_get(first, "detail"), false);
	if (detail && (!*detail || streq(detail, "{}") || streq(detail, "[]") || streq(detail, str0(message))))
		free(TAKE(detail));
	text = xasprintf("%s%s%s%s%s%s", str0(code), code && message ? ": " : "", str0(message), detail ? " (" : "", str0(detail), detail ? ")" : "");
	return visible(text);
}

/* "100;w=21600" -> "100 in 6h0m0s" */
static char *limit_text(const char *header)
{
	const char *w = header ? strstr(header, "w=") : NULL;
	int64_t seconds;
	AUTO_ERR(ignored);
	auto_free char *span = NULL;

	if (!header)
		return NULL;
	if (!w || num_int(w + 2, 1, 1 << 30, &seconds, &ignored) < 0)
		return xstrndup(header, strcspn(header, ";"));
	span = num_duration_text(seconds * 1000000000);
	return xasprintf("%.*s in %s", (int)strcspn(header, ";"), header, span);
}

char *registry_limit_text(const struct http_request *q, const char *registry)
{
	const char *limit = http_reply(q, "ratelimit-limit"), *left = http_reply(q, "ratelimit-remaining"), *who = http_reply(q, "docker-ratelimit-source");
	auto_free char *a = limit ? xstrndup(limit, strcspn(limit, ";")) : NULL, *b = left ? xstrndup(left, strcspn(left, ";")) : NULL;
	auto_free char *shown = who ? visible(who) : NULL, *all = limit_text(limit);
	int64_t most, n;
	AUTO_ERR(ignored);

	if (!a || !b || num_int(a, 1, INT32_MAX, &most, &ignored) < 0 || num_int(b, 0, INT32_MAX, &n, &ignored) < 0 || n * 5 >= most)
		return NULL;
	return xasprintf("%s: %lld of %s pulls are left%s%s", registry, (long long)n, all, shown ? " for " : "", str0(shown));
}

char *registry_warning_text(const char *value)
{
	const char *from = strchr(value, '"'), *to = from ? strrchr(from + 1, '"') : NULL;

	return to ? str_visible(from + 1, MIN((size_t)(to - from - 1), (size_t)SHOWN_MAX)) : NULL;
}

static int rate_limited(const struct http_request *q, const char *registry, const char *image, bool anonymous, const char *body, struct err *e)
{
	auto_free char *limit = limit_text(http_reply(q, "ratelimit-limit"));
	const char *who = http_reply(q, "docker-ratelimit-source");
	int64_t after = retry_after_ns(http_reply(q, "retry-after"), time_now_ns());
	AUTO_STR(text, ERR_TEXT);
	char until[TIME_TEXT];

	str_addf(&text, "%s: '%s' limits requests", image, registry);
	if (limit || who)
		str_addf(&text, " (%s%s%s)", str0(limit), who ? " for " : "", str0(who));
	if (after >= 0)
		str_addf(&text, ", until %s", time_rfc3339((time_now_ns() + after) / 1000000000 * 1000000000, until));
	if (body)
		str_addf(&text, ": %s", body);
	err_set(e, EDQUOT, "%s", text.s);
	if (anonymous)
		err_hint(e, "'gantry login%s%s' raises the limit of most registries", streq(registry, "docker.io") ? "" : " ",
			streq(registry, "docker.io") ? "" : registry);
	else
		err_hint(e, "wait, or use a mirror: \"mirrors\" in registries.json");
	return -EDQUOT;
}

static int denied(const char *registry, const char *image, bool push, bool anonymous, const char *source, const char *body,
	struct err *e)
{
	if (streq(registry, image)) /* a login */
		return err_set(e, EACCES, "the user name or the password is wrong%s%s", body ? ": " : "", str0(body));
	err_set(e, EACCES, "%s access denied for %s, repository does not exist or may require 'gantry login'%s%s", push ? "push" : "pull", image, body ? ": " : "", str0(body));
	if (anonymous)
		err_hint(e, "check the name; if it is private: gantry login %s", registry);
	else
		err_hint(e, "the credentials come from %s: do they have this right?", source ? source : "the command line");
	return -EACCES;
}

int registry_error(const struct http_request *q, const char *registry, const char *image, bool push, bool anonymous, const char *source, struct err *e)
{
	auto_free char *body = registry_error_text(q->text);

	if (q->e.code) {
		err_set(e, q->e.code, "%s: %s", image, err_text(&q->e));
		if (q->e.hint)
			err_hint(e, "%s", q->e.hint);
		return -e->code;
	}
	switch (q->status) {
	case 401:
	case 403:
		return denied(registry, image, push, anonymous, source, body, e);
	case 404:
		return err_set(e, ENOENT, "%s not found at '%s'%s%s", image, registry, body ? ": " : "", str0(body));
	case 429:
		return rate_limited(q, registry, image, anonymous, body, e);
	case 407:
		err_set(e, EACCES, "%s: the proxy wants a login", image);
		err_hint(e, "put it into the proxy's address: HTTPS_PROXY=http://USER:SECRET@HOST:PORT");
		return -EACCES;
	default:
		return err_set(e, EPROTO, "%s: '%s' answers with status %ld%s%s", image, registry, q->status, body ? ": " : "", str0(body));
	}
}
