/* SPDX-License-Identifier: MIT */
#include "engine/image/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/image/proxy.h"

enum { CONNECT_SECONDS = 30, SLOW_BYTES = 10, SLOW_SECONDS = 60, REPLY_HEADERS_MAX = 200, REPLY_LINE_MAX = 32 << 10, BUNDLE_MAX = 8 << 20 };

struct http_socket {
	struct watch w;
	struct http *http;
	struct http_socket *next;
};
struct http {
	struct loop *loop;
	CURLM *multi;
	struct watch timer;
	struct http_socket *sockets;
	char *agent, *bundle;     /* the system's authorities, read once */
};

/* ---- errors: CURLcode becomes errno and a sentence ------------------------------------------------------------------------------------------------- */

static const struct code_row {
	CURLcode curl;
	int code;
	const char *text, *hint;
} codes[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, EHOSTUNREACH, "the name '%s' cannot be resolved", "look at DNS: /etc/resolv.conf, or the spelling of the host" },
	{ CURLE_COULDNT_RESOLVE_PROXY, ENETUNREACH, "the proxy's name cannot be resolved (asked for '%s')",
	  "HTTPS_PROXY, HTTP_PROXY and NO_PROXY decide about proxies" },
	{ CURLE_PROXY, ENETUNREACH, "the proxy refused the connection to '%s'", "HTTPS_PROXY, HTTP_PROXY and NO_PROXY decide about proxies" },
	{ CURLE_COULDNT_CONNECT, ECONNREFUSED, "no connection to '%s'", NULL },
	{ CURLE_OPERATION_TIMEDOUT, ETIMEDOUT, "'%s' does not answer in time", NULL },
	{ CURLE_PEER_FAILED_VERIFICATION, EPROTO, "TLS: the certificate of '%s' is not trusted",
	  "put its authority into /etc/docker/certs.d/HOST[:PORT]/ca.crt; or list the host under \"insecure\" in registries.json" },
	{ CURLE_SSL_CONNECT_ERROR, EPROTO, "TLS: no secure connection to '%s'",
	  "if it speaks plain HTTP, list the host under \"insecure\" in registries.json" },
	{ CURLE_SSL_CERTPROBLEM, EPROTO, "TLS: the client certificate for '%s' cannot be used", NULL },
	{ CURLE_SSL_CACERT_BADFILE, EPROTO, "TLS: the authorities for '%s' cannot be read", NULL },
	{ CURLE_SSL_CIPHER, EPROTO, "TLS: no common cipher with '%s'", NULL },
	{ CURLE_GOT_NOTHING, ECONNRESET, "'%s' closed the connection without an answer", NULL },
	{ CURLE_PARTIAL_FILE, ECONNRESET, "'%s' closed the connection before the end", NULL },
	{ CURLE_RECV_ERROR, ECONNRESET, "the connection to '%s' broke", NULL },
	{ CURLE_SEND_ERROR, ECONNRESET, "the connection to '%s' broke", NULL },
	{ CURLE_WEIRD_SERVER_REPLY, EBADMSG, "'%s' does not speak HTTP", NULL },
	{ CURLE_UNSUPPORTED_PROTOCOL, EINVAL, "'%s' is no http or https address", NULL },
	{ CURLE_URL_MALFORMAT, EINVAL, "'%s' is no http or https address", NULL },
};

/* NULL: none. Borrowed from the environment. */
static const char *proxy_of(const char *url)
{
	auto_free char *host = http_host(url), *origin = http_origin(url);
	const char *port = origin ? strrchr(origin, ':') + 1 : "";

	return host ? proxy_for(str_starts(url, "https://"), host, port, getenv) : NULL;
}

static bool is_proxied_refusal(const struct http_request *r)
{
	long code = 0;

	curl_easy_getinfo(r->easy, CURLINFO_HTTP_CONNECTCODE, &code);
	return code >= 300;
}

