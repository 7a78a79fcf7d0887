/* SPDX-License-Identifier: MIT */
#include "engine/kernel/seccomp_profile.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/names.h"
#include "base/str.h"
#include "engine/kernel/caps.h"
#include <errno.h>
#include <stdio.h>

static const char *const action_names[SECCOMP_ACTIONS] = {
	[SECCOMP_ALLOW] = "SCMP_ACT_ALLOW",
	[SECCOMP_ERRNO] = "SCMP_ACT_ERRNO",
	[SECCOMP_KILL_THREAD] = "SCMP_ACT_KILL_THREAD",
	[SECCOMP_KILL_PROCESS] = "SCMP_ACT_KILL_PROCESS",
	[SECCOMP_TRAP] = "SCMP_ACT_TRAP",
	[SECCOMP_LOG] = "SCMP_ACT_LOG",
};
static const char *const op_names[SECCOMP_OPS] = {
	[SECCOMP_NE] = "SCMP_CMP_NE", [SECCOMP_LT] = "SCMP_CMP_LT", [SECCOMP_LE] = "SCMP_CMP_LE", [SECCOMP_EQ] = "SCMP_CMP_EQ",
	[SECCOMP_GE] = "SCMP_CMP_GE", [SECCOMP_GT] = "SCMP_CMP_GT", [SECCOMP_MASKED] = "SCMP_CMP_MASKED_EQ",
};
DEFINE_NAMES_SCOPE(static inline, action, action_names)
DEFINE_NAMES_SCOPE(static inline, op, op_names)

void seccomp_profile_done(struct seccomp_profile *p)
{
	for (size_t i = 0; i < p->nowned; i++)
		free(p->owned[i]);
	free(p->owned);
	free(p->v);
	*p = (struct seccomp_profile){ 0 };
}

void seccomp_profile_add(struct seccomp_profile *p, const struct seccomp_rule *r)
{
	xgrow(&p->v, p->n, &p->cap, sizeof(*p->v));
	p->v[p->n++] = *r;
}

static const char *own(struct seccomp_profile *p, char *text)
{
	xgrow(&p->owned, p->nowned, &p->owned_cap, sizeof(*p->owned));
	return p->owned[p->nowned++] = text;
}

static int parse_action(const char *name, enum seccomp_action *ret, struct err *e)
{
	int a;

	if (!name)
		return err_set(e, EINVAL, "no action");
	a = streq(name, "SCMP_ACT_KILL") ? SECCOMP_KILL_THREAD : action_parse(name);
	if (a < 0)
		return err_set(e, EOPNOTSUPP, "action '%s' is not supported", name);
	*ret = (enum seccomp_action)a;
	return 0;
}

static int parse_caps(const struct cJSON *list, uint64_t *ret, struct err *e)
{
	for (const struct cJSON *c = list ? json_first(list) : NULL; c; c = json_next(c)) {
		AUTO_ERR(unknown);
		const char *name = json_value_str(c);
		int n;

		if (!name)
			return err_set(e, EINVAL, "a capability is no string");
		/* one that we do not know is never in a bounding set of ours: bit 63 */
		if (caps_parse(name, &n, &unknown) < 0 || n < 0)
			n = 63;
		*ret |= CAP_BIT(n);
	}
	return 0;
}

static const char *parse_arches(struct seccomp_profile *p, const struct cJSON *list)
{
	AUTO_STRV(names);

	for (const struct cJSON *c = list ? json_first(list) : NULL; c; c = json_next(c))
		if (json_value_str(c))
			strv_add(&names, json_value_str(c));
	return names.n ? own(p, strv_join(&names, "|")) : NULL;
}

static int parse_filter(struct seccomp_profile *p, const struct cJSON *o, bool include, struct seccomp_rule *r, struct err *e)
{
	const char *kernel = o ? json_str(o, "minKernel") : NULL;
	int major, minor;

	if (!o)
		return 0;
	TRY(parse_caps(json_get(o, "caps"), include ? &r->if_caps : &r->unless_caps, e));
	*(include ? &r->if_arch : &r->unless_arch) = parse_arches(p, json_get(o, "arches"));
	if (!kernel || !*kernel)
		return 0;
	if (!include || sscanf(kernel, "%d.%d", &major, &minor) != 2)
		return err_set(e, EINVAL, "minKernel '%s'", kernel);
	r->min_kernel = major * 1000 + minor;
	return 0;
}

