/* SPDX-License-Identifier: MIT
 *
 * engine/build/owner.h - `--chown` and WORKDIR's owner: "user[:group]" as BuildKit's file operations read it
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <sys/types.h>

struct err;
/* Numbers and "root" stand for themselves, other names are looked up in ROOT's passwd and group. A user alone brings its own group (a number: the same
 * one); an unknown user is 0, an unknown group changes nothing. SCRATCH: there is no root yet, a name is -EINVAL. */
int owner_parse(int root, bool scratch, const char *text, uid_t *uid, gid_t *gid, struct err *e);
