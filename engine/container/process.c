/* SPDX-License-Identifier: MIT */
#include "engine/container/process.h"

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/container/spec.h"
#include "engine/container/user.h"
#include "engine/kernel/caps.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
enum { ENGINE_FAILED = 125, NOT_EXECUTABLE = 126, NOT_FOUND = 127 };

void process_done(struct process *p)
{
	strv_done(&p->argv);
	strv_done(&p->env);
	strv_done(&p->paths);
	seccomp_filter_done(&p->seccomp);
}

void process_env(const struct ctr_spec *s, struct strv *ret)
{
	char name[CTR_HOSTNAME];

	strv_env_set(ret, "PATH", DEFAULT_PATH);
	if (!s->build_step)
		strv_env_set(ret, "HOSTNAME", ctr_spec_hostname(s, name));
	if (s->tty)
		strv_env_set(ret, "TERM", "xterm");
	for (size_t i = 0; i < s->env.n; i++) {
		const char *kv = s->env.v[i], *eq = strchr(kv, '=');
		auto_free char *key = eq ? xstrndup(kv, (size_t)(eq - kv)) : NULL;

		/* an entry without '=' never gets a value of ours (CVE-2026-57231) */
		if (eq && eq != kv)
			strv_env_set(ret, key, eq + 1);
	}
}

void process_candidates(const char *name, const struct strv *env, struct strv *ret)
{
	AUTO_STRV(folders);
	const char *path = strv_env_get(env, "PATH");

	if (strchr(name, '/')) {
		strv_add(ret, name);
		return;
	}
	strv_split(&folders, str0(path), ":");
	for (size_t i = 0; i < folders.n; i++)
		if (*folders.v[i] && *name)
			strv_addf(ret, "%s/%s", folders.v[i], name);
}

static int set_limits(const struct ctr_spec *s, struct process *p, struct err *e)
{
	struct rlimit own[RLIMIT_COUNT];
	uint64_t available;
	int last;

	TRY(rlimit_own(own, e));
	TRY(caps_available(&available, &last, e));
	rlimit_baseline(own, &p->rlimits);
	for (size_t i = 0; i < s->nulimits; i++)
		TRY(rlimit_add(&p->rlimits, own, available & CAP_BIT(CAP_NR_SYS_RESOURCE), s->ulimits[i].name,
			       s->ulimits[i].soft, s->ulimits[i].hard, e));
	return 0;
}

static int set_security(const struct dirs *d, const struct ctr_spec *s, bool privileged, struct process *p, struct err *e)
{
	bool filter = !s->privileged && !(s->seccomp && streq(s->seccomp, "unconfined"));
	uint64_t available;

	TRY(caps_available(&available, &p->child.cap_last, e));
	TRY(caps_resolve(&s->cap_add, &s->cap_drop, s->privileged || privileged, available, &p->child.caps, e));
	TRY(lsm_prepare(s->apparmor, s->selinux, s->privileged || privileged, &p->lsm, e));
	p->child.no_new_privs = s->no_new_privs;
	if (filter) {
		auto_free char *path = dirs_root(d, "containers/%s/seccomp.bpf", s->id);

		TRY(seccomp_file_read(path, &p->seccomp, e));
		p->child.seccomp = &p->seccomp.prog;
		p->child.seccomp_flags = p->seccomp.flags;
	}
	return 0;
}

int process_prepare(const struct dirs *d, const struct ctr_spec *s, const struct process_want *w, struct process *ret,
		    struct err *e)
{
	struct process *p = ret;
	const struct strv *argv = w->argv;

	*p = (struct process){ 0 };
	if (!argv->n || !*argv->v[0])
		return err_set(e, EINVAL, "no command");
	strv_copy(&p->env, w->env);
	if (!strv_env_get(&p->env, "HOME"))
		strv_env_set(&p->env, "HOME", w->user->home);
	if (w->prefix) {
		strv_add(&p->argv, w->prefix);
		strv_add(&p->argv, "--");
	}
	strv_copy(&p->argv, argv);
	process_candidates(p->argv.v[0], &p->env, &p->paths);
	TRY(set_limits(s, p, e));
	TRY(set_security(d, s, w->privileged, p, e));
	snprintf(p->oom, sizeof(p->oom), "%d", s->res.oom_score_adj == INT64_MIN ? 0 : (int)s->res.oom_score_adj);
	p->child.cwd = w->cwd && *w->cwd ? w->cwd : "/";
	p->child.rlimits = &p->rlimits;
	p->child.uid = w->user->uid;
	p->child.gid = w->user->gid;
	p->child.groups = w->user->groups;
	p->child.ngroups = w->user->ngroups;
	p->child.paths = (const char *const *)strv_v(&p->paths);
	p->child.argv = strv_v(&p->argv);
	p->child.env = strv_v(&p->env);
	return 0;
}

/* ---- what failed ---------------------------------------------------------------------------------------------------- */

