/* SPDX-License-Identifier: MIT
 *
 * engine/kernel/seccomp.c - profiles -> BPF through libseccomp, which only this file includes
 *
 * libseccomp makes the program for all architectures that the machine runs; before it goes a prologue of ours, per architecture:
 *
 *	if arch == A:  for each call that this libseccomp does not know yet and the profile allows: if nr == N: allow
 *	               if nr > the highest call that the profile names: ENOSYS
 *
 * because a C library that probes for a new call takes ENOSYS for "not there" and EPERM for a failure (as runc's patchbpf).
 */
#include "engine/kernel/seccomp.h"

#include "base/alloc.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/kernel/probe.h"
#include "engine/kernel/seccomp_profile.h"
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum { ARCHES_MAX = 4, EXTRA_MAX = 32, KEY_VERSION = 1 /* of what this file makes of a profile */, X32_BIT = 0x40000000 };

/* The machine's own architecture and what else it runs (containers/common, moby's archMap). */
static const struct arch {
	uint32_t native;
	const char *go;             /* runtime.GOARCH, which profiles use */
	uint32_t also[2];
} arches[] = {
	{ SCMP_ARCH_X86_64, "amd64", { SCMP_ARCH_X86, SCMP_ARCH_X32 } },
	{ SCMP_ARCH_X86, "386", { 0 } },
	{ SCMP_ARCH_AARCH64, "arm64", { SCMP_ARCH_ARM } },
	{ SCMP_ARCH_ARM, "arm", { 0 } },
	{ SCMP_ARCH_MIPS64, "mips64", { SCMP_ARCH_MIPS, SCMP_ARCH_MIPS64N32 } },
	{ SCMP_ARCH_MIPSEL64, "mips64le", { SCMP_ARCH_MIPSEL, SCMP_ARCH_MIPSEL64N32 } },
	{ SCMP_ARCH_S390X, "s390x", { SCMP_ARCH_S390 } },
	{ SCMP_ARCH_PPC64LE, "ppc64le", { 0 } },
#ifdef SCMP_ARCH_RISCV64
	{ SCMP_ARCH_RISCV64, "riscv64", { 0 } },
#endif
};

/* Calls that the profile names and an older libseccomp does not know. From 424 on all architectures have the same numbers. */
static const struct newer {
	const char *name;
	int nr;
	uint32_t only; /* architecture, 0: all */
} newer[] = {
	{ "cachestat", 451, 0 },     { "fchmodat2", 452, 0 },     { "map_shadow_stack", 453, 0 }, { "futex_wake", 454, 0 },
	{ "futex_wait", 455, 0 },    { "futex_requeue", 456, 0 }, { "statmount", 457, 0 },        { "listmount", 458, 0 },
	{ "lsm_get_self_attr", 459, 0 }, { "lsm_set_self_attr", 460, 0 }, { "lsm_list_modules", 461, 0 }, { "mseal", 462, 0 },
	{ "setxattrat", 463, 0 },    { "getxattrat", 464, 0 },    { "listxattrat", 465, 0 },      { "removexattrat", 466, 0 },
	{ "uretprobe", 335, SCMP_ARCH_X86_64 },
#ifdef SCMP_ARCH_RISCV64
	{ "riscv_hwprobe", 258, SCMP_ARCH_RISCV64 },
#endif
};

struct build {
	const struct seccomp_profile *profile;
	const struct arch *arch;
	uint32_t tokens[ARCHES_MAX];
	int last[ARCHES_MAX];       /* highest call named */
	size_t ntokens;
	const struct newer *extra[EXTRA_MAX];
	size_t nextra;
	scmp_filter_ctx ctx;
};

static void release(scmp_filter_ctx *c)
{
	if (*c)
		seccomp_release(*c);
}

static const struct arch *native(void)
{
	uint32_t token = seccomp_arch_native();

	for (size_t i = 0; i < ARRAY_LEN(arches); i++)
		if (arches[i].native == token)
			return &arches[i];
	return NULL;
}

static uint32_t scmp_action(enum seccomp_action a, int err)
{
	switch (a) {
	case SECCOMP_ALLOW:
		return SCMP_ACT_ALLOW;
	case SECCOMP_ERRNO:
		return SCMP_ACT_ERRNO((uint32_t)err & 0xffff);
	case SECCOMP_KILL_THREAD:
		return SCMP_ACT_KILL_THREAD;
	case SECCOMP_KILL_PROCESS:
		return SCMP_ACT_KILL_PROCESS;
	case SECCOMP_TRAP:
		return SCMP_ACT_TRAP;
	case SECCOMP_LOG:
		return SCMP_ACT_LOG;
	case SECCOMP_ACTIONS:
		break;
	}
	return SCMP_ACT_KILL_PROCESS;
}

