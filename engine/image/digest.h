/* SPDX-License-Identifier: MIT
 *
 * engine/image/digest.h - digests of streams, by libcrypto (the only file that knows it)
 */
#pragma once
#include "base/auto.h"
#include "engine/image/ref.h"
#include <stddef.h>

struct digest;
struct err;
/* Loads what libcrypto needs, so that nothing is opened later: must be called before a process confines itself. */
int digest_prepare(struct err *e);
/* Of the algorithm that LIKE ("sha256:…", "sha512:…", NULL: sha256) has. */
struct digest *digest_new(const char *like);
void digest_free(struct digest *d);
DEFINE_AUTO(struct digest *, digest_free)
void digest_add(struct digest *d, const void *p, size_t n);
/* "sha256:" and hex; nothing can be added after it. */
void digest_end(struct digest *d, char text[DIGEST_STR]);
/* -EBADMSG "digest mismatch: got …, want …" */
int digest_compare(const char *got, const char *want, struct err *e);
