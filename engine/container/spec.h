/* SPDX-License-Identifier: MIT
 *
 * engine/container/spec.h - all that a container needs, nothing of compose; JSON both ways (containers/ID/spec.json)
 *
 * Everything is resolved that can be resolved without the container's root: argv is complete (image entrypoint and command
 * applied), env is image + service, the image's ChainIDs are named. What needs the root (user names, the program's path) is
 * resolved at start. Units: bytes, nanoseconds; -1 = unlimited / not set where 0 has a meaning of its own.
 */
#pragma once
#include "base/auto.h"
#include "base/names.h"
#include "base/strv.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cJSON;
struct err;

enum mount_type { MNT_BIND, MNT_VOLUME, MNT_TMPFS, MNT_FILE /* config or secret: a file that gantry wrote */, MNT_IMAGE, MNT_TYPES };
struct mount_spec {
	enum mount_type type;
	char *source;          /* bind: absolute host path; volume: volume name; file: host path below containers/ID/files; image: image id */
	char *target;          /* absolute, clean */
	bool read_only;
	bool recursive_ro;     /* bind: rro */
	bool create_source;    /* bind, short form: make a missing source as a 0755 directory */
	bool nocopy;           /* volume: no copy-up */
	bool anonymous;        /* volume: anonymous, carried over on recreate by target */
	char *subpath;         /* volume, image */
	char *propagation;     /* bind: rprivate (default), private, rshared, shared, rslave, slave */
	bool nonrecursive;     /* bind: MS_BIND without MS_REC */
	int64_t tmpfs_size;    /* -1: no limit */
	int64_t tmpfs_mode;    /* -1: 1777 */
	struct strv options;   /* tmpfs: "exec", "uid=…"; bind: "noexec", …; image: its ChainIDs, lowest first */
	int64_t uid, gid, mode; /* file: owner and mode inside; -1: 0, 0, 0444 */
};
struct device_spec {
	char *host, *ctr, *perms; /* "/dev/kvm", "/dev/kvm", "rwm" */
};
struct ulimit_spec {
	char *name;               /* "nofile" */
	int64_t soft, hard;       /* -1: unlimited */
};
struct health_spec {
	struct strv test;         /* ["CMD", …] or ["CMD-SHELL", "…"]; empty: none */
	int64_t interval_ns, timeout_ns, start_period_ns, start_interval_ns;
	int64_t retries;
};
enum restart_policy { RESTART_NO, RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_UNLESS_STOPPED, RESTART_POLICIES };
struct restart_spec {
	enum restart_policy policy;
	int64_t max_retries;      /* 0: for ever (on-failure) */
	int64_t delay_ns;         /* deploy.restart_policy.delay; -1: docker's backoff 100 ms x 2 up to 60 s */
	int64_t window_ns;        /* -1: 10 s up resets the backoff */
};
struct log_spec {
	char *driver;             /* "json-file", "none", "local" */
	struct strv options;      /* "max-size=10m" */
};
struct resource_spec {        /* -1 (or NULL): not set */
	int64_t memory, memory_reservation, swappiness, pids;
	int64_t memswap;      /* memory + swap; INT64_MIN: not set (2 x memory), -1: unlimited */
	int64_t cpu_quota_us, cpu_period_us, cpu_shares, cpu_rt_runtime_us, cpu_rt_period_us;
	int64_t nano_cpus;        /* cpus x 1e9; lower than 0: not set. Wins over quota */
	char *cpuset_cpus, *cpuset_mems;
	int64_t blkio_weight;
	struct strv blkio_weight_device, read_bps, write_bps, read_iops, write_iops; /* "/dev/sda:1048576" */
	bool oom_kill_disable;
	int64_t oom_score_adj;    /* INT64_MIN: not set (0) */
	char *cgroup_parent;      /* NULL: ours */
	struct strv device_cgroup_rules;
};
struct endpoint_spec {        /* one network that the sandbox joins, in order of connection */
	char *network;            /* real name of the network */
	struct strv aliases;      /* service name included */
	char *ipv4, *ipv6, *mac, *ifname;
	struct strv link_local;
	int64_t priority, gw_priority;
	struct strv driver_opts;
};
struct port_spec {
	char *proto, *host_ip;    /* host_ip "" = all */
	uint16_t ctr_port;
	uint16_t host_port;       /* 0: any free one, then from ephemeral range */
	uint16_t host_port_last;  /* a range to choose from; 0: only host_port */
};

