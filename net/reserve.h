/* SPDX-License-Identifier: MIT
 *
 * net/reserve.h - sockets that keep a published port ours
 *
 * Address rewriting takes no port of the host, so without a socket any program could bind it and never see a packet. TCP sockets listen, because
 * only a listening one keeps others with SO_REUSEADDR away, and so they serve as the door of net/relay. A port of all addresses is one socket of
 * both families.
 */
#pragma once
#include "net/addr.h"
#include <stdbool.h>
#include <stdint.h>

struct err;
/* In the namespace of the caller. HOST family 0: all addresses. Returns the socket. -EADDRINUSE names the process that has it. */
int reserve_port(int proto, const struct addr *host, uint16_t port, struct err *e);
/* Could it be bound now? HOST_IP "" = all. */
bool reserve_free(int proto, const char *host_ip, uint16_t port);
/* ip_local_port_range */
void reserve_ephemeral(unsigned *ret_first, unsigned *ret_last);
