/* SPDX-License-Identifier: MIT
 *
 * net/port.h - published ports: their text form and how they conflict. Pure.
 */
#pragma once
#include "net/addr.h"
#include <stdbool.h>
#include <stdint.h>

struct err;
/* IPPROTO_TCP, _UDP, _SCTP; -1: none of them. Any case. */
int port_proto(const char *s);
const char *port_proto_name(int proto);

struct port {
	int proto;
	struct addr host;                    /* family 0: all */
	uint16_t host_first, host_last;      /* 0, 0: any free one */
	uint16_t ctr_first, ctr_last;
};
/* "[[host_ip:]host_port:]container_port[/proto]", ports may be ranges; docker's texts for what is wrong. */
int port_parse(const char *s, struct port *ret, struct err *e);
