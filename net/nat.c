/* SPDX-License-Identifier: MIT */
#include "net/nat.h"
#include "base/alloc.h"
#include "base/names.h"
#include "base/str.h"
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const mode_names[NAT_MODES] = {
	[NAT_MODE_NAT] = "nat", [NAT_MODE_UNPROTECTED] = "nat-unprotected", [NAT_MODE_ROUTED] = "routed", [NAT_MODE_ISOLATED] = "isolated",
};
int nat_mode_parse(const char *s)
{
	for (int i = 0; i < NAT_MODES; i++)
		if (streq(s, mode_names[i]))
			return i;
	return -1;
}

/* clang-format off */
const struct nat_set_def nat_sets[NAT_SETS] = {
	[NAT_BRIDGES]  = { "bridges",  { NAT_T_IFNAME } },
	[NAT_SAME]     = { "same",     { NAT_T_IFNAME, NAT_T_IFNAME } },
	[NAT_INTERNAL] = { "internal", { NAT_T_IFNAME } },
	[NAT_OPEN]     = { "open",     { NAT_T_IFNAME } },
	[NAT_ROUTED]   = { "routed",   { NAT_T_IFNAME } },
	[NAT_MASQ4]    = { "masq4",    { NAT_T_IFNAME } },
	[NAT_MASQ6]    = { "masq6",    { NAT_T_IFNAME } },
	[NAT_ROUTED4]  = { "routed4",  { NAT_T_IP4, NAT_T_PROTO, NAT_T_PORT } },
	[NAT_ROUTED6]  = { "routed6",  { NAT_T_IP6, NAT_T_PROTO, NAT_T_PORT } },
	[NAT_PUB4]     = { "pub4",     { NAT_T_IP4, NAT_T_PROTO, NAT_T_PORT }, { NAT_T_IP4, NAT_T_PORT } },
	[NAT_ANY4]     = { "any4",     { NAT_T_PROTO, NAT_T_PORT },            { NAT_T_IP4, NAT_T_PORT } },
	[NAT_PUB6]     = { "pub6",     { NAT_T_IP6, NAT_T_PROTO, NAT_T_PORT }, { NAT_T_IP6, NAT_T_PORT } },
	[NAT_ANY6]     = { "any6",     { NAT_T_PROTO, NAT_T_PORT },            { NAT_T_IP6, NAT_T_PORT } },
	[NAT_SELF4]    = { "self4",    { NAT_T_IP4, NAT_T_IP4 } },
	[NAT_SELF6]    = { "self6",    { NAT_T_IP6, NAT_T_IP6 } },
};

/* Priorities as nft names them: raw -300, dstnat -100, filter 0, srcnat 100. */
const struct nft_chain nat_chains[] = {
	{ NAT_VERSION,   NULL,     0,                    0 },
	{ "publish",     NULL,     0,                    0 },
	{ "guard",       "filter", NF_INET_PRE_ROUTING,  -300 },
	{ "forward",     "filter", NF_INET_FORWARD,      0 },
	{ "nat-in",      "nat",    NF_INET_PRE_ROUTING,  -100 },
	{ "nat-local",   "nat",    NF_INET_LOCAL_OUT,    -100 },
	{ "nat-out",     "nat",    NF_INET_POST_ROUTING, 100 },
	{ NULL,          NULL,     0,                    0 },
};

enum { IS_LOCAL = 2 /* RTN_LOCAL */, IS_DNAT = 0x20 /* IPS_DST_NAT */, KNOWN = 0x06 /* established, related */ };
#define IPV4 X_META(NFPROTO, 0), X_IS(0, 1, NFPROTO_IPV4)
#define IPV6 X_META(NFPROTO, 0), X_IS(0, 1, NFPROTO_IPV6)
#define IIF(set) X_META(IIFNAME, 0), X_IN(0, set)
#define OIF(set) X_META(OIFNAME, 0), X_IN(0, set)
#define NOT_IIF(set) X_META(IIFNAME, 0), X_NOT_IN(0, set)
#define NOT_OIF(set) X_META(OIFNAME, 0), X_NOT_IN(0, set)
#define DNATED X_CT(STATUS, 0), X_MASK(0, 4, HOST32(IS_DNAT)), X_IS_NOT(0, 4, 0)
/* address . protocol . port in consecutive registers, from R */
#define TO4(r) X_LOAD(NETWORK, 16, 4, r), X_META(L4PROTO, (r) + 1), X_LOAD(TRANSPORT, 2, 2, (r) + 2)
#define TO6(r) X_LOAD(NETWORK, 24, 16, r), X_META(L4PROTO, (r) + 4), X_LOAD(TRANSPORT, 2, 2, (r) + 5)
#define TO_ANY(r) X_META(L4PROTO, r), X_LOAD(TRANSPORT, 2, 2, (r) + 1)

