/* SPDX-License-Identifier: MIT
 *
 * engine/build/copy.h - a selection of files into a root file system, as COPY and ADD do (dockerfile.md 4)
 *
 * Runs in the step's own process. The destination's links are followed inside its root by walking component by component; below the
 * destination nothing is followed or written through.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct select_from;
struct selection;
struct copy_to {
	int root;                 /* folder */
	const char *dest;         /* absolute; with a '/' at its end it is a folder */
	bool set_owner;           /* uid and gid for all; else what the selection says, 0:0 for folders that are made */
	uid_t uid;
	gid_t gid;
	const char *chmod;        /* octal or symbolic, NULL */
	bool keep_owner;          /* what is copied keeps its owner nevertheless */
	bool archive;             /* what is in the way goes, folders too; a folder that it does not name (LAYER_UNNAMED) stays as it is */
	bool as_folder;           /* DEST is a folder whatever it ends in (archives) */
};
int copy_selection(const struct select_from *from, const struct selection *s, const struct copy_to *to, struct err *e);
/* A heredoc: a file NAME of TEXT. */
int copy_text(const char *name, const char *text, const struct copy_to *to, struct err *e);
/* One file of FD's content as NAME, with MODE and MTIME (ns). */
int copy_fd(const char *name, int fd, mode_t mode, int64_t mtime_ns, const struct copy_to *to, struct err *e);
/* Makes PATH below ROOT with what is missing of it (0755, owner); returns its fd (O_PATH). -ENOTDIR: something else is in the way. */
int copy_mkdir(int root, const char *path, uid_t uid, gid_t gid, struct err *e);
/* "0640", "u=rwX,go=rX": -EINVAL. */
int chmod_check(const char *text, struct err *e);
