/* SPDX-License-Identifier: MIT
 *
 * engine/kernel/overlay.h - overlayfs from descriptors (no colon to escape, no page of options to overflow)
 *
 * Tried in this order: layers by fd (6.13), layers one by one as /proc/self/fd/N (6.7), one option string through mount(2).
 * All fds must have been opened in the caller's present mount namespace.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>

struct err;
struct overlay {
	const int *lower; /* topmost first, at least one */
	size_t nlower;
	int upper, work;  /* -1 both: read-only */
	int target;
	const char *target_path; /* same place, for the reopening that mount(2) needs */
};
/* Returns an fd of the overlay's root. */
int overlay_mount(const struct overlay *o, struct err *e);
