/* SPDX-License-Identifier: MIT */
#include "engine/container/cgroup_of.h"

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "engine/container/spec.h"
#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

char *container_cgroup(const struct dirs *d, const struct ctr_spec *spec, const char *id)
{
	const char *parent = spec ? spec->res.cgroup_parent : NULL;

	while (parent && *parent == '/')
		parent++;
	if (parent && *parent)
		return xasprintf("%s/%s", parent, id);
	return xasprintf("gantry-%s/%s", d->root_id, id);
}

void ctr_limits_done(struct ctr_limits *l)
{
	for (size_t i = 0; i < ARRAY_LEN(l->io); i++)
		free(l->io[i]);
}

/* "/dev/sda:1048576" or "/dev/sda:10mb" */
static int find_io(const struct strv *list, const char *what, struct cgroup_io **ret_v, struct cgroup_ios *ret, struct err *e)
{
	struct cgroup_io *v = *ret_v = xcalloc(list->n + 1, sizeof(*v));

	for (size_t i = 0; i < list->n; i++) {
		const char *colon = strrchr(list->v[i], ':');
		auto_free char *path = colon ? xstrndup(list->v[i], (size_t)(colon - list->v[i])) : NULL;
		struct stat st;

		if (!colon)
			return err_set(e, EINVAL, "blkio_config: %s: '%s' is not DEVICE:VALUE", what, list->v[i]);
		if (num_bytes(colon + 1, &v[i].value, e) < 0)
			return err_wrap(e, "blkio_config: %s", what);
		if (stat(path, &st) < 0)
			return err_sys(e, "blkio_config: %s: '%s'", what, path);
		if (!S_ISBLK(st.st_mode))
			return err_set(e, ENOTBLK, "blkio_config: %s: '%s' is no block device", what, path);
		v[i].major = major(st.st_rdev);
		v[i].minor = minor(st.st_rdev);
	}
	*ret = (struct cgroup_ios){ v, list->n };
	return 0;
}

int ctr_limits_find(const struct ctr_spec *s, struct ctr_limits *ret, struct err *e)
{
	const struct resource_spec *r = &s->res;
	struct cgroup_limits *l = &ret->limits;

	*ret = (struct ctr_limits){ 0 };
	*l = (struct cgroup_limits){
		.memory = r->memory, .reservation = r->memory_reservation, .swappiness = r->swappiness, .pids = r->pids,
		.memswap = r->memswap, .cpu_quota_us = r->cpu_quota_us, .cpu_period_us = r->cpu_period_us,
		.cpu_shares = r->cpu_shares, .cpu_rt_runtime_us = r->cpu_rt_runtime_us,
		.cpu_rt_period_us = r->cpu_rt_period_us, .nano_cpus = r->nano_cpus, .cpuset_cpus = r->cpuset_cpus,
		.cpuset_mems = r->cpuset_mems, .blkio_weight = r->blkio_weight, .oom_kill_disable = r->oom_kill_disable,
	};
	TRY(find_io(&r->blkio_weight_device, "weight_device", &ret->io[0], &l->weight_device, e));
	TRY(find_io(&r->read_bps, "device_read_bps", &ret->io[1], &l->read_bps, e));
	TRY(find_io(&r->write_bps, "device_write_bps", &ret->io[2], &l->write_bps, e));
	TRY(find_io(&r->read_iops, "device_read_iops", &ret->io[3], &l->read_iops, e));
	return find_io(&r->write_iops, "device_write_iops", &ret->io[4], &l->write_iops, e);
}
