/* SPDX-License-Identifier: MIT */
#include "net/ipam.h"
#include "base/err.h"
#include "base/json.h"
#include "base/num.h"
#include "base/str.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* docker's default-address-pools, in its order. */
static const struct pool {
	uint8_t net[2];
	unsigned len, size;
} pools[] = {
	{ { 172, 17 }, 16, 16 }, { { 172, 18 }, 16, 16 }, { { 172, 19 }, 16, 16 },  { { 172, 20 }, 14, 16 },
	{ { 172, 24 }, 14, 16 }, { { 172, 28 }, 14, 16 }, { { 192, 168 }, 16, 20 },
};

struct cidr ipam_ula(const char *host_id)
{
	struct cidr c = { .a = { .family = 6, .b = { 0xfd } }, .len = 48 };
	uint64_t h = 0xcbf29ce484222325u; /* FNV-1a: a number of this host, nothing secret */

	for (const char *p = "gantry "; *p; p++)
		h = (h ^ (uint8_t)*p) * 0x100000001b3u;
	for (const char *p = host_id; *p; p++)
		h = (h ^ (uint8_t)*p) * 0x100000001b3u;
	for (int i = 0; i < 5; i++)
		c.a.b[1 + i] = (uint8_t)(h >> (8 * i));
	return c;
}

bool ipam_is_any(const char *cidr, unsigned *ret_family, unsigned *ret_len)
{
	struct cidr c;
	AUTO_ERR(t);

	if (cidr_parse(cidr, &c, &t) < 0 || !addr_is_any(&c.a) || !c.len)
		return false;
	*ret_family = c.a.family;
	*ret_len = c.len;
	return true;
}

static bool is_taken(const struct cidr *c, const struct cidr_list *taken)
{
	for (size_t i = 0; i < taken->n; i++)
		if (taken->v[i].a.family == c->a.family && cidr_overlaps(c, &taken->v[i]))
			return true;
	return false;
}

/* A + one subnet of length LEN. */
static bool next_subnet(struct cidr *c)
{
	unsigned bits = addr_size(&c->a) * 8 - c->len;
	struct addr step = c->a;

	/* Add 1 at bit position BITS: by bytes, as 2^BITS may not fit a number. */
	for (unsigned i = addr_size(&step) - bits / 8, carry = 1u << (bits % 8); i-- > 0 && carry;) {
		carry += step.b[i];
		step.b[i] = carry & 0xff;
		carry >>= 8;
	}
	if (addr_cmp(&step, &c->a) <= 0)
		return false;
	c->a = step;
	return true;
}

static bool choose_in(const struct cidr *pool, unsigned len, const struct cidr_list *taken, struct cidr *ret)
{
	struct cidr c = { pool->a, len };

	for (unsigned tries = 0; tries < 65536 && cidr_has(pool, &c.a); tries++) {
		if (!is_taken(&c, taken)) {
			*ret = c;
			return true;
		}
		if (!next_subnet(&c))
			return false;
	}
	return false;
}

int ipam_choose_subnet(unsigned family, unsigned len, const struct cidr_list *taken, const struct cidr *ula, struct cidr *ret, struct err *e)
{
	if (family == 6) {
		unsigned want = len ? len : 64;

		if (want >= ula->len && choose_in(ula, want, taken, ret))
			return 0;
	}
	for (size_t i = 0; family == 4 && i < ARRAY_LEN(pools); i++) {
		struct cidr pool = { .a = { 4, { pools[i].net[0], pools[i].net[1] } }, .len = pools[i].len };
		unsigned want = len ? len : pools[i].size;

		if (want >= pool.len && choose_in(&pool, want, taken, ret))
			return 0;
	}
	err_set(e, ENOSPC, "all predefined address pools have been fully subnetted: could not find an available, "
		"non-overlapping IPv%u address pool among the defaults", family);
	err_hint(e, "remove networks that nobody uses (gantry network prune), or give the network a subnet of its own (ipam.config.subnet)");
	return -ENOSPC;
}

static bool room_for_gateway(const struct cidr *c)
{
	return c->len + 2 <= addr_size(&c->a) * 8;
}

static int check_inside(const struct cidr *net, const struct addr *a, const char *what, const char *text, struct err *e)
{
	char s[CIDR_TEXT];

	if (a->family != net->a.family)
		return err_set(e, EINVAL, "invalid %s %s: parent subnet is an IPv%u block", what, text, net->a.family);
	if (!cidr_has(net, a))
		return err_set(e, EINVAL, "invalid %s %s: parent subnet %s doesn't contain this address", what, text, cidr_text(net, s));
	return 0;
}

static int read_range(const char *text, struct ipam_subnet *s, struct err *e)
{
	char t[CIDR_TEXT];
	struct cidr c;

	TRY(cidr_parse(text, &c, e));
	if (c.a.family != s->net.a.family)
		return err_set(e, EINVAL, "invalid ip-range %s: parent subnet is an IPv%u block", text, s->net.a.family);
	if (c.len < s->net.len)
		return err_set(e, EINVAL, "invalid ip-range %s: CIDR block is bigger than its parent subnet %s", text, cidr_text(&s->net, t));
	if (!cidr_has(&s->net, &c.a))
		return err_set(e, EINVAL, "invalid ip-range %s: parent subnet %s doesn't contain ip-range", text, cidr_text(&s->net, t));
	s->range = c;
	return 0;
}

