/* SPDX-License-Identifier: MIT
 *
 * engine/container/exec.c - one more process in a running container
 *
 *	caller                              between                            the process
 *	resolves user, BPF, pty, fds
 *	clone(VFORK, INTO_CGROUP) ------->  joins v1 cgroups, namespaces
 *	                                    closes all but 0, 1, 2
 *	                                    clone(VFORK, PARENT) ----------->  child_finish ... exec
 *	                                    writes its pid, ends
 *	reads the shared page
 *
 * Two processes, because what is born into the container's pid namespace can be traced by a container with CAP_SYS_PTRACE: it has no
 * descriptor of the host by then, and of our memory only what it needs (capsule.h). CLONE_PARENT makes it the caller's child, so the caller waits for it as for any other.
 */
#include "engine/container/exec.h"

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/str.h"
#include "base/tty.h"
#include "engine/container/capsule.h"
#include "engine/container/cgroup_of.h"
#include "engine/container/child.h"
#include "engine/container/process.h"
#include "engine/container/pty.h"
#include "engine/container/user.h"
#include "engine/container/user_file.h"
#include "engine/kernel/cgroup.h"
#include "engine/kernel/ns.h"
#include "engine/kernel/selfexe.h"
#include "engine/kernel/sys.h"
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

extern char **environ;

static const struct {
	const char *name;
	int type;
} namespaces[] = { /* mnt last: after it the paths of the host are gone */
	{ "ipc", CLONE_NEWIPC }, { "uts", CLONE_NEWUTS }, { "net", CLONE_NEWNET },
	{ "cgroup", CLONE_NEWCGROUP }, { "pid", CLONE_NEWPID }, { "mnt", CLONE_NEWNS },
};
enum { NAMESPACES = ARRAY_LEN(namespaces), ENGINE_FAILED = 125 };

struct exec {
	const struct dirs *dirs;
	const struct ctr_spec *spec;
	const struct exec_opts *o;
	const struct proc_id *ctr;
	int target, root;
	int ns_fds[NAMESPACES], ns_types[NAMESPACES];
	struct cgroup_join join;
	char *cgroup, *keyring;
	struct ctr_user user;
	struct process process;
	struct capsule capsule;
	struct child_report *report;
	int null, master, slave, stdio[3];
	pid_t between;
};

static void exec_done(struct exec *x)
{
	const int given[3] = { x->o->stdin_fd, x->o->stdout_fd, x->o->stderr_fd };
	const int fds[] = { x->target, x->root, x->master };

	for (int i = 0; i < 3; i++)
		if (x->stdio[i] >= 0 && x->stdio[i] != given[i] && x->stdio[i] != x->slave && x->stdio[i] != x->null)
			close(x->stdio[i]);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	for (size_t i = 0; i < NAMESPACES; i++)
		if (x->ns_fds[i] >= 0)
			close(x->ns_fds[i]);
	if (x->null >= 0)
		close(x->null);
	if (x->slave >= 0)
		close(x->slave);
	if (x->report)
		process_report_free(x->report);
	cgroup_join_close(&x->join);
	ctr_user_done(&x->user);
	process_done(&x->process);
	capsule_done(&x->capsule);
	free(x->cgroup);
	free(x->keyring);
}

static int not_running(struct err *e)
{
	return err_set(e, ESRCH, "container is not running");
}

/* Descriptors of the container's first process, all of exactly that process. */
static int open_target(struct exec *x, struct err *e)
{
	char path[64];

	x->target = proc_pidfd(x->ctr, e);
	if (x->target < 0)
		return err_wrap(e, "container is not running");
	snprintf(path, sizeof(path), "/proc/%d/root", (int)x->ctr->pid);
	x->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (x->root < 0)
		return errno == ENOENT ? not_running(e) : err_sys(e, "open the container's root");
	for (size_t i = 0; i < NAMESPACES; i++) {
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)x->ctr->pid, namespaces[i].name);
		x->ns_types[i] = namespaces[i].type;
		x->ns_fds[i] = open(path, O_RDONLY | O_CLOEXEC);
		if (x->ns_fds[i] < 0)
			return errno == ENOENT ? not_running(e) : err_sys(e, "open the container's %s namespace", namespaces[i].name);
	}
	/* the pid was still its own when all of that was opened */
	return proc_alive(x->ctr) ? 0 : not_running(e);
}

static int find_user(struct exec *x, struct err *e)
{
	AUTO_ERR(missing);

	if (x->o->user && *x->o->user)
		return ctr_user_resolve(x->root, x->o->user, &x->spec->group_add, &x->user, e);
	if (user_file_read(x->dirs, x->spec->id, &x->user, &missing) >= 0)
		return 0;
	return ctr_user_resolve(x->root, x->spec->user, &x->spec->group_add, &x->user, e);
}

/* The container's, TERM with a terminal, then what -e says: "K" takes the caller's value, or none. */
static void make_env(const struct exec *x, struct strv *env)
{
	const struct strv *extra = x->o->env;

	process_env(x->spec, env);
	if (x->o->tty && !strv_env_get(env, "TERM"))
		strv_env_set(env, "TERM", "xterm");
	for (size_t i = 0; extra && i < extra->n; i++) {
		const char *eq = strchr(extra->v[i], '=');
		auto_free char *key = eq ? xstrndup(extra->v[i], (size_t)(eq - extra->v[i])) : xstrdup(extra->v[i]);
		const char *value = eq ? eq + 1 : getenv(key);

		if (value)
			strv_env_set(env, key, value);
		else
			strv_env_unset(env, key);
	}
}

