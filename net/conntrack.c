/* SPDX-License-Identifier: MIT
 *
 * conntrack: connections outlive the rewriting rules that made them. An address that somebody else gets next must not inherit
 * them, and a UDP sender would go on talking to where its flow once pointed to.
 */
#include "net/nft.h"
#include "base/alloc.h"
#include "base/err.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>

#define CT_TYPE(msg) (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | (msg))
enum { FLOW_MAX = 256, FLOWS_MAX = 1 << 20 };

/* A tuple and the id as the kernel gave them: enough to name the flow again. */
struct flow {
	uint8_t family, n;
	uint8_t tuple[FLOW_MAX];
};
struct search {
	const struct addr *a;
	size_t n;
	const uint16_t *ports;
	size_t nports;
	unsigned family;
	struct flow *v;
	size_t found, cap;
};

static bool tuple_has(const struct search *s, const void *tuple, size_t len)
{
	size_t n;
	const void *ip = netlink_attr(tuple, len, CTA_TUPLE_IP, &n);
	static const uint16_t attrs[2][2] = { { CTA_IP_V4_SRC, CTA_IP_V4_DST }, { CTA_IP_V6_SRC, CTA_IP_V6_DST } };

	for (int side = 0; ip && side < 2; side++) {
		size_t an;
		const void *p = netlink_attr(ip, n, attrs[s->family == 6][side], &an);

		for (size_t i = 0; p && i < s->n; i++)
			if (s->a[i].family == s->family && an == addr_size(&s->a[i]) && memcmp(p, s->a[i].b, an) == 0)
				return true;
	}
	return false;
}

static bool udp_port_is(const struct search *s, const void *tuple, size_t len)
{
	size_t n, pn;
	const void *proto = netlink_attr(tuple, len, CTA_TUPLE_PROTO, &n);
	const uint8_t *num = proto ? netlink_attr(proto, n, CTA_PROTO_NUM, &pn) : NULL;
	const uint8_t *port = proto ? netlink_attr(proto, n, CTA_PROTO_DST_PORT, &pn) : NULL;

	if (!num || *num != IPPROTO_UDP || !port || pn < 2)
		return false;
	for (size_t i = 0; i < s->nports; i++)
		if (s->ports[i] == ((uint16_t)port[0] << 8 | port[1]))
			return true;
	return false;
}

static int on_flow(void *arg, uint16_t type, const void *hdr, const void *attrs, size_t len, struct err *e)
{
	struct search *s = arg;
	size_t on = 0, rn = 0;
	const void *orig = netlink_attr(attrs, len, CTA_TUPLE_ORIG, &on), *reply = netlink_attr(attrs, len, CTA_TUPLE_REPLY, &rn);

	if (!orig || on > FLOW_MAX || s->found >= FLOWS_MAX)
		return 0;
	if (!tuple_has(s, orig, on) && !(reply && tuple_has(s, reply, rn)) && !udp_port_is(s, orig, on))
		return 0;
	xgrow(&s->v, s->found, &s->cap, sizeof(*s->v));
	s->v[s->found] = (struct flow){ .family = (uint8_t)s->family, .n = (uint8_t)(on - 1) };
	memcpy(s->v[s->found++].tuple, orig, on);
	return 0;
}

static void restart(void *arg)
{
	((struct search *)arg)->found = 0;
}

static int forget_family(struct netlink *nf, struct search *s, struct err *e)
{
	struct nfgenmsg g = { .nfgen_family = s->family == 4 ? AF_INET : AF_INET6, .version = NFNETLINK_V0 };
	struct netlink_query q = { .type = CT_TYPE(IPCTNL_MSG_CT_GET), .hdr = &g, .hdr_len = sizeof(g), .dump = true, .fn = on_flow,
				   .restart = restart, .arg = s };

	TRY(netlink_query(nf, &q, "list of tracked connections", e));
	for (size_t i = 0; i < s->found; i++) {
		netlink_begin(nf, CT_TYPE(IPCTNL_MSG_CT_DELETE), 0, &g, sizeof(g), ENOENT, "forget a tracked connection");
		netlink_put(nf, CTA_TUPLE_ORIG | NLA_F_NESTED, s->v[i].tuple, (size_t)s->v[i].n + 1);
		if (i % 64 == 63)
			TRY(netlink_flush(nf, e));
	}
	TRY(netlink_flush(nf, e));
	return 0;
}

int conntrack_forget(struct netlink *nf, const struct addr *a, size_t n, const uint16_t *udp_ports, size_t nports, struct err *e)
{
	for (unsigned family = 4; family <= 6; family += 2) {
		struct search s = { .a = a, .n = n, .ports = udp_ports, .nports = nports, .family = family };
		bool any = nports > 0;
		int r;

		for (size_t i = 0; i < n; i++)
			any |= a[i].family == family;
		if (!any)
			continue;
		r = forget_family(nf, &s, e);
		free(s.v);
		TRY(r);
	}
	return 0;
}
