/* SPDX-License-Identifier: MIT
 *
 * net/resolv.h - contents of a container's resolv.conf, hosts and hostname. Pure, but for resolv_read_host().
 */
#pragma once
#include "base/strv.h"
#include "net/addr.h"
#include <stdbool.h>

struct err;
struct str;
/* resolv.conf(5), as far as it matters. Bounded: 8 servers, 32 search domains, 32 options. */
struct resolv {
	struct strv servers, search, options;
};
void resolv_done(struct resolv *r);
void resolv_parse(const char *text, struct resolv *r);
/* /etc/resolv.conf; unreadable or missing: empty. */
void resolv_read_host(struct resolv *r);
/* Replaces what the user gave: `dns`, `dns_search` ("." alone: none), `dns_opt`. Empty lists keep the host's. */
void resolv_override(struct resolv *r, const struct strv *dns, const struct strv *search, const struct strv *options);
/* A valid ndots:N is among the options. */
bool resolv_has_ndots(const struct resolv *r);
/* OURS: the sandbox has our resolver at 127.0.0.11; R's servers are where it forwards to (a comment). */
void resolv_text(const struct resolv *r, bool ours, struct str *out);

struct hosts_want {
	const char *hostname, *domainname;   /* domainname NULL: none */
	const struct addr *own;              /* addresses of the container */
	size_t nown;
	const struct strv *extra;            /* "name:ip", "name=ip"; ip may be host-gateway */
	struct addr gateway4, gateway6;      /* what host-gateway stands for; family 0: none */
	bool ipv6;                           /* with the IPv6 names of localhost */
};
/* -EINVAL names the extra_hosts entry that is wrong. */
int hosts_text(const struct hosts_want *w, struct str *out, struct err *e);
