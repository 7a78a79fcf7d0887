/* SPDX-License-Identifier: MIT
 *
 * net/nat.h - networks and published ports -> the elements of our nftables table. Pure.
 *
 * The table's chains and rules never change; everything that depends on rows is an element of a set or map, so 10,000 published ports cost
 * a packet one lookup, and a change is an element added or removed. What the sets mean:
 *
 *   bridges    our bridges. In it before the bridge exists: nothing enters a network that is not isolated yet.
 *   same       bridge . bridge: containers of this network may talk to each other also where bridged frames pass the IP hooks
 *   internal   nothing goes in or out
 *   masq4/6    what leaves the host from here gets the host's address
 *   open       gateway mode nat-unprotected: reachable from outside at all ports
 *   routed     gateway mode routed: ICMP may enter; routed4/6 address . protocol . port that may be entered
 *   pub4/6     host address . protocol . port -> container address . port;   any4/6 the same for every host address
 *   self4/6    container address . the same: its way to a port that it publishes itself
 *
 * A new version of the rules needs another NAT_VERSION: tables of other versions are written anew.
 */
#pragma once
#include "net/addr.h"
#include "net/nftexpr.h"
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct str;
#define NAT_VERSION "version-2"

enum nat_set {
	NAT_BRIDGES, NAT_SAME, NAT_INTERNAL, NAT_OPEN, NAT_ROUTED, NAT_MASQ4, NAT_MASQ6,
	NAT_ROUTED4, NAT_ROUTED6, NAT_PUB4, NAT_ANY4, NAT_PUB6, NAT_ANY6, NAT_SELF4, NAT_SELF6, NAT_SETS
};
enum nat_type { NAT_END, NAT_T_IFNAME, NAT_T_IP4, NAT_T_IP6, NAT_T_PROTO, NAT_T_PORT };
struct nat_set_def {
	const char *name;
	enum nat_type key[4], data[3]; /* data[0] == NAT_END: a set, else a map */
};
extern const struct nat_set_def nat_sets[NAT_SETS];
unsigned nat_type_size(enum nat_type t); /* padded to 4, as in registers */
unsigned nat_types_size(const enum nat_type *t);

enum { NAT_KEY_MAX = 32, NAT_DATA_MAX = 20 };
struct nat_elem {
	enum nat_set set;
	uint8_t key[NAT_KEY_MAX], data[NAT_DATA_MAX];
};
struct nat_elems { /* sorted by set and key once nat_sort() ran */
	struct nat_elem *v;
	size_t n, cap;
};
void nat_elems_done(struct nat_elems *l);
void nat_sort(struct nat_elems *l); /* and removes doubles (the first of equal keys stays) */
/* What must go and what must come so that OLD becomes NEW. All sorted. A changed map value is in both. */
void nat_diff(const struct nat_elems *old, const struct nat_elems *new, struct nat_elems *ret_del, struct nat_elems *ret_add);

enum nat_mode { NAT_MODE_NAT, NAT_MODE_UNPROTECTED, NAT_MODE_ROUTED, NAT_MODE_ISOLATED, NAT_MODES };
int nat_mode_parse(const char *s);
struct nat_network {
	char link[IFNAMSIZ];
	bool internal, icc, masquerade, ipv4, ipv6;
	enum nat_mode mode4, mode6;
};
struct nat_port {
	uint8_t proto;          /* IPPROTO_* */
	struct addr host;       /* family 0: all addresses of both families; 0.0.0.0, ::: all of one */
	uint16_t host_port, ctr_port;
	struct addr ctr4, ctr6; /* family 0: the container has none */
	enum nat_mode mode4, mode6;
};
void nat_add_network(struct nat_elems *l, const struct nat_network *n);
void nat_add_port(struct nat_elems *l, const struct nat_port *p);

/* Chains and rules: data for nft.c, and the same in words. */
extern const struct nft_chain nat_chains[];
extern const struct nft_rule nat_rules[];
/* The whole table as `nft -f` would read it. */
void nat_text(const char *table, const struct nat_elems *l, struct str *out);
/* "element inet TABLE pub4 { … }" lines. */
void nat_elem_text(const struct nat_elem *el, struct str *out);