static int read_aux(const char *text, struct ipam_subnet *s, struct err *e)
{
	AUTO(json_free) struct cJSON *j = NULL;

	TRY(json_parse(text, strlen(text), "aux_addresses", &j, e));
	for (const struct cJSON *c = json_first(j); c; c = json_next(c)) {
		const char *key = json_key(c), *value = json_value_str(c);
		struct addr a;

		if (!value)
			return err_set(e, EINVAL, "invalid auxiliary address %s: must be an address", str0(key));
		TRY(addr_parse(value, &a, e));
		TRY(check_inside(&s->net, &a, "auxiliary address", value, e));
		if (s->naux == IPAM_AUX_MAX)
			return err_set(e, E2BIG, "aux_addresses: more than %d", IPAM_AUX_MAX);
		s->aux[s->naux++] = a;
		if (key && (streq(key, "DefaultGatewayIPv4") || streq(key, "DefaultGatewayIPv6")))
			s->dflt_gw = a;
	}
	return 0;
}

static int read_subnet(const struct subnet_row *row, bool want_gateway, struct ipam_subnet *s, struct err *e)
{
	TRY(cidr_parse(row->cidr, &s->net, e));
	if (s->net.a.family == 6 && s->net.a.b[0] == 0xff)
		return err_set(e, EINVAL, "invalid subnet %s: multicast addresses cannot be given to containers", row->cidr);
	s->range = s->net;
	if (row->ip_range)
		TRY(read_range(row->ip_range, s, e));
	if (row->gateway) {
		TRY(addr_parse(row->gateway, &s->gateway, e));
		TRY(check_inside(&s->net, &s->gateway, "gateway", row->gateway, e));
	} else if (want_gateway && room_for_gateway(&s->net)) {
		s->gateway = cidr_first(&s->net);
		(void)addr_add(&s->gateway, 1);
	}
	return row->aux ? read_aux(row->aux, s, e) : 0;
}

int ipam_subnet_read(const struct subnet_row *row, bool want_gateway, struct ipam_subnet *ret, struct err *e)
{
	struct ipam_subnet s = { 0 };

	if (read_subnet(row, want_gateway, &s, e) < 0)
		return err_wrap(e, "invalid network config");
	*ret = s;
	return 0;
}

static bool is_reserved(const struct ipam_subnet *s, const struct addr *a)
{
	struct addr first = cidr_first(&s->net), last = cidr_last(&s->net);
	bool tiny = s->net.len + 1 >= addr_size(a) * 8; /* /31, /32, /127, /128: all addresses are hosts, RFC 3021 */

	if (!tiny && (addr_eq(a, &first) || (a->family == 4 && addr_eq(a, &last))))
		return true;
	if (addr_eq(a, &s->gateway))
		return true;
	for (size_t i = 0; i < s->naux; i++)
		if (addr_eq(a, &s->aux[i]))
			return true;
	return false;
}

static int by_addr(const void *a, const void *b)
{
	return addr_cmp(a, b);
}

int ipam_choose_address(const struct ipam_subnet *s, struct addr *used, size_t nused, struct addr *ret, struct err *e)
{
	struct addr a = cidr_first(&s->range);
	char text[CIDR_TEXT];
	size_t i = 0;

	if (nused)
		qsort(used, nused, sizeof(*used), by_addr);
	for (; cidr_has(&s->range, &a); (void)0) {
		while (i < nused && addr_cmp(&used[i], &a) < 0)
			i++;
		if (!(i < nused && addr_eq(&used[i], &a)) && !is_reserved(s, &a)) {
			*ret = a;
			return 0;
		}
		if (!addr_add(&a, 1))
			break;
	}
	err_set(e, ENOSPC, "no available addresses on this pool (%s)", cidr_text(&s->range, text));
	err_hint(e, "remove containers that nobody needs, or give the network a larger subnet");
	return -ENOSPC;
}

int ipam_check_address(const struct ipam_subnet *s, const struct addr *a, struct err *e)
{
	char text[ADDR_TEXT], net[CIDR_TEXT];

	if (!cidr_has(&s->net, a))
		return err_set(e, EINVAL, "no configured subnet contains IP address %s (the network has %s)", addr_text(a, text),
			       cidr_text(&s->net, net));
	if (addr_eq(a, &s->gateway))
		return err_set(e, EADDRINUSE, "address %s is the gateway of %s", addr_text(a, text), cidr_text(&s->net, net));
	for (size_t i = 0; i < s->naux; i++) /* reserved for exactly such a use */
		if (addr_eq(a, &s->aux[i]))
			return 0;
	if (is_reserved(s, a))
		return err_set(e, EINVAL, "address %s is the network's or the broadcast address of %s", addr_text(a, text),
			       cidr_text(&s->net, net));
	return 0;
}
