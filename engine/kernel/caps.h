/* SPDX-License-Identifier: MIT
 *
 * engine/kernel/caps.h - capability names and sets (capabilities(7)); a set is a mask with bit n for capability n
 *
 * Containers have them in bounding, permitted and effective; inheritable and ambient stay empty (CVE-2022-24769).
 * Adding a capability: one row in caps.c.
 */
#pragma once
#include "base/auto.h"
#include "base/names.h"
#include "base/strv.h"
#include <stdbool.h>
#include <stdint.h>

struct err;
DECLARE_NAMES(cap) /* 21 <-> "CAP_SYS_ADMIN", exact spelling */
#define CAP_BIT(n) (UINT64_C(1) << (n))
enum { CAP_NR_SYS_ADMIN = 21, CAP_NR_SYS_RESOURCE = 24, CAP_NR_SETPCAP = 8 };

/* Docker's 14 */
uint64_t caps_default(void);
/* As users write it: any case, CAP_ optional. -EINVAL with a near miss; "ALL" gives -1 in *ret. */
int caps_parse(const char *name, int *ret, struct err *e);
/* What cap_add, cap_drop and privileged make of the default set. AVAILABLE: what we could give (caps_available). Asking by name
 * for one that is not available is -EPERM; defaults that are not are left out. Pure. */
int caps_resolve(const struct strv *add, const struct strv *drop, bool privileged, uint64_t available, uint64_t *ret,
		 struct err *e);
/* Our own bounding set; *ret_last is the kernel's highest capability (0 .. *ret_last are to be dropped from bounding sets). */
int caps_available(uint64_t *ret, int *ret_last, struct err *e);
