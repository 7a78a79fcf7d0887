/* SPDX-License-Identifier: MIT
 *
 * engine/container/capsule.h - a process for the container that has nothing of our memory but what it needs
 *
 * Between its birth in the container's pid namespace and its exec, an exec'd process is a copy of its caller: project, environment, other
 * services' secrets. A container with CAP_SYS_PTRACE could read that. So what the process needs is copied into pages of its own, and the rest of
 * the heap is taken out of what clone copies (MADV_DONTFORK, by the process between, whose memory is a copy already).
 */
#pragma once
#include "base/auto.h"
#include "engine/container/child.h"
#include <stddef.h>

struct err;
struct capsule {
	struct child_process *process; /* in pages of its own, with everything it points to */
	size_t size;
	struct child_range *drop;      /* ranges for MADV_DONTFORK */
	size_t ndrop, cap;
};
int capsule_make(const struct child_process *p, struct capsule *ret, struct err *e);
void capsule_done(struct capsule *c);
