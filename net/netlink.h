/* SPDX-License-Identifier: MIT
 *
 * net/netlink.h - batches of netlink messages (libnl-3; the only file that includes <netlink/> is netlink.c)
 *
 *   netlink_begin(nl, RTM_NEWLINK, NLM_F_CREATE, &ifi, sizeof ifi, EEXIST, "link '%s'", name);
 *   netlink_put_str(nl, IFLA_IFNAME, name);
 *   netlink_flush(nl, e)        one sendmsg; reads the answer to each message
 *
 * Each message says which errno means "it was already so", which makes the verbs above (link.h, nft.h) idempotent. An error
 * carries the message's own words and the kernel's extack text. A handle stays in the network namespace it was opened in.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct netlink;
enum netlink_bus { NETLINK_BUS_ROUTE, NETLINK_BUS_FILTER };
int netlink_open(enum netlink_bus bus, struct netlink **ret, struct err *e);
void netlink_close(struct netlink *nl);
DEFINE_AUTO(struct netlink *, netlink_close)

/* Starts a message; NLM_F_REQUEST and NLM_F_ACK are added (not inside an nfnetlink batch's begin and end). FINE: a positive errno
 * value that counts as "already so", 0: none. The words after it name the step in errors. */
void netlink_begin(struct netlink *nl, uint16_t type, uint16_t flags, const void *hdr, size_t n, int fine, const char *fmt, ...) PRINTF(7, 8);
/* As netlink_begin, without an answer of its own. */
void netlink_begin_quiet(struct netlink *nl, uint16_t type, const void *hdr, size_t n);
void netlink_put(struct netlink *nl, uint16_t attr, const void *p, size_t n);
void netlink_put_str(struct netlink *nl, uint16_t attr, const char *s);
void netlink_put_u8(struct netlink *nl, uint16_t attr, uint8_t v);
void netlink_put_u16(struct netlink *nl, uint16_t attr, uint16_t v);
void netlink_put_u32(struct netlink *nl, uint16_t attr, uint32_t v);
void netlink_put_be32(struct netlink *nl, uint16_t attr, uint32_t v);
/* Raw bytes that no attribute header precedes (struct ifinfomsg of a veth's peer). */
void netlink_put_raw(struct netlink *nl, const void *p, size_t n);
void netlink_nest(struct netlink *nl, uint16_t attr);
void netlink_nest_end(struct netlink *nl);
/* Bytes of the message under way: split large ones (an attribute's length has 16 bits). */
size_t netlink_size(const struct netlink *nl);
/* Sends what is queued. The first error that does not count as "already so" is returned, after all answers were read (in an nfnetlink
 * batch one error undoes all). 1: something was already so. *ret_fails (may be NULL): how many failed. */
int netlink_flush(struct netlink *nl, struct err *e);
/* Forgets what is queued. */
void netlink_drop(struct netlink *nl);

/* Reads: one message, one or many answers. FN gets header and attributes; < 0 ends the walk (read to its end anyway). A dump that
 * changed under way is repeated; FN sees RESTART first then. */
typedef int netlink_fn(void *arg, uint16_t type, const void *hdr, const void *attrs, size_t len, struct err *e);
struct netlink_query {
	uint16_t type;
	const void *hdr;
	size_t hdr_len;
	const char *name;      /* what goes into the attribute NAME_ATTR, NULL: none */
	uint16_t name_attr;
	const char *name2;     /* the same once more */
	uint16_t name2_attr;
	bool dump;
	netlink_fn *fn;
	void (*restart)(void *arg);
	void *arg;
};
/* 1: no such object (ENOENT, ENODEV). */
int netlink_query(struct netlink *nl, const struct netlink_query *q, const char *what, struct err *e);
/* The attribute TYPE in a list: its payload, NULL: none. Nests are walked by calling it on the payload. */
const void *netlink_attr(const void *attrs, size_t len, uint16_t type, size_t *ret_len);
bool netlink_attr_u32(const void *attrs, size_t len, uint16_t type, uint32_t *ret);
bool netlink_attr_be32(const void *attrs, size_t len, uint16_t type, uint32_t *ret);
const char *netlink_attr_str(const void *attrs, size_t len, uint16_t type); /* NULL: none or not terminated */
/* The socket, for a loop. */
int netlink_fd(const struct netlink *nl);
/* Joins a multicast group; what comes then is read with netlink_events() only. */
int netlink_join(struct netlink *nl, int group, struct err *e);
/* All that is there now, without waiting. HDR_LEN bytes of header stand before the attributes. 1: some were lost (the socket was full). */
int netlink_events(struct netlink *nl, size_t hdr_len, netlink_fn *fn, void *arg, struct err *e);
