/* SPDX-License-Identifier: MIT */
#include "base/digest.h"

#include <sha2.h>
#include <stdint.h>
#include <string.h>

void digest_hex(const void *p, size_t n, char buf[DIGEST_HEX + 1])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t sum[SHA256_DIGEST_LENGTH];
	SHA2_CTX ctx;

	SHA256Init(&ctx);
	SHA256Update(&ctx, p, n);
	SHA256Final(sum, &ctx);
	for (size_t i = 0; i < sizeof(sum); i++) {
		buf[2 * i] = digits[sum[i] >> 4];
		buf[2 * i + 1] = digits[sum[i] & 15];
	}
	buf[DIGEST_HEX] = '\0';
}

void digest_text(const void *p, size_t n, char buf[DIGEST_TEXT])
{
	memcpy(buf, "sha256:", 7);
	digest_hex(p, n, buf + 7);
}
