/* SPDX-License-Identifier: MIT
 *
 * engine/container/child.h - between clone and exec: system calls only, on data that was made before
 */
#pragma once
#include "base/auto.h"
#include "engine/kernel/rlimit.h"
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct rootfs_late;

/* In the order in which they are gone through; child.c says what each does. */
enum child_stage {
	CHILD_BORN, CHILD_CGROUP, CHILD_SESSION, CHILD_NAMESPACE, CHILD_FORK, CHILD_HOSTNAME, CHILD_CGROUPNS, CHILD_MOUNT, CHILD_OOM,
	CHILD_LSM, CHILD_SYSCTL, CHILD_MASK, CHILD_READONLY, CHILD_ROOT_READONLY, CHILD_PIVOT, CHILD_KEYRING, CHILD_STDIO,
	CHILD_CWD, CHILD_AFFINITY, CHILD_RLIMIT, CHILD_BOUNDING, CHILD_SECCOMP, CHILD_GROUPS, CHILD_UID, CHILD_CAPS, CHILD_EXEC,
	CHILD_READY, CHILD_STAGES
};
/* In memory shared by parent and child; the parent reads it when its clone(CLONE_VFORK) comes back, which is at exec or exit. */
struct child_report {
	volatile uint32_t stage; /* being worked on; CHILD_READY: exec was called */
	volatile int32_t sys;    /* errno of what failed, 0: nothing did */
	volatile uint32_t index; /* which mount, path, sysctl, rlimit, candidate */
	volatile int32_t pid;    /* exec: the process in the container, in the caller's pid namespace */
};

struct child_sysctl {
	const char *path;   /* below /proc: "sys/net/…" */
	const char *value;
	bool optional;      /* not there: fine */
};
/* What both a first process and an exec'd one become. */
struct child_process {
	int stdio[3];       /* all >= 3 */
	bool tty;           /* stdio[0] is to be the controlling terminal */
	const char *cwd;
	const struct rlimit_set *rlimits;
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t ngroups;
	uint64_t caps;      /* bounding; effective and permitted too for uid 0 */
	int cap_last;
	const struct sock_fprog *seccomp; /* NULL: none */
	unsigned seccomp_flags;
	bool no_new_privs;
	const char *const *paths; /* candidates for argv[0], NULL-terminated */
	char *const *argv, *const *env;
};
struct child_lsm {
	const char *file;   /* below /proc: "self/attr/apparmor/exec"; NULL: none */
	const char *fallback;
	const char *label;
};
struct child_start {
	struct child_report *report;
	struct child_process process;
	const int *tasks;   /* v1: write 0 into each */
	size_t ntasks;
	int unified_procs;  /* -1: born in it */
	int join_ipc, join_uts;           /* -1 */
	bool own_uts, cgroupns;
	const char *hostname, *domainname; /* NULL: as they are */
	int root;
	const struct rootfs_late *late;
	size_t nlate;
	const char *oom_score_adj;
	bool oom_required;
	struct child_lsm lsm;
	const struct child_sysctl *sysctls;
	size_t nsysctls;
	char *const *masked, *const *readonly_paths; /* NULL-terminated */
	int null, mask;
	bool root_readonly;
	const char *keyring;
};
/* The first process; never returns. */
_Noreturn void child_start(const struct child_start *c);

struct child_range {
	void *start;
	size_t size;
};
struct child_exec {
	struct child_report *report;
	const struct child_process *process; /* in pages that are not among DROP, as all it points to */
	const struct child_range *drop;      /* memory that the process in the container does not get */
	size_t ndrop;
	const int *tasks;
	size_t ntasks;
	int unified_procs;
	int target;         /* pidfd of the container's first process, or -1: namespace fds below */
	int ns_types;       /* CLONE_NEW* that are not shared already */
	const int *ns_fds, *ns_fd_types;
	size_t nns;
	const char *oom_score_adj;
	bool oom_required;
	struct child_lsm lsm;
	const char *keyring;
	char *const *environ_wipe; /* our own environment: overwritten before anything of it is in the container; NULL */
};
/* The process between: joins cgroup and namespaces, closes all else, makes the process in the container as the caller's child and ends. */
_Noreturn void child_exec(const struct child_exec *c);