static void set_error(struct http_request *r, CURLcode c)
{
	auto_free char *host = http_host(r->url);
	const char *name = host ? host : r->url;
	long proxy = 0;

	curl_easy_getinfo(r->easy, CURLINFO_HTTP_CONNECTCODE, &proxy);
	if (is_proxied_refusal(r)) {
		err_set(&r->e, ENETUNREACH, "the proxy refused the connection to '%s' (status %ld)", name, proxy);
		err_hint(&r->e, "HTTPS_PROXY, HTTP_PROXY and NO_PROXY decide about proxies");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (codes[i].curl != c)
			continue;
		AUTO_STR(text, ERR_TEXT);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		str_addf(&text, codes[i].text, name);
#pragma GCC diagnostic pop
		err_set(&r->e, codes[i].code, "%s%s%s%s", text.s, *r->detail ? " (" : "", r->detail, *r->detail ? ")" : "");
		if (codes[i].hint)
			err_hint(&r->e, "%s", codes[i].hint);
		else if (c == CURLE_COULDNT_CONNECT && proxy_of(r->url))
			err_hint(&r->e, "it was asked for through a proxy: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY");
		return;
	}
	err_set(&r->e, EIO, "'%s': %s", name, *r->detail ? r->detail : curl_easy_strerror(c));
}

/* ---- libcurl on our loop --------------------------------------------------------------------------------------------------------------------------- */

static void finish_done(struct http *h)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(h->multi, &left))) {
		struct http_request *r = NULL;
		CURL *easy = m->easy_handle;
		CURLcode c = m->data.result;
		curl_off_t sent = 0;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&r);
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &r->status);
		curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &sent);
		r->sent = sent;
		if (c != CURLE_OK && !r->e.code)
			set_error(r, c);
		log_debug("%s %s: %ld%s%s", r->method, r->url, r->status, r->e.code ? " " : "", r->e.code ? err_text(&r->e) : "");
		if (!r->text)
			r->text = xstrdup("");
		r->finished = true;
		curl_multi_remove_handle(h->multi, easy);
	}
}

static int on_socket(struct watch *w, uint32_t events)
{
	struct http_socket *s = CONTAINER_OF(w, struct http_socket, w);
	struct http *h = s->http;
	int bits = (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		(events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR | CURL_CSELECT_IN : 0), running;

	curl_multi_socket_action(h->multi, w->fd, bits, &running); /* S may be gone now */
	finish_done(h);
	return 0;
}

static int on_timer(struct watch *w, uint32_t events)
{
	struct http *h = CONTAINER_OF(w, struct http, timer);
	int running;

	(void)events;
	curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	finish_done(h);
	return 0;
}

static int timer_wanted(CURLM *multi, long ms, void *arg)
{
	struct http *h = arg;

	(void)multi;
	watch_arm(&h->timer, ms < 0 ? INT64_MAX : (int64_t)ms * 1000000);
	return 0;
}

static void socket_forget(struct http *h, struct http_socket *s)
{
	for (struct http_socket **p = &h->sockets; *p; p = &(*p)->next)
		if (*p == s) {
			*p = s->next;
			break;
		}
	watch_done(&s->w);
	free(s);
}

static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	struct http *h = arg;
	struct http_socket *s = known;
	uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
	AUTO_ERR(failure);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s)
			socket_forget(h, s);
		return 0;
	}
	if (s)
		return watch_events(&s->w, events) < 0 ? -1 : 0;
	s = xcalloc(1, sizeof(*s));
	s->http = h;
	if (watch_fd(h->loop, &s->w, fd, events, on_socket, &failure) < 0) {
		free(s);
		return -1;
	}
	s->next = h->sockets;
	h->sockets = s;
	curl_multi_assign(h->multi, fd, s);
	return 0;
}

static char *system_authorities(void)
{
	static const char *const places[] = { "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
					      "/etc/ssl/cert.pem" };
	const char *env = getenv("SSL_CERT_FILE");

	for (size_t i = 0; i <= ARRAY_LEN(places); i++) {
		AUTO_ERR(ignored);
		char *text = NULL;
		const char *path = i == 0 ? env : places[i - 1];

		if (path && *path && file_read(path, BUNDLE_MAX, &text, NULL, &ignored) >= 0)
			return text;
	}
	return NULL;
}