/* 64-bit unsigned values above 2^53 are only exact as integers of ours */
static int parse_conds(const struct cJSON *list, struct seccomp_rule *r, struct err *e)
{
	for (const struct cJSON *c = list ? json_first(list) : NULL; c; c = json_next(c)) {
		const char *name = json_str(c, "op");
		int o = name ? op_parse(name) : -1;
		int64_t index = json_int(c, "index", -1);

		if (o < 0 || index < 0 || index > 5)
			return err_set(e, EINVAL, "an argument without a known op or index");
		if (r->ncond == SECCOMP_CONDS)
			return err_set(e, E2BIG, "more than %d arguments", SECCOMP_CONDS);
		r->cond[r->ncond++] = (struct seccomp_cond){
			.arg = (unsigned)index, .op = (enum seccomp_op)o, .value = (uint64_t)json_int(c, "value", 0),
			.value2 = (uint64_t)json_int(c, "valueTwo", 0),
		};
	}
	return 0;
}

/* libseccomp takes one condition an argument; several on the same one mean, as in runc, one rule each. */
static void add_split(struct seccomp_profile *p, const struct seccomp_rule *r)
{
	bool same = false;

	for (unsigned i = 0; i < r->ncond; i++)
		for (unsigned k = 0; k < i; k++)
			same = same || r->cond[i].arg == r->cond[k].arg;
	if (!same) {
		seccomp_profile_add(p, r);
		return;
	}
	for (unsigned i = 0; i < r->ncond; i++) {
		struct seccomp_rule one = *r;

		one.ncond = 1;
		one.cond[0] = r->cond[i];
		seccomp_profile_add(p, &one);
	}
}

static int parse_rule(struct seccomp_profile *p, const struct cJSON *o, struct err *e)
{
	struct seccomp_rule r = { 0 };
	AUTO_STRV(names);

	TRY(parse_action(json_str(o, "action"), &r.action, e));
	r.errno_value = (int)json_int(o, "errnoRet", EPERM);
	TRY(parse_filter(p, json_get(o, "includes"), true, &r, e));
	TRY(parse_filter(p, json_get(o, "excludes"), false, &r, e));
	TRY(parse_conds(json_get(o, "args"), &r, e));
	json_strv(o, "names", &names);
	if (json_str(o, "name"))
		strv_add(&names, json_str(o, "name"));
	for (size_t i = 0; i < names.n; i++) {
		if (p->n >= SECCOMP_RULES_MAX)
			return err_set(e, E2BIG, "more than %d rules", SECCOMP_RULES_MAX);
		r.name = own(p, xstrdup(names.v[i]));
		add_split(p, &r);
	}
	return 0;
}

static int parse_flags(struct seccomp_profile *p, const struct cJSON *list, struct err *e)
{
	for (const struct cJSON *c = list ? json_first(list) : NULL; c; c = json_next(c)) {
		const char *name = json_value_str(c);

		if (name && streq(name, "SECCOMP_FILTER_FLAG_LOG"))
			p->flag_log = true;
		else if (name && streq(name, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"))
			p->flag_spec_allow = true;
		else if (!name || !streq(name, "SECCOMP_FILTER_FLAG_TSYNC")) /* one thread: nothing to synchronise */
			return err_set(e, EOPNOTSUPP, "flag '%s' is not supported", str0(name));
	}
	return 0;
}

static int parse(const struct cJSON *j, struct seccomp_profile *p, struct err *e)
{
	const struct cJSON *list = json_get(j, "syscalls");

	if (!json_is_object(j))
		return err_set(e, EINVAL, "not an object");
	TRY(parse_action(json_str(j, "defaultAction"), &p->action, e));
	p->errno_value = (int)json_int(j, "defaultErrnoRet", EPERM);
	TRY(parse_flags(p, json_get(j, "flags"), e));
	if (json_str(j, "listenerPath"))
		return err_set(e, EOPNOTSUPP, "listenerPath is not supported");
	for (const struct cJSON *c = list ? json_first(list) : NULL; c; c = json_next(c))
		TRY(parse_rule(p, c, e));
	return 0;
}

int seccomp_profile_parse(const char *text, struct seccomp_profile *ret, struct err *e)
{
	AUTO_DONE(seccomp_profile_done) struct seccomp_profile p = { 0 };
	AUTO(json_free) struct cJSON *j = NULL;

	if (json_parse(text, strlen(text), "seccomp profile", &j, e) < 0)
		return -e->code;
	if (parse(j, &p, e) < 0)
		return err_wrap(e, "seccomp profile");
	*ret = p;
	p = (struct seccomp_profile){ 0 };
	return 0;
}

static bool has_arch(const char *list, const char *arch)
{
	size_t n = strlen(arch);

	for (const char *p = list; *p; p += strcspn(p, "|"), p += *p == '|')
		if (strncmp(p, arch, n) == 0 && (p[n] == '|' || !p[n]))
			return true;
	return false;
}

bool seccomp_rule_counts(const struct seccomp_rule *r, uint64_t caps, const char *arch, int kernel)
{
	return (r->if_caps & ~caps) == 0 && (r->unless_caps & caps) == 0 && (!r->if_arch || has_arch(r->if_arch, arch)) &&
	       (!r->unless_arch || !has_arch(r->unless_arch, arch)) && kernel >= r->min_kernel;
}
