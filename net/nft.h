/* SPDX-License-Identifier: MIT
 *
 * net/nft.h - sends what nat.h decided: a whole table in one transaction, or elements
 *
 * Written with netlink messages of our own (docs/decisions/nftables-by-netlink.md): no libnftables. The handle is one of
 * NETLINK_BUS_FILTER; everything happens in the namespace where that was opened.
 */
#pragma once
#include "net/nat.h"
#include "net/netlink.h"
#include <stdint.h>

struct err;
struct strv;
/* 0: the table is there and of our version; 1: it is not. */
int nft_present(struct netlink *nf, const char *table, struct err *e);
/* Replaces the whole table in one transaction. */
int nft_write(struct netlink *nf, const char *table, const struct nat_elems *l, struct err *e);
/* Elements that go and come, in one transaction. What is already gone or already there is fine. -ENOENT: the table is not there. */
int nft_change(struct netlink *nf, const char *table, const struct nat_elems *del, const struct nat_elems *add, struct err *e);
/* 1: there was none. */
int nft_delete(struct netlink *nf, const char *table, struct err *e);
/* Any table of fixed chains and rules, without sets: inside a sandbox. */
int nft_write_rules(struct netlink *nf, const char *table, const struct nft_chain *chains, const struct nft_rule *rules, struct err *e);

/* Base chains of the forward hook whose policy is drop, as "FAMILY TABLE CHAIN". */
int nft_forward_drops(struct netlink *nf, struct strv *ret, struct err *e);
/* NF hears from now on when tables, chains, sets or rules of any table are removed. */
int nft_listen(struct netlink *nf, struct err *e);
/* Reads what came: was TABLE among it (or was something lost)? */
bool nft_removed(struct netlink *nf, const char *table);

/* Forgets the tracked connections from or to one of the addresses; and those of UDP whose first packet went to PORT (0: none). */
int conntrack_forget(struct netlink *nf, const struct addr *a, size_t n, const uint16_t *udp_ports, size_t nports, struct err *e);
