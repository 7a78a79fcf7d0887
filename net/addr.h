/* SPDX-License-Identifier: MIT
 *
 * net/addr.h - addresses, subnets and MACs as numbers. Pure.
 *
 * An address of either family is 16 bytes in network order, IPv4 in the first four. Text forms are inet_ntop(3)'s.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct addr {
	unsigned family; /* 4, 6; 0: none */
	uint8_t b[16];
};
struct cidr {
	struct addr a;
	unsigned len; /* prefix length */
};
enum { ADDR_TEXT = 48, CIDR_TEXT = 52, MAC_LEN = 6, MAC_TEXT = 18 };

/* Strict: "1.2.3.4", "fd00::1", also "[fd00::1]"; no zone, no v4-mapped. */
int addr_parse(const char *s, struct addr *ret, struct err *e);
char *addr_text(const struct addr *a, char buf[ADDR_TEXT]);
unsigned addr_size(const struct addr *a); /* 4, 16; 0 for none */
int addr_cmp(const struct addr *a, const struct addr *b); /* family first */
bool addr_eq(const struct addr *a, const struct addr *b);
bool addr_is_loopback(const struct addr *a);
bool addr_is_any(const struct addr *a);
/* A + N; false when that leaves the family's space. */
bool addr_add(struct addr *a, uint64_t n);
struct addr addr_v4(uint32_t host_order);

/* "10.1.2.0/24". Host bits must be zero: the error names what it should be. */
int cidr_parse(const char *s, struct cidr *ret, struct err *e);
char *cidr_text(const struct cidr *c, char buf[CIDR_TEXT]);
bool cidr_has(const struct cidr *c, const struct addr *a);
bool cidr_overlaps(const struct cidr *a, const struct cidr *b);
struct addr cidr_first(const struct cidr *c); /* all host bits 0 */
struct addr cidr_last(const struct cidr *c);  /* all host bits 1 */
struct cidr cidr_of(const struct addr *a, unsigned len); /* host bits cleared */

/* "02:42:ac:11:00:02"; multicast and zero are refused. */
int mac_parse(const char *s, uint8_t ret[MAC_LEN], struct err *e);
char *mac_text(const uint8_t m[MAC_LEN], char buf[MAC_TEXT]);
/* Random, locally administered, unicast. */
void mac_random(uint8_t m[MAC_LEN]);
