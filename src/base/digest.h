/* SPDX-License-Identifier: MIT
 *
 * base/digest.h - SHA-256, libcrypto's without its EVP layer (gantry-image uses that)
 */
#pragma once
#include "base/auto.h"
#include <stddef.h>

enum { DIGEST_HEX = 64, DIGEST_TEXT = 7 + DIGEST_HEX + 1 }; /* "sha256:" + 64 hex + NUL */
/* Piece by piece. */
struct digest_stream {
	_Alignas(16) unsigned char state[256];
};
void digest_stream_init(struct digest_stream *d);
void digest_stream_add(struct digest_stream *d, const void *p, size_t n);
void digest_stream_end(struct digest_stream *d, char buf[DIGEST_HEX + 1]);
void digest_hex(const void *p, size_t n, char buf[DIGEST_HEX + 1]);
void digest_text(const void *p, size_t n, char buf[DIGEST_TEXT]);
