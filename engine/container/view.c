/* SPDX-License-Identifier: MIT */
#include "engine/container/view.h"

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/proc.h"
#include "engine/container/devices.h"
#include "engine/container/mountplan.h"
#include "engine/container/rootfs.h"
#include "engine/container/spec.h"
#include "state/container_store.h"
#include <errno.h>
#include <fcntl.h>

/* The process is looked at again when its root is open: the number may have gone to another one in between. */
static int open_running(const struct ctr_row *c, struct err *e)
{
	auto_free char *path = xasprintf("/proc/%d/root", (int)c->pid.pid);
	auto_close int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno != ENOENT && errno != ESRCH)
		return err_sys(e, "open '%s'", path);
	return fd >= 0 && proc_alive(&c->pid) ? TAKE_FD(fd) : -ESRCH;
}

static int open_stopped(const struct dirs *d, const struct ctr_spec *spec, struct err *e)
{
	const struct plan_host none = { 0 };
	struct mountplan plan = MOUNTPLAN_INIT, own = MOUNTPLAN_INIT;
	int r = mountplan_make(spec, &none, &plan, e);

	own.v = xcalloc(plan.n + 1, sizeof(*own.v));
	for (size_t i = 0; i < plan.n; i++)
		if (plan.v[i].user && !plan.v[i].late && !plan.v[i].fstype)
			own.v[own.n++] = plan.v[i];
	if (r >= 0)
		r = rootfs_open_view(&(struct rootfs_args){ .dirs = d, .spec = spec, .plan = &own, .shm_mnt = -1, .host_mnt = -1 }, e);
	free(own.v);
	mountplan_done(&plan);
	return r;
}

int ctr_view_open(const struct dirs *d, const struct ctr_row *c, const struct ctr_spec *spec, struct err *e)
{
	int r = -ESRCH;

	if (ctr_row_alive(c, d->boot_id))
		r = open_running(c, e);
	return r == -ESRCH && !e->code ? open_stopped(d, spec, e) : r;
}
