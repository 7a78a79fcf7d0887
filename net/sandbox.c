/* SPDX-License-Identifier: MIT
 *
 * A sandbox's kernel objects: net_plan -> namespace, links, addresses, resolver, published ports. In K, without SQL.
 *
 *   in the host's namespace          in the sandbox's
 *   reserve the host ports
 *   open netlink handles   ──────►   new namespace, sysctls for the links to come
 *   batch: veth pairs, host ends up
 *                                    batch: lo, addresses, links up, routes; resolver's sockets and rules
 *   publish (nft), forget what
 *   was tracked before
 */
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/str.h"
#include "net/firewall.h"
#include "net/link.h"
#include "net/netns.h"
#include "net/nft.h"
#include "net/plan.h"
#include "net/reserve.h"
#include "net/resolver.h"
#include "net/sysctl.h"
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

enum { LO_INDEX = 1, UDP_PORTS_MAX = 1024 };

struct up {
	const struct dirs *d;
	const struct net_plan *p;
	struct netlink *rt, *nf;     /* handles in the host's namespace */
	struct net_sandbox_fds fds;
	bool linked, published;
};

static int reserve(struct up *u, struct err *e)
{
	for (size_t i = 0; i < u->p->nports; i++) {
		const struct plan_port *pp = &u->p->ports[i];
		int fd = reserve_port(pp->proto, &pp->host, pp->host_port, e);

		if (fd < 0 && fd != -1)
			return fd;
		if (fd == -1)
			continue;
		/* XXX: only as many stay reserved as descriptors are handed on; the others were free at the start, no more. */
		if (u->fds.nports < ARRAY_LEN(u->fds.ports))
			u->fds.ports[u->fds.nports++] = fd;
		else
			close(fd);
		FP("net.reserve", e);
	}
	return 0;
}

/* conf/default is what links get that are made from now on: no IPv6 where no network has it, no router advertisements, and each link
 * announces its address itself as it comes up (gratuitous ARP, unsolicited NA). Unprivileged ports and ping: as docker. */
static int settings(const struct net_plan *p, struct err *e)
{
	TRY(sysctl_net("ipv4/ip_unprivileged_port_start", "0", e));
	TRY(sysctl_net("ipv4/ping_group_range", "0 2147483647", e));
	if (!p->nlegs)
		return 0;
	TRY(sysctl_link(4, "default", "arp_notify", "1", e));
	TRY(sysctl_link(6, "default", "ndisc_notify", "1", e));
	TRY(sysctl_link(6, "default", "accept_ra", "0", e));
	TRY(sysctl_link(6, "default", "disable_ipv6", "1", e));
	return 0;
}

/* Before anything is queued: a handle does one of both at a time. */
static int find_masters(const struct net_plan *p, struct netlink *rt, struct err *e)
{
	for (size_t i = 0; i < p->nlegs; i++) {
		struct leg *l = &p->legs[i];
		int r = l->master[0] ? link_look(rt, l->master, &l->parent, e) : 1;

		TRY(r);
		if (r == 1)
			l->parent.index = 0;
	}
	return 0;
}

static int make_links(struct up *u, struct err *e)
{
	int r;

	TRY(find_masters(u->p, u->rt, e));
	for (size_t i = 0; i < u->p->nlegs; i++)
		TRY(u->p->legs[i].driver->join(u->rt, u->fds.netns, &u->p->legs[i], e));
	u->linked = true;
	r = netlink_flush(u->rt, e);
	if (r == -EOPNOTSUPP)
		err_hint(e, "the kernel has no driver for such links (a module that is not loaded: modprobe bridge, veth, macvlan, ipvlan, 8021q)");
	return r;
}

