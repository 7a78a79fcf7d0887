/* SPDX-License-Identifier: MIT
 *
 * engine/container/view.h - a container's files as the container sees them, for whoever copies
 */
#pragma once
#include "base/auto.h"

struct ctr_row;
struct ctr_spec;
struct dirs;
struct err;
/* An O_PATH descriptor of the container's root; what is below is opened with path_open_in, which nobody inside can lead astray.
 * Runs or is paused: through /proc/PID/root, with all its mounts. Else the root is put together in a new mount namespace, which the caller (without
 * threads) is in from then on, with the user's mounts and nothing else; the project must be locked, so that nobody starts it meanwhile. */
int ctr_view_open(const struct dirs *d, const struct ctr_row *c, const struct ctr_spec *spec, struct err *e);
/* An O_PATH descriptor of what the container's root holds by itself: its layers, with nothing mounted on them (no volumes, no /proc), for whoever packs
 * it up. For one that runs the caller (without threads) is in the container's mount namespace for a moment; its working folder stays. For one that does
 * not run as ctr_view_open. -ENOSYS: a kernel before 5.12, and it runs. */
int ctr_root_open(const struct dirs *d, const struct ctr_row *c, const struct ctr_spec *spec, struct err *e);
