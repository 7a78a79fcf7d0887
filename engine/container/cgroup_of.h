/* SPDX-License-Identifier: MIT
 *
 * engine/container/cgroup_of.h - a container's cgroup: its name and its limits
 */
#pragma once
#include "base/auto.h"
#include "engine/kernel/cgroup.h"

struct ctr_spec;
struct dirs;
struct err;

/* "gantry-ROOTID/ID", or below the spec's cgroup_parent; for all calls of kernel/cgroup.h. SPEC NULL: the default parent. Caller frees. */
char *container_cgroup(const struct dirs *d, const struct ctr_spec *spec, const char *id);

struct ctr_limits {
	struct cgroup_limits limits; /* borrows from the spec and from below */
	struct cgroup_io *io[5];
};
void ctr_limits_done(struct ctr_limits *l);
/* Looks block devices up. */
int ctr_limits_find(const struct ctr_spec *s, struct ctr_limits *ret, struct err *e);
