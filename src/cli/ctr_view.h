/* SPDX-License-Identifier: MIT
 *
 * cli/ctr_view.h - a container's row as people see it: "Up 3 minutes (healthy)", "127.0.0.1:8080->80/tcp"
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stdint.h>

struct cJSON;
struct ctr_row;
struct db;
struct err;
struct port_rows;
/* Published ports of a running container, none where it joins another one's network: there the owner shows them, as in docker. */
int ctr_view_ports(struct db *db, const struct ctr_row *c, struct port_rows *ret, struct err *e);
/* "Up 3 minutes (healthy)", "Exited (0) 5 seconds ago", "Exited (255: the host restarted)", … NOW as of time_now_ns(). Caller frees. */
char *ctr_view_status(const struct ctr_row *c, const char *boot_id, int64_t now_ns);
/* The state docker compose prints: starting and stopping show as what they were seen as ("created", "running"). */
const char *ctr_view_state(const struct ctr_row *c);
/* All fields of `ps --format json`. FULL: ids and commands are not cut. Caller frees. */
int ctr_view_json(struct db *db, const struct ctr_row *c, int64_t now_ns, bool full, struct cJSON **ret, struct err *e);
