/* SPDX-License-Identifier: MIT */
#include "engine/image/bytes.h"

#include <errno.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/fd.h"
#include "engine/image/digest.h"

static ssize_t file_next(struct bytes *b, const unsigned char **ret, struct err *e)
{
	struct file_bytes *f = CONTAINER_OF(b, struct file_bytes, b);
	ssize_t n;

	do
		n = f->offset < 0 ? read(f->fd, f->buf, BLOCK) : pread(f->fd, f->buf, BLOCK, f->offset);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, "read '%s'", f->what);
	if (f->offset >= 0)
		f->offset += n;
	*ret = f->buf;
	return n;
}

static int64_t file_skip(struct bytes *b, int64_t n)
{
	struct file_bytes *f = CONTAINER_OF(b, struct file_bytes, b);

	if (f->offset < 0 || n < 0 || f->offset > INT64_MAX - n)
		return 0;
	f->offset += n;
	return n;
}

void file_bytes_init(struct file_bytes *f, int fd, int64_t offset, const char *what)
{
	*f = (struct file_bytes){ { file_next, file_skip }, fd, offset, what, xmalloc(BLOCK) };
}

void file_bytes_done(struct file_bytes *f)
{
	free(f->buf);
	f->buf = NULL;
}

int bytes_too_many(uint64_t max, struct err *e)
{
	int r = err_set(e, EFBIG, "it unpacks to more than %llu MiB", (unsigned long long)(max >> 20));

	err_hint(e, "if that is right, raise the limit with --max-size or GANTRY_MAX_LAYER");
	return r;
}

static ssize_t digest_next(struct bytes *b, const unsigned char **ret, struct err *e)
{
	struct digest_bytes *d = CONTAINER_OF(b, struct digest_bytes, b);
	ssize_t n = d->in->next(d->in, ret, e);

	if (n <= 0)
		return n;
	d->total += (uint64_t)n;
	if (d->max && d->total > d->max)
		return bytes_too_many(d->max, e);
	if (d->announced >= 0 && d->total > (uint64_t)d->announced)
		return err_set(e, EBADMSG, "more bytes than the %lld that are announced", (long long)d->announced);
	if (d->digest)
		digest_add(d->digest, *ret, (size_t)n);
	return n;
}

void digest_bytes_init(struct digest_bytes *d, struct bytes *in, struct digest *digest, uint64_t max)
{
	*d = (struct digest_bytes){ .b.next = digest_next, .in = in, .digest = digest, .max = max, .announced = -1 };
}

int bytes_copy(struct bytes *in, int fd, uint64_t *total, struct err *e)
{
	for (;;) {
		const unsigned char *p;
		ssize_t n = in->next(in, &p, e);

		if (n <= 0)
			return (int)n;
		TRY(fd_write_all(fd, p, (size_t)n, e));
		if (total)
			*total += (uint64_t)n;
	}
}

int bytes_drain(struct bytes *in, struct err *e)
{
	for (;;) {
		const unsigned char *p;
		ssize_t n = in->next(in, &p, e);

		if (n <= 0)
			return (int)n;
	}
}

static ssize_t tee_next(struct bytes *b, const unsigned char **ret, struct err *e)
{
	struct tee_bytes *t = CONTAINER_OF(b, struct tee_bytes, b);
	ssize_t n = t->in->next(t->in, ret, e);

	if (n > 0)
		TRY(fd_write_all(t->fd, *ret, (size_t)n, e));
	return n;
}

void tee_bytes_init(struct tee_bytes *t, struct bytes *in, int fd)
{
	*t = (struct tee_bytes){ .b.next = tee_next, .in = in, .fd = fd };
}