static struct scmp_arg_cmp scmp_cond(const struct seccomp_cond *c)
{
	static const enum scmp_compare ops[SECCOMP_OPS] = {
		[SECCOMP_NE] = SCMP_CMP_NE, [SECCOMP_LT] = SCMP_CMP_LT, [SECCOMP_LE] = SCMP_CMP_LE, [SECCOMP_EQ] = SCMP_CMP_EQ,
		[SECCOMP_GE] = SCMP_CMP_GE, [SECCOMP_GT] = SCMP_CMP_GT, [SECCOMP_MASKED] = SCMP_CMP_MASKED_EQ,
	};

	return (struct scmp_arg_cmp){ .arg = c->arg, .op = ops[c->op], .datum_a = c->value, .datum_b = c->value2 };
}

static void note_number(struct build *b, const char *name)
{
	for (size_t i = 0; i < b->ntokens; i++) {
		int nr = seccomp_syscall_resolve_name_arch(b->tokens[i], name);

		if (nr >= 0)
			b->last[i] = MAX(b->last[i], nr & ~X32_BIT);
	}
}

/* libseccomp does not know NAME: allowed without conditions, the prologue can do it; else the default action is right. */
static void add_newer(struct build *b, const struct seccomp_rule *r)
{
	for (size_t i = 0; i < ARRAY_LEN(newer); i++) {
		if (!streq(newer[i].name, r->name) || (newer[i].only && newer[i].only != b->arch->native))
			continue;
		for (size_t k = 0; k < b->ntokens; k++)
			if (!newer[i].only || newer[i].only == b->tokens[k])
				b->last[k] = MAX(b->last[k], newer[i].nr);
		if (r->action == SECCOMP_ALLOW && !r->ncond && b->nextra < EXTRA_MAX)
			b->extra[b->nextra++] = &newer[i];
		return;
	}
	log_debug("seccomp: '%s' is unknown to libseccomp", r->name);
}

static int add_rule(struct build *b, const struct seccomp_rule *r, struct err *e)
{
	struct scmp_arg_cmp conds[SECCOMP_CONDS];
	int nr = seccomp_syscall_resolve_name(r->name), n;

	if (nr == __NR_SCMP_ERROR) {
		add_newer(b, r);
		return 0;
	}
	note_number(b, r->name);
	if (r->action == b->profile->action && (r->action != SECCOMP_ERRNO || r->errno_value == b->profile->errno_value))
		return 0; /* the default already; libseccomp refuses to be told */
	for (unsigned i = 0; i < r->ncond; i++)
		conds[i] = scmp_cond(&r->cond[i]);
	n = seccomp_rule_add_array(b->ctx, scmp_action(r->action, r->errno_value), nr, r->ncond, conds);
	if (n < 0)
		return err_code(e, -n, "seccomp rule for '%s'", r->name);
	return 0;
}

static int fill(struct build *b, uint64_t caps, struct err *e)
{
	int kernel = kernel_version(), r;

	for (size_t i = 0; i < 2 && b->arch->also[i]; i++)
		b->tokens[b->ntokens++] = b->arch->also[i];
	for (size_t i = 1; i < b->ntokens; i++) {
		r = seccomp_arch_add(b->ctx, b->tokens[i]);
		if (r < 0 && r != -EEXIST)
			return err_code(e, -r, "seccomp: add an architecture");
	}
	/* whether no_new_privs is set is the container's matter, not the library's */
	r = seccomp_attr_set(b->ctx, SCMP_FLTATR_CTL_NNP, 0);
	if (r < 0)
		return err_code(e, -r, "seccomp: set an attribute");
	(void)seccomp_attr_set(b->ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree, where the library has it */
	for (size_t i = 0; i < b->profile->n; i++)
		if (seccomp_rule_counts(&b->profile->v[i], caps, b->arch->go, kernel))
			TRY(add_rule(b, &b->profile->v[i], e));
	return 0;
}

/* ---- the prologue --------------------------------------------------------------------------------------------------- */

struct insns {
	struct sock_filter *v;
	size_t n, cap;
};

static void emit(struct insns *p, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	xgrow(&p->v, p->n, &p->cap, sizeof(*p->v));
	p->v[p->n++] = (struct sock_filter){ code, jt, jf, k };
}

/* One architecture's block; a jump over it when it is another's. */
static void emit_arch(struct insns *p, const struct build *b, size_t i)
{
	uint32_t token = b->tokens[i];
	size_t skip, wide = 0;

	if (token == SCMP_ARCH_X32)
		return; /* shares its token with x86-64 and is told apart by a bit */
	emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, token);
	skip = p->n - 1;
	emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	if (token == SCMP_ARCH_X86_64) {
		emit(p, BPF_JMP | BPF_JGE | BPF_K, 0, 0, X32_BIT);
		wide = p->n - 1;
	}
	for (size_t k = 0; k < b->nextra; k++) {
		if (b->extra[k]->only && b->extra[k]->only != token)
			continue;
		emit(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)b->extra[k]->nr);
		emit(p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
	}
	emit(p, BPF_JMP | BPF_JGT | BPF_K, 0, 1, (uint32_t)b->last[i]);
	emit(p, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS);
	p->v[skip].jf = (uint8_t)(p->n - skip - 1);
	if (wide)
		p->v[wide].jt = (uint8_t)(p->n - wide - 1);
}

