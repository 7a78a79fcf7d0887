/* SPDX-License-Identifier: MIT
 *
 * net/driver.h - what a network driver does. Adding one: a file driver_x.c with a struct net_driver, a row in network.c's table.
 *
 * All may be repeated. Verbs queue into the handle or do their work at once; nothing of the caller's is kept.
 */
#pragma once
#include "net/addr.h"
#include "net/link.h"
#include "net/netopt.h"
#include "state/network_store.h"
#include <net/if.h>
#include <stdbool.h>

struct dirs;
struct err;
struct netlink;

/* One leg of a sandbox, as plain data. */
struct leg {
	int64_t id, network;         /* of rows */
	const struct net_driver *driver;
	char network_name[128];
	char ifname[IFNAMSIZ];       /* inside */
	char host[IFNAMSIZ];         /* host end, or "" */
	char master[IFNAMSIZ];       /* bridge, or parent */
	struct link_info parent;     /* MASTER as the kernel has it just now; index 0: it is gone */
	char mark[64];               /* of the host end */
	uint32_t index;              /* inside */
	uint8_t mac[MAC_LEN];
	struct addr v4, v6, gw4, gw6;
	unsigned len4, len6;
	bool default4, default6;     /* the default route goes here */
	bool internal;
	bool hairpin;                /* its bridge port gives frames back */
	struct net_options opt;
};

struct net_driver {
	const char *name;            /* as in the compose file's `driver:` */
	bool endpoints;              /* containers get a leg with an address */
	bool firewall;               /* has elements in our table */
	bool gateway;                /* the host owns the gateway address */
	/* Can it serve here, with these options? NULL: always. */
	int (*check)(const struct net_options *o, struct err *e);
	/* Makes what the row says. 1: all there. NULL: nothing to make. */
	int (*up)(struct netlink *rt, const struct dirs *d, const struct network_row *n, const struct net_options *o, struct err *e);
	/* Queues the leg's link into RT (a handle in the host's namespace), with its end in NETNS. Asks nothing: others may be queued. */
	int (*join)(struct netlink *rt, int netns, const struct leg *leg, struct err *e);
};
extern const struct net_driver driver_bridge, driver_macvlan, driver_ipvlan, driver_none, driver_host;
/* NULL with e set: there is no such driver. */
const struct net_driver *net_driver_find(const char *name, struct err *e);

void network_bridge_name(const struct dirs *d, const struct network_row *n, const struct net_options *o, char buf[IFNAMSIZ]);