static int http_make(struct loop *loop, char *agent_take, char *bundle_take, struct http **ret, struct err *e)
{
	AUTO(http_free) struct http *h = xcalloc(1, sizeof(*h));

	h->loop = loop;
	h->agent = agent_take;
	h->bundle = bundle_take;
	TRY(watch_timer(loop, &h->timer, on_timer, e));
	h->multi = curl_multi_init();
	if (!h->multi)
		return err_set(e, ENOMEM, "libcurl cannot be used");
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
	curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
	curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	*ret = TAKE(h);
	return 0;
}

int http_new(struct loop *loop, const char *user_agent, struct http **ret, struct err *e)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return err_set(e, ELIBACC, "libcurl cannot be used");
	return http_make(loop, xstrdup(user_agent), system_authorities(), ret, e);
}

int http_forked(const struct http *h, struct loop *loop, struct http **ret, struct err *e)
{
	return http_make(loop, xstrdup(h->agent), xstrdup0(h->bundle), ret, e);
}

void http_free(struct http *h)
{
	if (!h)
		return;
	if (h->multi)
		curl_multi_cleanup(h->multi);
	while (h->sockets)
		socket_forget(h, h->sockets);
	watch_done(&h->timer);
	free(h->agent);
	free(h->bundle);
	free(h);
}

/* ---- one request ----------------------------------------------------------------------------------------------------------------------------------- */

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct http_request *r = arg;
	size_t len = size * n, colon = 0, from;

	while (len && (p[len - 1] == '\n' || p[len - 1] == '\r'))
		len--;
	if (len > 5 && strncasecmp(p, "HTTP/", 5) == 0) {
		strv_clear(&r->reply); /* 100 Continue, or a proxy's answer, came before */
		return size * n;
	}
	while (colon < len && p[colon] != ':')
		colon++;
	if (colon == len || len > REPLY_LINE_MAX || r->reply.n >= REPLY_HEADERS_MAX)
		return size * n;
	for (size_t i = 0; i < colon; i++)
		if (p[i] >= 'A' && p[i] <= 'Z')
			p[i] = (char)(p[i] + 32);
	for (from = colon + 1; from < len && (p[from] == ' ' || p[from] == '\t'); from++)
		;
	strv_addf(&r->reply, "%.*s: %.*s", (int)colon, p, (int)(len - from), p + from);
	return size * n;
}

static int keep_text(struct http_request *r, const char *p, size_t n)
{
	size_t max = r->max ? r->max : HTTP_TEXT_MAX;

	if (n > max - MIN(r->len, max)) {
		if (r->status >= 300)
			return 0; /* an error's page: its beginning is enough */
		return err_set(&r->e, EFBIG, "the answer has more than %zu bytes", max);
	}
	if (r->len + n + 1 > r->cap) {
		r->cap = MAX(2 * r->cap, r->len + n + 1);
		r->text = xrealloc(r->text, r->cap);
	}
	memcpy(r->text + r->len, p, n);
	r->len += n;
	r->text[r->len] = '\0';
	return 0;
}

static size_t on_data(char *p, size_t size, size_t n, void *arg)
{
	struct http_request *r = arg;
	int res;

	curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &r->status);
	if (r->sink && r->status >= 200 && r->status < 300)
		res = r->sink(r, p, size * n, &r->e);
	else
		res = keep_text(r, p, size * n);
	return res < 0 ? 0 : size * n;
}


/* Where the body's next bytes are is in r->sent until the end, when libcurl's own count takes its place. */
static size_t on_upload(char *p, size_t size, size_t n, void *arg)
{
	struct http_request *r = arg;
	ssize_t got;

	if (r->body) {
		size_t part = MIN(size * n, r->body_len - (size_t)r->sent);

		memcpy(p, r->body + r->sent, part);
		r->sent += (int64_t)part;
		return part;
	}
	got = pread(r->body_fd, p, (size_t)MIN((int64_t)(size * n), r->body_size - r->sent), r->body_offset + r->sent);
	if (got < 0) {
		err_sys(&r->e, "read what is sent");
		return CURL_READFUNC_ABORT;
	}
	r->sent += got;
	return (size_t)got;
}

