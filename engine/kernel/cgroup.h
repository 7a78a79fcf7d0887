/* SPDX-License-Identifier: MIT
 *
 * engine/kernel/cgroup.h - one face for control groups: v2, v1, and hybrid (v1 controllers, v2 without any at .../unified)
 *
 * A cgroup is named by its path below each hierarchy's mount, the same in all of them: "gantry-1a2b3c4d/CONTAINER_ID".
 * A pid is never written to cgroup.procs while starting or exec'ing (it waits for an RCU grace period, 7 ms): a process is born in the v2
 * directory (CLONE_INTO_CGROUP) and, single-threaded, writes 0 into each v1 `tasks` file.
 * Limits are worked out as data first (cgroup_limits_files: limits -> files), then written.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct device_rules;
struct err;

struct cgroup_io {         /* per block device */
	unsigned major, minor;
	int64_t value;
};
struct cgroup_ios {
	const struct cgroup_io *v;
	size_t n;
};
struct cgroup_limits {     /* -1 or NULL: not set */
	int64_t memory, reservation, swappiness, pids;
	int64_t memswap;   /* memory + swap; INT64_MIN: not set (2 x memory), -1: unlimited */
	int64_t cpu_quota_us, cpu_period_us, cpu_shares, cpu_rt_runtime_us, cpu_rt_period_us;
	int64_t nano_cpus; /* wins over quota */
	const char *cpuset_cpus, *cpuset_mems;
	int64_t blkio_weight;
	struct cgroup_ios weight_device, read_bps, write_bps, read_iops, write_iops;
	bool oom_kill_disable;
};
#define CGROUP_LIMITS_NONE                                                                                            \
	((struct cgroup_limits){ .memory = -1, .reservation = -1, .swappiness = -1, .pids = -1, .memswap = INT64_MIN, \
				 .cpu_quota_us = -1, .cpu_period_us = -1, .cpu_shares = -1, .cpu_rt_runtime_us = -1,  \
				 .cpu_rt_period_us = -1, .nano_cpus = -1, .blkio_weight = -1 })

struct cgroup_file {
	const char *controller; /* "memory" */
	const char *name;       /* "memory.max" */
	char value[64];         /* cpuset lists: see text */
	const char *text;       /* borrowed from the limits, instead of value */
	const char *what;       /* the user's noun: "mem_limit" */
	const char *other_name; /* instead, where there is no NAME; NULL */
	char other_value[32];
	bool optional;          /* a kernel without any of them is no error: docker warns and goes on */
};
struct cgroup_files {
	struct cgroup_file *v;
	size_t n, cap;
};
void cgroup_files_done(struct cgroup_files *l);
/* Pure; in the order in which they must be written. -EOPNOTSUPP for what this version of cgroups cannot do and must not be left out. */
int cgroup_limits_files(bool v2, const struct cgroup_limits *l, struct cgroup_files *ret, struct err *e);
/* What has no effect with this version of cgroups and is left out, as users call it ("mem_swappiness"), NULL-terminated list in RET. Pure. */
enum { CGROUP_IGNORED = 4 };
size_t cgroup_limits_ignored(bool v2, const struct cgroup_limits *l, const char *ret[CGROUP_IGNORED]);
/* cpu.shares (2..262144, 1024) -> cpu.weight (1..10000, 100). Pure. */
int64_t cgroup_shares_to_weight(int64_t shares);

enum { CGROUP_HIERARCHIES = 16 };
struct cgroup_hierarchy {
	char *dir;   /* "/sys/fs/cgroup/cpu,cpuacct" */
	char *name;  /* "cpu,cpuacct"; its last component */
};
struct cgroup_layout {
	char *unified; /* mount of v2, NULL: none */
	bool v2;       /* v2 has the controllers */
	struct cgroup_hierarchy v1[CGROUP_HIERARCHIES];
	size_t nv1;
};
/* What is mounted at /sys/fs/cgroup; asked once a process. -ENOENT: nothing. */
int cgroup_layout(const struct cgroup_layout **ret, struct err *e);
/* Index of the v1 hierarchy with CONTROLLER, -1: none. */
int cgroup_find_v1(const struct cgroup_layout *l, const char *controller);

/* Descriptors to get into a cgroup. */
struct cgroup_join {
	int unified;                   /* directory for CLONE_INTO_CGROUP, -1 */
	int unified_procs;             /* only for kernels without CLONE_INTO_CGROUP; -1 */
	int tasks[CGROUP_HIERARCHIES]; /* v1: write "0" into each */
	size_t ntasks;
};
#define CGROUP_JOIN_NONE ((struct cgroup_join){ .unified = -1, .unified_procs = -1 })
void cgroup_join_close(struct cgroup_join *j);

/* Makes the directories (and parents), writes limits and device rules (NULL: any device). Undoes on failure; an empty leftover of the same
 * name is replaced. */
int cgroup_make(const char *path, const struct cgroup_limits *limits, const struct device_rules *devices,
		struct cgroup_join *ret, struct err *e);
/* Joins an existing one (exec). -ENOENT: gone. */
int cgroup_open(const char *path, struct cgroup_join *ret, struct err *e);
/* SIGKILL to all in it. 1: there is no such cgroup. */
int cgroup_kill(const char *path, struct err *e);
/* Kills, waits (5 s at most), removes from every hierarchy. Idempotent. */
int cgroup_remove(const char *path, struct err *e);
/* Removes the directories of that name where nothing is in them: a parent of containers when the last is gone. cgroup_make copes with it. */
void cgroup_prune(const char *path);
int cgroup_freeze(const char *path, bool frozen, struct err *e);
int cgroup_oom_kills(const char *path, uint64_t *ret, struct err *e);

/* The processes in it, as our pid namespace numbers them. -ENOENT: gone. Caller frees *ret. */
int cgroup_pids(const char *path, pid_t **ret, size_t *ret_n, struct err *e);

struct cgroup_stats {
	uint64_t cpu_ns;
	uint64_t memory, memory_limit;   /* without inactive page cache, as docker stats shows it; limit UINT64_MAX: none */
	uint64_t pids, pids_limit;
	uint64_t io_read, io_write;      /* bytes */
	uint64_t oom_kills;
};
/* What cannot be read is 0. -ENOENT: gone. */
int cgroup_stats(const char *path, struct cgroup_stats *ret, struct err *e);

/* cgroup_devices.c: a program of type CGROUP_DEVICE on a v2 directory. Attached before any process is in it, so there is no window without. */
struct bpf_insn;
/* RULES -> program; room for MAX instructions; returns their number, -E2BIG. Pure. */
int cgroup_devices_program(const struct device_rules *rules, struct bpf_insn *ret, size_t max);
int cgroup_devices_attach(int dir, const struct device_rules *rules, struct err *e);
