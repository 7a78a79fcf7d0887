/* SPDX-License-Identifier: MIT */
#include "net/link.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static unsigned char af(unsigned family)
{
	return family == 4 ? AF_INET : AF_INET6;
}

void link_add(struct netlink *nl, const struct link_new *l)
{
	struct ifinfomsg ifi = { .ifi_index = (int)l->index };

	if (l->up)
		ifi.ifi_flags = ifi.ifi_change = IFF_UP;
	netlink_begin(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof(ifi), EEXIST, "make %s '%s'", l->kind, l->name);
	netlink_put_str(nl, IFLA_IFNAME, l->name);
	if (l->mtu)
		netlink_put_u32(nl, IFLA_MTU, l->mtu);
	if (l->mac)
		netlink_put(nl, IFLA_ADDRESS, l->mac, MAC_LEN);
	if (l->parent)
		netlink_put_u32(nl, IFLA_LINK, l->parent);
	if (l->netns >= 0)
		netlink_put_u32(nl, IFLA_NET_NS_FD, (uint32_t)l->netns);
	netlink_nest(nl, IFLA_LINKINFO);
	netlink_put_str(nl, IFLA_INFO_KIND, l->kind);
	if (l->mode_attr) {
		netlink_nest(nl, IFLA_INFO_DATA);
		if (l->mode_size == 2)
			netlink_put_u16(nl, l->mode_attr, (uint16_t)l->mode);
		else
			netlink_put_u32(nl, l->mode_attr, l->mode);
		netlink_nest_end(nl);
	}
	netlink_nest_end(nl);
}

/* An existing name is no success here: its peer is not the one we asked for. */
void link_veth_add(struct netlink *nl, const struct link_veth *v)
{
	struct ifinfomsg inner = { .ifi_index = (int)v->index }, host = { 0 };

	netlink_begin(nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &inner, sizeof(inner), 0, "make link '%s'", v->name);
	netlink_put_str(nl, IFLA_IFNAME, v->inner);
	netlink_put_u32(nl, IFLA_NET_NS_FD, (uint32_t)v->netns);
	if (v->mtu)
		netlink_put_u32(nl, IFLA_MTU, v->mtu);
	if (v->mac)
		netlink_put(nl, IFLA_ADDRESS, v->mac, MAC_LEN);
	netlink_nest(nl, IFLA_LINKINFO);
	netlink_put_str(nl, IFLA_INFO_KIND, "veth");
	netlink_nest(nl, IFLA_INFO_DATA);
	netlink_nest(nl, VETH_INFO_PEER);
	netlink_put_raw(nl, &host, sizeof(host));
	netlink_put_str(nl, IFLA_IFNAME, v->name);
	if (v->mtu)
		netlink_put_u32(nl, IFLA_MTU, v->mtu);
	netlink_nest_end(nl);
	netlink_nest_end(nl);
	netlink_nest_end(nl);
}

void link_attach(struct netlink *nl, const char *name, uint32_t master, const char *alias)
{
	struct ifinfomsg ifi = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };

	netlink_begin(nl, RTM_NEWLINK, 0, &ifi, sizeof(ifi), 0, "put link '%s' into its bridge", name);
	netlink_put_str(nl, IFLA_IFNAME, name);
	netlink_put_u32(nl, IFLA_MASTER, master);
	netlink_put(nl, IFLA_IFALIAS, alias, strlen(alias));
}

static void set_begin(struct netlink *nl, uint32_t index, const char *name, unsigned flags, const char *what)
{
	struct ifinfomsg ifi = { .ifi_index = (int)index, .ifi_flags = flags, .ifi_change = flags };

	netlink_begin(nl, RTM_NEWLINK, 0, &ifi, sizeof(ifi), 0, "%s of link '%s'", what, name);
	if (!index)
		netlink_put_str(nl, IFLA_IFNAME, name);
}

void link_alias(struct netlink *nl, const char *name, const char *alias)
{
	set_begin(nl, 0, name, 0, "mark");
	netlink_put(nl, IFLA_IFALIAS, alias, strlen(alias));
}

