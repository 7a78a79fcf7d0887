/* SPDX-License-Identifier: MIT
 *
 * driver bridge: one bridge per network in the host's namespace, a veth pair per endpoint
 */
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "net/driver.h"
#include "net/ipam.h"
#include "net/link.h"
#include "net/linkname.h"
#include "net/sysctl.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

void network_bridge_name(const struct dirs *d, const struct network_row *n, const struct net_options *o, char buf[IFNAMSIZ])
{
	if (o->bridge[0])
		memcpy(buf, o->bridge, IFNAMSIZ);
	else
		link_name(buf, d->root_id, LINK_BRIDGE, n->id);
}

/* The same on every host start, so that neighbours keep what they learnt; set at all, because a bridge without an address of its own takes the
 * lowest of its ports'. */
static void bridge_mac(const struct dirs *d, int64_t id, uint8_t mac[MAC_LEN])
{
	uint32_t root = (uint32_t)strtoul(d->root_id, NULL, 16);

	mac[0] = 0x02;
	mac[1] = (uint8_t)(root >> 24);
	mac[2] = (uint8_t)(root >> 16);
	mac[3] = (uint8_t)(id >> 16);
	mac[4] = (uint8_t)(id >> 8);
	mac[5] = (uint8_t)id;
}

/* Before the bridge is up: no router advertisements into the host (CVE-2020-13401), answers for 127.0.0.1's published ports may come
 * back (the guard rule stands already), no IPv6 where the network has none. */
static int settings(const char *link, const struct network_row *n, struct err *e)
{
	TRY(sysctl_link(6, link, "accept_ra", "0", e));
	TRY(sysctl_link(6, link, "disable_ipv6", n->ipv6 ? "0" : "1", e));
	TRY(sysctl_link(4, link, "route_localnet", "1", e));
	return 0;
}

static int addresses(struct netlink *rt, uint32_t index, const struct network_row *n, const struct net_options *o, struct err *e)
{
	for (size_t i = 0; i < n->nsubnets; i++) {
		struct ipam_subnet s;
		bool v4;

		TRY(ipam_subnet_read(&n->subnets[i], true, &s, e));
		v4 = s.net.a.family == 4;
		if (!s.gateway.family || (v4 ? o->inhibit4 || o->mode4 == NAT_MODE_ISOLATED : o->mode6 == NAT_MODE_ISOLATED))
			continue;
		link_addr_add(rt, index, &s.gateway, s.net.len);
	}
	return 0;
}

static int make(struct netlink *rt, const struct dirs *d, const struct network_row *n, const struct net_options *o, const char *name,
		struct err *e)
{
	uint8_t mac[MAC_LEN];
	char mark[LINK_ALIAS_LEN];
	struct link_new l = { .name = name, .kind = "bridge", .mac = mac, .mtu = o->mtu, .netns = -1 };

	bridge_mac(d, n->id, mac);
	link_mark(mark, d->root_id, LINK_BRIDGE, n->id);
	link_add(rt, &l);
	link_alias(rt, name, mark);
	TRY(netlink_flush(rt, e));
	FP("net.bridge.made", e);
	return 0;
}

/* 0: ours or the user's own bridge, usable. */
static int check_existing(const struct dirs *d, const struct network_row *n, const struct net_options *o, const struct link_info *l, struct err *e)
{
	int64_t id = 0;
	char kind = 0;

	if (!streq(l->kind, "bridge"))
		return err_set(e, EEXIST, "existing interface %s is not a bridge", l->name);
	if (o->bridge[0] && !l->alias[0])
		return 0;
	if (link_mark_read(l->alias, d->root_id, &kind, &id) && kind == LINK_BRIDGE && id == n->id)
		return 0;
	err_set(e, EEXIST, "the interface '%s' exists and belongs to somebody else%s%s%s", l->name, l->alias[0] ? " (" : "", l->alias,
		l->alias[0] ? ")" : "");
	err_hint(e, "give the network another name with the driver option com.docker.network.bridge.name");
	return -EEXIST;
}

static int bridge_up(struct netlink *rt, const struct dirs *d, const struct network_row *n, const struct net_options *o, struct err *e)
{
	char name[IFNAMSIZ];
	struct link_info l;
	bool ready = false;
	int r;

	network_bridge_name(d, n, o, name);
	r = link_find(rt, name, &l, e);
	TRY(r);
	if (r == 1) {
		FP("net.bridge", e);
		TRY(make(rt, d, n, o, name, e));
		r = link_find(rt, name, &l, e);
		if (r)
			return r < 0 ? r : err_set(e, ENODEV, "bridge '%s' went away while it was made", name);
	} else {
		TRY(check_existing(d, n, o, &l, e));
		ready = (l.flags & IFF_UP) && l.alias[0]; /* ours, and finished: it is started last */
	}
	if (ready)
		return 1;
	TRY(settings(name, n, e));
	TRY(addresses(rt, l.index, n, o, e));
	link_up(rt, l.index, name);
	TRY(netlink_flush(rt, e));
	FP("net.bridge.up", e);
	return 0;
}

static int bridge_join(struct netlink *rt, int netns, const struct leg *leg, struct err *e)
{
	struct link_veth v = { .name = leg->host, .inner = leg->ifname, .mtu = leg->opt.mtu, .index = leg->index, .mac = leg->mac,
			       .netns = netns };

	if (!leg->parent.index) {
		err_set(e, ENODEV, "network '%s': its bridge '%s' is gone", leg->network_name, leg->master);
		err_hint(e, "somebody removed it; the next `up` makes it again");
		return -ENODEV;
	}
	if (!v.mtu && leg->parent.mtu != 1500)
		v.mtu = leg->parent.mtu;
	link_veth_add(rt, &v);
	link_attach(rt, leg->host, leg->parent.index, leg->mark);
	if (!leg->opt.icc)
		link_isolate(rt, leg->host);
	if (leg->hairpin)
		link_hairpin(rt, leg->host);
	return 0;
}

const struct net_driver driver_bridge = {
	.name = "bridge", .endpoints = true, .firewall = true, .gateway = true, .up = bridge_up, .join = bridge_join,
};
