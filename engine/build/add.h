/* SPDX-License-Identifier: MIT
 *
 * engine/build/add.h - what ADD can and COPY cannot: archives are unpacked, URLs are fetched (dockerfile.md 3.3)
 *
 * Archives and URLs are the work of gantry-image, which is nobody and sees only the descriptors that it is given; repositories that of git (git.h).
 */
#pragma once
#include "base/auto.h"
#include <stddef.h>
#include <stdint.h>

struct cJSON;
struct copy_to;
struct err;
struct hash;
struct ignore;
struct select_from;
struct selection;
struct step_env;
struct added_url {
	int fd;
	int64_t mtime;            /* Last-Modified, seconds; 0 */
	char *digest;
};
/* A repository, in a folder of the step's. */
struct added_git {
	char *tree, *commit, *subdir;
};
struct added {
	struct added_url *urls;
	struct added_git *gits;
	size_t nurls, ngits;
};
void added_done(struct added *a);
/* Fetches the step's URLs and repositories; -EBADMSG: not what --checksum says. */
int add_fetch(struct step_env *s, struct added *ret, struct err *e);
void add_hash(const struct added *a, struct hash *h);
/* What was fetched into its place; EXCLUDE (NULL: nothing) is for repositories. */
int add_place(struct step_env *s, const struct added *a, const struct ignore *exclude, const struct copy_to *to, struct err *e);
/* Archives among the selection's files are unpacked, and leave it. */
int add_archives(struct step_env *s, const struct select_from *from, struct selection *selection, const struct copy_to *to, struct err *e);
