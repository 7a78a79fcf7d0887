/* SPDX-License-Identifier: MIT
 *
 * net/sandbox.h - a container's network: leases in rows, then links in the kernel
 *
 * Decide, then do, over three processes:
 *   CLI      net_sandbox_lease   in the transaction that creates the container: sandbox row, endpoints with addresses, ports. Pure SQL.
 *   monitor  net_plan_load       rows -> struct net_plan (plain data, survives fork)
 *   monitor  net_sandbox_prepare before each start: bridges and the firewall table are there (after a boot, after somebody's flush)
 *   K        net_plan_up         netns, links, addresses, routes, resolver rules and sockets, nft elements, port reservations. No SQL.
 *   monitor  net_relay_start     with the reserved ports' sockets: serves what address rewriting cannot ([::1], IPv6 to an IPv4 container)
 *            dns_host_add        (dns.h) with the DNS sockets and net_plan_resolv()
 *   monitor  net_plan_down, net_sandbox_cleared   when the last member has ended; also the CLI, when there is no monitor to be had
 * A sandbox's kernel objects are held by descriptors (monitor, keepers), which net_plan_up returns.
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct dirs;
struct err;
struct cJSON;

/* What a container asks for: the network part of its spec, without engine types (net does not see engine). */
struct net_endpoint_want {
	const char *network;          /* real name */
	const struct strv *aliases;   /* service name included */
	const char *ipv4, *ipv6, *mac, *ifname;
	const struct strv *link_local, *driver_opts;
	int64_t priority, gw_priority;
};
struct net_port_want {
	const char *proto, *host_ip;
	uint16_t ctr_port, host_port, host_port_last;
};
struct net_want {
	const char *sandbox_id;       /* exists (recreate): leases are kept where they still fit; else a new row with this id */
	const char *project, *service, *container_name, *container_id, *hostname;
	int64_t number;
	const char *mode;             /* "private", "none", "host" */
	const struct net_endpoint_want *endpoints;
	size_t nendpoints;
	const struct net_port_want *ports;
	size_t nports;
};
/* Within the caller's transaction. -EADDRINUSE names who has the address or port. */
int net_sandbox_lease(struct db *db, const struct net_want *w, struct err *e);
/* The last container that referred to it is gone: rows and nft elements go; links went with the namespace. 1: still in use. */
int net_sandbox_release(struct db *db, const char *sandbox, struct err *e);

/* Before net_plan_up, in the host's namespace: makes networks and table where they are missing, and notes in the row that this boot may now have
 * kernel objects of the sandbox. May be repeated; touches nothing when all is there. */
int net_sandbox_prepare(struct db *db, const char *sandbox, struct err *e);
/* After net_plan_down: the row says that there is nothing. */
int net_sandbox_cleared(struct db *db, const char *sandbox, struct err *e);

struct net_plan; /* opaque, plain memory */
/* WANT_ETC: where to write hosts, hostname, resolv.conf (the container's folder). SPEC_JSON carries dns, dns_search, dns_opt, extra_hosts, links,
 * hostname, domainname as in ctr_spec's JSON. */
int net_plan_load(struct db *db, const char *sandbox, const struct cJSON *spec_json, struct net_plan **ret, struct err *e);
void net_plan_free(struct net_plan *p);
DEFINE_AUTO(struct net_plan *, net_plan_free)
/* What the sandbox's resolver must know, as dns_host_add wants it. Borrowed. */
const char *net_plan_resolv(const struct net_plan *p);

struct net_sandbox_fds {
	int netns;                    /* -1: the host's */
	int dns_udp, dns_tcp;         /* sockets inside, behind 127.0.0.11:53; -1: none */
	int ports[512];               /* reservations: bound, not accepting (or listening for [::1] forwarding) */
	size_t nports;
};
/* In K: leaves the process inside the new namespace (host's in HOST_NETNS). On failure all is undone. -EADDRINUSE says which process has the port. */
int net_plan_up(const struct dirs *d, const struct net_plan *p, int host_netns, struct net_sandbox_fds *ret, struct err *e);
/* Undo, also after crashes; the namespace itself goes with its descriptors. */
int net_plan_down(const struct dirs *d, const struct net_plan *p, struct err *e);
/* hosts, hostname, resolv.conf into DIR: at each start. */
int net_plan_write_etc(const struct net_plan *p, const char *dir, struct err *e);

/* In the monitor: connections that arrive at the reserved ports themselves instead of being rewritten are relayed to the container:
 * [::1], IPv6 for a container that has none, everything while somebody has flushed the firewall. The sockets are dup'ed; none: *ret is NULL. */
struct loop;
struct net_relay;
int net_relay_start(struct loop *l, const struct net_plan *p, const struct net_sandbox_fds *fds, struct net_relay **ret, struct err *e);
void net_relay_stop(struct net_relay *r); /* open connections are closed; NULL is fine */
DEFINE_AUTO(struct net_relay *, net_relay_stop)
