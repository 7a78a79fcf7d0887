/* SPDX-License-Identifier: MIT
 *
 * engine/container/start.c - the parent's side of a start
 *
 *	K                                             the first process
 *	decide: mounts, devices, limits
 *	cgroup directories with limits
 *	mount namespace, root, mounts (rootfs.c)
 *	process: user, capabilities, BPF, argv
 *	clone(CLONE_VFORK) ------------------------>  child_start (child.c) ... exec
 *	goes on when the child has exec'd or ended
 *	back to the host's mount namespace
 *	reads the shared page: done, or which step failed
 *
 * CLONE_VFORK without CLONE_VM: the child has memory of its own, and the kernel wakes K at the child's exec or exit. So there is no socket to
 * synchronise over, none that a container could see, and nothing to poll; a page shared by both says how far the child came.
 */
#include "engine/container/start.h"

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "base/tty.h"
#include "engine/container/cgroup_of.h"
#include "engine/container/child.h"
#include "engine/container/devices.h"
#include "engine/container/host_etc.h"
#include "engine/container/init_program.h"
#include "engine/container/mountplan.h"
#include "engine/container/process.h"
#include "engine/container/rootfs.h"
#include "engine/container/user_file.h"
#include "engine/kernel/cgroup.h"
#include "engine/kernel/ns.h"
#include "engine/kernel/sys.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

enum { ENGINE_FAILED = 125, NOT_FOUND = 127, OBJECT = 256 };

/* Everything made on the way, so that one function can undo all. */
struct start {
	const struct ctr_start *a;
	const struct ctr_spec *spec;
	char *cgroup;
	bool cgroup_made;
	struct cgroup_join join;
	struct ctr_devices devices;
	struct ctr_limits limits;
	struct mountplan plan;
	struct rootfs rootfs;
	struct process process;
	struct strv sysctl_text;      /* path, value, path, value, … */
	struct child_sysctl *sysctls;
	size_t nsysctls;
	struct child_report *report;
	int host_mnt;                 /* -1: not left yet */
	int stdio[3];                 /* >= 3; those that differ from a's are ours */
	char *keyring;
	pid_t pid;
	int pidfd;
};

static bool is(const char *value, const char *want)
{
	return value && streq(value, want);
}

static void start_done(struct start *s)
{
	const int given[3] = { s->a->stdin_fd, s->a->stdout_fd, s->a->stderr_fd };

	for (int i = 0; i < 3; i++)
		if (s->stdio[i] >= 0 && s->stdio[i] != given[i] && s->stdio[i] != s->rootfs.pty_slave)
			close(s->stdio[i]);
	if (s->host_mnt >= 0)
		close(s->host_mnt);
	if (s->pidfd >= 0)
		close(s->pidfd);
	if (s->report)
		process_report_free(s->report);
	cgroup_join_close(&s->join);
	ctr_devices_done(&s->devices);
	ctr_limits_done(&s->limits);
	rootfs_done(&s->rootfs);
	mountplan_done(&s->plan);
	process_done(&s->process);
	strv_done(&s->sysctl_text);
	free(s->sysctls);
	free(s->cgroup);
	free(s->keyring);
}

/* ---- decide --------------------------------------------------------------------------------------------------------- */

static int make_plan(struct start *s, struct err *e)
{
	const char *dirs[CGROUP_HIERARCHIES + 1] = { NULL };
	const struct cgroup_layout *l;
	auto_free char *init = NULL, *etc = NULL;
	struct plan_host h = {
		.cgroup_path = s->cgroup, .etc_dir = s->a->etc_dir, 
		.ipc_joined = s->a->join_ipc >= 0,
	};

	TRY(cgroup_layout(&l, e));
	for (size_t i = 0; i < l->nv1; i++)
		dirs[i] = l->v1[i].dir;
	if (s->spec->init)
		TRY(init_program(&init, e));
	if (!h.etc_dir && is(s->spec->network_mode, "host")) {
		TRY(host_etc_write(s->a->dirs, s->spec, &etc, e));
		h.etc_dir = etc;
	}
	if (access("/sys/devices/system/cpu/cpu0/thermal_throttle", F_OK) == 0)
		h.throttled_cpus = (unsigned)MAX(sysconf(_SC_NPROCESSORS_CONF), 0);
	h.cgroup_v2 = l->v2;
	h.cgroup_unified = l->unified;
	h.cgroup_v1 = dirs;
	h.init = init;
	return mountplan_make(s->spec, &h, &s->plan, e);
}

