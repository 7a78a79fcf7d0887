/* SPDX-License-Identifier: MIT */
#include "engine/image/deflate.h"

#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/fd.h"

enum { LEVEL = 6, GZIP_WINDOW = 15 + 16 };

static int run(z_stream *z, int flush, unsigned char *buf, int fd, uint64_t *total, struct err *e)
{
	int r;

	do {
		z->next_out = buf;
		z->avail_out = BLOCK;
		r = deflate(z, flush);
		if (r == Z_STREAM_ERROR)
			BUG("deflate");
		TRY(fd_write_all(fd, buf, BLOCK - z->avail_out, e));
		*total += BLOCK - z->avail_out;
	} while (z->avail_out == 0);
	return 0;
}

int deflate_copy(struct bytes *in, int fd, uint64_t *total, struct err *e)
{
	z_stream z = { 0 };
	auto_free unsigned char *buf = xmalloc(BLOCK);
	int r = 0;

	/* no name, no time: zlib writes a header without them */
	if (deflateInit2(&z, LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return err_set(e, ENOMEM, "gzip");
	for (;;) {
		const unsigned char *p;
		ssize_t n = in->next(in, &p, e);

		if (n < 0) {
			r = (int)n;
			break;
		}
		z.next_in = (unsigned char *)p;
		z.avail_in = (unsigned)n;
		r = run(&z, n ? Z_NO_FLUSH : Z_FINISH, buf, fd, total, e);
		if (r < 0 || n == 0)
			break;
	}
	deflateEnd(&z);
	return r;
}
