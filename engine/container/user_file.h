/* SPDX-License-Identifier: MIT
 *
 * engine/container/user_file.h - run/c/ID/user: whom a container was started as, so that an exec without -u is the same user with the same groups
 */
#pragma once
#include "base/auto.h"

struct ctr_user;
struct dirs;
struct err;
int user_file_write(const struct dirs *d, const char *id, const struct ctr_user *u, struct err *e);
/* -ENOENT: not started in this boot. */
int user_file_read(const struct dirs *d, const char *id, struct ctr_user *ret, struct err *e);