/* The loopback guard belongs to route_localnet=1 on our bridges: a container that forges packets to 127.0.0.1 is stopped here
 * (CVE-2020-8558's class). Link-local IPv6 sources are not rewritten: their answers could not come back. */
const struct nft_rule nat_rules[] = {
	{ "guard", "iifname @bridges ip daddr 127.0.0.0/8 drop",
	  { IIF("bridges"), IPV4, X_LOAD(NETWORK, 16, 1, 0), X_IS(0, 1, 127), X_VERDICT(NF_DROP) } },

	{ "forward", "iifname != @bridges oifname != @bridges accept",
	  { NOT_IIF("bridges"), NOT_OIF("bridges"), X_VERDICT(NF_ACCEPT) } },
	{ "forward", "iifname . oifname @same accept",
	  { X_META(IIFNAME, 0), X_META(OIFNAME, 4), X_IN(0, "same"), X_VERDICT(NF_ACCEPT) } },
	{ "forward", "iifname @internal drop", { IIF("internal"), X_VERDICT(NF_DROP) } },
	{ "forward", "oifname @internal drop", { OIF("internal"), X_VERDICT(NF_DROP) } },
	{ "forward", "ct state established,related accept",
	  { X_CT(STATE, 0), X_MASK(0, 4, HOST32(KNOWN)), X_IS_NOT(0, 4, 0), X_VERDICT(NF_ACCEPT) } },
	{ "forward", "oifname != @bridges accept", { NOT_OIF("bridges"), X_VERDICT(NF_ACCEPT) } },
	{ "forward", "ct status dnat accept", { DNATED, X_VERDICT(NF_ACCEPT) } },
	{ "forward", "oifname @open accept", { OIF("open"), X_VERDICT(NF_ACCEPT) } },
	{ "forward", "oifname @routed meta l4proto icmp accept",
	  { OIF("routed"), X_META(L4PROTO, 0), X_IS(0, 1, IPPROTO_ICMP), X_VERDICT(NF_ACCEPT) } },
	{ "forward", "oifname @routed meta l4proto ipv6-icmp accept",
	  { OIF("routed"), X_META(L4PROTO, 0), X_IS(0, 1, IPPROTO_ICMPV6), X_VERDICT(NF_ACCEPT) } },
	{ "forward", "ip daddr . meta l4proto . th dport @routed4 accept", { IPV4, TO4(0), X_IN(0, "routed4"), X_VERDICT(NF_ACCEPT) } },
	{ "forward", "ip6 daddr . meta l4proto . th dport @routed6 accept", { IPV6, TO6(0), X_IN(0, "routed6"), X_VERDICT(NF_ACCEPT) } },
	{ "forward", "drop", { X_VERDICT(NF_DROP) } },

	{ "nat-in", "ip daddr 127.0.0.0/8 return", { IPV4, X_LOAD(NETWORK, 16, 1, 0), X_IS(0, 1, 127), X_VERDICT(NFT_RETURN) } },
	{ "nat-in", "fib daddr type local jump publish",
	  { X_FIB_TYPE(NFTA_FIB_F_DADDR, 0), X_IS(0, 4, HOST32(IS_LOCAL)), X_JUMP("publish") } },
	{ "nat-local", "fib daddr type local jump publish",
	  { X_FIB_TYPE(NFTA_FIB_F_DADDR, 0), X_IS(0, 4, HOST32(IS_LOCAL)), X_JUMP("publish") } },

	{ "publish", "dnat ip to ip daddr . meta l4proto . th dport map @pub4",
	  { IPV4, TO4(0), X_MAP(0, "pub4", 0), X_DNAT(NFPROTO_IPV4, 0, 1) } },
	{ "publish", "dnat ip to meta l4proto . th dport map @any4",
	  { IPV4, TO_ANY(0), X_MAP(0, "any4", 0), X_DNAT(NFPROTO_IPV4, 0, 1) } },
	{ "publish", "ip6 saddr fe80::/10 return",
	  { IPV6, X_LOAD(NETWORK, 8, 16, 0), X_MASK(0, 16, 0xff, 0xc0), X_IS(0, 16, 0xfe, 0x80), X_VERDICT(NFT_RETURN) } },
	{ "publish", "ip6 daddr ::1 return",
	  { IPV6, X_LOAD(NETWORK, 24, 16, 0), X_IS(0, 16, [15] = 1), X_VERDICT(NFT_RETURN) } },
	{ "publish", "dnat ip6 to ip6 daddr . meta l4proto . th dport map @pub6",
	  { IPV6, TO6(0), X_MAP(0, "pub6", 0), X_DNAT(NFPROTO_IPV6, 0, 4) } },
	{ "publish", "dnat ip6 to meta l4proto . th dport map @any6",
	  { IPV6, TO_ANY(0), X_MAP(0, "any6", 0), X_DNAT(NFPROTO_IPV6, 0, 4) } },

	{ "nat-out", "meta nfproto ipv4 iifname @masq4 oifname != @bridges masquerade",
	  { IPV4, IIF("masq4"), NOT_OIF("bridges"), X_MASQUERADE } },
	{ "nat-out", "meta nfproto ipv6 iifname @masq6 oifname != @bridges masquerade",
	  { IPV6, IIF("masq6"), NOT_OIF("bridges"), X_MASQUERADE } },
	{ "nat-out", "iifname @bridges oifname @bridges ct status dnat masquerade",
	  { IIF("bridges"), OIF("bridges"), DNATED, X_MASQUERADE } },
	/* where br_netfilter turns the frame round inside the bridge there is no iifname */
	{ "nat-out", "ip saddr . ip daddr @self4 ct status dnat masquerade",
	  { IPV4, X_LOAD(NETWORK, 12, 4, 0), X_LOAD(NETWORK, 16, 4, 1), X_IN(0, "self4"), DNATED, X_MASQUERADE } },
	{ "nat-out", "ip6 saddr . ip6 daddr @self6 ct status dnat masquerade",
	  { IPV6, X_LOAD(NETWORK, 8, 16, 0), X_LOAD(NETWORK, 24, 16, 4), X_IN(0, "self6"), DNATED, X_MASQUERADE } },
	{ "nat-out", "oifname @bridges ct status dnat fib saddr type local masquerade",
	  { OIF("bridges"), DNATED, X_FIB_TYPE(NFTA_FIB_F_SADDR, 0), X_IS(0, 4, HOST32(IS_LOCAL)), X_MASQUERADE } },
	{ NULL, NULL, { { 0 } } },
};
/* clang-format on */