static const char *const stage_text[CHILD_STAGES] = {
	[CHILD_BORN] = "start the first process",
	[CHILD_CGROUP] = "enter the cgroup",
	[CHILD_SESSION] = "begin a session",
	[CHILD_NAMESPACE] = "enter the namespaces",
	[CHILD_FORK] = "make a process in the container",
	[CHILD_HOSTNAME] = "set hostname and domainname",
	[CHILD_CGROUPNS] = "make a cgroup namespace",
	[CHILD_MOUNT] = "mount",
	[CHILD_OOM] = "set oom_score_adj",
	[CHILD_LSM] = "set the security label",
	[CHILD_SYSCTL] = "set sysctl",
	[CHILD_MASK] = "hide",
	[CHILD_READONLY] = "make read-only",
	[CHILD_ROOT_READONLY] = "make the root read-only",
	[CHILD_PIVOT] = "change to the container's root",
	[CHILD_KEYRING] = "join a session keyring",
	[CHILD_STDIO] = "set up standard input and output",
	[CHILD_CWD] = "working_dir",
	[CHILD_AFFINITY] = "set the CPU affinity",
	[CHILD_RLIMIT] = "set ulimit",
	[CHILD_BOUNDING] = "drop capability",
	[CHILD_SECCOMP] = "load the seccomp filter",
	[CHILD_GROUPS] = "set the groups",
	[CHILD_UID] = "become the user",
	[CHILD_CAPS] = "set the capabilities",
	[CHILD_EXEC] = "run",
	[CHILD_READY] = "run",
};

static int exec_failed(const struct child_report *r, const struct process *p, struct err *e)
{
	const char *name = p->argv.v[0];
	bool path = strchr(name, '/') != NULL;

	switch (r->sys) {
	case ENOENT:
	case ENOTDIR:
		err_set(e, ENOENT, path ? "'%s' is not there" : "'%s' is not in the container's PATH", name);
		break;
	case ELIBBAD:
		err_set(e, ENOENT, "'%s' is there, but the interpreter that it names is not", name);
		err_hint(e, "look at its first line (#!, Windows line ends?), or whether its dynamic loader is in the image");
		break;
	case ENOEXEC:
		err_set(e, ENOEXEC, "'%s' is no program that this machine can run", name);
		err_hint(e, "an image of another architecture? a script without #! line?");
		return err_exit(e, NOT_EXECUTABLE);
	default:
		err_code(e, r->sys, "run '%s'", name);
		if (r->sys == EACCES)
			err_hint(e, "is it executable for the user, and no folder?");
		return err_exit(e, NOT_EXECUTABLE);
	}
	return err_exit(e, NOT_FOUND);
}

int process_failed(const struct child_report *r, const struct process *p, const char *object, struct err *e)
{
	uint32_t stage = MIN(r->stage, (uint32_t)CHILD_READY);

	if (stage == CHILD_EXEC)
		return exec_failed(r, p, e);
	if (!r->sys)
		err_set(e, ECHILD, "%s%s%s%s: the process was killed meanwhile", stage_text[stage], object ? " '" : "",
			str0(object), object ? "'" : "");
	else
		err_code(e, r->sys, "%s%s%s%s", stage_text[stage], object ? " '" : "", str0(object), object ? "'" : "");
	if (stage == CHILD_OOM && r->sys == EACCES)
		err_hint(e, "lowering it needs CAP_SYS_RESOURCE, which gantry does not have here");
	if (stage == CHILD_SYSCTL && r->sys == ENOENT)
		err_hint(e, "this kernel has no sysctl of that name");
	return err_exit(e, ENGINE_FAILED);
}

/* ---- descriptors and the shared page -------------------------------------------------------------------------------- */

int process_stdio(const int from[3], int ret[3], struct err *e)
{
	for (int i = 0; i < 3; i++) {
		ret[i] = from[i];
		if (from[i] < 0)
			return err_set(e, EBADF, "standard %s is missing", i == 0 ? "input" : i == 1 ? "output" : "error");
		if (from[i] > 2)
			continue;
		ret[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 3);
		if (ret[i] < 0)
			return err_sys(e, "move standard input and output out of the way");
	}
	return 0;
}

int process_give_pipes(const int fds[3], uid_t uid, struct err *e)
{
	for (int i = 0; i < 3; i++) {
		struct stat st;

		if (fstat(fds[i], &st) < 0)
			return err_sys(e, "look at standard input and output");
		if (S_ISFIFO(st.st_mode) && st.st_uid != uid && fchown(fds[i], uid, (gid_t)-1) < 0)
			return err_sys(e, "give a pipe to user %u", (unsigned)uid);
	}
	return 0;
}

struct child_report *process_report_new(struct err *e)
{
	void *p = mmap(NULL, sizeof(struct child_report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		err_sys(e, "share a page with the new process");
		return NULL;
	}
	return p;
}

void process_report_free(struct child_report *r)
{
	munmap(r, sizeof(*r));
}
