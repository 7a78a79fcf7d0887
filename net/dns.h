/* SPDX-License-Identifier: MIT
 *
 * net/dns.h - the monitor's side of gantry-dns: starts it, answers its questions from the rows
 *
 * gantry-dns gets, over one SEQPACKET socketpair, the sockets of each sandbox as they come (fds with a sandbox tag) and the host's resolvers'
 * sockets or their addresses; for each local question it asks {tag, type, name}; the monitor answers {rcode, addresses}. It holds no privilege.
 */
#pragma once
#include "base/auto.h"
#include <sys/types.h>

struct db;
struct dirs;
struct err;
struct loop;
struct dns_host; /* one per monitor */
/* DB_OPEN gives a connection when one is needed (the monitor closes its own when idle). */
int dns_host_new(struct loop *l, const struct dirs *d, const char *project, struct db *(*db_open_fn)(void *arg), void *arg, struct dns_host **ret, struct err *e);
void dns_host_free(struct dns_host *h);
/* Watches the sandbox's sockets (dup'ed); the first query starts gantry-dns. RESOLV: JSON {servers, options} of that sandbox. */
int dns_host_add(struct dns_host *h, const char *sandbox, int udp, int tcp, const char *resolv_json, struct err *e);
void dns_host_remove(struct dns_host *h, const char *sandbox);
