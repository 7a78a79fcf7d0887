/* SPDX-License-Identifier: MIT
 *
 * engine/monitor/health.h - health checks: when to probe and what a result means. Pure; the probe itself is run by monitor/probe.c
 *
 * The rules are docker's: the first probe comes one interval after the start; the pause runs from the end of a probe to the start of the
 * next; while `starting` and within start_period, start_interval is used and failures do not count; any success means healthy.
 */
#pragma once
#include "engine/container/spec.h"
#include "state/container_store.h"

enum { HEALTH_KEPT = 5, HEALTH_OUTPUT = 4096, HEALTH_TIMEOUT_CODE = -1 };
struct health_result {
	int64_t start_ns, end_ns; /* CLOCK_REALTIME */
	int64_t code;             /* 0 healthy; HEALTH_TIMEOUT_CODE */
	char *output;             /* owned; at most HEALTH_OUTPUT bytes */
};
struct health {
	enum ctr_health status;
	int64_t streak;           /* failures in a row that count */
	struct health_result kept[HEALTH_KEPT]; /* oldest first */
	size_t nkept;
	int64_t told_code;        /* exit code in the row's log: only a change is written to disk */
};
/* A check is there and not ["NONE"]. */
bool health_wanted(const struct health_spec *spec);
void health_begin(struct health *h, const struct health_spec *spec);
void health_done(struct health *h);
/* Pause until the next probe, RUNNING_NS after the container's start. */
int64_t health_pause(const struct health *h, const struct health_spec *spec, int64_t running_ns);
int64_t health_timeout(const struct health_spec *spec);
/* Takes R's output. STARTED_NS (CLOCK_REALTIME): the container's start. Returns 0: nothing that anybody must hear; HEALTH_LOG: the row's
 * log is out of date; HEALTH_STATUS: the status changed too. */
enum { HEALTH_LOG = 1, HEALTH_STATUS = 2 };
int health_take(struct health *h, const struct health_spec *spec, int64_t started_ns, const struct health_result *r);
/* JSON array of what is kept: [{"Start","End","ExitCode","Output"}], as docker's inspect. Caller frees. */
char *health_json(const struct health *h);
/* The command inside the container: argv of ["CMD", …] or the shell of ["CMD-SHELL", "…"]. */
void health_argv(const struct health_spec *spec, struct strv *ret);
