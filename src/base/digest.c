/* SPDX-License-Identifier: MIT */
#include "base/digest.h"

#define OPENSSL_SUPPRESS_DEPRECATED /* SHA256_*: EVP would bring all of the library */
#include <openssl/sha.h>
#include <stdint.h>
#include <string.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct digest_stream), "room for libcrypto's state");

void digest_stream_init(struct digest_stream *d)
{
	SHA256_Init((SHA256_CTX *)d->state);
}

void digest_stream_add(struct digest_stream *d, const void *p, size_t n)
{
	SHA256_Update((SHA256_CTX *)d->state, p, n);
}

void digest_stream_end(struct digest_stream *d, char buf[DIGEST_HEX + 1])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t sum[SHA256_DIGEST_LENGTH];

	SHA256_Final(sum, (SHA256_CTX *)d->state);
	for (size_t i = 0; i < sizeof(sum); i++) {
		buf[2 * i] = digits[sum[i] >> 4];
		buf[2 * i + 1] = digits[sum[i] & 15];
	}
	buf[DIGEST_HEX] = '\0';
}

void digest_hex(const void *p, size_t n, char buf[DIGEST_HEX + 1])
{
	struct digest_stream d;

	digest_stream_init(&d);
	digest_stream_add(&d, p, n);
	digest_stream_end(&d, buf);
}

void digest_text(const void *p, size_t n, char buf[DIGEST_TEXT])
{
	memcpy(buf, "sha256:", 7);
	digest_hex(p, n, buf + 7);
}
