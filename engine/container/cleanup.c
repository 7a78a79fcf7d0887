/* SPDX-License-Identifier: MIT
 *
 * engine/container/cleanup.c - whatever may be left of a container in the kernel
 *
 * Its mounts live in its mount namespace and its network in its sandbox's, so they go with the last process; what has a name of its own is the
 * cgroup and the run folder.
 */
#include "engine/container/container.h"

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/id.h"
#include "engine/container/cgroup_of.h"
#include "engine/kernel/cgroup.h"
#include <errno.h>

int container_cleanup(const struct dirs *d, const char *id, struct err *e)
{
	AUTO(ctr_spec_free) struct ctr_spec *s = NULL;
	AUTO_ERR(unreadable);
	AUTO_ERR(second);
	auto_free char *run = NULL, *cgroup = NULL;
	int r;

	if (!id_is(id))
		return err_set(e, EINVAL, "container id '%s' is not 64 hex digits", id);
	FP("ctr.cleanup", e);
	/* without a description (half made, half removed) it can only be where containers are by default */
	(void)container_load_spec(d, id, &s, &unreadable);
	cgroup = container_cgroup(d, s, id);
	run = dirs_run(d, "c/%s", id);
	r = cgroup_remove(cgroup, e);
	if (file_remove_tree_path(run, &second) < 0 && r >= 0)
		r = err_move(e, &second);
	return r < 0 ? r : 0;
}
