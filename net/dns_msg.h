/* SPDX-License-Identifier: MIT
 *
 * net/dns_msg.h - DNS messages: read a query, write an answer, compare a reply with its query. Pure, no allocation; everything read is hostile
 * (fuzz_dns). RFC 1035, 2181, 6891.
 */
#pragma once
#include "net/addr.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	DNS_MAX = 65535, DNS_UDP_MIN = 512, DNS_UDP_MAX = 4096, DNS_NAME = 256,
	/* Short, unlike docker's 600: addresses change on recreate and scale, and clients that keep answers by their TTL (nginx, JVM, Envoy) would
	 * talk to the old ones. docs/decisions/dns-ttl.md */
	DNS_TTL = 5,
};
enum { DNS_NOERROR = 0, DNS_FORMERR = 1, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3, DNS_NOTIMP = 4, DNS_REFUSED = 5, DNS_DROP = -1 };
enum { DNS_A = 1, DNS_PTR = 12, DNS_MX = 15, DNS_AAAA = 28, DNS_OPT = 41, DNS_SVCB = 64, DNS_HTTPS = 65 };

struct dns_query {
	uint16_t id, type, class;
	char name[DNS_NAME];   /* lower case, no dot at the end; "" when it is no host name (bytes that no name of ours has) */
	size_t question;       /* offset of the end of the first question */
	bool edns;
	uint16_t udp_max;      /* what the client takes by UDP */
};
/* DNS_NOERROR, an rcode to answer with, or DNS_DROP: not worth an answer. Q's id and question are set whenever an rcode is returned. */
int dns_query_read(const uint8_t *m, size_t n, struct dns_query *q);

/* An answer to M (whose question ends at Q->question), built in BUF. dns_answer_end() after the last record. */
struct dns_answer {
	uint8_t *buf;
	size_t room, len;
	unsigned count;
	bool cut, edns;
};
void dns_answer_begin(struct dns_answer *a, uint8_t *buf, size_t room, const uint8_t *m, const struct dns_query *q, int rcode);
void dns_answer_addr(struct dns_answer *a, const struct addr *addr);
void dns_answer_ptr(struct dns_answer *a, const char *name); /* "proj-web-1.proj_default" */
/* Sets counts and TC; returns the length. */
size_t dns_answer_end(struct dns_answer *a);

/* Is REPLY an answer to QUERY (the same id and question)? */
bool dns_reply_matches(const uint8_t *reply, size_t n, const uint8_t *query, size_t qn);
int dns_rcode(const uint8_t *m); /* of at least 12 bytes */
/* "2.0.18.172.in-addr.arpa", "….ip6.arpa" -> address. */
bool dns_ptr_addr(const char *name, struct addr *ret);
