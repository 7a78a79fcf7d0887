/* SPDX-License-Identifier: MIT
 *
 * engine/kernel/cgroup_limits.c - limits -> files, pure
 */
#include "engine/kernel/cgroup.h"

#include "base/alloc.h"
#include "base/err.h"
#include <errno.h>
#include <stdio.h>

enum { PERIOD_US = 100000 };

void cgroup_files_done(struct cgroup_files *l)
{
	free(l->v);
	*l = (struct cgroup_files){ 0 };
}

static struct cgroup_file *add(struct cgroup_files *l, const char *controller, const char *name, const char *what)
{
	xgrow(&l->v, l->n, &l->cap, sizeof(*l->v));
	l->v[l->n] = (struct cgroup_file){ .controller = controller, .name = name, .what = what };
	return &l->v[l->n++];
}

static void add_text(struct cgroup_files *l, const char *controller, const char *name, const char *what,
		     const char *text)
{
	if (text && *text)
		add(l, controller, name, what)->text = text;
}

static struct cgroup_file *add_int(struct cgroup_files *l, const char *controller, const char *name, const char *what,
				   int64_t v)
{
	struct cgroup_file *f = add(l, controller, name, what);

	snprintf(f->value, sizeof(f->value), "%lld", (long long)v);
	return f;
}

/* -1: "max" */
static struct cgroup_file *add_max(struct cgroup_files *l, const char *controller, const char *name, const char *what,
				   int64_t v)
{
	struct cgroup_file *f = add_int(l, controller, name, what, v);

	if (v < 0)
		snprintf(f->value, sizeof(f->value), "max");
	return f;
}

/* "MAJOR:MINOR KEY=VALUE", one line a device */
static void add_ios(struct cgroup_files *l, const char *controller, const char *name, const char *what,
		    const struct cgroup_ios *ios, const char *key)
{
	for (size_t i = 0; i < ios->n; i++) {
		struct cgroup_file *f = add(l, controller, name, what);

		snprintf(f->value, sizeof(f->value), "%u:%u %s%lld", ios->v[i].major, ios->v[i].minor, key,
			 (long long)ios->v[i].value);
	}
}

/* log2(x) and 2^x for x > 0, enough digits for weights, without libm in every program that starts containers */
static double log2_of(double x)
{
	double r = 0, bit = 0.5;

	for (; x >= 2; x /= 2)
		r++;
	for (int i = 0; i < 40; i++, bit /= 2) {
		x *= x;
		if (x >= 2) {
			x /= 2;
			r += bit;
		}
	}
	return r;
}

static double exp2_of(double x)
{
	double lo = 1, hi = 2;
	double r = 1;

	for (; x >= 1; x--)
		r *= 2;
	for (int i = 0; i < 60; i++) { /* the m in [1, 2) whose log2 is x */
		double mid = (lo + hi) / 2;

		*(log2_of(mid) <= x ? &lo : &hi) = mid;
	}
	return r * lo;
}

int64_t cgroup_shares_to_weight(int64_t shares)
{
	double l, weight;

	if (shares <= 2)
		return 1;
	if (shares >= 262144)
		return 10000;
	/* crun 1.23 and runc 1.3.2: quadratic in log2, so that minimum, default and maximum of both scales meet:
	 * weight = 10^((l^2 + 125 l) / 612 - 7 / 34) */
	l = log2_of((double)shares);
	weight = exp2_of(((l * l + 125 * l) / 612 - 7.0 / 34) * 3.32192809488736234787);
	/* ceil, forgiving the last digits */
	return (int64_t)(weight + 1 - 1e-6);
}

static void quota_of(const struct cgroup_limits *l, int64_t *ret_quota, int64_t *ret_period)
{
	*ret_period = l->cpu_period_us > 0 ? l->cpu_period_us : -1;
	*ret_quota = l->cpu_quota_us > 0 ? l->cpu_quota_us : -1;
	if (l->nano_cpus > 0) {
		*ret_period = PERIOD_US;
		/* the kernel refuses less than 1 ms */
		*ret_quota = MAX(l->nano_cpus / (1000000000 / PERIOD_US), 1000);
	}
}

/* blkio_config's 10..1000 on io.weight's 1..10000, as runc does */
static int64_t io_weight(int64_t weight)
{
	return 1 + (weight - 10) * 9999 / 990;
}

/* Needs a scheduler that knows weights: BFQ, or another one under the second name. */
static void add_weight(struct cgroup_files *l, const char *controller, const char *name, const char *other, int64_t v,
		       int64_t other_v)
{
	struct cgroup_file *f;

	if (v <= 0)
		return;
	f = add_int(l, controller, name, "blkio_config: weight", v);
	f->other_name = other;
	snprintf(f->other_value, sizeof(f->other_value), "%lld", (long long)other_v);
	f->optional = true;
}

