/* SPDX-License-Identifier: MIT */
#include "engine/image/digest.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"

struct digest {
	EVP_MD_CTX *ctx;
	const char *prefix;
};

int digest_prepare(struct err *e)
{
	static const char *const likes[] = { NULL, "sha512:" };

	/* No openssl.cnf, now or later: after a pivot it would be a file of the image's. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return err_set(e, ELIBACC, "libcrypto cannot be used");
	for (size_t i = 0; i < ARRAY_LEN(likes); i++) {
		AUTO(digest_free) struct digest *d = digest_new(likes[i]);
		char text[DIGEST_STR];

		digest_end(d, text);
	}
	return 0;
}

struct digest *digest_new(const char *like)
{
	bool sha512 = like && str_starts(like, "sha512:");
	struct digest *d = xcalloc(1, sizeof(*d));

	d->prefix = sha512 ? "sha512:" : "sha256:";
	d->ctx = EVP_MD_CTX_new();
	if (!d->ctx || EVP_DigestInit_ex(d->ctx, sha512 ? EVP_sha512() : EVP_sha256(), NULL) != 1)
		BUG("libcrypto has no %s", d->prefix);
	return d;
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}

void digest_add(struct digest *d, const void *p, size_t n)
{
	if (EVP_DigestUpdate(d->ctx, p, n) != 1)
		BUG("EVP_DigestUpdate");
}

void digest_end(struct digest *d, char text[DIGEST_STR])
{
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	size_t at = (size_t)snprintf(text, DIGEST_STR, "%s", d->prefix);

	if (EVP_DigestFinal_ex(d->ctx, raw, &n) != 1)
		BUG("EVP_DigestFinal_ex");
	for (unsigned i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, DIGEST_STR - at, "%02x", raw[i]);
}

int digest_compare(const char *got, const char *want, struct err *e)
{
	if (streq(got, want))
		return 0;
	return err_set(e, EBADMSG, "digest mismatch: got %s, want %s", got, want);
}
