/* SPDX-License-Identifier: MIT
 *
 * engine/container/child.c - the child's side of start and exec: async-signal-safe, no allocation, no stdio, no struct err
 *
 * Order of a start (K has built the mounts, child and K share the mount namespace until K goes back to the host's):
 *
 *	cgroup      v1: 0 into each `tasks`; v2: born in it
 *	session     own session, not dumpable (nobody of the container's pid namespace looks into us)
 *	namespace   ipc, uts of another container; host name; cgroup namespace, only now that the cgroup is ours
 *	mount       /proc and /dev/mqueue, which belong to namespaces that only we are in, and what lies below them
 *	oom, lsm,   written through the fresh /proc, before anything is mounted over parts of it
 *	sysctl
 *	mask,       hidden and read-only paths; the root itself read-only
 *	readonly
 *	pivot       the host's tree is gone
 *	keyring     a session keyring of its own
 *	stdio       0, 1, 2; every other descriptor is closed: nothing of the host is left to leak
 *	cwd         entered, and checked to be inside (CVE-2024-21626)
 *	affinity    all CPUs of the cpuset; rlimits; signals as new; umask 022
 *	bounding    capabilities out of the bounding set
 *	seccomp     now, as it needs CAP_SYS_ADMIN; after the capabilities are gone with no_new_privs
 *	groups, uid, caps
 *	exec        the candidates in order
 *
 * Order of an exec: cgroup, oom, lsm, keyring, namespaces, stdio (everything else closed), fork into the pid namespace, then as above from
 * cwd on.
 */
#include "engine/container/child.h"

#include "engine/container/rootfs.h"
#include "engine/kernel/mount.h"
#include "engine/kernel/ns.h"
#include "engine/kernel/probe.h"
#include <errno.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

enum { SIGNALS = 64, CPU_BYTES = 1024, FDS_FALLBACK = 65536, EXIT_FAILED = 127 };

#ifdef SYS_setgroups32
#define CHILD_SETGROUPS SYS_setgroups32
#define CHILD_SETRESGID SYS_setresgid32
#define CHILD_SETRESUID SYS_setresuid32
#else
#define CHILD_SETGROUPS SYS_setgroups
#define CHILD_SETRESGID SYS_setresgid
#define CHILD_SETRESUID SYS_setresuid
#endif

static _Noreturn void child_fail(struct child_report *r, unsigned index, int sys)
{
	r->index = index;
	r->sys = sys ? sys : EIO;
	_exit(EXIT_FAILED);
}

static void child_stage(struct child_report *r, enum child_stage stage)
{
	r->stage = stage;
}

