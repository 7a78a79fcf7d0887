/* SPDX-License-Identifier: MIT
 *
 * engine/image/ref.h - names of images, from what a user wrote to the one canonical form (the grammar of distribution/reference)
 *
 *   nginx  ->  docker.io/library/nginx:latest        host[:port]/path[:tag][@digest]
 *
 * The part before the first '/' is a host when it has a '.', a ':' or an upper-case letter, or is "localhost"; otherwise the host is docker.io.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>

struct err;
enum { DIGEST_STR = 7 + 128 + 1, REF_PATH_MAX = 255, REF_TAG_MAX = 128 }; /* the longest digest: "sha512:" + 128 hex + NUL */

struct ref {
	char *host;   /* "docker.io", "localhost:5000", "[::1]:5000" */
	char *path;   /* "library/nginx" */
	char *tag;    /* NULL: none was written */
	char *digest; /* "sha256:…", NULL: none; it decides, the tag is decoration then */
};
void ref_done(struct ref *r);
/* -EINVAL names TEXT and what is wrong with it; a hint where the mistake is a common one. Adds no tag. */
int ref_parse(const char *text, struct ref *ret, struct err *e);
/* As ref_parse, then tag "latest" when there is neither tag nor digest. */
int ref_parse_tagged(const char *text, struct ref *ret, struct err *e);
/* Canonical text: "docker.io/library/nginx:1.25"; with a digest the tag is left out. Caller frees. */
char *ref_text(const struct ref *r);
/* "docker.io/library/nginx" and, as people write it, "nginx". Callers free. */
char *ref_name(const struct ref *r);
char *ref_familiar_name(const struct ref *r);
/* The familiar form of a canonical text: "docker.io/library/nginx:1" -> "nginx:1". Borrowed, a part of TEXT. */
const char *ref_familiar(const char *text);
/* sha256:64 or sha512:128 lower-case hex digits, nothing else: safe as part of a path. */
bool digest_is_valid(const char *s);
const char *digest_hex_part(const char *digest); /* after the ':' */
