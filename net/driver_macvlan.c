/* SPDX-License-Identifier: MIT
 *
 * drivers macvlan and ipvlan: the container has a link of its own on a parent of the host, made directly in its namespace. No
 * bridge, no firewall, no published ports; the gateway is the LAN's. A parent "eth0.10" is VLAN 10 of eth0, made when it is missing.
 */
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/num.h"
#include "base/str.h"
#include "net/driver.h"
#include "net/link.h"
#include "net/linkname.h"
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>

static int check_parent(const struct net_options *o, struct err *e)
{
	if (!o->parent[0]) {
		err_set(e, EINVAL, "the driver option 'parent' is missing: which interface of the host shall it sit on?");
		err_hint(e, "driver_opts: {parent: eth0}, or eth0.10 for VLAN 10 of eth0");
		return -EINVAL;
	}
	if (streq(o->parent, "lo"))
		return err_set(e, EINVAL, "parent 'lo': the loopback interface cannot be one");
	return 0;
}

/* "eth0.10": the part before the dot and the number. 1: no VLAN name. */
static int vlan_of(const char *parent, char base[IFNAMSIZ], uint32_t *ret_id, struct err *e)
{
	const char *dot = strchr(parent, '.');
	uint64_t id;
	AUTO_ERR(t);

	if (!dot)
		return 1;
	if (dot == parent || num_uint(dot + 1, 4094, &id, &t) < 0 || id == 0)
		return err_set(e, EINVAL, "parent '%s': required interface name format is: name.vlan_id, ex. eth0.10 for VLAN ID 10 (1 to 4094)",
			       parent);
	memcpy(base, parent, (size_t)(dot - parent));
	base[dot - parent] = '\0';
	*ret_id = (uint32_t)id;
	return 0;
}

static int make_vlan(struct netlink *rt, const struct dirs *d, const struct network_row *n, const char *parent, struct err *e)
{
	char base[IFNAMSIZ], mark[LINK_ALIAS_LEN];
	struct link_new l = { .name = parent, .kind = "vlan", .netns = -1, .up = true, .mode_attr = IFLA_VLAN_ID, .mode_size = 2 };
	struct link_info on;
	int r = vlan_of(parent, base, &l.mode, e);

	TRY(r);
	if (r == 1)
		return err_set(e, ENODEV, "parent '%s': there is no such interface", parent);
	r = link_find(rt, base, &on, e);
	if (r)
		return r < 0 ? r : err_set(e, ENODEV, "parent '%s': there is no interface '%s'", parent, base);
	l.parent = on.index;
	link_mark(mark, d->root_id, 'p', n->id);
	link_add(rt, &l);
	link_alias(rt, parent, mark);
	FP("net.vlan", e);
	TRY(netlink_flush(rt, e));
	return 0;
}

static int vlan_up(struct netlink *rt, const struct dirs *d, const struct network_row *n, const struct net_options *o, struct err *e)
{
	struct link_info l;
	int r = link_find(rt, o->parent, &l, e);

	if (r == 1)
		return make_vlan(rt, d, n, o->parent, e);
	return r < 0 ? r : 1;
}

static int join(struct netlink *rt, int netns, const struct leg *leg, struct link_new *l, struct err *e)
{
	if (!leg->parent.index)
		return err_set(e, ENODEV, "network '%s': its parent interface '%s' is gone", leg->network_name, leg->master);
	if (!(leg->parent.flags & IFF_UP)) {
		err_set(e, ENETDOWN, "network '%s': its parent interface '%s' is down", leg->network_name, leg->master);
		err_hint(e, "ip link set %s up", leg->master);
		return -ENETDOWN;
	}
	l->name = leg->ifname;
	l->mtu = leg->opt.mtu;
	l->parent = leg->parent.index;
	l->index = leg->index;
	l->netns = netns;
	link_add(rt, l);
	return 0;
}

static int macvlan_join(struct netlink *rt, int netns, const struct leg *leg, struct err *e)
{
	struct link_new l = { .kind = "macvlan", .mac = leg->mac, .mode_attr = IFLA_MACVLAN_MODE, .mode = (uint32_t)leg->opt.macvlan_mode,
			      .mode_size = 4 };

	return join(rt, netns, leg, &l, e);
}

/* XXX: ipvlan_flag other than bridge is refused at creation, as the flags attribute is not sent. */
static int ipvlan_join(struct netlink *rt, int netns, const struct leg *leg, struct err *e)
{
	struct link_new l = { .kind = "ipvlan", .mode_attr = IFLA_IPVLAN_MODE, .mode = (uint32_t)leg->opt.ipvlan_mode, .mode_size = 2 };

	return join(rt, netns, leg, &l, e);
}

static int check_ipvlan(const struct net_options *o, struct err *e)
{
	TRY(check_parent(o, e));
	if (o->ipvlan_flag)
		return err_set(e, ENOTSUP, "driver option 'ipvlan_flag': gantry knows only 'bridge' yet");
	return 0;
}

const struct net_driver driver_macvlan = {
	.name = "macvlan", .endpoints = true, .check = check_parent, .up = vlan_up, .join = macvlan_join,
};
const struct net_driver driver_ipvlan = {
	.name = "ipvlan", .endpoints = true, .check = check_ipvlan, .up = vlan_up, .join = ipvlan_join,
};