/* 0 or -errno: the whole text in one write */
static int child_put(int dir, const char *path, const char *text)
{
	int fd = openat(dir, path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	n = n < 0 ? -errno : 0;
	close(fd);
	return (int)n;
}

static void child_join_cgroup(struct child_report *r, const int *tasks, size_t n, int procs)
{
	child_stage(r, CHILD_CGROUP);
	for (size_t i = 0; i < n; i++)
		if (write(tasks[i], "0", 1) < 0)
			child_fail(r, (unsigned)i, errno);
	if (procs >= 0 && write(procs, "0", 1) < 0)
		child_fail(r, (unsigned)n, errno);
}

static void child_oom(struct child_report *r, int proc, const char *value, bool required)
{
	int n;

	child_stage(r, CHILD_OOM);
	n = child_put(proc, "self/oom_score_adj", value);
	if (n < 0 && required)
		child_fail(r, 0, -n);
}

static void child_lsm(struct child_report *r, int proc, const struct child_lsm *l)
{
	int n;

	child_stage(r, CHILD_LSM);
	if (!l->file)
		return;
	n = child_put(proc, l->file, l->label);
	if (n == -ENOENT && l->fallback)
		n = child_put(proc, l->fallback, l->label);
	if (n < 0)
		child_fail(r, 0, -n);
}

/* ---- start: namespaces and mounts ------------------------------------------------------------------------------------- */

static void child_namespaces(const struct child_start *c)
{
	struct child_report *r = c->report;
	int n;

	child_stage(r, CHILD_SESSION);
	if (setsid() < 0)
		child_fail(r, 0, errno);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		child_fail(r, 1, errno);
	child_stage(r, CHILD_NAMESPACE);
	if (c->join_ipc >= 0 && (n = ns_enter(c->join_ipc, CLONE_NEWIPC)) < 0)
		child_fail(r, 0, -n);
	if (c->join_uts >= 0 && (n = ns_enter(c->join_uts, CLONE_NEWUTS)) < 0)
		child_fail(r, 1, -n);
	child_stage(r, CHILD_HOSTNAME);
	if (c->own_uts && c->hostname && sethostname(c->hostname, strlen(c->hostname)) < 0)
		child_fail(r, 0, errno);
	if (c->own_uts && c->domainname && setdomainname(c->domainname, strlen(c->domainname)) < 0)
		child_fail(r, 1, errno);
	child_stage(r, CHILD_CGROUPNS);
	if (c->cgroupns && (n = ns_unshare(CLONE_NEWCGROUP)) < 0)
		child_fail(r, 0, -n);
}

/* Returns an fd of the mount's root for a file system, else 0. */
static int child_mount_one(const struct child_start *c, const struct rootfs_late *m)
{
	int target = m->target, r;
	bool mine = target < 0;

	if (mine) {
		target = mount_open_in(c->root, m->path, O_PATH);
		if (target < 0)
			return target;
	}
	if (m->fstype)
		r = mount_fs(m->fstype, m->data, m->attr, target, c->root, m->path);
	else
		r = mount_bind(&(struct mount_bind){
			.source = m->source, .target = target, .attr = m->attr, .propagation = m->propagation,
			.recursive = m->recursive, .recursive_attr = m->recursive_ro, .detached = m->detached,
			.dir = c->root, .name = m->path,
		});
	if (mine)
		close(target);
	return r;
}

/* Returns an fd of the container's /proc: ours, made a moment ago, with nothing mounted over it. */
static int child_mount_proc(const struct child_start *c)
{
	struct child_report *r = c->report;
	struct statfs fs;

	child_stage(r, CHILD_MOUNT);
	for (size_t i = 0; i < c->nlate; i++) {
		int proc;

		if (!c->late[i].is_proc)
			continue;
		proc = child_mount_one(c, &c->late[i]);
		if (proc < 0)
			child_fail(r, (unsigned)i, -proc);
		if (fstatfs(proc, &fs) < 0 || fs.f_type != MAGIC_PROC)
			child_fail(r, (unsigned)i, ENODEV);
		return proc;
	}
	child_fail(r, 0, ENODEV);
}

static void child_mount_rest(const struct child_start *c)
{
	struct child_report *r = c->report;

	child_stage(r, CHILD_MOUNT);
	for (size_t i = 0; i < c->nlate; i++) {
		int n;

		if (c->late[i].is_proc)
			continue;
		n = child_mount_one(c, &c->late[i]);
		if (n < 0)
			child_fail(r, (unsigned)i, -n);
		if (n > 0)
			close(n);
	}
}

static void child_sysctls(const struct child_start *c, int proc)
{
	struct child_report *r = c->report;

	child_stage(r, CHILD_SYSCTL);
	for (size_t i = 0; i < c->nsysctls; i++) {
		const struct child_sysctl *s = &c->sysctls[i];
		int n = child_put(proc, s->path, s->value);

		if (n < 0 && !s->optional)
			child_fail(r, (unsigned)i, -n);
	}
}

/* An empty read-only folder on TARGET: the same one everywhere, so it costs one superblock. *ATTACHED: it is in the tree already. */
static int child_mask_dir(const struct child_start *c, int target, bool *attached)
{
	int copy, r;

	if (c->mask < 0)
		return mount_fs("tmpfs", "nr_blocks=1,nr_inodes=1", ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC, target,
				-1, NULL);
	if (!*attached) {
		*attached = true;
		return mount_attach(c->mask, target);
	}
	copy = mount_clone(c->mask, false);
	if (copy < 0)
		return copy;
	r = mount_attach(copy, target);
	close(copy);
	return r;
}

static void child_masks(const struct child_start *c)
{
	struct child_report *r = c->report;
	bool attached = false;

	child_stage(r, CHILD_MASK);
	for (unsigned i = 0; c->masked[i]; i++) {
		int target = mount_open_in(c->root, c->masked[i], O_PATH), n;
		struct stat st;

		if (target == -ENOENT || target == -ENOTDIR)
			continue;
		if (target < 0)
			child_fail(r, i, -target);
		if (fstat(target, &st) < 0)
			child_fail(r, i, errno);
		if (S_ISDIR(st.st_mode))
			n = child_mask_dir(c, target, &attached);
		else
			n = mount_bind(&(struct mount_bind){ .source = c->null, .target = target, .propagation = 0 });
		if (n < 0)
			child_fail(r, i, -n);
		close(target);
	}
	child_stage(r, CHILD_READONLY);
	for (unsigned i = 0; c->readonly_paths[i]; i++) {
		int target = mount_open_in(c->root, c->readonly_paths[i], O_PATH), n;

		if (target == -ENOENT || target == -ENOTDIR)
			continue;
		if (target < 0)
			child_fail(r, i, -target);
		n = mount_bind(&(struct mount_bind){
			.source = target, .target = target, .attr = ATTR_RDONLY, .recursive = true, .recursive_attr = true,
			.dir = c->root, .name = c->readonly_paths[i],
		});
		if (n < 0)
			child_fail(r, i, -n);
		close(target);
	}
}

static void child_pivot(const struct child_start *c)
{
	struct child_report *r = c->report;
	int n;

	child_stage(r, CHILD_ROOT_READONLY);
	if (c->root_readonly && (n = mount_remount(c->root, ATTR_RDONLY)) < 0)
		child_fail(r, 0, -n);
	child_stage(r, CHILD_PIVOT);
	/* the old root ends up on top of the new one, at ".": pivot_root(2), NOTES */
	if (fchdir(c->root) < 0)
		child_fail(r, 0, errno);
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		child_fail(r, 1, errno);
	if (umount2(".", MNT_DETACH) < 0)
		child_fail(r, 2, errno);
	if (chdir("/") < 0)
		child_fail(r, 3, errno);
}

/* ---- what a first and an exec'd process have in common ---------------------------------------------------------------- */

static void child_close_all(void)
{
	if (kernel_probe()->close_range && syscall(SYS_close_range, 3, ~0u, 0) == 0)
		return;
	for (int fd = 3; fd < FDS_FALLBACK; fd++)
		close(fd);
}

/* 0, 1, 2 and nothing else. */
static void child_stdio(const struct child_process *p, struct child_report *r)
{
	child_stage(r, CHILD_STDIO);
	for (int i = 0; i < 3; i++)
		if (dup2(p->stdio[i], i) < 0)
			child_fail(r, (unsigned)i, errno);
	if (p->tty && ioctl(0, TIOCSCTTY, 0) < 0)
		child_fail(r, 3, errno);
	child_close_all();
}

static int child_chdir(const char *path)
{
	int root, fd, r;

	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	/* without openat2, links may be followed: there is no descriptor left that a magic one could lead to */
	fd = kernel_probe()->openat2 ? mount_open_in(root, path, O_PATH | O_DIRECTORY) : open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && !kernel_probe()->openat2)
		fd = -errno;
	close(root);
	if (fd < 0)
		return fd;
	r = fchdir(fd) < 0 ? -errno : 0;
	close(fd);
	return r;
}

