/* SPDX-License-Identifier: MIT
 *
 * base/dirs.h - where gantry keeps things
 *
 * root: --root, GANTRY_ROOT, /var/lib/gantry (survives a boot); run: --run, GANTRY_RUN, /run/gantry (does not).
 *
 *   root/  id  state.db  seccomp/  images/{blobs,layers,tmp}/  volumes/NAME/{volume.json,data}  containers/ID/{spec.json,upper,work,log*,…}
 *          trash/  tmp/  reserve
 *   run/   nft.lock  ticket.lock  gen/PROJECT  p/PROJECT/{lock,cmd.lock,ctl.sock}  c/ID/{keep.sock,exit}
 */
#pragma once
#include "base/auto.h"

struct err;
struct dirs {
	char *root, *run;
	char root_id[9]; /* 8 hex, from root/id: part of the names of kernel objects; "" until dirs_prepare */
	char boot_id[37];
};
/* NULL: environment, then default. Only text, touches nothing. */
void dirs_init(struct dirs *d, const char *root, const char *run);
void dirs_done(struct dirs *d);
/* Makes root and run (both 0700) with what is in them, reads or makes root/id, reads the boot id. Refuses a root that is
 * group/world-writable or owned by someone else. */
int dirs_prepare(struct dirs *d, struct err *e);
/* "ROOT/fmt…", "RUN/fmt…". Caller frees. */
char *dirs_root(const struct dirs *d, const char *fmt, ...) PRINTF(2, 3);
char *dirs_run(const struct dirs *d, const char *fmt, ...) PRINTF(2, 3);
/* Folder of our other programs: GANTRY_LIBEXEC, beside the running program, then the configured libexecdir. Caller frees
 * the path of PROGRAM ("gantry-monitor"). */
int dirs_program(const char *program, char **ret_path, struct err *e);