/* Prologue + what libseccomp exports. */
static int export(const struct build *b, struct seccomp_filter *ret, struct err *e)
{
	auto_close int fd = memfd_create("seccomp", MFD_CLOEXEC);
	struct insns p = { 0 };
	auto_free char *text = NULL;
	size_t len;
	int r;

	if (fd < 0)
		return err_sys(e, "make a file in memory");
	r = seccomp_export_bpf(b->ctx, fd);
	if (r < 0)
		return err_code(e, -r, "seccomp: make the program");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "seccomp: read the program");
	TRY(fd_read_all(fd, BPF_MAXINSNS * sizeof(struct sock_filter), &text, &len, e));
	/* a profile that allows by default keeps doing so */
	for (size_t i = 0; b->profile->action != SECCOMP_ALLOW && i < b->ntokens; i++)
		emit_arch(&p, b, i);
	if (p.n + len / sizeof(struct sock_filter) > BPF_MAXINSNS) {
		free(p.v);
		return err_set(e, E2BIG, "seccomp: the program would be longer than %d instructions", BPF_MAXINSNS);
	}
	p.v = xrealloc(p.v, p.n * sizeof(*p.v) + len);
	memcpy(p.v + p.n, text, len);
	ret->prog = (struct sock_fprog){ .len = (unsigned short)(p.n + len / sizeof(struct sock_filter)), .filter = p.v };
	ret->flags = (b->profile->flag_log ? SECCOMP_FILTER_FLAG_LOG : 0) |
		     (b->profile->flag_spec_allow ? SECCOMP_FILTER_FLAG_SPEC_ALLOW : 0);
	return 0;
}

int seccomp_build(const char *profile, uint64_t caps, struct seccomp_filter *ret, struct err *e)
{
	AUTO_DONE(seccomp_profile_done) struct seccomp_profile p = { 0 };
	AUTO_DONE(release) scmp_filter_ctx ctx = NULL;
	struct build b = { .profile = &p, .arch = native() };

	if (!b.arch)
		return err_set(e, EOPNOTSUPP, "seccomp: this architecture is not known");
	if (profile)
		TRY(seccomp_profile_parse(profile, &p, e));
	else
		seccomp_profile_default(&p);
	ctx = seccomp_init(scmp_action(p.action, p.errno_value));
	if (!ctx)
		return err_set(e, ENOMEM, "seccomp: begin a program");
	b.ctx = ctx;
	b.tokens[b.ntokens++] = b.arch->native;
	TRY(fill(&b, caps, e));
	return export(&b, ret, e);
}

/* The default profile as text, so that a change of its table is another key. */
static char *default_text(void)
{
	AUTO_DONE(seccomp_profile_done) struct seccomp_profile p = { 0 };
	AUTO_STR(b, 1 << 20);

	seccomp_profile_default(&p);
	for (size_t i = 0; i < p.n; i++) {
		const struct seccomp_rule *r = &p.v[i];

		str_addf(&b, "%s %d %d %llx %llx %s %s %d", r->name, (int)r->action, r->errno_value, (unsigned long long)r->if_caps,
			 (unsigned long long)r->unless_caps, str0(r->if_arch), str0(r->unless_arch), r->min_kernel);
		for (unsigned k = 0; k < r->ncond; k++)
			str_addf(&b, " %u %d %llx %llx", r->cond[k].arg, (int)r->cond[k].op, (unsigned long long)r->cond[k].value,
				 (unsigned long long)r->cond[k].value2);
		str_addc(&b, '\n');
	}
	return str_take(&b);
}

void seccomp_key(const char *profile, uint64_t caps, char ret[65])
{
	const struct scmp_version *v = seccomp_version();
	auto_free char *own = profile ? NULL : default_text();
	auto_free char *text = xasprintf("%d|%u|%016llx|%d|%u.%u.%u|%s", KEY_VERSION, seccomp_arch_native(),
					 (unsigned long long)caps, kernel_version(), v ? v->major : 0, v ? v->minor : 0,
					 v ? v->micro : 0, profile ? profile : own);

	digest_hex(text, strlen(text), ret);
}
