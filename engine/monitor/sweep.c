/* SPDX-License-Identifier: MIT
 *
 * engine/monitor/sweep.c - the monitor's cgroup from outside: its name, and what a killed one left of it
 */
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/path.h"
#include "engine/container/cgroup_of.h"
#include "engine/monitor/control.h"
#include "state/lock.h"

char *monitor_cgroup(const struct dirs *d, const char *project)
{
	auto_free char *name = xasprintf("monitor-%s", project);

	return container_cgroup(d, NULL, name);
}
void monitor_sweep(const struct dirs *d, const char *project)
{
	auto_free char *own = monitor_cgroup(d, project);
	auto_free char *parent = path_parent(own);

	if (lock_monitor_held(d, project))
		return; /* it does so itself, last of all */
	cgroup_prune(own);
	cgroup_prune(parent);
}