/* 1: not with root's rights; to be tried again as the user. */
static int child_cwd(const struct child_process *p, struct child_report *r, bool last)
{
	char where[4096];
	int n;

	child_stage(r, CHILD_CWD);
	n = child_chdir(p->cwd);
	if (n == -EACCES && !last)
		return 1;
	if (n < 0)
		child_fail(r, 0, -n);
	if (syscall(SYS_getcwd, where, sizeof(where)) < 0 || where[0] != '/')
		child_fail(r, 1, ENOENT); /* "(unreachable)/…" */
	return 0;
}

static void child_limits(const struct child_process *p, struct child_report *r)
{
	unsigned char cpus[CPU_BYTES];
	struct {
		uint64_t handler;
		unsigned long flags, restorer;
		uint64_t mask;
	} action = { 0 }; /* large enough for every layout of the kernel's struct sigaction: SIG_DFL is all zeros */
	uint64_t none = 0;

	/* an affinity that we inherited must not become the container's: the kernel cuts this down to the cpuset */
	child_stage(r, CHILD_AFFINITY);
	memset(cpus, 0xff, sizeof(cpus));
	(void)syscall(SYS_sched_setaffinity, 0, sizeof(cpus), cpus);
	child_stage(r, CHILD_RLIMIT);
	for (int i = 0; i < RLIMIT_COUNT; i++)
		if (p->rlimits->set & (1u << i) && setrlimit((__rlimit_resource_t)i, &p->rlimits->v[i]) < 0)
			child_fail(r, (unsigned)i, errno);
	for (int i = 1; i <= SIGNALS; i++)
		(void)syscall(SYS_rt_sigaction, i, &action, NULL, sizeof(none)); /* SIGKILL and SIGSTOP cannot */
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
	umask(022);
}

