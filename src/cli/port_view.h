/* SPDX-License-Identifier: MIT
 *
 * cli/port_view.h - a container's ports as `ps` shows them: published ones and those that are only exposed. Pure.
 */
#pragma once
#include "base/auto.h"
#include <stddef.h>
#include <stdint.h>

struct cJSON;
struct shown_port {
	char *ip;                 /* "" where the port is only exposed */
	char *proto;
	uint16_t target, published; /* published 0: only exposed */
};
struct shown_ports {
	struct shown_port *v;
	size_t n, cap;
};
void shown_ports_done(struct shown_ports *l);
/* Copies its texts. PUBLISHED 0: only exposed, and then IP is "". */
void shown_ports_add(struct shown_ports *l, const char *ip, uint16_t published, uint16_t target, const char *proto);
/* By target, as the engine's API lists them, without exposed ports that are there as well, published or not: call it before the two below. */
void shown_ports_sort(struct shown_ports *l);
/* docker's text: neighbours that are published under their own number, or only exposed, become a range. Caller frees. */
char *shown_ports_text(const struct shown_ports *l);
/* {"URL", "TargetPort", "PublishedPort", "Protocol"} for each, appended to LIST. */
void shown_ports_json(const struct shown_ports *l, struct cJSON *list);
