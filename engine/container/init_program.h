/* SPDX-License-Identifier: MIT
 *
 * engine/container/init_program.h - the program behind `init: true`
 *
 * A static program that reaps zombies and forwards signals, bind-mounted read-only into the container: ours (gantry-init) beside the other
 * programs, else Debian's tini-static or what docker and podman install.
 */
#pragma once
#include "base/auto.h"

struct err;
/* Its path on the host; caller frees. -ENOENT names where it was looked for. */
int init_program(char **ret, struct err *e);