/* "net.core.somaxconn" -> "sys/net/core/somaxconn"; with a slash in it, slashes part and dots are themselves (sysctl.d(5)) */
static char *sysctl_path(const char *name, size_t n)
{
	char *path = xasprintf("sys/%.*s", (int)n, name);

	if (!memchr(name, '/', n))
		for (char *p = path; *p; p++)
			if (*p == '.')
				*p = '/';
	return path;
}

static void make_sysctls(struct start *s)
{
	static const char *const defaults[][2] = {
		{ "sys/net/ipv4/ip_unprivileged_port_start", "0" },
		{ "sys/net/ipv4/ping_group_range", "0 2147483647" },
	};
	const struct strv *user = &s->spec->sysctls;
	/* a network namespace of its own, or one that it shares with another container */
	size_t ndefaults = s->a->netns >= 0 && !is(s->spec->network_mode, "host") ? ARRAY_LEN(defaults) : 0;

	s->sysctls = xcalloc(ndefaults + user->n + 1, sizeof(*s->sysctls));
	for (size_t i = 0; i < ndefaults; i++)
		s->sysctls[s->nsysctls++] = (struct child_sysctl){ defaults[i][0], defaults[i][1], true };
	for (size_t i = 0; i < user->n; i++) {
		size_t n = strcspn(user->v[i], "=");

		strv_add_take(&s->sysctl_text, sysctl_path(user->v[i], n));
		strv_add(&s->sysctl_text, user->v[i][n] ? user->v[i] + n + 1 : "");
	}
	for (size_t i = 0; i < user->n; i++)
		s->sysctls[s->nsysctls++] = (struct child_sysctl){ s->sysctl_text.v[2 * i], s->sysctl_text.v[2 * i + 1], false };
}

static int decide(struct start *s, struct err *e)
{
	TRY(ctr_spec_check(s->spec, e));
	s->cgroup = container_cgroup(s->a->dirs, s->spec, s->spec->id);
	s->keyring = xasprintf("_ses.%s", s->spec->id);
	TRY(ctr_devices_find(s->spec, &s->devices, e));
	TRY(ctr_limits_find(s->spec, &s->limits, e));
	make_sysctls(s);
	return make_plan(s, e);
}

/* ---- do ------------------------------------------------------------------------------------------------------------- */

static int make_stdio(struct start *s, struct err *e)
{
	if (s->rootfs.pty_slave >= 0) {
		for (int i = 0; i < 3; i++)
			s->stdio[i] = s->rootfs.pty_slave;
		return 0;
	}
	if (s->spec->tty)
		return err_set(e, EINVAL, "tty: a mount over /dev leaves no place for a terminal");
	TRY(process_stdio((const int[3]){ s->a->stdin_fd, s->a->stdout_fd, s->a->stderr_fd }, s->stdio, e));
	return process_give_pipes(s->stdio, s->rootfs.user.uid, e);
}

/* With an init between, it would be that which says so, and not here. */
static int check_program(const struct start *s, struct err *e)
{
	const char *name = s->spec->argv.v[0];
	AUTO_STRV(paths);

	if (!path_is_abs(name) && strchr(name, '/'))
		return 0; /* relative to the working directory */
	process_candidates(name, &s->process.env, &paths);
	for (size_t i = 0; i < paths.n; i++) {
		AUTO_ERR(quiet);
		auto_close int fd = path_open_in(s->rootfs.root, paths.v[i], O_PATH | O_CLOEXEC, 0, &quiet);

		if (fd >= 0)
			return 0;
	}
	err_set(e, ENOENT, strchr(name, '/') ? "'%s' is not there" : "'%s' is not in the container's PATH", name);
	return err_exit(e, NOT_FOUND);
}