static int make_stdio(struct exec *x, struct err *e)
{
	const struct exec_opts *o = x->o;
	int from[3] = { o->stdin_fd, o->stdout_fd, o->stderr_fd };

	if (o->tty) {
		TRY(pty_open_below(x->root, x->user.uid, &x->master, &x->slave, e));
		if (o->rows && o->cols)
			(void)tty_set_size(x->master, o->rows, o->cols);
		for (int i = 0; i < 3; i++)
			x->stdio[i] = x->slave;
		return 0;
	}
	x->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (x->null < 0)
		return err_sys(e, "open '/dev/null'");
	for (int i = 0; i < 3; i++)
		if (from[i] < 0)
			from[i] = x->null;
	TRY(process_stdio(from, x->stdio, e));
	return process_give_pipes(x->stdio, x->user.uid, e);
}

static int make_process(struct exec *x, struct err *e)
{
	AUTO_STRV(env);

	make_env(x, &env);
	TRY(process_prepare(x->dirs, x->spec,
			    &(struct process_want){ .argv = x->o->argv, .env = &env,
						    .cwd = x->o->cwd && *x->o->cwd ? x->o->cwd : x->spec->cwd,
						    .user = &x->user, .privileged = x->o->privileged },
			    &x->process, e));
	TRY(make_stdio(x, e));
	for (int i = 0; i < 3; i++)
		x->process.child.stdio[i] = x->stdio[i];
	x->process.child.tty = x->o->tty;
	return capsule_make(&x->process.child, &x->capsule, e);
}

/* Comes back when the process has exec'd, or it or the one between ended. */
static int run(struct exec *x, struct err *e)
{
	struct child_exec c = {
		.report = x->report, .process = x->capsule.process, .drop = x->capsule.drop, .ndrop = x->capsule.ndrop, .tasks = x->join.tasks, .ntasks = x->join.ntasks,
		.unified_procs = x->join.unified_procs, .target = x->target, .ns_fds = x->ns_fds, .ns_fd_types = x->ns_types,
		.nns = NAMESPACES, .oom_score_adj = x->process.oom,
		.lsm = { x->process.lsm.file, x->process.lsm.fallback, x->process.lsm.label }, .keyring = x->keyring,
		.environ_wipe = environ,
	};
	bool joined;

	FP("exec.clone", e);
	for (size_t i = 0; i < NAMESPACES; i++)
		c.ns_types |= namespaces[i].type;
	x->between = ns_clone(CLONE_VFORK, x->join.unified, NULL, &joined);
	if (x->between == 0) {
		if (joined)
			c.unified_procs = -1;
		child_exec(&c);
	}
	if (x->between < 0)
		return err_code(e, -x->between, "make a process");
	while (waitpid(x->between, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

static int check_report(struct exec *x, struct err *e)
{
	struct child_report *r = x->report;
	const char *object = r->stage == CHILD_CWD ? x->process.child.cwd : r->stage == CHILD_RLIMIT ? rlimit_name((int)r->index) : NULL;

	if (r->stage == CHILD_READY && !r->sys && r->pid)
		return 0;
	if (r->pid) /* ours, ended or about to */
		while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
			;
	if (!proc_alive(x->ctr))
		return not_running(e);
	return process_failed(r, &x->process, object, e);
}

static int go(struct exec *x, struct err *e)
{
	if (!selfexe_is_protected())
		return err_set(e, EPERM, "this program does not run from a protected copy of itself, so it enters no container");
	TRY(open_target(x, e));
	x->cgroup = container_cgroup(x->dirs, x->spec, x->spec->id);
	x->keyring = xasprintf("_ses.%s", x->spec->id);
	if (cgroup_open(x->cgroup, &x->join, e) < 0)
		return err_wrap(e, "container is not running");
	TRY(find_user(x, e));
	TRY(make_process(x, e));
	x->report = process_report_new(e);
	if (!x->report)
		return -e->code;
	TRY(run(x, e));
	return check_report(x, e);
}

int container_exec(const struct dirs *d, const struct ctr_spec *spec, const struct proc_id *ctr, const struct exec_opts *o,
		   struct exec_started *ret, struct err *e)
{
	AUTO_DONE(exec_done) struct exec x = {
		.dirs = d, .spec = spec, .o = o, .ctr = ctr, .target = -1, .root = -1, .join = CGROUP_JOIN_NONE, .null = -1,
		.master = -1, .slave = -1, .stdio = { -1, -1, -1 },
	};
	int pidfd;

	for (size_t i = 0; i < NAMESPACES; i++)
		x.ns_fds[i] = -1;
	if (go(&x, e) < 0) {
		if (!e->exit)
			err_exit(e, ENGINE_FAILED);
		return -e->code;
	}
	/* our child, so the pid cannot be another's until we wait for it */
	pidfd = (int)syscall(SYS_pidfd_open, x.report->pid, 0);
	*ret = (struct exec_started){ .pid = x.report->pid, .pidfd = pidfd, .pty_master = TAKE_FD(x.master) };
	return 0;
}
