/* SPDX-License-Identifier: MIT
 *
 * engine/kernel/seccomp.h - system call filters: profiles -> BPF (seccomp.c, with libseccomp), and loading what was exported (seccomp_load.c)
 *
 * Building the default profile takes tens of milliseconds, so it is done once per (profile, capabilities, architecture, kernel, libseccomp) and
 * kept as a file; the statically linked monitor only reads files and links no libseccomp.
 */
#pragma once
#include "base/auto.h"
#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct seccomp_filter {
	struct sock_fprog prog; /* prog.filter is owned */
	unsigned flags;         /* SECCOMP_FILTER_FLAG_* */
};
void seccomp_filter_done(struct seccomp_filter *f);

/* ---- seccomp_load.c: no libseccomp ---- */
/* File: "GBPF1" + number of instructions + checksum, then the instructions. Refuses what is not root's alone, cut, or changed. */
int seccomp_file_read(const char *path, struct seccomp_filter *ret, struct err *e);
int seccomp_file_write(const char *path, const struct seccomp_filter *f, struct err *e);

/* ---- seccomp.c ---- */
/* PROFILE: NULL for the default, else the JSON text of a docker profile. CAPS: the container's bounding set. */
int seccomp_build(const char *profile, uint64_t caps, struct seccomp_filter *ret, struct err *e);
/* What the program depends on, as 64 hex digits. */
void seccomp_key(const char *profile, uint64_t caps, char ret[65]);
