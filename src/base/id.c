/* SPDX-License-Identifier: MIT */
#include "base/id.h"

#include "base/err.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/random.h>

static const char hex[] = "0123456789abcdef";
static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789";
static const char alnum[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

void id_hex(char *buf, unsigned n)
{
	for (unsigned at = 0; at < n;) {
		unsigned char random[32];
		ssize_t got = getrandom(random, sizeof(random), 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			BUG("getrandom: %s", strerror(errno));
		for (ssize_t i = 0; i < got && at < n; i++, at++)
			buf[at] = hex[random[i] & 15];
	}
	buf[n] = '\0';
}

void id_new(char buf[ID_BUF])
{
	id_hex(buf, ID_LEN);
}

bool id_is(const char *s)
{
	return strspn(s, hex) == ID_LEN && s[ID_LEN] == '\0';
}

bool name_is_container(const char *s)
{
	size_t n = strlen(s);

	/* they name folders too */
	return n >= 2 && n <= NAME_MAX && strchr(alnum, s[0]) &&
	       strspn(s, "_.-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == n;
}

bool name_is_project(const char *s)
{
	size_t n = strlen(s);

	return n >= 1 && n <= NAME_MAX && strchr(lower, s[0]) &&
	       strspn(s, "_-abcdefghijklmnopqrstuvwxyz0123456789") == n;
}
