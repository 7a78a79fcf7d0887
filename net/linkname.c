/* SPDX-License-Identifier: MIT */
#include "net/linkname.h"
#include "base/str.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void base36(char buf[16], int64_t id)
{
	char t[16];
	int n = 0, i = 0;

	do
		t[n++] = "0123456789abcdefghijklmnopqrstuvwxyz"[id % 36];
	while ((id /= 36) && n < 15);
	while (n)
		buf[i++] = t[--n];
	buf[i] = '\0';
}

void link_name(char buf[IFNAMSIZ], const char *root_id, char kind, int64_t id)
{
	char number[16];

	base36(number, id);
	snprintf(buf, IFNAMSIZ, "g%c%.5s-%.7s", kind, root_id, number);
}

void link_mark(char buf[LINK_ALIAS_LEN], const char *root_id, char kind, int64_t id)
{
	snprintf(buf, LINK_ALIAS_LEN, "gantry:%.8s:%c%" PRId64, root_id, kind, id);
}

bool link_mark_read(const char *alias, const char *root_id, char *ret_kind, int64_t *ret_id)
{
	char prefix[24], *end;
	const char *rest;

	snprintf(prefix, sizeof(prefix), "gantry:%.8s:", root_id);
	rest = str_after(alias, prefix);
	if (!rest || !rest[0] || rest[1] < '0' || rest[1] > '9')
		return false;
	*ret_kind = rest[0];
	*ret_id = strtoll(rest + 1, &end, 10);
	return *end == '\0';
}
