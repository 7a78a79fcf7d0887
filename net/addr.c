/* SPDX-License-Identifier: MIT */
#include "net/addr.h"
#include "base/err.h"
#include "base/id.h"
#include "base/num.h"
#include "base/str.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

int addr_parse(const char *s, struct addr *ret, struct err *e)
{
	char buf[ADDR_TEXT];
	struct addr a = { 0 };
	size_t n = strlen(s);
	const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (n > 2 && s[0] == '[' && s[n - 1] == ']') {
		s++;
		n -= 2;
		if (!memchr(s, ':', n))
			return err_set(e, EINVAL, "invalid IP address: [%.*s]", (int)MIN(n, 60u), s);
	}
	if (n && n < sizeof(buf)) {
		memcpy(buf, s, n);
		buf[n] = '\0';
		if (inet_pton(AF_INET, buf, a.b) == 1)
			a.family = 4;
		else if (inet_pton(AF_INET6, buf, a.b) == 1)
			a.family = 6;
	}
	if (!a.family || (a.family == 6 && memcmp(a.b, mapped, 12) == 0))
		return err_set(e, EINVAL, "invalid IP address: %.*s", (int)MIN(n, 60u), s);
	*ret = a;
	return 0;
}

unsigned addr_size(const struct addr *a)
{
	return a->family == 4 ? 4 : a->family == 6 ? 16 : 0;
}

char *addr_text(const struct addr *a, char buf[ADDR_TEXT])
{
	if (!a->family || !inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->b, buf, ADDR_TEXT))
		buf[0] = '\0';
	return buf;
}

int addr_cmp(const struct addr *a, const struct addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->b, b->b, addr_size(a));
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	return addr_cmp(a, b) == 0;
}

bool addr_is_any(const struct addr *a)
{
	static const uint8_t zero[16];

	return a->family && memcmp(a->b, zero, addr_size(a)) == 0;
}

bool addr_is_loopback(const struct addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return a->family == 4 ? a->b[0] == 127 : a->family == 6 && memcmp(a->b, one, 16) == 0;
}

bool addr_add(struct addr *a, uint64_t n)
{
	struct addr t = *a;

	for (unsigned i = addr_size(a); i-- > 0 && n;) {
		n += t.b[i];
		t.b[i] = n & 0xff;
		n >>= 8;
	}
	if (n || !a->family)
		return false;
	*a = t;
	return true;
}

struct addr addr_v4(uint32_t v)
{
	return (struct addr){ 4, { v >> 24, (v >> 16) & 0xff, (v >> 8) & 0xff, v & 0xff } };
}

/* Sets all bits from LEN on to ones or zeroes. */
static struct addr host_bits(const struct addr *a, unsigned len, bool ones)
{
	struct addr r = *a;

	for (unsigned i = 0; i < addr_size(a); i++) {
		unsigned keep = len > 8 * i ? MIN(len - 8 * i, 8u) : 0;
		uint8_t mask = keep == 8 ? 0xff : (uint8_t)~(0xffu >> keep);

		r.b[i] = ones ? (uint8_t)(r.b[i] | (uint8_t)~mask) : (uint8_t)(r.b[i] & mask);
	}
	return r;
}

struct cidr cidr_of(const struct addr *a, unsigned len)
{
	return (struct cidr){ host_bits(a, len, false), len };
}

struct addr cidr_first(const struct cidr *c)
{
	return host_bits(&c->a, c->len, false);
}

struct addr cidr_last(const struct cidr *c)
{
	return host_bits(&c->a, c->len, true);
}

int cidr_parse(const char *s, struct cidr *ret, struct err *e)
{
	const char *slash = strrchr(s, '/');
	char host[ADDR_TEXT], want[CIDR_TEXT];
	struct cidr c = { 0 };
	uint64_t len;
	AUTO_ERR(t);

	if (!slash || slash == s || (size_t)(slash - s) >= sizeof(host))
		return err_set(e, EINVAL, "'%.60s': not a subnet like 172.28.0.0/16", s);
	memcpy(host, s, (size_t)(slash - s));
	host[slash - s] = '\0';
	if (addr_parse(host, &c.a, &t) < 0 || num_uint(slash + 1, addr_size(&c.a) * 8, &len, &t) < 0)
		return err_set(e, EINVAL, "'%.60s': not a subnet like 172.28.0.0/16", s);
	c.len = (unsigned)len;
	*ret = cidr_of(&c.a, c.len);
	if (!addr_eq(&ret->a, &c.a))
		return err_set(e, EINVAL, "invalid subnet %s: it should be %s", s, cidr_text(ret, want));
	return 0;
}

char *cidr_text(const struct cidr *c, char buf[CIDR_TEXT])
{
	char a[ADDR_TEXT];

	snprintf(buf, CIDR_TEXT, "%.47s/%u", addr_text(&c->a, a), c->len & 0xff);
	return buf;
}

bool cidr_has(const struct cidr *c, const struct addr *a)
{
	struct addr net = host_bits(a, c->len, false), first = cidr_first(c);

	return c->a.family == a->family && addr_eq(&net, &first);
}

bool cidr_overlaps(const struct cidr *a, const struct cidr *b)
{
	return cidr_has(a->len <= b->len ? a : b, a->len <= b->len ? &b->a : &a->a);
}

int mac_parse(const char *s, uint8_t ret[MAC_LEN], struct err *e)
{
	uint8_t m[MAC_LEN];
	int any = 0;

	if (strlen(s) != MAC_TEXT - 1)
		return err_set(e, EINVAL, "'%.40s': not a MAC address like 02:42:ac:11:00:02", s);
	for (int i = 0; i < MAC_LEN; i++) {
		static const char hex[] = "0123456789abcdef";
		const char *p = s + 3 * i;
		char c1 = p[0] | 0x20, c2 = p[1] | 0x20;
		const char *h1 = strchr(hex, c1), *h2 = strchr(hex, c2);

		if (!h1 || !h2 || (i < MAC_LEN - 1 && p[2] != ':' && p[2] != '-'))
			return err_set(e, EINVAL, "'%.40s': not a MAC address like 02:42:ac:11:00:02", s);
		m[i] = (uint8_t)((h1 - hex) << 4 | (h2 - hex));
		any |= m[i];
	}
	if (!any || (m[0] & 1))
		return err_set(e, EINVAL, "MAC address '%s': must be one of a single interface (not zero, not multicast)", s);
	memcpy(ret, m, MAC_LEN);
	return 0;
}

char *mac_text(const uint8_t m[MAC_LEN], char buf[MAC_TEXT])
{
	snprintf(buf, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	return buf;
}

void mac_random(uint8_t m[MAC_LEN])
{
	char hex[2 * MAC_LEN + 1];

	id_hex(hex, 2 * MAC_LEN);
	for (int i = 0; i < MAC_LEN; i++) {
		char two[3] = { hex[2 * i], hex[2 * i + 1], '\0' };

		m[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	m[0] = (uint8_t)((m[0] & 0xfe) | 0x02);
}