struct ctr_spec {
	char *id, *name, *project, *service;
	int64_t number;
	bool oneoff;
	char *image_ref, *image_id;
	struct strv layers;       /* ChainIDs, lowest first; empty: an empty root */
	char *layers_driver;      /* storage driver in use when created: "overlay", "copy" */
	struct strv labels, annotations; /* K=V */
	struct strv expose;       /* "80/tcp": what the image and the service tell of; for those who look */

	struct strv argv, env;
	bool build_step;          /* of a build: env is all there is (no HOSTNAME), id is a name; not stored */
	char *cwd;                /* NULL: / */
	char *user;               /* "", "name", "uid:gid", … */
	struct strv group_add;
	char *hostname, *domainname;
	bool tty, stdin_open, init, stdin_once;
	char *stop_signal;        /* NULL: SIGTERM */
	int64_t stop_grace_ns;    /* -1: 10 s */

	bool privileged, read_only, no_new_privs, unconfined_paths /* systempaths=unconfined */;
	struct strv cap_add, cap_drop;
	char *seccomp;            /* NULL: default profile; "unconfined"; or the JSON text of a profile */
	char *apparmor, *selinux; /* NULL: default */
	struct strv masked, readonly_paths; /* NULL lists: defaults */
	struct mount_spec *mounts; size_t nmounts;
	struct device_spec *devices; size_t ndevices;
	struct ulimit_spec *ulimits; size_t nulimits;
	struct strv sysctls;      /* K=V */
	int64_t shm_size;         /* -1: 64 MiB */
	char *ipc, *pid, *uts, *cgroupns, *userns; /* NULL private; "host"; "shareable"; "none" (ipc); "container:ID" */

	char *network_mode;       /* "private" (networks below), "none", "host", "container:ID" */
	struct endpoint_spec *endpoints; size_t nendpoints;
	struct port_spec *ports; size_t nports;
	struct strv dns, dns_search, dns_opt, extra_hosts /* "name:ip" or name=ip; ip may be host-gateway */;
	struct strv links;        /* "CONTAINER_NAME:alias": names only this container sees */

	struct resource_spec res;
	struct health_spec health;
	struct restart_spec restart;
	struct log_spec log;
	bool has_pre_stop;        /* hooks, kept as JSON */
	char *hooks;              /* JSON {post_start:[…], pre_stop:[…]}, NULL */
};

DECLARE_NAMES(mount_type)     /* "bind", "volume", "tmpfs", "file", "image" */
DECLARE_NAMES(restart_policy) /* "no", "always", "on-failure", "unless-stopped" */

/* Zeroed with the "not set" values above. Caller frees. */
struct ctr_spec *ctr_spec_new(void);
void ctr_spec_free(struct ctr_spec *s);
DEFINE_AUTO(struct ctr_spec *, ctr_spec_free)
struct mount_spec *ctr_spec_add_mount(struct ctr_spec *s);
struct device_spec *ctr_spec_add_device(struct ctr_spec *s);
struct ulimit_spec *ctr_spec_add_ulimit(struct ctr_spec *s);
struct endpoint_spec *ctr_spec_add_endpoint(struct ctr_spec *s);
struct port_spec *ctr_spec_add_port(struct ctr_spec *s);
struct cJSON *ctr_spec_to_json(const struct ctr_spec *s);
int ctr_spec_from_json(const struct cJSON *j, struct ctr_spec **ret, struct err *e);
/* The name that the container has: its own, the host's where it is in the host's network or UTS namespace, else its short id, as docker
 * names them. BUF holds what is made up. */
enum { CTR_HOSTNAME = 65 };
const char *ctr_spec_hostname(const struct ctr_spec *s, char buf[CTR_HOSTNAME]);
/* One of docker's logging drivers that is not here: the output is kept as json-file. */
bool ctr_log_driver_foreign(const char *driver);
/* What can be said wrong without a kernel: relative paths, unknown capability, signal, … naming the field. */
int ctr_spec_check(const struct ctr_spec *s, struct err *e);