static int on_rewind(void *arg, curl_off_t offset, int origin)
{
	struct http_request *r = arg;

	if (origin != SEEK_SET || offset < 0)
		return CURL_SEEKFUNC_CANTSEEK;
	r->sent = offset;
	return CURL_SEEKFUNC_OK;
}

static void set_blob(CURL *c, CURLoption option, const char *text)
{
	struct curl_blob blob = { (void *)text, strlen(text), CURL_BLOB_COPY };

	curl_easy_setopt(c, option, &blob);
}

static void set_tls(struct http *h, struct http_request *r)
{
	const struct http_tls *t = r->tls;

	curl_easy_setopt(r->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (t && t->insecure) {
		curl_easy_setopt(r->easy, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(r->easy, CURLOPT_SSL_VERIFYHOST, 0L);
	} else if (t && t->ca) {
		auto_free char *all = xasprintf("%s\n%s", str0(h->bundle), t->ca);

		set_blob(r->easy, CURLOPT_CAINFO_BLOB, all);
	}
	if (t && t->cert && t->key) {
		set_blob(r->easy, CURLOPT_SSLCERT_BLOB, t->cert);
		set_blob(r->easy, CURLOPT_SSLKEY_BLOB, t->key);
	}
}

/* libcurl would read the environment itself, but not as docker does: ports in NO_PROXY, HTTP_PROXY in upper case. */
static void set_proxy(struct http_request *r)
{
	const char *proxy = proxy_of(r->url);

	curl_easy_setopt(r->easy, CURLOPT_PROXY, proxy ? proxy : "");
	curl_easy_setopt(r->easy, CURLOPT_NOPROXY, "");
}

static void set_method(struct http_request *r)
{
	bool body = r->body || r->body_fd >= 0;
	int64_t size = r->body ? (int64_t)r->body_len : r->body_size;

	if (streq(r->method, "HEAD")) {
		curl_easy_setopt(r->easy, CURLOPT_NOBODY, 1L);
		return;
	}
	if (streq(r->method, "POST") && !body) {
		curl_easy_setopt(r->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE, 0L);
		return;
	}
	if (body) {
		curl_easy_setopt(r->easy, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(r->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)size);
		curl_easy_setopt(r->easy, CURLOPT_READFUNCTION, on_upload);
		curl_easy_setopt(r->easy, CURLOPT_READDATA, r);
		curl_easy_setopt(r->easy, CURLOPT_SEEKFUNCTION, on_rewind);
		curl_easy_setopt(r->easy, CURLOPT_SEEKDATA, r);
	} else if (streq(r->method, "PUT") || streq(r->method, "PATCH")) {
		r->body = "";
		set_method(r);
		return;
	}
	curl_easy_setopt(r->easy, CURLOPT_CUSTOMREQUEST, r->method);
}

int http_start(struct http *h, struct http_request *r, struct err *e)
{
	struct curl_slist *list = NULL;
	CURL *c = curl_easy_init();

	if (!c)
		return err_set(e, ENOMEM, "libcurl cannot make a request");
	r->http = h;
	r->easy = c;
	r->finished = false;
	for (size_t i = 0; i < r->headers.n; i++)
		list = curl_slist_append(list, r->headers.v[i]);
	r->list = list;
	curl_easy_setopt(c, CURLOPT_PRIVATE, r);
	curl_easy_setopt(c, CURLOPT_URL, r->url);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(c, CURLOPT_USERAGENT, h->agent);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, r->detail);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)MIN(r->connect_ms ? r->connect_ms : CONNECT_SECONDS * 1000, 3600000));
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)SLOW_BYTES);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)SLOW_SECONDS);
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, 256L << 10);
	curl_easy_setopt(c, CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, r);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, r);
	set_tls(h, r);
	set_proxy(r);
	set_method(r);
	if (curl_multi_add_handle(h->multi, c) != CURLM_OK)
		return err_set(e, EIO, "libcurl cannot begin a request");
	return 0;
}

