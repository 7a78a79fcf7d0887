/* SPDX-License-Identifier: MIT
 *
 * net/plan.h - what net_plan_load worked out for one sandbox; plain memory, read by sandbox.c, plan_etc.c, relay.c
 */
#pragma once
#include "net/driver.h"
#include "net/nat.h"
#include "net/resolv.h"
#include "net/sandbox.h"

struct plan_port {
	int proto;
	struct addr host;            /* family 0: all */
	uint16_t host_port, ctr_port;
	size_t leg;
};
struct net_plan {
	char *id, *hostname, *domainname;
	bool netns;                  /* false: mode host */
	struct leg *legs;
	size_t nlegs;
	struct plan_port *ports;
	size_t nports;
	struct nat_elems elems;      /* of the ports, sorted */
	struct addr *link_local;     /* link_local_ips: leg by leg below */
	size_t *link_local_leg, nlink_local;
	struct strv sysctls;         /* "ipv4/conf/eth0/log_martians=1" */
	struct resolv resolv;
	bool dns_given;              /* servers come from `dns:`, not from the host */
	struct strv extra_hosts;
	char *resolv_json;
};
/* An address of the container by which its published ports are reached; NULL: none of that family. */
const struct addr *plan_leg_addr(const struct leg *l, unsigned family);
