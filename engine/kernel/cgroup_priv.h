/* SPDX-License-Identifier: MIT
 *
 * engine/kernel/cgroup_priv.h - what cgroup.c shares with cgroup_v1.c and cgroup_v2.c; nobody else includes it
 */
#pragma once
#include "engine/kernel/cgroup.h"
#include <sys/types.h>

/* One version's way. PATH as in cgroup.h. */
int cgroup_v1_make(const struct cgroup_layout *l, const char *path, const struct cgroup_files *files,
		   const struct device_rules *devices, struct cgroup_join *ret, struct err *e);
int cgroup_v2_make(const struct cgroup_layout *l, const char *path, const struct cgroup_files *files,
		   const struct device_rules *devices, struct cgroup_join *ret, struct err *e);
int cgroup_v1_freeze(const struct cgroup_layout *l, const char *path, bool frozen, struct err *e);
void cgroup_v1_stats(const struct cgroup_layout *l, const char *path, struct cgroup_stats *ret);
void cgroup_v2_stats(const struct cgroup_layout *l, const char *path, struct cgroup_stats *ret);

/* MOUNT/PATH made anew: an empty leftover is replaced, parents are made; EACH is called for every folder made on the way and for the
 * direct parent (v1: fill cpuset; v2: enable controllers), NULL: nothing. */
typedef int cgroup_dir_fn(const char *parent, const char *dir, struct err *e);
int cgroup_mkdir(const char *mount, const char *path, cgroup_dir_fn *each, struct err *e);
/* DIR/NAME. The value must go in with one write. */
int cgroup_put(const char *dir, const char *name, const char *value);
/* Up to N - 1 bytes, terminated, last newline cut; < 0: -errno. */
ssize_t cgroup_get(const char *dir, const char *name, char *buf, size_t n);
int cgroup_write_file(const char *dir, const struct cgroup_file *f, struct err *e);
/* "key N" lines: N of KEY, 0 when absent. */
uint64_t cgroup_key(const char *dir, const char *name, const char *key);
uint64_t cgroup_number(const char *dir, const char *name); /* "max" and nonsense: UINT64_MAX; unreadable: 0 */
