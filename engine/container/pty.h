/* SPDX-License-Identifier: MIT
 *
 * engine/container/pty.h - a pty of a container's own devpts
 */
#pragma once
#include "base/auto.h"
#include <sys/types.h>

struct err;
/* PTS: fd of the devpts' root. The slave belongs to UID; both are CLOEXEC and nobody's controlling terminal. */
int pty_open(int pts, uid_t uid, int *ret_master, int *ret_slave, struct err *e);
/* The same with PTS as /dev/pts below ROOT, which a running container may have replaced by anything. */
int pty_open_below(int root, uid_t uid, int *ret_master, int *ret_slave, struct err *e);
