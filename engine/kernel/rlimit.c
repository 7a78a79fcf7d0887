/* SPDX-License-Identifier: MIT */
#include "engine/kernel/rlimit.h"

#include "base/err.h"
#include "base/str.h"
#include <errno.h>
#include <string.h>

static const char *const rlimit_names[RLIMIT_COUNT] = {
	[RLIMIT_CPU] = "cpu",
	[RLIMIT_FSIZE] = "fsize",
	[RLIMIT_DATA] = "data",
	[RLIMIT_STACK] = "stack",
	[RLIMIT_CORE] = "core",
	[RLIMIT_RSS] = "rss",
	[RLIMIT_NPROC] = "nproc",
	[RLIMIT_NOFILE] = "nofile",
	[RLIMIT_MEMLOCK] = "memlock",
	[RLIMIT_AS] = "as",
	[RLIMIT_LOCKS] = "locks",
	[RLIMIT_SIGPENDING] = "sigpending",
	[RLIMIT_MSGQUEUE] = "msgqueue",
	[RLIMIT_NICE] = "nice",
	[RLIMIT_RTPRIO] = "rtprio",
	[RLIMIT_RTTIME] = "rttime",
};
DEFINE_NAMES(rlimit, rlimit_names)

#define MIB (UINT64_C(1) << 20)
enum { OUR_FILES = 524288 }; /* not more: before Linux 5.11 each of them is closed one by one */
static const struct {
	int resource;
	struct rlimit limit;
} baseline[] = {
	{ RLIMIT_NOFILE, { 1024, OUR_FILES } },
	{ RLIMIT_NPROC, { RLIM_INFINITY, RLIM_INFINITY } },
	{ RLIMIT_CORE, { 0, RLIM_INFINITY } },
	{ RLIMIT_MEMLOCK, { 8 * MIB, 8 * MIB } },
	{ RLIMIT_STACK, { 8 * MIB, RLIM_INFINITY } },
};

void rlimit_baseline(const struct rlimit hard[RLIMIT_COUNT], struct rlimit_set *ret)
{
	*ret = (struct rlimit_set){ 0 };
	for (size_t i = 0; i < ARRAY_LEN(baseline); i++) {
		int r = baseline[i].resource;

		/* RLIM_INFINITY is the largest rlim_t, so MIN does what is meant */
		ret->v[r].rlim_max = MIN(baseline[i].limit.rlim_max, hard[r].rlim_max);
		ret->v[r].rlim_cur = MIN(baseline[i].limit.rlim_cur, ret->v[r].rlim_max);
		ret->set |= 1u << r;
	}
}

int rlimit_add(struct rlimit_set *s, const struct rlimit hard[RLIMIT_COUNT], bool raise, const char *name, int64_t soft,
	       int64_t max, struct err *e)
{
	int r = rlimit_parse(name);
	rlim_t cur = soft < 0 ? RLIM_INFINITY : (rlim_t)soft, top = max < 0 ? RLIM_INFINITY : (rlim_t)max;

	if (r < 0) {
		const char *near = str_nearest(name, rlimit_names, RLIMIT_COUNT, sizeof(rlimit_names[0]));

		err_set(e, EINVAL, "ulimits: unknown limit '%s'", name);
		if (near)
			err_hint(e, "did you mean '%s'?", near);
		return -EINVAL;
	}
	if (cur > top)
		return err_set(e, EINVAL, "ulimits: %s: the soft limit %lld is above the hard limit %lld", name,
			       (long long)soft, (long long)max);
	if (top > hard[r].rlim_max && !raise) {
		err_set(e, EPERM, "ulimits: %s: a hard limit of %lld is above ours (%llu), and raising it needs CAP_SYS_RESOURCE",
			name, (long long)max, (unsigned long long)hard[r].rlim_max);
		err_hint(e, "ask for less, or raise the limit of the process that runs gantry");
		return -EPERM;
	}
	s->v[r] = (struct rlimit){ cur, top };
	s->set |= 1u << r;
	return 0;
}

int rlimit_own(struct rlimit ret[RLIMIT_COUNT], struct err *e)
{
	for (int r = 0; r < RLIMIT_COUNT; r++)
		if (getrlimit((__rlimit_resource_t)r, &ret[r]) < 0)
			return err_sys(e, "read our limit '%s'", rlimit_names[r]);
	return 0;
}

struct rlimit rlimit_lifted(int resource, struct rlimit own, bool raise)
{
	rlim_t enough = resource == RLIMIT_NOFILE ? OUR_FILES : RLIM_INFINITY;

	if (raise)
		own.rlim_max = MAX(own.rlim_max, enough);
	own.rlim_cur = MAX(own.rlim_cur, MIN(own.rlim_max, enough));
	return own;
}

void rlimit_lift(void)
{
	static const int resources[] = { RLIMIT_NOFILE, RLIMIT_FSIZE, RLIMIT_CPU, RLIMIT_DATA, RLIMIT_AS, RLIMIT_LOCKS };

	for (size_t i = 0; i < ARRAY_LEN(resources); i++) {
		__rlimit_resource_t r = (__rlimit_resource_t)resources[i];
		struct rlimit own, all, soft;

		if (getrlimit(r, &own) < 0)
			continue;
		all = rlimit_lifted(resources[i], own, true);
		soft = rlimit_lifted(resources[i], own, false);
		if (memcmp(&all, &own, sizeof(own)) != 0 && setrlimit(r, &all) < 0)
			(void)setrlimit(r, &soft); /* a soft limit can be had by everybody */
	}
}