static int make_process(struct start *s, struct err *e)
{
	AUTO_STRV(env);

	process_env(s->spec, &env);
	TRY(process_prepare(s->a->dirs, s->spec,
			    &(struct process_want){ .argv = &s->spec->argv, .env = &env, .cwd = s->spec->cwd,
						    .user = &s->rootfs.user, .prefix = s->spec->init ? CTR_INIT_PATH : NULL },
			    &s->process, e));
	if (s->spec->init)
		TRY(check_program(s, e));
	TRY(make_stdio(s, e));
	for (int i = 0; i < 3; i++)
		s->process.child.stdio[i] = s->stdio[i];
	s->process.child.tty = s->spec->tty;
	return user_file_write(s->a->dirs, s->spec->id, &s->rootfs.user, e);
}

static uint64_t clone_flags(const struct start *s)
{
	const struct ctr_spec *c = s->spec;
	uint64_t f = CLONE_VFORK;

	if (s->a->join_pid < 0 && !is(c->pid, "host"))
		f |= CLONE_NEWPID;
	if (s->a->join_ipc < 0 && !is(c->ipc, "host"))
		f |= CLONE_NEWIPC;
	if (s->a->join_uts < 0 && !is(c->uts, "host"))
		f |= CLONE_NEWUTS;
	return f;
}

/* What the child needs, all of it owned by S. */
static struct child_start child_of(const struct start *s)
{
	const struct ctr_spec *c = s->spec;

	return (struct child_start){
		.report = s->report, .process = s->process.child, .tasks = s->join.tasks, .ntasks = s->join.ntasks,
		.unified_procs = s->join.unified_procs, .join_ipc = s->a->join_ipc, .join_uts = s->a->join_uts,
		.own_uts = clone_flags(s) & CLONE_NEWUTS, .cgroupns = !is(c->cgroupns, "host"), .domainname = c->domainname,
		.root = s->rootfs.root, .late = s->rootfs.late, .nlate = s->rootfs.nlate, .oom_score_adj = s->process.oom,
		.oom_required = c->res.oom_score_adj != INT64_MIN,
		.lsm = { s->process.lsm.file, s->process.lsm.fallback, s->process.lsm.label }, .sysctls = s->sysctls,
		.nsysctls = s->nsysctls, .masked = strv_v(&s->plan.masked), .readonly_paths = strv_v(&s->plan.readonly_paths),
		.null = s->rootfs.null, .mask = s->rootfs.mask, .root_readonly = s->plan.root_readonly, .keyring = s->keyring,
	};
}

static int back_to_host(struct start *s, struct err *e)
{
	int r = s->host_mnt >= 0 ? ns_enter(s->host_mnt, CLONE_NEWNS) : 0;

	return r < 0 ? err_code(e, -r, "go back to the host's mount namespace") : 0;
}

/* Comes back when the child has exec'd or ended. */
static int run_child(struct start *s, struct err *e)
{
	char host_name[CTR_HOSTNAME];
	struct child_start c = child_of(s);
	bool joined;
	int r;

	FP("ctr.clone", e);
	c.hostname = ctr_spec_hostname(s->spec, host_name);
	if (s->a->join_pid >= 0) {
		r = ns_enter(s->a->join_pid, CLONE_NEWPID);
		if (r < 0)
			return err_code(e, -r, "enter the other container's pid namespace");
	}
	s->pid = ns_clone(clone_flags(s), s->join.unified, &s->pidfd, &joined);
	if (s->pid == 0) {
		if (joined)
			c.unified_procs = -1;
		child_start(&c);
	}
	if (s->pid < 0) {
		r = s->pid;
		s->pid = 0;
		return err_code(e, -r, "make the first process");
	}
	return 0;
}

