/* SPDX-License-Identifier: MIT
 *
 * engine/container/mountplan.h - spec -> ordered list of mounts, masked and read-only paths. Pure; rootfs.c and child.c apply it.
 *
 * Order: /proc, /dev and below, /sys and below; then the container's /etc files, init and the user's mounts sorted by depth, so that nothing
 * hides a mount below it by accident. A user's mount replaces the default with the same target; one on /dev replaces all of /dev.
 *
 * Two mounts belong to namespaces that only the container's first process is in (proc: pid, mqueue: ipc). They, and what lies below them,
 * are LATE: rootfs.c makes the target, the child mounts.
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ctr_spec;
struct err;
struct mount_spec;

enum plan_kind {
	PLAN_FS,     /* a new file system of FSTYPE */
	PLAN_DEV,    /* as PLAN_FS, then device nodes, links, devices of the spec */
	PLAN_PTS,    /* as PLAN_FS, then the pty */
	PLAN_BIND,   /* SOURCE, a path of the host */
	PLAN_VOLUME, /* SOURCE, a volume's name */
	PLAN_IMAGE,  /* an image's layers, read-only */
	PLAN_SHM,    /* /dev/shm of the container whose ipc namespace is shared */
	PLAN_KINDS
};
struct plan_mount {
	enum plan_kind kind;
	const char *fstype;
	char *source, *target; /* target absolute and clean */
	char *data;            /* file system's options */
	uint64_t attr;         /* ATTR_* */
	uint64_t propagation;  /* MS_PRIVATE, MS_SHARED, MS_SLAVE */
	bool recursive, recursive_ro;
	bool late;
	bool optional;         /* a host without SOURCE: left out */
	bool is_file;          /* SOURCE is known to be a file: a missing target is made as one (else as what SOURCE is) */
	const struct mount_spec *user; /* NULL: a default one */
};
/* What the plan depends on beside the spec. */
struct plan_host {
	bool cgroup_v2;
	const char *cgroup_unified;          /* mount point, NULL */
	const char *const *cgroup_v1;        /* "/sys/fs/cgroup/memory", … NULL-terminated */
	const char *cgroup_path;             /* the container's, below each of them */
	const char *etc_dir;                 /* hosts, hostname, resolv.conf; NULL */
	const char *init;                    /* init program on the host, NULL */
	unsigned throttled_cpus;             /* CPUs with a thermal_throttle folder, counted from 0 */
	bool ipc_joined;                     /* another container's ipc namespace */
};
struct mountplan {
	struct plan_mount *v;
	size_t n, cap;
	struct strv masked, readonly_paths;
	bool root_readonly;
};
#define MOUNTPLAN_INIT ((struct mountplan){ 0 })
void mountplan_done(struct mountplan *p);
int mountplan_make(const struct ctr_spec *s, const struct plan_host *h, struct mountplan *ret, struct err *e);
/* One line a mount, for tests and --debug. Caller frees. */
char *mountplan_text(const struct mountplan *p);
#define CTR_INIT_PATH "/sbin/docker-init" /* where docker has it, so that process lists look the same */
