/* SPDX-License-Identifier: MIT
 *
 * engine/container/host_etc.h - hosts, hostname and resolv.conf of a container on the host's network
 *
 * Copies of the host's files, made anew at each start, so that the container can write to them and the host does not notice.
 */
#pragma once
#include "base/auto.h"

struct ctr_spec;
struct dirs;
struct err;
/* Writes them into the container's folder; *ret_dir (caller frees) is that folder. */
int host_etc_write(const struct dirs *d, const struct ctr_spec *s, char **ret_dir, struct err *e);
