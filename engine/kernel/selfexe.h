/* SPDX-License-Identifier: MIT
 *
 * engine/kernel/selfexe.h - run from a copy that a container cannot write to (CVE-2019-5736)
 *
 * A process that enters a container can be reached there as /proc/PID/exe, for instance by an entrypoint "#!/proc/self/exe". Opening that for
 * writing must fail. So programs that start or exec into containers run from a read-only detached clone of their own file (no copy, some
 * 20 microseconds): the link's mount is read-only and belongs to no namespace, so nobody can change that. Before Linux 5.12: from a sealed
 * memfd.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>

struct err;
/* Re-executes the running program with ARGV (and the environment as it is) from a protected clone; returns 0 when it already runs from one.
 * To be called at the start of main(): nothing survives but descriptors without CLOEXEC. */
int selfexe_protect(char *const *argv, struct err *e);
bool selfexe_is_protected(void);
/* A protected clone of PATH as an fd to execute ("/proc/self/fd/N"). */
int selfexe_open(const char *path, struct err *e);
