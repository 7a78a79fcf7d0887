/* SPDX-License-Identifier: MIT */
#include "engine/image/platform.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "base/strv.h"

/* What people and kernels call an architecture, and what it is called in images. */
static const struct spelling {
	const char *arch, *variant, *to_arch, *to_variant; /* variant NULL: any, kept */
} spellings[] = {
	{ "x86_64", NULL, "amd64", NULL },  { "x86-64", NULL, "amd64", NULL },  { "i386", NULL, "386", "" },
	{ "i486", NULL, "386", "" },        { "i586", NULL, "386", "" },        { "i686", NULL, "386", "" },
	{ "aarch64", NULL, "arm64", NULL }, { "armhf", NULL, "arm", "v7" },     { "armel", NULL, "arm", "v6" },
	{ "armv5l", NULL, "arm", "v5" },    { "armv6l", NULL, "arm", "v6" },    { "armv7l", NULL, "arm", "v7" },
	{ "armv8l", NULL, "arm", "v7" },    { "loongarch64", NULL, "loong64", "" },
};
static const struct spelling variants[] = {
	{ "amd64", "v1", "amd64", "" },  { "arm64", "8", "arm64", "" },    { "arm64", "v8", "arm64", "" },  { "arm64", "v8.0", "arm64", "" },
	{ "arm64", "9", "arm64", "v9" }, { "arm64", "9.0", "arm64", "v9" }, { "arm64", "v9.0", "arm64", "v9" }, { "arm", "", "arm", "v7" },
	{ "arm", "5", "arm", "v5" },     { "arm", "6", "arm", "v6" },      { "arm", "7", "arm", "v7" },     { "arm", "8", "arm", "v8" },
};

static void part_set(char part[PLATFORM_PART], const char *s)
{
	size_t i = 0;

	for (; s[i] && i + 1 < PLATFORM_PART; i++)
		part[i] = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] - 'A' + 'a') : s[i];
	part[i] = '\0';
}

static void respell(struct platform *p, const struct spelling *table, size_t n)
{
	for (const struct spelling *s = table; s < table + n; s++) {
		if (!streq(p->arch, s->arch) || (s->variant && !streq(p->variant, s->variant)))
			continue;
		part_set(p->arch, s->to_arch);
		if (s->to_variant)
			part_set(p->variant, s->to_variant);
		return;
	}
}

void platform_set(struct platform *p, const char *os, const char *arch, const char *variant)
{
	part_set(p->os, str0(os));
	part_set(p->arch, str0(arch));
	part_set(p->variant, str0(variant));
	respell(p, spellings, ARRAY_LEN(spellings));
	respell(p, variants, ARRAY_LEN(variants));
}

void platform_host(struct platform *p)
{
	struct utsname u;

	if (uname(&u) < 0)
		BUG("uname");
	platform_set(p, "linux", u.machine, NULL);
}

/* "linux", or "arm64": the other half is this machine's (containerd's platforms.Parse). False: neither. */
static bool one_part(const char *word, struct platform *ret)
{
	static const char *const systems[] = { "linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "solaris", "aix", "android", "js", "wasip1" };
	static const char *const archs[] = { "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64",
					     "s390x", "wasm" };
	struct platform host;

	platform_host(&host);
	platform_set(ret, word, host.arch, host.variant);
	for (size_t i = 0; i < ARRAY_LEN(systems); i++)
		if (streq(ret->os, systems[i]))
			return true;
	platform_set(ret, "linux", word, NULL);
	for (size_t i = 0; i < ARRAY_LEN(archs); i++)
		if (streq(ret->arch, archs[i]))
			return true;
	return false;
}

void platform_host_most(struct platform *p)
{
	platform_host(p);
#ifdef __x86_64__
	/* The psABI's levels, as far as compilers tell the features of one apart. */
	bool v2 = __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
	bool v3 = v2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma");
	bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
		__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");

	if (streq(p->arch, "amd64"))
		part_set(p->variant, v4 ? "v4" : v3 ? "v3" : v2 ? "v2" : "");
#endif
}

int platform_parse(const char *text, struct platform *ret, struct err *e)
{
	AUTO_STRV(parts);
	struct platform one;

	strv_split(&parts, text, "/");
	if (parts.n == 1 && one_part(text, &one)) {
		*ret = one;
		return 0;
	}
	if (parts.n < 2 || parts.n > 3 || !*parts.v[0] || !*parts.v[1])
		return err_set(e, EINVAL, "'%s': not a platform, which is written as linux/amd64 or linux/arm/v7", text);
	platform_set(ret, parts.v[0], parts.v[1], parts.n == 3 ? parts.v[2] : NULL);
	return 0;
}

/* "v8.5" -> 805, "v7" -> 700, "" -> what no variant means there. */
static int level(const char *variant, int none)
{
	int major = 0, minor = 0;

	if (!*variant)
		return none;
	if (sscanf(variant, "v%2d.%2d", &major, &minor) < 1)
		return -1;
	return major * 100 + minor;
}

/* Steps down from WANT to HAVE; < 0: HAVE needs more than WANT is. */
static int steps_down(int want, int have)
{
	return want < 0 || have < 0 || have > want ? -1 : want - have;
}

int platform_rank(const struct platform *want, const struct platform *have)
{
	enum { OTHER_ARCH = 10000 };

	if (!streq(want->os, have->os))
		return -1;
	if (streq(want->arch, have->arch)) {
		if (streq(want->variant, have->variant))
			return 0;
		if (streq(want->arch, "amd64"))
			return steps_down(level(want->variant, 100), level(have->variant, 100));
		if (streq(want->arch, "arm64"))
			return steps_down(level(want->variant, 800), level(have->variant, 800));
		if (streq(want->arch, "arm"))
			return steps_down(level(want->variant, 700), level(have->variant, 700));
		return -1;
	}
	if (streq(want->arch, "amd64") && streq(have->arch, "386"))
		return OTHER_ARCH;
	if (streq(want->arch, "arm64") && streq(have->arch, "arm")) {
		int down = steps_down(800, level(have->variant, 700));

		return down < 0 ? -1 : OTHER_ARCH + down;
	}
	return -1;
}

bool platform_is(const struct platform *want, const struct platform *have)
{
	return platform_rank(want, have) >= 0 && streq(want->arch, have->arch);
}

char *platform_text(const struct platform *p)
{
	return xasprintf("%s/%s%s%s", p->os, p->arch, *p->variant ? "/" : "", p->variant);
}
