/* SPDX-License-Identifier: MIT
 *
 * engine/kernel/seccomp_profile.h - a seccomp profile as plain data: the default one, or one read from docker's JSON
 *
 * A rule counts when all of IF_CAPS and none of UNLESS_CAPS are in the container's bounding set, and architecture and kernel fit.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
enum seccomp_action {
	SECCOMP_ALLOW, SECCOMP_ERRNO, SECCOMP_KILL_THREAD, SECCOMP_KILL_PROCESS, SECCOMP_TRAP, SECCOMP_LOG, SECCOMP_ACTIONS
};
enum seccomp_op { SECCOMP_NE, SECCOMP_LT, SECCOMP_LE, SECCOMP_EQ, SECCOMP_GE, SECCOMP_GT, SECCOMP_MASKED, SECCOMP_OPS };
struct seccomp_cond {
	unsigned arg;
	enum seccomp_op op;
	uint64_t value, value2; /* MASKED: (argument & value) == value2 */
};
enum { SECCOMP_CONDS = 6, SECCOMP_RULES_MAX = 16384 };
struct seccomp_rule {
	const char *name;
	enum seccomp_action action;
	int errno_value;        /* SECCOMP_ERRNO */
	unsigned ncond;         /* all must hold */
	struct seccomp_cond cond[SECCOMP_CONDS];
	uint64_t if_caps, unless_caps;
	const char *if_arch, *unless_arch; /* "amd64|x32", Go's names; NULL: any */
	int min_kernel;         /* 4008: 4.8 */
};
struct seccomp_profile {
	enum seccomp_action action;
	int errno_value;
	bool flag_log, flag_spec_allow;
	struct seccomp_rule *v;
	size_t n, cap;
	char **owned;           /* names of a profile from JSON */
	size_t nowned, owned_cap;
};
void seccomp_profile_done(struct seccomp_profile *p);
void seccomp_profile_add(struct seccomp_profile *p, const struct seccomp_rule *r);
void seccomp_profile_default(struct seccomp_profile *ret);
/* Docker's format (defaultAction, syscalls with names, action, args, includes, excludes). */
int seccomp_profile_parse(const char *json, struct seccomp_profile *ret, struct err *e);
/* ARCH: Go's name of the native architecture. */
bool seccomp_rule_counts(const struct seccomp_rule *r, uint64_t caps, const char *arch, int kernel);
