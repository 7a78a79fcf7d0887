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
#include "engine/kernel/mount.h"
#include "state/container_store.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>

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

/* In the container's mount namespace: its root mount alone, whatever its first process has made its root. */
static int clone_root(struct err *e)
{
	auto_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = root < 0 ? -errno : mount_clone(root, false);

	if (r >= 0)
		return r;
	if (r == -ENOSYS) {
		err_set(e, ENOSYS, "this kernel cannot show the root of a running container without its mounts (5.12 can)");
		err_hint(e, "stop the container first");
		return -ENOSYS;
	}
	return err_code(e, -r, "the container's root");
}

static int root_of_running(const struct ctr_row *c, struct err *e)
{
	auto_free char *path = xasprintf("/proc/%d/ns/mnt", (int)c->pid.pid);
	auto_close int theirs = open(path, O_RDONLY | O_CLOEXEC), ours = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	auto_close int cwd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int root = -1;

	if (theirs < 0 && errno != ENOENT && errno != ESRCH)
		return err_sys(e, "open '%s'", path);
	if (theirs < 0 || !proc_alive(&c->pid))
		return -ESRCH;
	if (ours < 0)
		return err_sys(e, "open '/proc/self/ns/mnt'");
	if (setns(theirs, CLONE_NEWNS) < 0)
		return err_sys(e, "enter the container's mount namespace");
	root = clone_root(e);
	if (setns(ours, CLONE_NEWNS) < 0)
		BUG("cannot come back from a container's mount namespace: %s", strerror(errno));
	if (cwd >= 0 && fchdir(cwd) < 0)
		return err_instead(e, errno, "go back to the working folder");
	return root < 0 ? root : TAKE_FD(root);
}

static int root_of_stopped(const struct dirs *d, const struct ctr_spec *spec, struct err *e)
{
	const struct mountplan none = MOUNTPLAN_INIT;

	return rootfs_open_view(&(struct rootfs_args){ .dirs = d, .spec = spec, .plan = &none, .shm_mnt = -1, .host_mnt = -1 }, e);
}

int ctr_root_open(const struct dirs *d, const struct ctr_row *c, const struct ctr_spec *spec, struct err *e)
{
	int r = -ESRCH;

	if (ctr_row_alive(c, d->boot_id))
		r = root_of_running(c, e);
	return r == -ESRCH && !e->code ? root_of_stopped(d, spec, e) : r;
}