static void child_seccomp(const struct child_process *p, struct child_report *r)
{
	child_stage(r, CHILD_SECCOMP);
	if (!p->seccomp)
		return;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, p->seccomp_flags, p->seccomp) < 0)
		child_fail(r, 0, errno);
}

static void child_capset(const struct child_process *p, struct child_report *r)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	/* a user other than root gets none of them, only the bounding set */
	uint64_t caps = p->uid == 0 ? p->caps : 0;

	child_stage(r, CHILD_CAPS);
	for (unsigned i = 0; i < 2; i++) {
		data[i].effective = data[i].permitted = (uint32_t)(caps >> (32 * i));
		data[i].inheritable = 0; /* CVE-2022-24769 */
	}
	if (syscall(SYS_capset, &header, data) < 0)
		child_fail(r, 0, errno);
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		child_fail(r, 1, errno);
}

/* Raw calls: the C library's tell other threads, of which there are none, through memory that is not ours to touch. */
static void child_become(const struct child_process *p, struct child_report *r)
{
	child_stage(r, CHILD_BOUNDING);
	for (int i = 0; i <= p->cap_last; i++)
		if (!(p->caps >> i & 1) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
			child_fail(r, (unsigned)i, errno);
	if (!p->no_new_privs)
		child_seccomp(p, r);
	child_stage(r, CHILD_GROUPS);
	if (syscall(CHILD_SETGROUPS, p->ngroups, p->groups) < 0)
		child_fail(r, 0, errno);
	child_stage(r, CHILD_UID);
	if (syscall(CHILD_SETRESGID, p->gid, p->gid, p->gid) < 0)
		child_fail(r, 0, errno);
	if (syscall(CHILD_SETRESUID, p->uid, p->uid, p->uid) < 0)
		child_fail(r, 1, errno);
	child_capset(p, r);
}

/* As execvp(3) over candidates: one that may not be run does not hide a later one that may. */
static _Noreturn void child_run(const struct child_process *p, struct child_report *r)
{
	int worst = ENOENT;
	unsigned which = 0;

	child_stage(r, CHILD_READY);
	for (unsigned i = 0; p->paths[i]; i++) {
		struct stat st;
		int sys;

		execve(p->paths[i], p->argv, p->env);
		sys = errno;
		if (sys == ENOENT && fstatat(AT_FDCWD, p->paths[i], &st, 0) == 0)
			sys = ELIBBAD; /* it is there, its interpreter is not */
		if (sys != ENOENT && sys != ENOTDIR) {
			worst = sys;
			which = i;
			if (sys != EACCES)
				break;
		}
	}
	child_stage(r, CHILD_EXEC);
	child_fail(r, which, worst);
}

static _Noreturn void child_finish(const struct child_process *p, struct child_report *r)
{
	bool again = child_cwd(p, r, false) == 1;

	child_limits(p, r);
	child_become(p, r);
	if (again)
		(void)child_cwd(p, r, true);
	if (p->no_new_privs) {
		child_stage(r, CHILD_SECCOMP);
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
			child_fail(r, 1, errno);
		child_seccomp(p, r);
	}
	child_run(p, r);
}

_Noreturn void child_start(const struct child_start *c)
{
	struct child_report *r = c->report;
	int proc;

	child_join_cgroup(r, c->tasks, c->ntasks, c->unified_procs);
	child_namespaces(c);
	proc = child_mount_proc(c);
	child_oom(r, proc, c->oom_score_adj, c->oom_required);
	child_lsm(r, proc, &c->lsm);
	child_sysctls(c, proc);
	child_mount_rest(c);
	child_masks(c);
	child_pivot(c);
	child_stage(r, CHILD_KEYRING);
	/* without key support, or with the quota used up, the container keeps the session keyring that it was born with */
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, c->keyring, 0, 0, 0);
	child_stdio(&c->process, r);
	child_finish(&c->process, r);
}

