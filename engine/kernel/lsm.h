/* SPDX-License-Identifier: MIT
 *
 * engine/kernel/lsm.h - AppArmor profile or SELinux label of a container's processes, set at their exec
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>

struct err;
struct lsm {
	const char *file, *fallback; /* below /proc; NULL: nothing to write */
	char label[512];
};
/* APPARMOR, SELINUX: what the user asked for, NULL for the default. Without an LSM on the host all are accepted and do nothing; with
 * AppArmor the default is docker-default when it is loaded, and a profile asked for must be loaded. */
int lsm_prepare(const char *apparmor, const char *selinux, bool privileged, struct lsm *ret, struct err *e);