int http_run(struct http *h, struct http_request *r, struct err *e)
{
	TRY(http_start(h, r, e));
	while (!r->finished) {
		int res = loop_once(h->loop, -1);

		if (res < 0)
			return err_code(e, -res, "wait for '%s'", r->url);
	}
	return 0;
}

int http_wait(struct http *h, int64_t ns)
{
	return loop_once(h->loop, ns < 0 ? -1 : (int)MIN((ns + 999999) / 1000000, 3600000));
}

void http_request_done(struct http_request *r)
{
	if (r->easy) {
		if (!r->finished)
			curl_multi_remove_handle(r->http->multi, r->easy);
		curl_easy_cleanup(r->easy);
		curl_slist_free_all(r->list);
	}
	free(r->url);
	free(r->text);
	strv_done(&r->headers);
	strv_done(&r->reply);
	err_clear(&r->e);
	*r = HTTP_REQUEST_INIT;
}

const char *http_reply(const struct http_request *r, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < r->reply.n; i++)
		if (strncmp(r->reply.v[i], name, n) == 0 && r->reply.v[i][n] == ':')
			return r->reply.v[i] + n + 2;
	return NULL;
}

/* ---- addresses ------------------------------------------------------------------------------------------------------------------------------------- */

static char *url_part(CURLU *u, CURLUPart part, unsigned flags)
{
	char *text = NULL, *copy;

	if (curl_url_get(u, part, &text, flags) != CURLUE_OK)
		return NULL;
	copy = xstrdup(text);
	curl_free(text);
	return copy;
}

int http_resolve(const char *base, const char *location, char **ret, struct err *e)
{
	CURLU *u = curl_url();
	auto_free char *scheme = NULL, *user = NULL, *host = NULL, *shown = str_visible(location, strnlen(location, 200));
	int r = 0;

	if (!u)
		return err_set(e, ENOMEM, "libcurl cannot be used");
	if ((base && curl_url_set(u, CURLUPART_URL, base, 0) != CURLUE_OK) || !*location ||
	    curl_url_set(u, CURLUPART_URL, location, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
		r = err_set(e, EINVAL, "'%s' is no address", shown);
	} else {
		scheme = url_part(u, CURLUPART_SCHEME, 0);
		user = url_part(u, CURLUPART_USER, 0);
		host = url_part(u, CURLUPART_HOST, 0);
		if (!scheme || (!streq(scheme, "http") && !streq(scheme, "https")) || user || !host || !*host)
			r = err_set(e, EINVAL, "'%s' is no plain http or https address", shown);
	}
	if (r == 0) {
		curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
		*ret = url_part(u, CURLUPART_URL, 0);
	}
	curl_url_cleanup(u);
	return r;
}

static char *lower(char *s)
{
	for (char *p = s; p && *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
	return s;
}

char *http_origin(const char *url)
{
	CURLU *u = curl_url();
	auto_free char *scheme = NULL, *host = NULL, *port = NULL;
	char *text = NULL;

	if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK) {
		scheme = url_part(u, CURLUPART_SCHEME, 0);
		host = lower(url_part(u, CURLUPART_HOST, 0));
		port = url_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT);
		if (scheme && host && port)
			text = xasprintf("%s://%s:%s", scheme, host, port);
	}
	curl_url_cleanup(u);
	return text;
}

char *http_host(const char *url)
{
	CURLU *u = curl_url();
	char *host = NULL;
	size_t n;

	if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK)
		host = lower(url_part(u, CURLUPART_HOST, 0));
	curl_url_cleanup(u);
	n = host ? strlen(host) : 0;
	if (n > 2 && host[0] == '[') {
		memmove(host, host + 1, n - 2);
		host[n - 2] = '\0';
	}
	return host;
}

char *http_escape(const char *s)
{
	char *text = curl_easy_escape(NULL, s, 0), *copy = xstrdup(str0(text));

	curl_free(text);
	return copy;
}
