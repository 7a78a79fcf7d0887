/* SPDX-License-Identifier: MIT
 *
 * engine/image/registry_error.h - what a registry's refusal means for the user. Pure.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>

struct err;
struct http_request;
/* Q ended without a 2xx. REGISTRY "docker.io", IMAGE "web:1"; SOURCE: where the credentials came from. Codes: ENOENT not found, EACCES denied, EDQUOT rate
 * limit, or that of the connection's failure. */
int registry_error(const struct http_request *q, const char *registry, const char *image, bool push, bool anonymous, const char *source, struct err *e);
/* "CODE: message (detail)" of an error document, or what else is in a body: bounded, safe to show. Caller frees; NULL: nothing. */
char *registry_error_text(const char *body);
/* "docker.io: 12 of 100 pulls are left for 192.0.2.1", when less than a fifth is; NULL. Caller frees. */
char *registry_limit_text(const struct http_request *q, const char *registry);
/* The text of a Warning header's value after its code 299 (RFC 7234 5.5): `- "end of life"`. Caller frees; NULL: there is none. */
char *registry_warning_text(const char *value);