unsigned nat_type_size(enum nat_type t)
{
	static const unsigned sizes[] = { [NAT_T_IFNAME] = 16, [NAT_T_IP4] = 4, [NAT_T_IP6] = 16, [NAT_T_PROTO] = 4, [NAT_T_PORT] = 4 };

	return sizes[t];
}

unsigned nat_types_size(const enum nat_type *t)
{
	unsigned n = 0;

	for (; *t; t++)
		n += nat_type_size(*t);
	return n;
}

void nat_elems_done(struct nat_elems *l)
{
	free(l->v);
	*l = (struct nat_elems){ 0 };
}

static struct nat_elem *elem_add(struct nat_elems *l, enum nat_set set)
{
	xgrow(&l->v, l->n, &l->cap, sizeof(*l->v));
	l->v[l->n] = (struct nat_elem){ .set = set };
	return &l->v[l->n++];
}

static int by_key(const void *a, const void *b)
{
	const struct nat_elem *x = a, *y = b;

	if (x->set != y->set)
		return x->set < y->set ? -1 : 1;
	return memcmp(x->key, y->key, sizeof(x->key));
}

void nat_sort(struct nat_elems *l)
{
	size_t n = 0;

	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), by_key);
	for (size_t i = 0; i < l->n; i++)
		if (!n || by_key(&l->v[n - 1], &l->v[i]) != 0)
			l->v[n++] = l->v[i];
	l->n = n;
}