void link_up(struct netlink *nl, uint32_t index, const char *name)
{
	set_begin(nl, index, name, IFF_UP, "start");
}

static void port_flag(struct netlink *nl, const char *name, uint16_t attr, const char *what)
{
	struct ifinfomsg ifi = { 0 };

	netlink_begin(nl, RTM_NEWLINK, 0, &ifi, sizeof(ifi), 0, "%s of link '%s'", what, name);
	netlink_put_str(nl, IFLA_IFNAME, name);
	netlink_nest(nl, IFLA_LINKINFO);
	netlink_put_str(nl, IFLA_INFO_SLAVE_KIND, "bridge");
	netlink_nest(nl, IFLA_INFO_SLAVE_DATA);
	netlink_put_u8(nl, attr, 1);
	netlink_nest_end(nl);
	netlink_nest_end(nl);
}

void link_isolate(struct netlink *nl, const char *name)
{
	port_flag(nl, name, IFLA_BRPORT_ISOLATED, "isolation");
}

void link_hairpin(struct netlink *nl, const char *name)
{
	port_flag(nl, name, IFLA_BRPORT_MODE, "hairpin mode");
}

void link_group(struct netlink *nl, uint32_t index, uint32_t group)
{
	struct ifinfomsg ifi = { .ifi_index = (int)index };

	netlink_begin(nl, RTM_NEWLINK, 0, &ifi, sizeof(ifi), ENODEV, "group of link %u", index);
	netlink_put_u32(nl, IFLA_GROUP, group);
}

void link_group_del(struct netlink *nl, uint32_t group)
{
	struct ifinfomsg ifi = { 0 };

	netlink_begin(nl, RTM_DELLINK, 0, &ifi, sizeof(ifi), ENODEV, "remove links");
	netlink_put_u32(nl, IFLA_GROUP, group);
}

void link_del(struct netlink *nl, const char *name)
{
	struct ifinfomsg ifi = { 0 };

	netlink_begin(nl, RTM_DELLINK, 0, &ifi, sizeof(ifi), ENODEV, "remove link '%s'", name);
	netlink_put_str(nl, IFLA_IFNAME, name);
}

/* NODAD: addresses are leased, nobody else has them, and duplicate detection would keep an IPv6 one unusable for a second. */
void link_addr_add(struct netlink *nl, uint32_t index, const struct addr *a, unsigned prefix)
{
	struct ifaddrmsg ifa = { .ifa_family = af(a->family), .ifa_prefixlen = (unsigned char)prefix, .ifa_index = index,
				 .ifa_scope = RT_SCOPE_UNIVERSE };
	char text[ADDR_TEXT];

	if (a->family == 6)
		ifa.ifa_flags = IFA_F_NODAD;
	netlink_begin(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &ifa, sizeof(ifa), EEXIST, "address %s/%u", addr_text(a, text), prefix);
	netlink_put(nl, IFA_LOCAL, a->b, addr_size(a));
	netlink_put(nl, IFA_ADDRESS, a->b, addr_size(a));
	if (a->family == 4 && prefix < 31) {
		struct cidr c = { *a, prefix };
		struct addr last = cidr_last(&c);

		netlink_put(nl, IFA_BROADCAST, last.b, 4);
	}
}

void link_route_add(struct netlink *nl, const struct cidr *dst, const struct addr *via, unsigned family, uint32_t index)
{
	struct rtmsg rt = { .rtm_family = af(family), .rtm_dst_len = dst ? (unsigned char)dst->len : 0, .rtm_table = RT_TABLE_MAIN,
			    .rtm_protocol = RTPROT_STATIC, .rtm_type = RTN_UNICAST,
			    .rtm_scope = via || family == 6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK };
	char text[CIDR_TEXT], gw[ADDR_TEXT] = "link";

	netlink_begin(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &rt, sizeof(rt), EEXIST, "route to %s by %s",
		      dst ? cidr_text(dst, text) : "everywhere", via ? addr_text(via, gw) : gw);
	if (dst)
		netlink_put(nl, RTA_DST, dst->a.b, addr_size(&dst->a));
	if (via)
		netlink_put(nl, RTA_GATEWAY, via->b, addr_size(via));
	netlink_put_u32(nl, RTA_OIF, index);
}