static void files_v1(const struct cgroup_limits *l, struct cgroup_files *f)
{
	int64_t quota, period;

	/* in a fresh cgroup memsw is unlimited: the lower limit first, then the sum */
	if (l->memory > 0)
		add_int(f, "memory", "memory.limit_in_bytes", "mem_limit", l->memory);
	if (l->memory > 0 && l->memswap != -1) {
		int64_t sum = l->memswap > 0 ? l->memswap : l->memory * 2;

		/* not there without swap accounting */
		add_int(f, "memory", "memory.memsw.limit_in_bytes", "memswap_limit", sum)->optional = true;
	}
	if (l->reservation > 0)
		add_int(f, "memory", "memory.soft_limit_in_bytes", "mem_reservation", l->reservation);
	if (l->swappiness >= 0)
		add_int(f, "memory", "memory.swappiness", "mem_swappiness", l->swappiness);
	if (l->oom_kill_disable)
		add_int(f, "memory", "memory.oom_control", "oom_kill_disable", 1);
	if (l->pids > 0)
		add_int(f, "pids", "pids.max", "pids_limit", l->pids);
	if (l->cpu_shares > 0)
		add_int(f, "cpu", "cpu.shares", "cpu_shares", l->cpu_shares);
	quota_of(l, &quota, &period);
	if (period > 0)
		add_int(f, "cpu", "cpu.cfs_period_us", "cpu_period", period);
	if (quota > 0)
		add_int(f, "cpu", "cpu.cfs_quota_us", l->nano_cpus > 0 ? "cpus" : "cpu_quota", quota);
	if (l->cpu_rt_period_us > 0)
		add_int(f, "cpu", "cpu.rt_period_us", "cpu_rt_period", l->cpu_rt_period_us);
	if (l->cpu_rt_runtime_us > 0)
		add_int(f, "cpu", "cpu.rt_runtime_us", "cpu_rt_runtime", l->cpu_rt_runtime_us);
	add_text(f, "cpuset", "cpuset.cpus", "cpuset", l->cpuset_cpus);
	add_text(f, "cpuset", "cpuset.mems", "cpuset_mems", l->cpuset_mems);
	add_weight(f, "blkio", "blkio.bfq.weight", "blkio.weight", l->blkio_weight, l->blkio_weight);
	add_ios(f, "blkio", "blkio.bfq.weight_device", "blkio_config: weight_device", &l->weight_device, "");
	add_ios(f, "blkio", "blkio.throttle.read_bps_device", "blkio_config: device_read_bps", &l->read_bps, "");
	add_ios(f, "blkio", "blkio.throttle.write_bps_device", "blkio_config: device_write_bps", &l->write_bps, "");
	add_ios(f, "blkio", "blkio.throttle.read_iops_device", "blkio_config: device_read_iops", &l->read_iops, "");
	add_ios(f, "blkio", "blkio.throttle.write_iops_device", "blkio_config: device_write_iops", &l->write_iops, "");
}

static int files_v2(const struct cgroup_limits *l, struct cgroup_files *f, struct err *e)
{
	int64_t quota, period;

	if (l->cpu_rt_runtime_us > 0 || l->cpu_rt_period_us > 0)
		return err_set(e, EOPNOTSUPP, "cpu_rt_runtime, cpu_rt_period: cgroups v2 cannot do that");
	if (l->memory > 0)
		add_max(f, "memory", "memory.max", "mem_limit", l->memory);
	if (l->memory > 0) {
		int64_t swap = l->memswap == -1 ? -1 : l->memswap > 0 ? l->memswap - l->memory : l->memory;

		add_max(f, "memory", "memory.swap.max", "memswap_limit", swap)->optional = true;
	}
	if (l->reservation > 0)
		add_int(f, "memory", "memory.low", "mem_reservation", l->reservation);
	if (l->pids > 0)
		add_int(f, "pids", "pids.max", "pids_limit", l->pids);
	if (l->cpu_shares > 0)
		add_int(f, "cpu", "cpu.weight", "cpu_shares", cgroup_shares_to_weight(l->cpu_shares));
	quota_of(l, &quota, &period);
	if (quota > 0 || period > 0) {
		struct cgroup_file *c = add(f, "cpu", "cpu.max", l->nano_cpus > 0 ? "cpus" : "cpu_quota");

		if (period < 0)
			period = PERIOD_US;
		if (quota > 0)
			snprintf(c->value, sizeof(c->value), "%lld %lld", (long long)quota, (long long)period);
		else
			snprintf(c->value, sizeof(c->value), "max %lld", (long long)period);
	}
	add_text(f, "cpuset", "cpuset.cpus", "cpuset", l->cpuset_cpus);
	add_text(f, "cpuset", "cpuset.mems", "cpuset_mems", l->cpuset_mems);
	add_weight(f, "io", "io.bfq.weight", "io.weight", l->blkio_weight, io_weight(l->blkio_weight));
	add_ios(f, "io", "io.bfq.weight", "blkio_config: weight_device", &l->weight_device, "");
	add_ios(f, "io", "io.max", "blkio_config: device_read_bps", &l->read_bps, "rbps=");
	add_ios(f, "io", "io.max", "blkio_config: device_write_bps", &l->write_bps, "wbps=");
	add_ios(f, "io", "io.max", "blkio_config: device_read_iops", &l->read_iops, "riops=");
	add_ios(f, "io", "io.max", "blkio_config: device_write_iops", &l->write_iops, "wiops=");
	return 0;
}

int cgroup_limits_files(bool v2, const struct cgroup_limits *l, struct cgroup_files *ret, struct err *e)
{
	if (v2)
		return files_v2(l, ret, e);
	files_v1(l, ret);
	return 0;
}

size_t cgroup_limits_ignored(bool v2, const struct cgroup_limits *l, const char *ret[CGROUP_IGNORED])
{
	size_t n = 0;

	if (v2 && l->swappiness >= 0)
		ret[n++] = "mem_swappiness";
	if (v2 && l->oom_kill_disable)
		ret[n++] = "oom_kill_disable";
	ret[n] = NULL;
	return n;
}
