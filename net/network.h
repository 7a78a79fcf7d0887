/* SPDX-License-Identifier: MIT
 *
 * net/network.h - networks: rows -> bridges, isolation; the driver table
 *
 * Row first, kernel second on create; kernel first, row second on removal; all may be repeated. Called by the CLI.
 */
#pragma once
#include "base/auto.h"
#include "state/network_store.h"
#include <stdbool.h>

struct db;
struct dirs;
struct err;
struct strv;
struct network_want {        /* what a compose file (or a command) asks for */
	const char *name, *project, *key, *driver; /* driver NULL: bridge */
	const char *options, *labels, *hash;       /* JSON objects, NULL: {} */
	bool internal, attachable, ipv4, ipv6;
	const struct subnet_row *subnets;          /* none: a free pool is chosen against rows and the host's routes */
	size_t nsubnets;
};
/* Checks, chooses subnets, inserts the row, then isolation and bridge. 1: exists with this name already (untouched). */
int network_create(struct db *db, const struct network_want *w, struct network_row *ret, struct err *e);
/* Makes what a row says in the kernel when it is missing (after boot, after somebody deleted the bridge). 1: all there. */
int network_up(struct db *db, const struct network_row *n, struct err *e);
/* Does that for all networks of PROJECT whose bridge or elements are gone; containers that run get their bridge back. Cheap when all is there. */
int network_repair(struct db *db, const char *project, struct err *e);
/* Several at once, because links go cheaply in one batch. -EBUSY with the containers that still use it, nothing removed then. */
int network_remove(struct db *db, const int64_t *ids, size_t n, struct err *e);
/* All of this root's kernel objects that no row names any more: links, nft elements. */
int network_gc(struct db *db, struct err *e);
/* Values of driver_opts that cannot be are an error; options that the driver does not know (docker ignores them) become sentences for
 * warnings, appended to RET_WARNINGS. DRIVER NULL: bridge. OPTIONS: JSON object, NULL. */
int network_options_check(const char *driver, const char *options, struct strv *ret_warnings, struct err *e);
/* "host", "none", "bridge" … : is there such a driver, and can it serve here? */
int network_driver_check(const char *driver, struct err *e);
/* Sentences about this host: what will keep containers from reaching others though our part is right (a firewall whose forward chain drops). */
int network_warnings(struct strv *ret, struct err *e);