static void read_link(const struct ifinfomsg *ifi, const void *attrs, size_t len, struct link_info *l)
{
	const char *name = netlink_attr_str(attrs, len, IFLA_IFNAME), *alias = netlink_attr_str(attrs, len, IFLA_IFALIAS), *kind;
	size_t n;
	const void *info = netlink_attr(attrs, len, IFLA_LINKINFO, &n), *mac;

	*l = (struct link_info){ .index = (uint32_t)ifi->ifi_index, .flags = ifi->ifi_flags };
	snprintf(l->name, sizeof(l->name), "%s", name ? name : "");
	snprintf(l->alias, sizeof(l->alias), "%s", alias ? alias : "");
	kind = info ? netlink_attr_str(info, n, IFLA_INFO_KIND) : NULL;
	snprintf(l->kind, sizeof(l->kind), "%s", kind ? kind : "");
	(void)netlink_attr_u32(attrs, len, IFLA_MASTER, &l->master);
	(void)netlink_attr_u32(attrs, len, IFLA_GROUP, &l->group);
	(void)netlink_attr_u32(attrs, len, IFLA_MTU, &l->mtu);
	(void)netlink_attr_u32(attrs, len, IFLA_LINK, &l->iflink);
	mac = netlink_attr(attrs, len, IFLA_ADDRESS, &n);
	if (mac && n == MAC_LEN)
		memcpy(l->mac, mac, MAC_LEN);
}

static int on_link(void *arg, uint16_t type, const void *hdr, const void *attrs, size_t len, struct err *e)
{
	struct link_list *l = arg;

	if (type != RTM_NEWLINK)
		return 0;
	xgrow(&l->v, l->n, &l->cap, sizeof(*l->v));
	read_link(hdr, attrs, len, &l->v[l->n++]);
	return 0;
}

static void restart_links(void *arg)
{
	((struct link_list *)arg)->n = 0;
}

void link_list_done(struct link_list *l)
{
	free(l->v);
	*l = (struct link_list){ 0 };
}

int link_list(struct netlink *nl, struct link_list *ret, struct err *e)
{
	AUTO_DONE(link_list_done) struct link_list l = { 0 };
	struct ifinfomsg ifi = { 0 };
	struct netlink_query q = { .type = RTM_GETLINK, .hdr = &ifi, .hdr_len = sizeof(ifi), .dump = true, .fn = on_link,
				   .restart = restart_links, .arg = &l };

	TRY(netlink_query(nl, &q, "list of links", e));
	*ret = l;
	l = (struct link_list){ 0 };
	return 0;
}

int link_find(struct netlink *nl, const char *name, struct link_info *ret, struct err *e)
{
	AUTO_DONE(link_list_done) struct link_list l = { 0 };
	struct ifinfomsg ifi = { 0 };
	struct netlink_query q = { .type = RTM_GETLINK, .hdr = &ifi, .hdr_len = sizeof(ifi), .name = name, .name_attr = IFLA_IFNAME,
				   .fn = on_link, .restart = restart_links, .arg = &l };
	auto_free char *what = xasprintf("link '%s'", name);
	int r = netlink_query(nl, &q, what, e);

	if (r)
		return r;
	if (!l.n)
		return 1;
	*ret = l.v[0];
	return 0;
}

int link_look(struct netlink *nl, const char *name, struct link_info *ret, struct err *e)
{
	struct link_info l = { 0 };
	struct ifreq r = { 0 };
	int fd = netlink_fd(nl);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	memcpy(l.name, r.ifr_name, sizeof(l.name));
	if (ioctl(fd, SIOCGIFINDEX, &r) < 0)
		return errno == ENODEV ? 1 : err_sys(e, "link '%s'", name);
	l.index = (uint32_t)r.ifr_ifindex;
	if (ioctl(fd, SIOCGIFFLAGS, &r) < 0)
		return errno == ENODEV ? 1 : err_sys(e, "link '%s'", name);
	l.flags = (unsigned short)r.ifr_flags;
	if (ioctl(fd, SIOCGIFMTU, &r) < 0)
		return errno == ENODEV ? 1 : err_sys(e, "link '%s'", name);
	l.mtu = (uint32_t)r.ifr_mtu;
	*ret = l;
	return 0;
}

