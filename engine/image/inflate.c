/* SPDX-License-Identifier: MIT
 *
 * gzip and zstd, in this process: no decompressor is ever executed. What follows the last gzip member may only be zeros (as gzip(1) has it).
 */
#include "engine/image/bytes.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/alloc.h"
#include "base/err.h"

enum { ZSTD_WINDOW_LOG = 27 /* 128 MiB of memory at most */, SNIFF = 512 };

enum kind { PLAIN, GZIP, ZSTD };
struct inflate {
	struct bytes b, *in;
	enum kind kind;
	const unsigned char *p; /* input not used yet */
	size_t n;
	bool end;               /* of the input */
	unsigned char head[BLOCK + SNIFF], *out;
	z_stream gz;
	bool member;            /* inside a gzip member or zstd frame */
	ZSTD_DStream *zs;
};

static const struct magic {
	const char *bytes;
	size_t n;
	enum kind kind;
	const char *refused;
} magics[] = {
	{ "\x1f\x8b", 2, GZIP, NULL },
	{ "\x28\xb5\x2f\xfd", 4, ZSTD, NULL },
	{ "BZh", 3, PLAIN, "bzip2" },
	{ "\xfd\x37\x7a\x58\x5a\x00", 6, PLAIN, "xz" },
	{ "7z\xbc\xaf\x27\x1c", 6, PLAIN, "7-zip" },
	{ "PK\x03\x04", 4, PLAIN, "zip" },
};

/* More input when there is none: 1, 0 at the end. */
static int refill(struct inflate *z, struct err *e)
{
	ssize_t n;

	if (z->n)
		return 1;
	if (z->end)
		return 0;
	n = z->in->next(z->in, &z->p, e);
	if (n < 0)
		return (int)n;
	z->n = (size_t)n;
	z->end = n == 0;
	return n > 0;
}

static ssize_t plain_next(struct bytes *b, const unsigned char **ret, struct err *e)
{
	struct inflate *z = CONTAINER_OF(b, struct inflate, b);
	int r = refill(z, e);

	if (r <= 0)
		return r;
	*ret = z->p;
	r = (int)z->n;
	z->n = 0;
	return r;
}

/* Between members: another one, the end, or padding. */
static int gzip_member(struct inflate *z, struct err *e)
{
	int r;

	while ((r = refill(z, e)) > 0) {
		if (*z->p == 0x1f) {
			if (inflateReset2(&z->gz, 15 + 16) != Z_OK)
				BUG("inflateReset2");
			z->member = true;
			return 1;
		}
		if (*z->p != 0)
			return err_set(e, EBADMSG, "gzip: data after the end");
		z->p++;
		z->n--;
	}
	return r;
}

static ssize_t gzip_next(struct bytes *b, const unsigned char **ret, struct err *e)
{
	struct inflate *z = CONTAINER_OF(b, struct inflate, b);

	for (;;) {
		int r = z->member ? refill(z, e) : gzip_member(z, e);

		if (r < 0 || (r == 0 && !z->member))
			return r;
		if (r == 0)
			return err_set(e, EBADMSG, "gzip: it ends too early");
		z->gz.next_in = (unsigned char *)z->p;
		z->gz.avail_in = (unsigned)MIN(z->n, (size_t)1 << 30);
		z->gz.next_out = z->out;
		z->gz.avail_out = BLOCK;
		r = inflate(&z->gz, Z_NO_FLUSH);
		z->n -= (size_t)(z->gz.next_in - z->p);
		z->p = z->gz.next_in;
		if (r == Z_STREAM_END)
			z->member = false;
		else if (r != Z_OK && r != Z_BUF_ERROR)
			return err_set(e, EBADMSG, "gzip: %s", z->gz.msg ? z->gz.msg : zError(r));
		if (z->gz.avail_out < BLOCK) {
			*ret = z->out;
			return BLOCK - (ssize_t)z->gz.avail_out;
		}
	}
}

