/* SPDX-License-Identifier: MIT */
#include "net/dns_msg.h"
#include "base/str.h"
#include <stdio.h>
#include <string.h>

enum { HEADER = 12, LABEL_MAX = 63, OPT_LEN = 11 };

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* A label's byte that may be part of a name we know: letters, digits, '-', '_'. */
static bool plain(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* The uncompressed name at AT; returns the offset after it, 0: broken. A question comes first, so nothing stands before it that a pointer
 * could rightly point to. */
static size_t read_name(const uint8_t *m, size_t n, size_t at, char name[DNS_NAME])
{
	size_t start = at, len = 0;
	bool host = true;

	for (;;) {
		unsigned l;

		if (at >= n)
			return 0;
		l = m[at++];
		if (l == 0)
			break;
		if (l > LABEL_MAX || at + l > n || at + l - start > 254)
			return 0;
		if (len)
			name[len++] = '.';
		for (unsigned i = 0; i < l; i++) {
			uint8_t c = m[at + i];

			host &= plain(c);
			name[len++] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
		}
		at += l;
	}
	name[host ? len : 0] = '\0';
	return at;
}

/* Skips a name that may be compressed: a pointer ends it, so nothing is followed. 0: broken. */
static size_t skip_name(const uint8_t *m, size_t n, size_t at)
{
	for (size_t start = at; at < n && at - start < 256;) {
		unsigned l = m[at];

		if (l == 0)
			return at + 1;
		if ((l & 0xc0) == 0xc0)
			return at + 2 <= n ? at + 2 : 0;
		if (l > LABEL_MAX)
			return 0;
		at += l + 1;
	}
	return 0;
}

/* EDNS: the OPT record among the additional ones, when the query has nothing else (RFC 6891 6.1.1). */
static int read_opt(const uint8_t *m, size_t n, size_t at, struct dns_query *q)
{
	unsigned records = get16(m + 10);

	for (unsigned i = 0; i < records; i++) {
		size_t end = skip_name(m, n, at);

		if (!end || end + 10 > n || end + 10 + get16(m + end + 8) > n)
			return DNS_FORMERR;
		if (get16(m + end) == DNS_OPT) {
			if (q->edns)
				return DNS_FORMERR;
			q->edns = true;
			q->udp_max = MAX(get16(m + end + 2), (uint16_t)DNS_UDP_MIN);
		}
		at = end + 10 + get16(m + end + 8);
	}
	return DNS_NOERROR;
}

int dns_query_read(const uint8_t *m, size_t n, struct dns_query *q)
{
	size_t end;
	int r;

	*q = (struct dns_query){ .udp_max = DNS_UDP_MIN, .question = HEADER };
	if (n < HEADER || (m[2] & 0x80)) /* an answer is never answered: two servers would talk for ever */
		return DNS_DROP;
	q->id = get16(m);
	if ((m[2] >> 3 & 15) != 0)
		return DNS_NOTIMP;
	if (get16(m + 4) == 0)
		return DNS_DROP;
	end = read_name(m, n, HEADER, q->name);
	if (!end || end + 4 > n)
		return DNS_FORMERR;
	q->type = get16(m + end);
	q->class = get16(m + end + 2);
	q->question = end + 4;
	if (get16(m + 4) == 1 && get16(m + 6) == 0 && get16(m + 8) == 0) {
		r = read_opt(m, n, q->question, q);
		if (r)
			return r;
	}
	q->udp_max = MIN(q->udp_max, (uint16_t)DNS_UDP_MAX);
	return q->class == 1 ? DNS_NOERROR : DNS_NOTIMP;
}

void dns_answer_begin(struct dns_answer *a, uint8_t *buf, size_t room, const uint8_t *m, const struct dns_query *q, int rcode)
{
	bool question = q->question > HEADER;

	*a = (struct dns_answer){ .buf = buf, .room = room, .len = q->question, .edns = q->edns };
	memcpy(buf, m, q->question);
	buf[2] = (uint8_t)(0x80 | (m[2] & 0x79)); /* answer; opcode and RD as asked */
	buf[3] = (uint8_t)(0x80 | rcode);         /* recursion is to be had */
	put16(buf + 4, question);
	memset(buf + 6, 0, 6);
}

/* Header of a record for the question's name: the pointer to it is always valid. */
static uint8_t *record(struct dns_answer *a, unsigned type, size_t len)
{
	size_t reserve = a->edns ? OPT_LEN : 0;
	uint8_t *p = a->buf + a->len;

	if (a->cut || a->len + 12 + len + reserve > a->room) {
		a->cut = true;
		return NULL;
	}
	put16(p, 0xc000 | HEADER);
	put16(p + 2, type);
	put16(p + 4, 1);
	put16(p + 6, 0);
	put16(p + 8, DNS_TTL);
	put16(p + 10, (unsigned)len);
	a->len += 12 + len;
	a->count++;
	return p + 12;
}

void dns_answer_addr(struct dns_answer *a, const struct addr *addr)
{
	uint8_t *p = record(a, addr->family == 4 ? DNS_A : DNS_AAAA, addr_size(addr));

	if (p)
		memcpy(p, addr->b, addr_size(addr));
}

void dns_answer_ptr(struct dns_answer *a, const char *name)
{
	uint8_t wire[DNS_NAME], *p;
	size_t len = 0;

	while (*name) {
		size_t l = strcspn(name, ".");

		if (!l || l > LABEL_MAX || len + l + 2 > sizeof(wire) - 1)
			return; /* a container's name may be longer than DNS allows */
		wire[len++] = (uint8_t)l;
		memcpy(wire + len, name, l);
		len += l;
		name += l + (name[l] == '.');
	}
	wire[len++] = 0;
	p = record(a, DNS_PTR, len);
	if (p)
		memcpy(p, wire, len);
}

size_t dns_answer_end(struct dns_answer *a)
{
	put16(a->buf + 6, a->count);
	if (a->cut)
		a->buf[2] |= 0x02;
	if (a->edns && a->len + OPT_LEN <= a->room) {
		uint8_t *p = a->buf + a->len;

		memset(p, 0, OPT_LEN);
		put16(p + 1, DNS_OPT);
		put16(p + 3, DNS_UDP_MAX);
		a->len += OPT_LEN;
		put16(a->buf + 10, 1);
	}
	return a->len;
}

int dns_rcode(const uint8_t *m)
{
	return m[3] & 15;
}

bool dns_reply_matches(const uint8_t *reply, size_t n, const uint8_t *query, size_t qn)
{
	struct dns_query q;
	char name[DNS_NAME];
	size_t end;

	if (n < HEADER || qn < HEADER || memcmp(reply, query, 2) != 0 || !(reply[2] & 0x80))
		return false;
	end = read_name(query, qn, HEADER, q.name);
	if (!end || end + 4 > qn)
		return false;
	/* Some servers leave the question out of an error. */
	if (get16(reply + 4) == 0)
		return dns_rcode(reply) != DNS_NOERROR && n == HEADER;
	if (get16(reply + 4) != 1 || end + 4 > n || read_name(reply, n, HEADER, name) != end)
		return false;
	for (size_t i = HEADER; i < end; i++) {
		uint8_t a = query[i], b = reply[i];

		if ((a >= 'A' && a <= 'Z' ? a | 0x20 : a) != (b >= 'A' && b <= 'Z' ? b | 0x20 : b))
			return false;
	}
	return memcmp(reply + end, query + end, 4) == 0;
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool ptr6(const char *name, struct addr *a)
{
	*a = (struct addr){ .family = 6 };
	for (int i = 0; i < 32; i++) {
		int v = hex(name[2 * i]);

		if (v < 0 || name[2 * i + 1] != '.')
			return false;
		a->b[15 - i / 2] |= (uint8_t)(v << (i % 2 ? 4 : 0));
	}
	return true;
}

bool dns_ptr_addr(const char *name, struct addr *ret)
{
	unsigned b[4];
	int end = 0;

	if (sscanf(name, "%3u.%3u.%3u.%3u.in-addr.arpa%n", &b[3], &b[2], &b[1], &b[0], &end) == 4 && end && !name[end]) {
		if ((b[0] | b[1] | b[2] | b[3]) > 255)
			return false;
		*ret = addr_v4(b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3]);
		return true;
	}
	return strlen(name) == 72 && str_ends(name, ".ip6.arpa") && ptr6(name, ret);
}
