/* SPDX-License-Identifier: MIT */
#include "engine/image/auth.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/image/challenge.h"
#include "engine/image/http.h"
#include "engine/image/retry.h"

enum { TOKEN_MAX = 256 << 10, EXPIRES_DEFAULT = 60, EXPIRES_EARLY = 15, QUERY_MAX = 64 << 10 };
static const char client_id[] = "gantry";

void auth_done(struct auth *a)
{
	credential_done(&a->cred);
	if (a->header)
		explicit_bzero(a->header, strlen(a->header));
	free(a->header);
	if (a->refresh)
		explicit_bzero(a->refresh, strlen(a->refresh));
	free(a->refresh);
	*a = (struct auth){ 0 };
}

const char *auth_header(const struct auth *a)
{
	return a->until_ns && time_mono_ns() >= a->until_ns ? NULL : a->header;
}

static void set_header(struct auth *a, char *take, int64_t until_ns)
{
	free(a->header);
	a->header = take;
	a->until_ns = until_ns;
}

/* ---- whom to trust with a secret --------------------------------------------------------------------------------------------------------------------- */

/* The part of a name that one organisation has: two labels, three below country codes with short second levels ("co.uk"). NULL: an address, or one
 * label. */
static const char *domain_of(const char *host)
{
	const char *last = strrchr(host, '.'), *second, *third;

	if (!last || strchr(host, ':') || strspn(host, "0123456789.") == strlen(host))
		return NULL;
	for (second = last - 1; second > host && second[-1] != '.'; second--)
		;
	if (second <= host)
		return host;
	if (strlen(last + 1) != 2 || last - second > 3)
		return second;
	for (third = second - 2; third > host && third[-1] != '.'; third--)
		;
	return third < host ? host : third;
}

bool auth_may_send(const char *registry, const char *realm, const struct strv *token_hosts)
{
	const char *a = domain_of(registry), *b = domain_of(realm);

	if (streq(registry, realm) || (token_hosts && strv_has(token_hosts, realm)))
		return true;
	return a && b && streq(a, b);
}

/* ---- tokens ---------------------------------------------------------------------------------------------------------------------------------------- */

static void add_pair(struct str *b, const char *name, const char *value)
{
	auto_free char *text = http_escape(value);

	str_addf(b, "%s%s=%s", b->len ? "&" : "", name, text);
}

char *auth_query(const struct challenge *c, const struct strv *scopes, bool form)
{
	AUTO_STR(b, QUERY_MAX);
	AUTO_STRV(all);

	strv_copy(&all, scopes);
	if (c->scope) {
		AUTO_STRV(asked);

		strv_split(&asked, c->scope, " ");
		for (size_t i = 0; i < asked.n; i++)
			if (*asked.v[i])
				strv_add_unique(&all, asked.v[i]);
	}
	if (c->service)
		add_pair(&b, "service", c->service);
	if (form && all.n) {
		auto_free char *joined = strv_join(&all, " ");

		add_pair(&b, "scope", joined);
	}
	for (size_t i = 0; !form && i < all.n; i++)
		add_pair(&b, "scope", all.v[i]);
	return str_take(&b);
}

static int token_refused(const struct http_request *r, const struct auth *a, const char *host, struct err *e)
{
	if (r->status == 401 || r->status == 403 || r->status == 400) {
		if (a->anonymous)
			err_set(e, EACCES, "'%s' gives no token without a login", host);
		else
			err_set(e, EACCES, "'%s' refuses the credentials%s%s%s", host, a->cred.source ? " (from " : "", str0(a->cred.source), a->cred.source ? ")" : "");
		if (a->cred.source || a->anonymous)
			err_hint(e, "gantry login %s", host);
		return -EACCES;
	}
	return err_set(e, EPROTO, "the token service of '%s' answers with status %ld", host, r->status);
}

static int take_token(struct auth *a, const struct http_request *r, const char *host, struct err *e)
{
	AUTO(json_free) struct cJSON *j = NULL;
	const char *token;
	int64_t seconds;

	TRY(json_parse(r->text, r->len, "token", &j, e));
	token = json_str(j, "token");
	if (!token || !*token)
		token = json_str(j, "access_token");
	if (!token || !*token || strpbrk(token, "\r\n"))
		return err_set(e, EPROTO, "the token service of '%s' gives no token", host);
	if (a->offline && json_str(j, "refresh_token") && *json_str(j, "refresh_token")) {
		free(a->refresh);
		a->refresh = xstrdup(json_str(j, "refresh_token"));
	}
	seconds = json_int(j, "expires_in", EXPIRES_DEFAULT);
	if (seconds <= 0)
		seconds = EXPIRES_DEFAULT;
	seconds = seconds > 2 * EXPIRES_EARLY ? seconds - EXPIRES_EARLY : MAX(seconds / 2, 1);
	set_header(a, xasprintf("Authorization: Bearer %s", token), time_mono_ns() + MIN(seconds, 86400) * INT64_C(1000000000));
	return 0;
}

