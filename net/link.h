/* SPDX-License-Identifier: MIT
 *
 * net/link.h - verbs over rtnetlink: links, addresses, routes
 *
 * The verbs queue into NL; netlink_flush(nl, e) does them, several in one message to the kernel. All may be repeated: what is already
 * there (or already gone) is fine. rtnetlink(7), if_link.h.
 */
#pragma once
#include "net/addr.h"
#include "net/netlink.h"
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

struct link_new {
	const char *name;      /* ≤ 15 */
	const char *kind;      /* "bridge", "macvlan", "ipvlan", "vlan", "dummy" */
	const uint8_t *mac;    /* NULL: the kernel's */
	uint32_t mtu;          /* 0: the kernel's */
	uint32_t parent;       /* ifindex of the link it sits on, 0: none */
	uint32_t index;        /* wanted ifindex, 0: any */
	int netns;             /* made there, -1: here */
	bool up;
	uint16_t mode_attr;    /* kind's own attribute, 0: none */
	uint32_t mode;
	unsigned mode_size;    /* 2 or 4 bytes */
};
void link_add(struct netlink *nl, const struct link_new *l);

/* The inner end is made directly in NETNS, with index and MAC, still down; the host end here, still down. (The kernel honours a wanted index for
 * the first of a pair only, so the inner one is the first, and its peer gets master and mark by link_attach.) */
struct link_veth {
	const char *name, *inner;
	uint32_t mtu, index;
	const uint8_t *mac;
	int netns;
};
void link_veth_add(struct netlink *nl, const struct link_veth *v);
/* Puts NAME into bridge MASTER, marks it, starts it. */
void link_attach(struct netlink *nl, const char *name, uint32_t master, const char *alias);
/* The mark that says whose it is, "gantry:ROOT:…". */
void link_alias(struct netlink *nl, const char *name, const char *alias);
void link_up(struct netlink *nl, uint32_t index, const char *name); /* by index, or by name when 0 */
/* Bridge port: frames from one isolated port never reach another; a hairpin port may get its own frames back. */
void link_isolate(struct netlink *nl, const char *name);
void link_hairpin(struct netlink *nl, const char *name);
void link_group(struct netlink *nl, uint32_t index, uint32_t group);
/* All links of GROUP go together: as slow as one. */
void link_group_del(struct netlink *nl, uint32_t group);
void link_del(struct netlink *nl, const char *name);

void link_addr_add(struct netlink *nl, uint32_t index, const struct addr *a, unsigned prefix);
/* DST NULL: default. VIA NULL: on link. */
void link_route_add(struct netlink *nl, const struct cidr *dst, const struct addr *via, unsigned family, uint32_t index);

struct link_info {
	uint32_t index, master, group, mtu, flags /* IFF_* */, iflink;
	char name[IFNAMSIZ];
	char kind[16];         /* "" for real devices */
	char alias[64];
	uint8_t mac[MAC_LEN];
};
/* 1: there is none. */
int link_find(struct netlink *nl, const char *name, struct link_info *ret, struct err *e);
/* Index, flags and MTU only, by ioctl: unlike a netlink request it does not queue behind links that others are making just now. 1: none. */
int link_look(struct netlink *nl, const char *name, struct link_info *ret, struct err *e);
struct link_list {
	struct link_info *v;
	size_t n, cap;
};
void link_list_done(struct link_list *l);
int link_list(struct netlink *nl, struct link_list *ret, struct err *e);

struct cidr_list {
	struct cidr *v;
	size_t n, cap;
};
void cidr_list_done(struct cidr_list *l);
void cidr_list_add(struct cidr_list *l, const struct cidr *c);
/* Destinations of the host's routes in all tables (VPNs have their own), default routes, local and broadcast addresses left out; and the
 * host's own addresses' subnets. */
int link_addresses(struct netlink *nl, struct cidr_list *ret, struct err *e); /* only the subnets of the host's own addresses */
int link_routes(struct netlink *nl, struct cidr_list *ret, struct err *e);
