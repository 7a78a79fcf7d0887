/* SPDX-License-Identifier: MIT
 *
 * net/netopt.h - a network's driver_opts, read. Pure.
 */
#pragma once
#include "net/addr.h"
#include "net/nat.h"
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

struct err;
struct strv;
struct net_options {
	char bridge[IFNAMSIZ];       /* "": a name of ours */
	char prefix[IFNAMSIZ];       /* of interfaces inside, "eth" */
	char parent[IFNAMSIZ];       /* macvlan, ipvlan; "" none */
	bool masquerade, icc, inhibit4;
	enum nat_mode mode4, mode6;
	uint32_t mtu;                /* 0: the kernel's */
	struct addr host_binding;    /* published ports without a host address; family 0: all */
	int macvlan_mode, ipvlan_mode, ipvlan_flag; /* as in if_link.h */
};
/* OPTIONS: JSON object or NULL. Values are checked for DRIVER; options that it does not know are appended to UNKNOWN (may be NULL) as
 * sentences for a warning, as docker ignores them. */
int net_options_read(const char *driver, const char *options, struct net_options *ret, struct strv *unknown, struct err *e);
