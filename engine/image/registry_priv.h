/* SPDX-License-Identifier: MIT
 *
 * engine/image/registry_priv.h - between registry.c and registry_push.c: one request with everything that may come between
 */
#pragma once
#include "base/strv.h"
#include "engine/image/auth.h"
#include "engine/image/hosts.h"
#include "engine/image/http.h"
#include <stdbool.h>
#include <stdint.h>

struct err;
struct host_state {
	struct auth auth;
	bool plain;     /* https did not work: http from now on */
	bool known;     /* an answer came */
	bool failed;    /* a mirror that is passed over */
};
struct registry {
	struct http *http;
	struct registry_hosts hosts;
	struct host_state *state;
	char *name, *repo, *shown; /* "docker.io", "library/web", "web" */
	struct strv scopes;
	bool push;
	struct strv mirrors;    /* why each did not help */
	struct strv warnings;
	struct auth guest;      /* nobody's token for where a redirect led */
	char *guest_origin;
	void (*note)(void *arg, const char *text);
	void *arg;
};

enum call_outcome { CALL_OK = 0, CALL_AGAIN = 1 };
struct call {
	struct registry *r;
	const char *method, *accept, *type;
	char *path;             /* after /v2/, or an address of its own when it begins with http */
	char *target;           /* where a redirect led */
	size_t host;
	int64_t range;          /* from this byte on; <= 0: all */
	const char *body;
	size_t body_len, max;
	int body_fd;
	int64_t body_offset, body_size;
	const char *content_range;
	int (*sink)(struct http_request *q, const void *p, size_t n, struct err *e);
	void *arg;
	bool origin_only;
	bool by_tag;            /* not every mirror may say what a tag is */
	bool once;              /* not made again after a failure */
	int tried, redirects, auths, guests;
	int64_t again_ns;       /* CLOCK_MONOTONIC */
	struct http_request q;
};

#define CALL(reg, verb) ((struct call){ .r = (reg), .method = (verb), .body_fd = -1, .q = HTTP_REQUEST_INIT })
void call_done(struct call *c);
/* Until it is answered with a 2xx (0), or failed. */
int call_run(struct call *c, struct err *e);
/* Sends it, to the host that it is at; in a later turn of the loop q.finished is set, and call_ended says what came of it: an enum call_outcome, or < 0. */
int call_begin(struct call *c, struct err *e);
int call_ended(struct call *c, struct err *e);
/* Once more after WAIT_NS: CALL_AGAIN. */
int call_again(struct call *c, int64_t wait_ns);
/* Until the monotonic time AT (ns). -ECANCELED: interrupted. */
int call_sleep(struct registry *r, int64_t at);
/* The first that may be asked for it. */
void call_first_host(struct call *c);