/* Again while the service is busy. */
static int ask(struct http *h, struct http_request *r, struct err *e)
{
	for (int tried = 0;; tried++) {
		struct http_request once = HTTP_REQUEST_INIT;
		int64_t wait;

		once.method = r->method;
		once.url = xstrdup(r->url);
		once.tls = r->tls;
		once.max = r->max;
		once.body = r->body;
		once.body_len = r->body_len;
		strv_copy(&once.headers, &r->headers);
		if (http_run(h, &once, e) < 0) {
			http_request_done(&once);
			return -e->code;
		}
		wait = retry_delay(tried, once.status, once.e.code, retry_after_ns(http_reply(&once, "retry-after"), time_now_ns()), 512);
		if (wait == RETRY_NEVER) {
			http_request_done(r);
			*r = once;
			return r->e.code ? err_move(e, &r->e) : 0;
		}
		http_request_done(&once);
		for (int64_t end = time_mono_ns() + wait, left; (left = end - time_mono_ns()) > 0;)
			if (http_wait(h, left) < 0)
				return err_set(e, ECANCELED, "interrupted");
	}
}

static int token_url(const struct http_request *r, const struct challenge *c, const char *host, const struct auth *a, const struct strv *token_hosts,
	char **ret, struct err *e)
{
	auto_free char *realm_host = NULL, *own_host = http_host(r->url);

	if (http_resolve(r->url, c->realm, ret, e) < 0)
		return err_wrap(e, "the token service that '%s' names", host);
	realm_host = http_host(*ret);
	if (str_starts(r->url, "https://") && str_starts(*ret, "http://")) {
		err_set(e, EPROTO, "'%s' names a token service without TLS: %s", host, *ret);
		err_hint(e, "its administrator must correct the realm's address; nothing was sent there");
		return -EPROTO;
	}
	if (!a->anonymous && !auth_may_send(streq(host, "docker.io") ? host : str0(own_host), str0(realm_host), token_hosts) &&
	    !auth_may_send(str0(own_host), str0(realm_host), token_hosts)) {
		err_set(e, EACCES, "'%s' wants the credentials sent to '%s', which is another organisation's", host, str0(realm_host));
		err_hint(e, "if that is right, add \"token_hosts\": [\"%s\"] for '%s' to registries.json", str0(realm_host), host);
		return -EACCES;
	}
	return 0;
}

static int get_token(struct auth *a, struct http *h, const struct http_request *r, const struct challenge *c, const char *host, const struct strv *scopes,
	const struct http_tls *tls, const struct strv *token_hosts, struct err *e)
{
	AUTO_DONE(http_request_done) struct http_request q = HTTP_REQUEST_INIT;
	auto_free char *base = NULL, *query = auth_query(c, scopes, a->cred.identity != NULL), *form = NULL, *own = http_origin(r->url), *its = NULL;

	TRY(token_url(r, c, host, a, token_hosts, &base, e));
	its = http_origin(base);
	q.max = TOKEN_MAX;
	q.tls = own && its && streq(own, its) ? tls : tls && tls->insecure ? tls : NULL;
	if (a->cred.identity) {
		auto_free char *token = http_escape(a->cred.identity);

		form = xasprintf("grant_type=refresh_token&refresh_token=%s&client_id=%s&%s", token, client_id, query);
		q.method = "POST";
		q.url = xstrdup(base);
		q.body = form;
		q.body_len = strlen(form);
		strv_add(&q.headers, "Content-Type: application/x-www-form-urlencoded");
	} else {
		auto_free char *account = a->cred.user ? http_escape(a->cred.user) : NULL;

		q.method = "GET";
		q.url = xasprintf("%s%c%s&client_id=%s%s%s%s", base, strchr(base, '?') ? '&' : '?', query, client_id, a->offline ? "&offline_token=true" : "",
			account ? "&account=" : "", str0(account));
		if (a->cred.user) {
			auto_free char *basic = credential_basic(a->cred.user, str0(a->cred.secret));

			strv_addf(&q.headers, "Authorization: %s", basic);
		}
	}
	if (ask(h, &q, e) < 0)
		return err_wrap(e, "token service of '%s'", host);
	if (form)
		explicit_bzero(form, strlen(form));
	if (q.status < 200 || q.status >= 300)
		return token_refused(&q, a, host, e);
	return take_token(a, &q, host, e);
}

static int read_challenges(const struct http_request *r, struct challenges *l, const char *host)
{
	AUTO_ERR(odd);

	for (size_t i = 0; i < r->reply.n; i++) {
		const char *value = str_after(r->reply.v[i], "www-authenticate: ");

		if (value && challenges_parse(value, l, &odd) < 0) {
			log_debug("%s: %s", host, err_text(&odd));
			err_clear(&odd);
		}
	}
	return l->n > 0;
}

int auth_answer(struct auth *a, struct http *h, const struct http_request *r, const char *host, const struct strv *scopes, const struct http_tls *tls,
	const struct strv *token_hosts, struct err *e)
{
	AUTO_DONE(challenges_done) struct challenges l = { 0 };
	const struct challenge *c;

	if (!read_challenges(r, &l, host))
		return err_set(e, EACCES, "'%s' refuses access and does not say what it wants", host);
	c = challenges_best(&l);
	if (!c)
		return err_set(e, ENOTSUP, "'%s' wants '%s' authentication, which is not supported (Basic and Bearer are)", host, l.v[0].name);
	if (a->cred.registry_token) {
		set_header(a, xasprintf("Authorization: Bearer %s", a->cred.registry_token), 0);
		return 0;
	}
	if (c->scheme == CHALLENGE_BEARER)
		return get_token(a, h, r, c, host, scopes, tls, token_hosts, e);
	if (!a->cred.user) {
		err_set(e, EACCES, "'%s' wants a login", host);
		err_hint(e, "gantry login %s", host);
		return -EACCES;
	}
	auto_free char *basic = credential_basic(a->cred.user, str0(a->cred.secret));

	set_header(a, xasprintf("Authorization: %s", basic), 0);
	return 0;
}
