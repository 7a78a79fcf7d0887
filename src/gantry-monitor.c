/* SPDX-License-Identifier: MIT
 *
 * gantry-monitor - starts, watches, restarts and stops the containers of one project: engine/monitor/monitor.c
 */
#include "engine/monitor/monitor.h"

int main(int argc, char **argv)
{
	return monitor_main(argc, argv);
}

/* XXX: until engine/volume is there, containers with volumes do not start; goes with libvolume.a in src/sources.mk. */
#include "base/dirs.h"
#include "base/err.h"
#include "engine/volume/volume.h"
#include <errno.h>
char *volume_path(const struct dirs *d, const char *name)
{
	return dirs_root(d, "volumes/%s/data", name);
}
int volume_copy_up(const struct dirs *d, const char *name, int rootfs_target, struct err *e)
{
	(void)d;
	(void)rootfs_target;
	return err_set(e, ENOSYS, "volume '%s': this gantry was built without volumes", name);
}