void cidr_list_done(struct cidr_list *l)
{
	free(l->v);
	*l = (struct cidr_list){ 0 };
}

void cidr_list_add(struct cidr_list *l, const struct cidr *c)
{
	xgrow(&l->v, l->n, &l->cap, sizeof(*l->v));
	l->v[l->n++] = *c;
}

static int on_route(void *arg, uint16_t type, const void *hdr, const void *attrs, size_t len, struct err *e)
{
	const struct rtmsg *rt = hdr;
	struct cidr c = { .len = rt->rtm_dst_len };
	const void *dst;
	size_t n;

	if (type != RTM_NEWROUTE || rt->rtm_type != RTN_UNICAST || !rt->rtm_dst_len || (rt->rtm_flags & RTM_F_CLONED))
		return 0;
	c.a.family = rt->rtm_family == AF_INET ? 4 : rt->rtm_family == AF_INET6 ? 6 : 0;
	dst = netlink_attr(attrs, len, RTA_DST, &n);
	if (!c.a.family || !dst || n != addr_size(&c.a))
		return 0;
	memcpy(c.a.b, dst, n);
	if (c.a.family == 6 && c.a.b[0] == 0xfe) /* fe80::/10 is on every link */
		return 0;
	cidr_list_add(arg, &c);
	return 0;
}

static int on_address(void *arg, uint16_t type, const void *hdr, const void *attrs, size_t len, struct err *e)
{
	const struct ifaddrmsg *ifa = hdr;
	struct cidr c;
	struct addr a = { .family = ifa->ifa_family == AF_INET ? 4 : ifa->ifa_family == AF_INET6 ? 6 : 0 };
	const void *p;
	size_t n;

	if (type != RTM_NEWADDR || !a.family || ifa->ifa_scope >= RT_SCOPE_LINK)
		return 0;
	p = netlink_attr(attrs, len, IFA_LOCAL, &n);
	if (!p)
		p = netlink_attr(attrs, len, IFA_ADDRESS, &n);
	if (!p || n != addr_size(&a))
		return 0;
	memcpy(a.b, p, n);
	if (addr_is_loopback(&a))
		return 0;
	c = cidr_of(&a, ifa->ifa_prefixlen);
	cidr_list_add(arg, &c);
	return 0;
}

static void restart_cidrs(void *arg)
{
	((struct cidr_list *)arg)->n = 0;
}

int link_addresses(struct netlink *nl, struct cidr_list *ret, struct err *e)
{
	AUTO_DONE(cidr_list_done) struct cidr_list l = { 0 };
	struct ifaddrmsg ifa = { 0 };
	struct netlink_query q = { .type = RTM_GETADDR, .hdr = &ifa, .hdr_len = sizeof(ifa), .dump = true, .fn = on_address,
				   .restart = restart_cidrs, .arg = &l };

	TRY(netlink_query(nl, &q, "list of addresses", e));
	*ret = l;
	l = (struct cidr_list){ 0 };
	return 0;
}

int link_routes(struct netlink *nl, struct cidr_list *ret, struct err *e)
{
	AUTO_DONE(cidr_list_done) struct cidr_list routes = { 0 }, addresses = { 0 };
	struct rtmsg rt = { 0 };
	struct netlink_query q = { .type = RTM_GETROUTE, .hdr = &rt, .hdr_len = sizeof(rt), .dump = true, .fn = on_route,
				   .restart = restart_cidrs, .arg = &routes };

	TRY(netlink_query(nl, &q, "list of routes", e));
	TRY(link_addresses(nl, &addresses, e));
	for (size_t i = 0; i < addresses.n; i++)
		cidr_list_add(&routes, &addresses.v[i]);
	*ret = routes;
	routes = (struct cidr_list){ 0 };
	return 0;
}