/* The object a failed step was about. */
static const char *object_of(const struct start *s, char buf[OBJECT])
{
	uint32_t i = s->report->index;

	switch (s->report->stage) {
	case CHILD_MOUNT:
		return i < s->rootfs.nlate ? s->rootfs.late[i].path : NULL;
	case CHILD_SYSCTL:
		if (i >= s->nsysctls)
			return NULL;
		i -= (uint32_t)(s->nsysctls - s->spec->sysctls.n); /* the defaults come first and never fail */
		snprintf(buf, OBJECT, "%.*s", (int)strcspn(s->spec->sysctls.v[i], "="), s->spec->sysctls.v[i]);
		return buf;
	case CHILD_MASK:
		return i < s->plan.masked.n ? s->plan.masked.v[i] : NULL;
	case CHILD_READONLY:
		return i < s->plan.readonly_paths.n ? s->plan.readonly_paths.v[i] : NULL;
	case CHILD_CWD:
		return s->process.child.cwd;
	case CHILD_RLIMIT:
		return rlimit_name((int)i);
	case CHILD_OOM:
		return s->process.oom;
	case CHILD_HOSTNAME:
		return s->spec->hostname;
	case CHILD_CGROUP:
		return s->cgroup;
	default:
		return NULL;
	}
}

static int check_report(struct start *s, struct err *e)
{
	char buf[OBJECT];

	/* killed between its last word and exec looks like a program that was killed at once, and is treated so */
	if (s->report->stage == CHILD_READY && !s->report->sys)
		return 0;
	return process_failed(s->report, &s->process, object_of(s, buf), e);
}

static int go(struct start *s, struct err *e)
{
	TRY(decide(s, e));
	TRY(cgroup_make(s->cgroup, &s->limits.limits, s->devices.all ? NULL : &s->devices.rules, &s->join, e));
	s->cgroup_made = true;
	s->host_mnt = ns_open("mnt");
	if (s->host_mnt < 0)
		return err_code(e, -s->host_mnt, "open our mount namespace");
	TRY(rootfs_build(&(struct rootfs_args){ .dirs = s->a->dirs, .spec = s->spec, .plan = &s->plan, .devices = &s->devices,
						 .host_mnt = s->host_mnt, .shm_mnt = s->a->join_ipc >= 0 ? s->a->join_ipc_mnt : -1 },
			 &s->rootfs, e));
	if (s->rootfs.pty_master >= 0 && s->a->rows && tty_set_size(s->rootfs.pty_master, s->a->rows, s->a->cols) < 0)
		return err_sys(e, "size of the terminal");
	TRY(make_process(s, e));
	s->report = process_report_new(e);
	if (!s->report)
		return -e->code;
	TRY(run_child(s, e));
	TRY(back_to_host(s, e));
	TRY(check_report(s, e));
	FP("ctr.started", e);
	return 0;
}

/* Whatever was made, in the kernel, is gone after this; the mounts go with their namespace. */
static void undo(struct start *s)
{
	AUTO_ERR(back);
	AUTO_ERR(quiet);

	if (s->pid > 0) {
		(void)kill(s->pid, SIGKILL); /* our child, not waited for yet: the pid is still its own */
		while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (back_to_host(s, &back) < 0)
		log_debug("undo: %s", err_text(&back));
	cgroup_join_close(&s->join);
	if (s->cgroup_made && cgroup_remove(s->cgroup, &quiet) < 0)
		log_debug("undo: %s", err_text(&quiet));
}

int container_start(const struct ctr_start *a, struct ctr_started *ret, struct err *e)
{
	AUTO_DONE(start_done) struct start s = {
		.a = a, .spec = a->spec, .join = CGROUP_JOIN_NONE, .host_mnt = -1, .stdio = { -1, -1, -1 }, .pidfd = -1,
		.rootfs = { .root = -1, .null = -1, .mask = -1, .pty_master = -1, .pty_slave = -1 },
	};
	struct proc_id id;

	if (go(&s, e) < 0 || proc_id_of(s.pid, &id, e) < 0) {
		undo(&s);
		if (!e->exit)
			err_exit(e, ENGINE_FAILED);
		return -e->code;
	}
	*ret = (struct ctr_started){ .pid = id, .pidfd = TAKE_FD(s.pidfd), .pty_master = TAKE_FD(s.rootfs.pty_master) };
	return 0;
}
