/* SPDX-License-Identifier: MIT
 *
 * engine/build/hash.h - digests of what decides about a step: numbers and texts one after the other, none runs into the next
 */
#pragma once
#include "base/auto.h"
#include "base/digest.h"
#include <stddef.h>
#include <stdint.h>

struct err;
struct hash {
	struct digest_stream d;
};
enum { HASH_TEXT = 65 };
void hash_init(struct hash *h);
void hash_add(struct hash *h, const void *p, size_t n);
void hash_num(struct hash *h, uint64_t v);
void hash_text(struct hash *h, const char *s); /* NULL differs from "" */
/* Everything of FD up to its end. */
int hash_fd(struct hash *h, int fd, struct err *e);
void hash_end(struct hash *h, char hex[HASH_TEXT]);