/* A namespace that is just going away may still have the host end: then that one is removed at once. */
static int links(struct up *u, struct err *e)
{
	AUTO_ERR(t);

	FP("net.veth", e);
	if (make_links(u, &t) >= 0)
		return 0;
	if (t.code != EEXIST)
		return err_move(e, &t);
	netlink_drop(u->rt);
	for (size_t i = 0; i < u->p->nlegs; i++) {
		struct link_info l;
		int r = u->p->legs[i].host[0] ? link_find(u->rt, u->p->legs[i].host, &l, e) : 1;

		TRY(r);
		if (r == 1)
			continue;
		if (l.alias[0] && !streq(l.alias, u->p->legs[i].mark))
			return err_set(e, EEXIST, "the interface '%s' exists and belongs to somebody else (%s)", l.name, l.alias);
		link_del(u->rt, l.name);
		TRY(netlink_flush(u->rt, e));
	}
	/* Those of this try that were made have lost their other end with it. */
	return make_links(u, e);
}

static int leg_settings(const struct net_plan *p, struct err *e)
{
	for (size_t i = 0; i < p->nlegs; i++)
		if (p->legs[i].v6.family)
			TRY(sysctl_link(6, p->legs[i].ifname, "disable_ipv6", "0", e));
	for (size_t i = 0; i < p->sysctls.n; i++) {
		auto_free char *key = xstrdup(p->sysctls.v[i]);
		char *eq = strchr(key, '=');
		int r;

		*eq = '\0';
		r = sysctl_net(key, eq + 1, e);
		TRY(r);
		if (r == 1)
			return err_set(e, ENOENT, "sysctl 'net/%s': there is none", key);
	}
	return 0;
}

static void queue_leg(struct netlink *in, const struct net_plan *p, size_t at)
{
	const struct leg *l = &p->legs[at];

	if (l->v4.family)
		link_addr_add(in, l->index, &l->v4, l->len4);
	if (l->v6.family)
		link_addr_add(in, l->index, &l->v6, l->len6);
	for (size_t i = 0; i < p->nlink_local; i++)
		if (p->link_local_leg[i] == at)
			link_addr_add(in, l->index, &p->link_local[i], p->link_local[i].family == 4 ? 32 : 128);
	link_up(in, l->index, l->ifname);
	/* ipvlan l3 has no neighbours: everything is on the link. */
	if (l->default4)
		link_route_add(in, NULL, l->opt.ipvlan_mode ? NULL : &l->gw4, 4, l->index);
	if (l->default6)
		link_route_add(in, NULL, l->opt.ipvlan_mode ? NULL : &l->gw6, 6, l->index);
}

static int inside(struct up *u, struct err *e)
{
	AUTO(netlink_close) struct netlink *in = NULL;

	TRY(leg_settings(u->p, e));
	TRY(netlink_open(NETLINK_BUS_ROUTE, &in, e));
	link_up(in, LO_INDEX, "lo");
	for (size_t i = 0; i < u->p->nlegs; i++)
		queue_leg(in, u->p, i);
	FP("net.address", e);
	TRY(netlink_flush(in, e));
	if (!u->p->nlegs)
		return 0;
	FP("net.dns", e);
	return resolver_open(&u->fds.dns_udp, &u->fds.dns_tcp, e);
}

static size_t addresses(const struct net_plan *p, struct addr *a)
{
	size_t n = 0;

	for (size_t i = 0; i < p->nlegs; i++) {
		if (p->legs[i].v4.family)
			a[n++] = p->legs[i].v4;
		if (p->legs[i].v6.family)
			a[n++] = p->legs[i].v6;
	}
	return n;
}

/* Connections that the host still tracks for the sandbox's addresses and UDP ports. (Neighbours hear of a new owner by its announcement.) */
static int forget(const struct net_plan *p, struct netlink *nf, struct err *e)
{
	auto_free struct addr *a = xcalloc(2 * p->nlegs + 1, sizeof(*a));
	uint16_t udp[UDP_PORTS_MAX];
	size_t n = addresses(p, a), nudp = 0;

	for (size_t i = 0; i < p->nports && nudp < UDP_PORTS_MAX; i++)
		if (p->ports[i].proto == IPPROTO_UDP)
			udp[nudp++] = p->ports[i].host_port;
	/* Finding flows means walking the whole table, 262144 buckets on a small machine, 5 ms for each container of a `down`. Only UDP senders go
	 * on as if nothing had happened; what TCP still sends to the address is answered with a reset by whoever has it next. */
	return n && nudp ? conntrack_forget(nf, a, n, udp, nudp, e) : 0;
}

