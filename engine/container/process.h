/* SPDX-License-Identifier: MIT
 *
 * engine/container/process.h - spec + user -> what a process of a container is exec'd with. Shared by start and exec.
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include "engine/container/child.h"
#include "engine/kernel/lsm.h"
#include "engine/kernel/seccomp.h"

struct ctr_spec;
struct ctr_user;
struct dirs;
struct err;

/* Owns what child_process points to. */
struct process {
	struct strv argv, env, paths;
	struct rlimit_set rlimits;
	struct seccomp_filter seccomp;
	struct lsm lsm;
	char oom[16];
	struct child_process child; /* all but stdio and tty set */
};
struct process_want {
	const struct strv *argv, *env; /* ENV: complete but for HOME */
	const char *cwd;
	const struct ctr_user *user;
	bool privileged;               /* all capabilities; the seccomp filter stays */
	const char *prefix;            /* init to run ARGV, NULL */
};
int process_prepare(const struct dirs *d, const struct ctr_spec *s, const struct process_want *w, struct process *ret,
		    struct err *e);
void process_done(struct process *p);
/* PATH, HOSTNAME, TERM, then the spec's. Pure. */
void process_env(const struct ctr_spec *s, struct strv *ret);
/* Every file that NAME may mean with ENV's PATH. Pure. */
void process_candidates(const char *name, const struct strv *env, struct strv *ret);
/* Makes the sentence and the exit code (125; 126 and 127 for the program itself) out of what a child reported. SYS 0: it was killed.
 * WHAT(stage, index) names the object, may return NULL. */
int process_failed(const struct child_report *r, const struct process *p, const char *object, struct err *e);
/* fds >= 3, so that putting them onto 0, 1, 2 cannot overwrite one another; closes nothing. */
int process_stdio(const int from[3], int ret[3], struct err *e);
/* A pipe belongs to who made it; the container's user must be able to reopen /dev/stdout. */
int process_give_pipes(const int fds[3], uid_t uid, struct err *e);
struct child_report *process_report_new(struct err *e);
void process_report_free(struct child_report *r);
DEFINE_AUTO(struct child_report *, process_report_free)
