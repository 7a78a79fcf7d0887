/* SPDX-License-Identifier: MIT
 *
 * tests/unit/tarmaker.h - tar archives of any kind, also those that no tar program writes
 *
 * tar_text() makes one of lines: "d PATH", "f PATH=DATA", "s PATH->TARGET", "h PATH->TARGET", "c PATH MAJOR:MINOR", "b …", "p PATH", "x KEY=VALUE" (a PAX
 * record for the next entry), "z" (a block of zeros).
 */
#pragma once
#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "base/strv.h"
#include "engine/image/bytes.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TARMAKER_MAX = 64 << 20 };

struct tar_head {
	const char *name, *link;
	char type;
	unsigned mode, uid, gid, major, minor;
	long long size, mtime;
};

static inline void tar_pad(struct str *b)
{
	while (b->len % 512)
		str_addc(b, '\0');
}

static inline void tar_header(struct str *b, const struct tar_head *h)
{
	char raw[513] = { 0 };
	unsigned sum = 0;

	snprintf(raw, 101, "%.100s", h->name);
	snprintf(raw + 100, 8, "%07o", h->mode);
	snprintf(raw + 108, 8, "%07o", h->uid);
	snprintf(raw + 116, 8, "%07o", h->gid);
	snprintf(raw + 124, 12, "%011llo", (unsigned long long)h->size);
	snprintf(raw + 136, 12, "%011llo", (unsigned long long)h->mtime);
	memset(raw + 148, ' ', 8);
	raw[156] = h->type;
	snprintf(raw + 157, 101, "%.100s", h->link ? h->link : "");
	memcpy(raw + 257, "ustar\00000", 8);
	snprintf(raw + 329, 8, "%07o", h->major);
	snprintf(raw + 337, 8, "%07o", h->minor);
	for (int i = 0; i < 512; i++)
		sum += (unsigned char)raw[i];
	snprintf(raw + 148, 8, "%06o", sum);
	raw[155] = ' ';
	str_addn(b, raw, 512);
}

static inline void tar_data_add(struct str *b, const void *p, size_t n)
{
	str_addn(b, p, n);
	tar_pad(b);
}

/* VALUE may hold anything. */
static inline void tar_pax(struct str *b, const char *key, const void *value, size_t n)
{
	size_t rest = strlen(key) + n + 3, len = rest + 1;
	char digits[24];

	while ((size_t)snprintf(digits, sizeof(digits), "%zu", len) + rest != len)
		len = (size_t)snprintf(digits, sizeof(digits), "%zu", len) + rest;
	tar_header(b, &(struct tar_head){ .name = "pax", .type = 'x', .mode = 0644, .size = (long long)len });
	str_addf(b, "%s %s=", digits, key);
	str_addn(b, value, n);
	str_addc(b, '\n');
	tar_pad(b);
}

static inline void tar_file(struct str *b, const char *name, const char *data)
{
	tar_header(b, &(struct tar_head){ .name = name, .type = '0', .mode = 0644, .size = (long long)strlen(data), .mtime = 1000000000 });
	tar_data_add(b, data, strlen(data));
}

static inline void tar_end(struct str *b)
{
	static const char zeros[1024];

	str_addn(b, zeros, sizeof(zeros));
}

static inline void tar_line(struct str *b, char *line)
{
	static const char types[] = "d5f0s2h1c3b4p6";
	static const char zeros[512];
	char *name = line[1] ? line + 2 : line + 1, *arrow = strstr(name, "->"), *equals = strchr(name, '=');
	const char *type = strchr(types, line[0]);
	struct tar_head h = { .mode = line[0] == 'd' ? 0755 : 0644, .mtime = 1000000000 };

	if (line[0] == 'z') {
		str_addn(b, zeros, sizeof(zeros));
		return;
	}
	if (line[0] == 'x') {
		*equals = '\0';
		tar_pax(b, name, equals + 1, strlen(equals + 1));
		return;
	}
	if (!type)
		abort();
	h.type = type[1];
	if (line[0] == 'f' && equals) {
		*equals = '\0';
		h.size = (long long)strlen(equals + 1);
	}
	if (arrow) {
		*arrow = '\0';
		h.link = arrow + 2;
	}
	if (line[0] == 'c' || line[0] == 'b') {
		char *blank = strrchr(name, ' ');

		*blank = '\0';
		sscanf(blank + 1, "%u:%u", &h.major, &h.minor);
	}
	h.name = name;
	tar_header(b, &h);
	if (h.size)
		tar_data_add(b, equals + 1, (size_t)h.size);
}

static inline void tar_text(struct str *b, const char *text)
{
	AUTO_STRV(lines);

	strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.n; i++)
		if (*lines.v[i])
			tar_line(b, lines.v[i]);
}

/* A stream of memory, in pieces of STEP bytes. */
struct memory_bytes {
	struct bytes b;
	const unsigned char *p;
	size_t n, step;
};

static inline ssize_t memory_next(struct bytes *b, const unsigned char **ret, struct err *e)
{
	struct memory_bytes *m = CONTAINER_OF(b, struct memory_bytes, b);
	size_t n = MIN(m->n, m->step);

	(void)e;
	*ret = m->p;
	m->p += n;
	m->n -= n;
	return (ssize_t)n;
}

static inline struct memory_bytes memory_bytes(const void *p, size_t n, size_t step)
{
	return (struct memory_bytes){ { memory_next, NULL }, p, n, step };
}
