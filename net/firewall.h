/* SPDX-License-Identifier: MIT
 *
 * net/firewall.h - rows -> elements of this root's nftables table; keeps the table as the rows say
 *
 * Writers hold run/nft.lock. The table "gantry-ROOTID" exists while the root has a bridge network. What should be in it: every bridge
 * network's row, and the ports of every sandbox that was brought up in this boot.
 */
#pragma once
#include "net/nat.h"
#include "state/network_store.h"

struct db;
struct dirs;
struct err;
struct netlink;
struct strv;
enum { FIREWALL_TABLE = 24 };
void firewall_table(const struct dirs *d, char buf[FIREWALL_TABLE]);
/* Elements of one bridge network. */
int firewall_network(const struct dirs *d, const struct network_row *n, struct nat_elems *l, struct err *e);
/* Elements of one published port; EP is the endpoint that the row names, of network N. */
int firewall_port(const struct port_row *p, const struct endpoint_row *ep, const struct network_row *n, struct nat_elems *l, struct err *e);
/* All that the rows ask for, sorted. */
int firewall_rows(struct db *db, struct nat_elems *ret, struct err *e);

/* Writes the table when it is missing or of another version. 1: it was fine. */
int firewall_ensure(struct db *db, struct err *e);
/* Makes the table as the rows say, whatever is there now; removes it when no row needs it. */
int firewall_restore(struct db *db, struct err *e);
/* The networks' elements go; with the last bridge network the whole table. Their rows are still there. */
int firewall_remove(struct db *db, const struct network_rows *gone, struct err *e);
/* Element differences, under the lock. NF opened in the host's namespace. */
int firewall_change(const struct dirs *d, struct netlink *nf, const struct nat_elems *del, const struct nat_elems *add, struct err *e);
