/* SPDX-License-Identifier: MIT
 *
 * engine/kernel/rlimit.h - resource limits of a process by name (getrlimit(2))
 *
 * Every container gets the same baseline whatever the caller's shell has, each value clamped to the caller's hard limit; only what
 * `ulimits:` asks for by name fails when it cannot be had.
 */
#pragma once
#include "base/auto.h"
#include "base/names.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

struct err;
DECLARE_NAMES(rlimit) /* RLIMIT_NOFILE <-> "nofile" */
enum { RLIMIT_COUNT = 16 };
struct rlimit_set {
	struct rlimit v[RLIMIT_COUNT];
	uint32_t set; /* bit per resource that is to be set */
};
/* The baseline clamped to HARD (our own limits). Pure. */
void rlimit_baseline(const struct rlimit hard[RLIMIT_COUNT], struct rlimit_set *ret);
/* -1: unlimited. RAISE: may hard limits be raised (CAP_SYS_RESOURCE)? -EPERM naming the limit otherwise. Pure. */
int rlimit_add(struct rlimit_set *s, const struct rlimit hard[RLIMIT_COUNT], bool raise, const char *name, int64_t soft,
	       int64_t max, struct err *e);
int rlimit_own(struct rlimit ret[RLIMIT_COUNT], struct err *e);
/* What OWN becomes by rlimit_lift, with and without the right to raise hard limits. Pure. */
struct rlimit rlimit_lifted(int resource, struct rlimit own, bool raise);
/* Our own limits on files, their size, CPU time and memory go up as far as they may: monitors and containers outlive the shell that set them.
 * Inherited by all that we start. */
void rlimit_lift(void);
