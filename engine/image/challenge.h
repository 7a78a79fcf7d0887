/* SPDX-License-Identifier: MIT
 *
 * engine/image/challenge.h - WWW-Authenticate: what a registry wants before it answers (RFC 9110 11.6.1, distribution's token specification). Pure.
 */
#pragma once
#include "base/auto.h"
#include <stddef.h>

struct err;
enum challenge_scheme { CHALLENGE_OTHER, CHALLENGE_BASIC, CHALLENGE_BEARER };
enum { CHALLENGES_MAX = 8, CHALLENGE_TEXT_MAX = 16 << 10 };
struct challenge {
	enum challenge_scheme scheme;
	char *name;                           /* as it was written */
	char *realm, *service, *scope, *error; /* NULL: not said */
};
struct challenges {
	struct challenge v[CHALLENGES_MAX];
	size_t n;
};
void challenges_done(struct challenges *l);
/* Adds what the header's value TEXT says; several challenges may stand in one. What is past CHALLENGES_MAX is left out. */
int challenges_parse(const char *text, struct challenges *l, struct err *e);
/* Bearer before Basic; NULL: none that is known here. */
const struct challenge *challenges_best(const struct challenges *l);
