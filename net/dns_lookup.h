/* SPDX-License-Identifier: MIT
 *
 * net/dns_lookup.h - one name, as one sandbox sees it: rows -> addresses
 *
 * First network (in order of the default route) that knows the name wins; a name may end in ".NETWORK" or ".PROJECT"; a link's alias is the
 * linked container's name. A known name without an address of the asked family has an empty answer, never a forwarded one.
 */
#pragma once
#include "base/strv.h"
#include "net/dns_proto.h"
#include <stdbool.h>

struct db;
struct err;
struct dns_where {
	const char *sandbox, *project; /* borrowed */
	struct strv links;             /* "alias=container" */
	bool ndots;                    /* the user set ndots: single words are not forwarded */
};
void dns_where_done(struct dns_where *w);
/* Fills status, count, addr, name of ANSWER. */
int dns_lookup(struct db *db, const struct dns_where *w, const char *name, uint16_t type, struct dns_packet *answer, struct err *e);
