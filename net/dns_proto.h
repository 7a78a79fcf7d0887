/* SPDX-License-Identifier: MIT
 *
 * net/dns_proto.h - what the monitor and gantry-dns say to each other over their SEQPACKET socket
 *
 *   monitor                                gantry-dns
 *   ADD tag, servers + [udp, tcp]  ─────►  watches the sandbox's sockets
 *                                  ◄─────  ASK id, tag, type, name          a name that may be ours
 *   ANSWER id, status, addresses   ─────►
 *                                  ◄─────  WANT id, tag, server, tcp        a socket to a resolver
 *   SOCKET id + [fd]               ─────►                                   connected (connecting), in the right namespace
 *   DEL tag                        ─────►
 *                                  ◄─────  IDLE                             nothing to do for a while
 *   QUIT                           ─────►  ends; the monitor watches the sockets itself again
 *
 * gantry-dns is not trusted: the monitor checks every field. Both are of one build.
 */
#pragma once
#include "net/dns_msg.h"
#include <stdint.h>

enum dns_kind { DNS_K_ADD = 1, DNS_K_DEL, DNS_K_ANSWER, DNS_K_SOCKET, DNS_K_QUIT, DNS_K_ASK, DNS_K_WANT, DNS_K_IDLE };
enum dns_status { DNS_S_LOCAL, DNS_S_FORWARD, DNS_S_FAIL };
enum { DNS_ADDRS = 64, DNS_SERVERS = 3, DNS_IN_FLIGHT = 1024 };
struct dns_packet {
	uint32_t kind, tag, id;
	uint16_t type;           /* ASK */
	uint8_t status;          /* ANSWER */
	uint8_t servers;         /* ADD: how many */
	uint8_t server, tcp;     /* WANT */
	uint16_t count;          /* ANSWER: addresses */
	char name[DNS_NAME];     /* ASK; ANSWER to PTR */
	struct addr addr[DNS_ADDRS];
};