static ssize_t zstd_next(struct bytes *b, const unsigned char **ret, struct err *e)
{
	struct inflate *z = CONTAINER_OF(b, struct inflate, b);

	for (;;) {
		int r = refill(z, e);

		if (r < 0)
			return r;
		if (r == 0 && !z->member)
			return 0;

		ZSTD_inBuffer in = { z->p, z->n, 0 };
		ZSTD_outBuffer out = { z->out, BLOCK, 0 };
		size_t hint = ZSTD_decompressStream(z->zs, &out, &in);

		if (ZSTD_isError(hint))
			return err_set(e, EBADMSG, "zstd: %s", ZSTD_getErrorName(hint));
		z->p += in.pos;
		z->n -= in.pos;
		z->member = hint != 0;
		if (out.pos) {
			*ret = z->out;
			return (ssize_t)out.pos;
		}
		if (r == 0)
			return err_set(e, EBADMSG, "zstd: it ends too early");
	}
}

/* Enough of the beginning to tell what it is; a pipe may give it in small pieces. */
static int sniff(struct inflate *z, struct err *e)
{
	size_t n = 0;

	while (n < SNIFF) {
		const unsigned char *p;
		ssize_t got = z->in->next(z->in, &p, e);

		if (got < 0)
			return (int)got;
		if (got == 0) {
			z->end = true;
			break;
		}
		BUG_ON(got > BLOCK);
		memcpy(z->head + n, p, (size_t)got);
		n += (size_t)got;
	}
	z->p = z->head;
	z->n = n;
	return 0;
}

static bool is_skippable_frame(const unsigned char *p, size_t n)
{
	return n >= 4 && p[0] >= 0x50 && p[0] <= 0x5f && p[1] == 0x2a && p[2] == 0x4d && p[3] == 0x18;
}

static int set_kind(struct inflate *z, struct err *e)
{
	if (is_skippable_frame(z->p, z->n))
		z->kind = ZSTD;
	for (size_t i = 0; i < ARRAY_LEN(magics); i++) {
		if (z->n < magics[i].n || memcmp(z->p, magics[i].bytes, magics[i].n) != 0)
			continue;
		if (magics[i].refused)
			return err_set(e, EINVAL, "it is compressed with %s; gantry reads gzip, zstd and plain tar archives", magics[i].refused);
		z->kind = magics[i].kind;
	}
	return 0;
}

int inflate_open(struct bytes *in, struct inflate **ret, struct err *e)
{
	AUTO(inflate_free) struct inflate *z = xcalloc(1, sizeof(*z));

	z->in = in;
	TRY(sniff(z, e));
	TRY(set_kind(z, e));
	z->b.next = plain_next;
	if (z->kind != PLAIN)
		z->out = xmalloc(BLOCK);
	if (z->kind == GZIP) {
		z->b.next = gzip_next;
		if (inflateInit2(&z->gz, 15 + 16) != Z_OK)
			BUG("inflateInit2");
	} else if (z->kind == ZSTD) {
		z->b.next = zstd_next;
		z->zs = ZSTD_createDStream();
		if (!z->zs || ZSTD_isError(ZSTD_DCtx_setParameter(z->zs, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG)))
			BUG("ZSTD_createDStream");
	}
	*ret = TAKE(z);
	return 0;
}

void inflate_free(struct inflate *z)
{
	if (!z)
		return;
	if (z->kind == GZIP)
		inflateEnd(&z->gz);
	ZSTD_freeDStream(z->zs);
	free(z->out);
	free(z);
}

struct bytes *inflate_bytes(struct inflate *z)
{
	return &z->b;
}

const char *inflate_kind(const struct inflate *z)
{
	static const char *const names[] = { [PLAIN] = "plain", [GZIP] = "gzip", [ZSTD] = "zstd" };

	return names[z->kind];
}
