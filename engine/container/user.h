/* SPDX-License-Identifier: MIT
 *
 * engine/container/user.h - whom a container runs as: `user:` and `group_add:` against the image's passwd and group
 *
 * Files are read from the image's root, never through mounts over them; they must be regular and bounded. An all-digit string is always
 * a number (CVE-2024-40635); a line with an id that is none is skipped, not taken for 0; numbers are in 0-2147483647.
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include <stddef.h>
#include <sys/types.h>

struct err;
enum { CTR_USER_MAX_ID = 2147483647, CTR_USER_FILE_MAX = 4 << 20, CTR_USER_GROUPS = 4096 };
struct ctr_user {
	uid_t uid;
	gid_t gid;
	gid_t *groups;  /* supplementary; the primary gid is always among them (CVE-2022-36109) */
	size_t ngroups;
	char *home;     /* "/" where passwd has none */
};
#define CTR_USER_INIT ((struct ctr_user){ 0 })
void ctr_user_done(struct ctr_user *u);
/* Pure. SPEC "[user][:group]" (NULL: root). PASSWD, GROUP: the files' text, "" when there is none. */
int ctr_user_parse(const char *spec, const struct strv *group_add, const char *passwd, const char *group,
		   struct ctr_user *ret, struct err *e);
/* Reads the two files below ROOT (an fd), then ctr_user_parse. */
int ctr_user_resolve(int root, const char *spec, const struct strv *group_add, struct ctr_user *ret, struct err *e);