static int publish(struct up *u, struct err *e)
{
	static const struct nat_elems none;
	bool udp = false;
	int r;

	for (size_t i = 0; i < u->p->nports; i++)
		udp |= u->p->ports[i].proto == IPPROTO_UDP;
	FP("net.publish", e);
	u->published = true;
	r = firewall_change(u->d, u->nf, &none, &u->p->elems, e);
	if (r == -ENOENT)
		err_hint(e, "the firewall table was removed just now (nft flush ruleset?); start again");
	TRY(r);
	/* A flow that began a moment ago towards the host itself would keep its way. */
	return udp ? forget(u->p, u->nf, e) : 0;
}

static int bring_up(struct up *u, struct err *e)
{
	TRY(netlink_open(NETLINK_BUS_ROUTE, &u->rt, e));
	TRY(netlink_open(NETLINK_BUS_FILTER, &u->nf, e));
	TRY(reserve(u, e));
	FP("net.netns", e);
	u->fds.netns = netns_new(e);
	TRY(u->fds.netns);
	TRY(settings(u->p, e));
	if (u->p->nlegs)
		TRY(links(u, e));
	TRY(inside(u, e));
	TRY(publish(u, e));
	FP("net.up", e);
	return 0;
}

static void fds_close(struct net_sandbox_fds *f)
{
	for (size_t i = 0; i < f->nports; i++)
		close(f->ports[i]);
	if (f->dns_udp >= 0)
		close(f->dns_udp);
	if (f->dns_tcp >= 0)
		close(f->dns_tcp);
	if (f->netns >= 0)
		close(f->netns);
}

static void undo(struct up *u, int host_netns)
{
	static const struct nat_elems none;
	AUTO_ERR(t1);
	AUTO_ERR(t2);

	if (u->published && firewall_change(u->d, u->nf, &u->p->elems, &none, &t1) < 0)
		log_debug("undo: %s", err_text(&t1));
	if (u->fds.netns >= 0 && netns_enter(host_netns, &t2) < 0)
		log_debug("undo: %s", err_text(&t2));
	if (u->linked) {
		AUTO_ERR(t);

		netlink_drop(u->rt);
		for (size_t i = 0; i < u->p->nlegs; i++)
			if (u->p->legs[i].host[0])
				link_del(u->rt, u->p->legs[i].host);
		if (netlink_flush(u->rt, &t) < 0)
			log_debug("undo: %s", err_text(&t));
	}
	fds_close(&u->fds);
}

int net_plan_up(const struct dirs *d, const struct net_plan *p, int host_netns, struct net_sandbox_fds *ret, struct err *e)
{
	struct up u = { .d = d, .p = p, .fds = { .netns = -1, .dns_udp = -1, .dns_tcp = -1 } };
	int r = 0;

	if (p->netns)
		r = bring_up(&u, e);
	if (r < 0)
		undo(&u, host_netns);
	netlink_close(u.rt);
	netlink_close(u.nf);
	if (r < 0)
		return r;
	*ret = u.fds;
	return 0;
}

int net_plan_down(const struct dirs *d, const struct net_plan *p, struct err *e)
{
	AUTO(netlink_close) struct netlink *nf = NULL;
	static const struct nat_elems none;
	AUTO_ERR(t);

	FP("net.down", e);
	if (!p->nports) /* links go with their namespace */
		return 0;
	TRY(netlink_open(NETLINK_BUS_FILTER, &nf, e));
	if (firewall_change(d, nf, &p->elems, &none, &t) < 0 && t.code != ENOENT)
		return err_move(e, &t);
	return forget(p, nf, e);
}
