/* SPDX-License-Identifier: MIT
 *
 * net/guard.h - one monitor of the root notices that somebody flushed the firewall, and writes our table again
 *
 * `nft flush ruleset` and a restart of nftables.service take everything. The monitors elect one by a lock on run/guard; it listens to the kernel's
 * messages (a socket filter lets only removals through), the others wait for its end by inotify. Nobody polls.
 */
#pragma once
#include "base/auto.h"

struct db;
struct dirs;
struct err;
struct loop;
struct net_guard;
int net_guard_new(struct loop *l, const struct dirs *d, struct db *(*db_open_fn)(void *arg), void *arg, struct net_guard **ret, struct err *e);
void net_guard_free(struct net_guard *g);
