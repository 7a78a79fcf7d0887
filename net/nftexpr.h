/* SPDX-License-Identifier: MIT
 *
 * net/nftexpr.h - nftables rules as data: the few expressions that we use, and their words. linux/netfilter/nf_tables.h.
 *
 * Registers are the 4-byte ones, numbered from 0; an interface name takes four of them, an IPv6 address four.
 */
#pragma once
#include <netinet/in.h> /* before the kernel's, which then leaves these names alone */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdbool.h>
#include <stdint.h>

enum nft_op { NFT_END_, NFT_META_, NFT_CMP_, NFT_LOOKUP_, NFT_PAYLOAD_, NFT_MANGLE_, NFT_MASK_, NFT_CT_, NFT_FIB_, NFT_DNAT_, NFT_MASQ_, NFT_VERDICT_, NFT_SET_REG_ };
struct nft_expr {
	enum nft_op op;
	uint8_t reg;          /* read from or written to */
	uint8_t to;           /* second register: lookup's data, dnat's port */
	bool inverted;        /* cmp: differs; lookup: is not in it */
	uint16_t key;         /* meta, ct: what; payload: base; dnat: family; fib: flags */
	uint16_t offset, len; /* payload, bytes; cmp, mask: len */
	uint16_t csum;        /* mangle: where the checksum is */
	uint8_t value[16];    /* cmp, mask */
	int32_t verdict;
	const char *name;     /* set of a lookup, chain of a jump */
};
#define X_META(k, r) { .op = NFT_META_, .key = NFT_META_##k, .reg = (r) }
#define X_IN(r, set) { .op = NFT_LOOKUP_, .reg = (r), .name = (set) }
#define X_NOT_IN(r, set) { .op = NFT_LOOKUP_, .reg = (r), .name = (set), .inverted = true }
#define X_MAP(r, map, d) { .op = NFT_LOOKUP_, .reg = (r), .name = (map), .to = (d), .len = 1 }
#define X_LOAD(b, off, n, r) { .op = NFT_PAYLOAD_, .key = NFT_PAYLOAD_##b##_HEADER, .offset = (off), .len = (n), .reg = (r) }
#define X_STORE(b, off, n, r, c) { .op = NFT_MANGLE_, .key = NFT_PAYLOAD_##b##_HEADER, .offset = (off), .len = (n), .reg = (r), .csum = (c) }
#define X_IS(r, n, ...) { .op = NFT_CMP_, .reg = (r), .len = (n), .value = { __VA_ARGS__ } }
#define X_IS_NOT(r, n, ...) { .op = NFT_CMP_, .reg = (r), .len = (n), .value = { __VA_ARGS__ }, .inverted = true }
#define X_MASK(r, n, ...) { .op = NFT_MASK_, .reg = (r), .len = (n), .value = { __VA_ARGS__ } }
#define X_CT(k, r) { .op = NFT_CT_, .key = NFT_CT_##k, .reg = (r) }
#define X_FIB_TYPE(f, r) { .op = NFT_FIB_, .key = (f), .reg = (r) }
#define X_DNAT(f, a, p) { .op = NFT_DNAT_, .key = (f), .reg = (a), .to = (p) }
#define X_PUT(r, n, ...) { .op = NFT_SET_REG_, .reg = (r), .len = (n), .value = { __VA_ARGS__ } }
#define X_MASQUERADE { .op = NFT_MASQ_ }
#define X_VERDICT(v) { .op = NFT_VERDICT_, .verdict = (v) }
#define X_JUMP(c) { .op = NFT_VERDICT_, .verdict = NFT_JUMP, .name = (c) }

/* The bytes of a small number in host order. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define HOST32(v) (v), 0, 0, 0
#else
#define HOST32(v) 0, 0, 0, (v)
#endif

enum { NFT_EXPR_MAX = 10 };
struct nft_chain {
	const char *name;     /* NULL ends a list */
	const char *type;     /* "filter", "nat"; NULL: not a base chain */
	uint32_t hook;
	int32_t priority;
};
struct nft_rule {
	const char *chain;    /* NULL ends a list */
	const char *text;
	struct nft_expr expr[NFT_EXPR_MAX];
};
