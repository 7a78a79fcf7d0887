/* SPDX-License-Identifier: MIT
 *
 * engine/image/auth.h - answering a registry's challenge: Basic, or a token from its token service (distribution's token specification)
 *
 * A secret goes to the registry itself, and to a token service only when that has the registry's host or domain (auth_may_send), never over plain http
 * where the registry spoke https. An identity token is sent by POST as a refresh grant, everything else by GET; a password is never POSTed.
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include "engine/image/cred.h"
#include <stdbool.h>
#include <stdint.h>

struct challenge;
struct err;
struct http;
struct http_request;
struct http_tls;
struct auth {
	struct credential cred;
	bool anonymous;        /* there is no credential */
	bool offline;          /* a login: a token that renews others is asked for */
	char *refresh;         /* what came of that; NULL */
	char *header;          /* "Authorization: …" for the next request, NULL: none */
	int64_t until_ns;      /* CLOCK_MONOTONIC: when a token is as good as expired; 0: never */
};
void auth_done(struct auth *a);
/* The header for a request now; NULL: none, or it has expired. Borrowed. */
const char *auth_header(const struct auth *a);
/* R got status 401. HOST: the registry's name. SCOPES: what is needed, each "repository:PATH:pull". Asks the token service where there is one. */
int auth_answer(struct auth *a, struct http *h, const struct http_request *r, const char *host, const struct strv *scopes, const struct http_tls *tls,
	const struct strv *token_hosts, struct err *e);
/* Pure: may credentials for REGISTRY be shown to the token service on host REALM? Both without ports. */
bool auth_may_send(const char *registry, const char *realm, const struct strv *token_hosts);
/* Pure: scopes of the challenge and those that are needed, as query or form ("service=…&scope=…"). Caller frees. */
char *auth_query(const struct challenge *c, const struct strv *scopes, bool form);