static void copy_to(struct nat_elems *l, const struct nat_elem *el)
{
	*elem_add(l, el->set) = *el;
}

void nat_diff(const struct nat_elems *old, const struct nat_elems *new, struct nat_elems *ret_del, struct nat_elems *ret_add)
{
	size_t i = 0, j = 0;

	while (i < old->n || j < new->n) {
		int c = i == old->n ? 1 : j == new->n ? -1 : by_key(&old->v[i], &new->v[j]);
		bool changed = c == 0 && memcmp(old->v[i].data, new->v[j].data, NAT_DATA_MAX) != 0;

		if (c < 0 || changed)
			copy_to(ret_del, &old->v[i]);
		if (c > 0 || changed)
			copy_to(ret_add, &new->v[j]);
		i += c <= 0;
		j += c >= 0;
	}
}

static void put_port(uint8_t *at, uint16_t port)
{
	at[0] = (uint8_t)(port >> 8);
	at[1] = (uint8_t)port;
}

static void add_link(struct nat_elems *l, enum nat_set set, const char *link)
{
	struct nat_elem *el = elem_add(l, set);

	memcpy(el->key, link, MIN(strlen(link), (size_t)IFNAMSIZ - 1));
	if (set == NAT_SAME)
		memcpy(el->key + IFNAMSIZ, el->key, IFNAMSIZ);
}

void nat_add_network(struct nat_elems *l, const struct nat_network *n)
{
	bool closed = n->internal || n->mode4 == NAT_MODE_ISOLATED || n->mode6 == NAT_MODE_ISOLATED;

	add_link(l, NAT_BRIDGES, n->link);
	if (n->icc)
		add_link(l, NAT_SAME, n->link);
	if (closed) {
		add_link(l, NAT_INTERNAL, n->link);
		return;
	}
	if (n->mode4 == NAT_MODE_UNPROTECTED || n->mode6 == NAT_MODE_UNPROTECTED)
		add_link(l, NAT_OPEN, n->link);
	if (n->mode4 == NAT_MODE_ROUTED || n->mode6 == NAT_MODE_ROUTED)
		add_link(l, NAT_ROUTED, n->link);
	if (n->masquerade && n->ipv4 && n->mode4 != NAT_MODE_ROUTED)
		add_link(l, NAT_MASQ4, n->link);
	if (n->masquerade && n->ipv6 && n->mode6 != NAT_MODE_ROUTED)
		add_link(l, NAT_MASQ6, n->link);
}

static uint8_t *put_addr(uint8_t *at, const struct addr *a)
{
	memcpy(at, a->b, addr_size(a));
	return at + addr_size(a);
}

static void add_port_to(struct nat_elems *l, const struct nat_port *p, const struct addr *ctr, enum nat_mode mode)
{
	bool v4 = ctr->family == 4, any = !p->host.family || addr_is_any(&p->host);
	struct nat_elem *el;
	uint8_t *k;

	if (!ctr->family || mode == NAT_MODE_ISOLATED || (p->host.family && p->host.family != ctr->family))
		return;
	if (mode == NAT_MODE_ROUTED) { /* the container's own address is the published one */
		el = elem_add(l, v4 ? NAT_ROUTED4 : NAT_ROUTED6);
		k = put_addr(el->key, ctr);
		k[0] = p->proto;
		put_port(k + 4, p->ctr_port);
		return;
	}
	el = elem_add(l, any ? (v4 ? NAT_ANY4 : NAT_ANY6) : (v4 ? NAT_PUB4 : NAT_PUB6));
	k = any ? el->key : put_addr(el->key, &p->host);
	k[0] = p->proto;
	put_port(k + 4, p->host_port);
	put_port(put_addr(el->data, ctr), p->ctr_port);
	el = elem_add(l, v4 ? NAT_SELF4 : NAT_SELF6);
	put_addr(put_addr(el->key, ctr), ctr);
}

