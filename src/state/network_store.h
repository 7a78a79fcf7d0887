/* SPDX-License-Identifier: MIT
 * state/network_store.h - networks, sandboxes, endpoints with their address leases, published ports
 *
 * Names of kernel objects come from row ids: the bridge of network 7 of root 1a2b3c4d is "gb" + root id's 5 hex + "-7" (net/ decides),
 * so whatever exists can be found from rows and a row names whatever may exist.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;

struct subnet_row {
	char *cidr;      /* "172.18.0.0/16" */
	char *gateway;   /* address, NULL: none */
	char *ip_range;  /* CIDR for automatic addresses, NULL: the whole subnet */
	char *aux;       /* JSON object name -> address, NULL */
};
struct network_row {
	int64_t id;
	char *name;      /* unique in the root: "proj_default" */
	char *project;   /* NULL: made by hand or engine-owned */
	char *key;       /* name in the compose file: "default" */
	char *driver;    /* "bridge", "macvlan", "ipvlan", "none", "host" */
	char *options;   /* JSON object of driver_opts */
	char *labels;    /* JSON object */
	char *hash;      /* config hash, a change recreates it */
	bool internal, attachable, ipv6, ipv4;
	bool deleting;
	int64_t created_ns;
	struct subnet_row *subnets;
	size_t nsubnets;
};
void network_row_done(struct network_row *n);
struct network_rows {
	struct network_row *v;
	size_t n, cap;
};
void network_rows_done(struct network_rows *l);
int network_insert(struct db *db, struct network_row *n, struct err *e); /* sets n->id; -EEXIST: name taken */
int network_get(struct db *db, int64_t id, struct network_row *ret, struct err *e);            /* 1: none */
int network_by_name(struct db *db, const char *name, struct network_row *ret, struct err *e);  /* 1: none */
int network_list(struct db *db, const char *project, struct network_rows *ret, struct err *e); /* NULL: all */
int network_set_deleting(struct db *db, int64_t id, struct err *e);
int network_delete(struct db *db, int64_t id, struct err *e);

/* A sandbox: what containers join. Survives restart and recreate; leases go with the last container that refers to it. */
struct sandbox_row {
	char *id;          /* 64 hex */
	char *project, *service;
	int64_t number;
	char *mode;        /* "private", "none", "host" */
	char *boot_id;     /* boot in which its kernel objects were made, NULL: not up */
};
void sandbox_row_done(struct sandbox_row *s);
int sandbox_insert(struct db *db, const struct sandbox_row *s, struct err *e);
int sandbox_get(struct db *db, const char *id, struct sandbox_row *ret, struct err *e); /* 1: none */
int sandbox_set_boot(struct db *db, const char *id, const char *boot_id, struct err *e);
int sandbox_members(struct db *db, const char *id, int64_t *ret_n, struct err *e);      /* containers that refer to it */
struct strv;
int sandbox_left(struct db *db, const char *project, struct strv *ret_ids, struct err *e); /* those that no container refers to; PROJECT NULL: of builds */
int sandbox_delete(struct db *db, const char *id, struct err *e);                       /* endpoints, ports go too */

struct endpoint_row {
	int64_t id;
	char *sandbox;
	int64_t network;
	char *ifname;      /* inside: "eth0" */
	char *ipv4, *ipv6; /* plain addresses, NULL: none */
	char *mac;         /* "02:42:…" */
	char *names;       /* JSON array: container name, service, aliases, short id, in this order; the first is the PTR name */
	char *options;     /* JSON: driver_opts, link_local_ips, sysctls */
	int64_t priority, gw_priority;
};
void endpoint_row_done(struct endpoint_row *ep);
struct endpoint_rows {
	struct endpoint_row *v;
	size_t n, cap;
};
void endpoint_rows_done(struct endpoint_rows *l);
int endpoint_insert(struct db *db, struct endpoint_row *ep, struct err *e); /* sets id; -EADDRINUSE: address or MAC leased on that network */
int endpoint_update(struct db *db, const struct endpoint_row *ep, struct err *e);
int endpoint_delete(struct db *db, int64_t id, struct err *e);
int endpoint_by_sandbox(struct db *db, const char *sandbox, struct endpoint_rows *ret, struct err *e);
int endpoint_by_network(struct db *db, int64_t network, struct endpoint_rows *ret, struct err *e);
int endpoint_by_project(struct db *db, const char *project, struct endpoint_rows *ret, struct err *e); /* of the sandboxes that it owns */

struct port_row {
	char *sandbox;
	char *proto;          /* "tcp", "udp", "sctp" */
	char *host_ip;        /* "" = all */
	uint16_t host_port;
	uint16_t ctr_port;
	int64_t endpoint;     /* whose address the traffic goes to */
};
void port_row_done(struct port_row *p);
struct port_rows {
	struct port_row *v;
	size_t n, cap;
};
void port_rows_done(struct port_rows *l);
/* -EADDRINUSE naming the container (its project and service) that has it; host_ip "" conflicts with every address. */
int port_insert(struct db *db, const struct port_row *p, struct err *e);
int port_by_sandbox(struct db *db, const char *sandbox, struct port_rows *ret, struct err *e); /* NULL: all */
int port_delete_of(struct db *db, const char *sandbox, struct err *e);

/* Name lookup of gantry-dns: addresses on NETWORK that answer NAME (case-insensitive), of containers that run; own project first.
 * Appends "ip" strings of the family (4 or 6); returns 0 found, 1 name unknown on that network. */
struct strv;
int dns_addresses(struct db *db, int64_t network, const char *project, const char *name, int family, struct strv *ret, struct err *e);
