/* SPDX-License-Identifier: MIT
 *
 * net/ipam.h - which subnet a network gets, which address an endpoint gets. Pure: the caller brings what is taken.
 *
 * Both answers are the lowest free one, so they are the same on every host in the same state. What others use (routes, name
 * servers, VPNs) counts as taken when we choose; a subnet that the user names is only checked against our own networks and
 * the host's addresses.
 */
#pragma once
#include "net/addr.h"
#include "net/link.h"
#include "state/network_store.h"
#include <stdbool.h>

struct err;
enum { IPAM_AUX_MAX = 256 };

struct ipam_subnet {
	struct cidr net, range;          /* range: where automatic addresses come from; the whole subnet by default */
	struct addr gateway;             /* family 0: none */
	struct addr aux[IPAM_AUX_MAX];   /* addresses that somebody else has */
	size_t naux;
	struct addr dflt_gw;             /* aux_addresses' DefaultGatewayIPv4/6: what containers use instead of the gateway; family 0 */
};
/* Reads and checks a row; fills in the gateway when WANT_GATEWAY and the subnet has room for one. "invalid network config: …" */
int ipam_subnet_read(const struct subnet_row *row, bool want_gateway, struct ipam_subnet *ret, struct err *e);

/* A free subnet of the default pools. LEN 0: the pool's own size; else of that prefix length. ULA: the host's IPv6 /48. */
int ipam_choose_subnet(unsigned family, unsigned len, const struct cidr_list *taken, const struct cidr *ula, struct cidr *ret, struct err *e);
/* fdXX:XXXX:XXXX::/48 from a text that stays the same on this host (machine id). */
struct cidr ipam_ula(const char *host_id);
/* "0.0.0.0/24", "::/64": any subnet of that length. */
bool ipam_is_any(const char *cidr, unsigned *ret_family, unsigned *ret_len);

/* The lowest free address of the range. USED is sorted here. -ENOSPC: full. */
int ipam_choose_address(const struct ipam_subnet *s, struct addr *used, size_t nused, struct addr *ret, struct err *e);
/* May A be given to an endpoint of S? Says why not. */
int ipam_check_address(const struct ipam_subnet *s, const struct addr *a, struct err *e);