/* ---- exec ------------------------------------------------------------------------------------------------------------- */

static void child_enter(const struct child_exec *c)
{
	struct child_report *r = c->report;
	int n = -EINVAL;

	child_stage(r, CHILD_NAMESPACE);
	if (c->target >= 0) {
		n = ns_enter(c->target, c->ns_types);
		if (n < 0 && n != -EINVAL)
			child_fail(r, 0, -n);
	}
	/* before 5.8 setns takes no pidfd */
	for (size_t i = 0; n < 0 && i < c->nns; i++) {
		int one = ns_enter(c->ns_fds[i], c->ns_fd_types[i]);

		if (one < 0)
			child_fail(r, (unsigned)i + 1, -one);
	}
	if (chdir("/") < 0)
		child_fail(r, 0, errno);
}

/* P and R, not the rest: it may lie in memory that is not here any more. */
static _Noreturn void child_exec_inner(const struct child_process *p, struct child_report *r)
{

	child_stage(r, CHILD_SESSION);
	if (setsid() < 0)
		child_fail(r, 0, errno);
	child_stage(r, CHILD_STDIO);
	if (p->tty && ioctl(0, TIOCSCTTY, 0) < 0)
		child_fail(r, 3, errno);
	child_finish(p, r);
}

_Noreturn void child_exec(const struct child_exec *c)
{
	const struct child_process *p = c->process;
	struct child_report *r = c->report;
	int proc;
	pid_t pid;

	child_join_cgroup(r, c->tasks, c->ntasks, c->unified_procs);
	child_stage(r, CHILD_SESSION);
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		child_fail(r, 1, errno);
	/* inherited by the process in the container; written through the host's /proc, which the container cannot touch */
	proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		child_fail(r, 1, errno);
	child_oom(r, proc, c->oom_score_adj, c->oom_required);
	child_lsm(r, proc, &c->lsm);
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, c->keyring, 0, 0, 0);
	child_enter(c);
	/* from here on nothing of the host is open, and the environment that we were started with is gone: what enters the pid namespace
	 * can be looked at by a container that has CAP_SYS_PTRACE (CVE-2016-9962) */
	child_stage(r, CHILD_STDIO);
	for (int i = 0; i < 3; i++)
		if (dup2(p->stdio[i], i) < 0)
			child_fail(r, (unsigned)i, errno);
	child_close_all();
	for (char *const *v = c->environ_wipe; v && *v; v++)
		memset(*v, 0, strlen(*v));
	for (size_t i = 0; i < c->ndrop; i++)
		(void)madvise(c->drop[i].start, c->drop[i].size, MADV_DONTFORK);
	child_stage(r, CHILD_FORK);
	pid = ns_clone(CLONE_VFORK | CLONE_PARENT, -1, NULL, NULL);
	if (pid == 0)
		child_exec_inner(p, r);
	if (pid < 0)
		child_fail(r, 0, -pid);
	r->pid = pid;
	_exit(0);
}
