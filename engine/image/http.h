/* SPDX-License-Identifier: MIT
 *
 * engine/image/http.h - HTTP through libcurl (the only file that knows it): many requests at once on one loop, HTTP/1.1, no redirect followed, no
 * cookie kept, http and https and nothing else
 *
 * Proxies come from the environment (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY, lower case too); loopback is never asked through one.
 */
#pragma once
#include "base/auto.h"
#include "base/err.h"
#include "base/strv.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http;
struct loop;
/* PEM texts, NULL: none. They come on top of the system's authorities. */
struct http_tls {
	char *ca, *cert, *key;
	bool insecure;            /* certificates are not verified */
};
enum { HTTP_TEXT_MAX = 64 << 10 };
struct http_request {
	/* what is asked */
	const char *method;       /* "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" */
	char *url;                /* owned */
	struct strv headers;      /* "Name: value" */
	const char *body;         /* borrowed; NULL and BODY_FD < 0: none */
	size_t body_len;
	int body_fd;              /* borrowed; -1 */
	int64_t body_offset, body_size; /* of BODY_FD */
	const struct http_tls *tls; /* borrowed, NULL: the system's authorities only */
	/* A body that comes with a status of 2xx goes here, piece by piece; < 0 with e set ends the request. NULL: to TEXT. */
	int (*sink)(struct http_request *r, const void *p, size_t n, struct err *e);
	void *arg;
	int64_t connect_ms;       /* most time to connect in, 0: 30 s */
	size_t max;               /* most bytes of TEXT; 0: HTTP_TEXT_MAX */
	/* what came back */
	long status;              /* 0: nothing */
	struct strv reply;        /* "name: value", names in lower case */
	char *text;               /* never NULL once finished */
	size_t len;
	struct err e;             /* why there is no answer, or not a whole one: EHOSTUNREACH (DNS), ECONNREFUSED, ETIMEDOUT, ECONNRESET, EPROTO (TLS), … */
	int64_t sent;             /* bytes of the body that left */
	bool finished;
	/* internal */
	struct http *http;
	void *easy, *list;
	size_t cap;
	char detail[256];
};
#define HTTP_REQUEST_INIT ((struct http_request){ .body_fd = -1 })
void http_request_done(struct http_request *r);
/* Value of a header of the answer (the first), NULL: none. NAME in lower case. Borrowed. */
const char *http_reply(const struct http_request *r, const char *name);

/* Loads what libcurl needs of the system (certificates, resolver), before a process confines itself. */
int http_new(struct loop *loop, const char *user_agent, struct http **ret, struct err *e);
/* In a child that was forked: the same on a loop of its own. H and its connections stay the parent's; the child leaves them alone and ends by _exit(2). */
int http_forked(const struct http *h, struct loop *loop, struct http **ret, struct err *e);
void http_free(struct http *h);
DEFINE_AUTO(struct http *, http_free)
/* Begins; r->finished is set in a later turn of the loop. A request that is done with is used again after http_request_done(). */
int http_start(struct http *h, struct http_request *r, struct err *e);
/* Begins, and runs the loop until it is finished. Not from a handler. < 0 only where it could not begin: look at r->e. */
int http_run(struct http *h, struct http_request *r, struct err *e);
/* Runs the loop for NS, or until something happens. */
int http_wait(struct http *h, int64_t ns);

/* Where LOCATION leads, as seen from BASE; -EINVAL for what is no http or https URL, has a user or no host. Caller frees. */
int http_resolve(const char *base, const char *location, char **ret, struct err *e);
/* "https://host:port" in lower case, the default port written out. Caller frees; NULL: not such a URL. */
char *http_origin(const char *url);
/* Host without port and brackets. Caller frees; NULL. */
char *http_host(const char *url);
/* Percent-encoded. Caller frees. */
char *http_escape(const char *s);
