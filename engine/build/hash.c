/* SPDX-License-Identifier: MIT */
#include "engine/build/hash.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"

enum { BLOCK_SIZE = 128 << 10 };

void hash_init(struct hash *h)
{
	digest_stream_init(&h->d);
}

void hash_add(struct hash *h, const void *p, size_t n)
{
	digest_stream_add(&h->d, p, n);
}

void hash_num(struct hash *h, uint64_t v)
{
	unsigned char b[8];

	for (int i = 0; i < 8; i++)
		b[i] = (unsigned char)(v >> (8 * i));
	hash_add(h, b, sizeof(b));
}

void hash_text(struct hash *h, const char *s)
{
	hash_num(h, s ? strlen(s) + 1 : 0);
	if (s)
		hash_add(h, s, strlen(s));
}

int hash_fd(struct hash *h, int fd, struct err *e)
{
	auto_free char *buf = xmalloc(BLOCK_SIZE);
	ssize_t n;

	while ((n = read(fd, buf, BLOCK_SIZE)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read");
		hash_add(h, buf, (size_t)n);
	}
	return 0;
}

void hash_end(struct hash *h, char hex[HASH_TEXT])
{
	digest_stream_end(&h->d, hex);
}
