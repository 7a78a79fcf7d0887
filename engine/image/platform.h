/* SPDX-License-Identifier: MIT
 *
 * engine/image/platform.h - which of an index's images runs here (registry spec 3.3, containerd's platforms)
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>

struct err;
enum { PLATFORM_PART = 32 };
struct platform {
	char os[PLATFORM_PART], arch[PLATFORM_PART], variant[PLATFORM_PART]; /* normalised; variant "" when there is none */
};
/* Brings Docker's and uname's spellings together: x86_64 -> amd64, aarch64 -> arm64, armhf -> arm/v7, arm64/v8 -> arm64. What is longer than a
 * part is cut, which matches nothing. NULLs are "". */
void platform_set(struct platform *p, const char *os, const char *arch, const char *variant);
/* What this machine runs, from uname(2). */
void platform_host(struct platform *p);
/* The same with the variant that this processor reaches: amd64/v3. Images of it are taken only where there is nothing else: another machine may not
 * run them. */
void platform_host_most(struct platform *p);
/* "linux/arm64", "linux/arm/v7", "linux/amd64": -EINVAL otherwise. */
int platform_parse(const char *text, struct platform *ret, struct err *e);
/* How good HAVE is for a machine that is WANT: 0 is exact, larger is worse, < 0: does not run there. */
int platform_rank(const struct platform *want, const struct platform *have);
/* HAVE is what somebody who says WANT means: 386 runs on amd64, but is not it. */
bool platform_is(const struct platform *want, const struct platform *have);
/* "linux/arm/v7". Caller frees. */
char *platform_text(const struct platform *p);