void nat_add_port(struct nat_elems *l, const struct nat_port *p)
{
	add_port_to(l, p, &p->ctr4, p->mode4);
	add_port_to(l, p, &p->ctr6, p->mode6);
}

static const char *proto_text(uint8_t p)
{
	return p == IPPROTO_TCP ? "tcp" : p == IPPROTO_UDP ? "udp" : p == IPPROTO_SCTP ? "sctp" : "?";
}

static void fields_text(const enum nat_type *t, const uint8_t *p, struct str *out)
{
	char buf[ADDR_TEXT];
	struct addr a = { 0 };

	for (bool first = true; *t; first = false, p += nat_type_size(*t), t++) {
		if (!first)
			str_add(out, " . ");
		a.family = *t == NAT_T_IP4 ? 4 : *t == NAT_T_IP6 ? 6 : 0;
		memcpy(a.b, p, addr_size(&a));
		if (a.family)
			str_add(out, addr_text(&a, buf));
		else if (*t == NAT_T_IFNAME)
			str_addf(out, "\"%.15s\"", (const char *)p);
		else if (*t == NAT_T_PROTO)
			str_add(out, proto_text(p[0]));
		else
			str_addf(out, "%u", (unsigned)p[0] << 8 | p[1]);
	}
}

void nat_elem_text(const struct nat_elem *el, struct str *out)
{
	const struct nat_set_def *d = &nat_sets[el->set];

	fields_text(d->key, el->key, out);
	if (!d->data[0])
		return;
	str_add(out, " : ");
	fields_text(d->data, el->data, out);
}

static void types_text(const enum nat_type *t, struct str *out)
{
	static const char *const names[] = { [NAT_T_IFNAME] = "ifname", [NAT_T_IP4] = "ipv4_addr", [NAT_T_IP6] = "ipv6_addr",
					     [NAT_T_PROTO] = "inet_proto", [NAT_T_PORT] = "inet_service" };

	for (bool first = true; *t; first = false, t++)
		str_addf(out, "%s%s", first ? "" : " . ", names[*t]);
}

static void set_text(enum nat_set set, const struct nat_elems *l, struct str *out)
{
	const struct nat_set_def *d = &nat_sets[set];
	bool any = false;

	str_addf(out, "\t%s %s {\n\t\ttype ", d->data[0] ? "map" : "set", d->name);
	types_text(d->key, out);
	if (d->data[0]) {
		str_add(out, " : ");
		types_text(d->data, out);
	}
	str_add(out, "\n");
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].set != set)
			continue;
		str_add(out, any ? ",\n\t\t\t     " : "\t\telements = { ");
		nat_elem_text(&l->v[i], out);
		any = true;
	}
	str_add(out, any ? " }\n\t}\n\n" : "\t}\n\n");
}

void nat_text(const char *table, const struct nat_elems *l, struct str *out)
{
	static const char *const hooks[] = { [NF_INET_PRE_ROUTING] = "prerouting", [NF_INET_FORWARD] = "forward",
					     [NF_INET_LOCAL_OUT] = "output", [NF_INET_POST_ROUTING] = "postrouting" };

	str_addf(out, "table inet %s {\n", table);
	for (int s = 0; s < NAT_SETS; s++)
		set_text((enum nat_set)s, l, out);
	for (const struct nft_chain *c = nat_chains; c->name; c++) {
		str_addf(out, "%s\tchain %s {\n", c == nat_chains ? "" : "\n", c->name);
		if (c->type)
			str_addf(out, "\t\ttype %s hook %s priority %d; policy accept;\n", c->type, hooks[c->hook], c->priority);
		for (const struct nft_rule *r = nat_rules; r->chain; r++)
			if (streq(r->chain, c->name))
				str_addf(out, "\t\t%s\n", r->text);
		str_add(out, "\t}\n");
	}
	str_add(out, "}\n");
}
