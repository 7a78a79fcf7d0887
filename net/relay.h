/* SPDX-License-Identifier: MIT
 *
 * net/relay.h - inside of the relay: relay.c (TCP, and the whole), relay_udp.c
 *
 * Doors are the sockets that reserve the published ports. Nearly all packets are rewritten before they reach one; what does arrive at one is carried
 * to the container by hand.
 */
#pragma once
#include "base/loop.h"
#include "net/addr.h"
#include <sys/socket.h>

struct relay_target {
	struct sockaddr_storage addr;
	socklen_t len;
};
enum { RELAY_MAX = 256, RELAY_IDLE_S = 90 }; /* connections or flows at one time */

struct relay_udp; /* flows of one UDP door */
/* DOOR is borrowed. */
int relay_udp_new(struct loop *l, int door, const struct relay_target *to, struct relay_udp **ret, struct err *e);
void relay_udp_free(struct relay_udp *u);
