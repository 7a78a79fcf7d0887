/* SPDX-License-Identifier: MIT */
#include "engine/build/owner.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "engine/container/user.h"

/* strconv.ParseInt(s, 10, 32), and "root". -1 is the id that changes nothing. */
static bool is_id(const char *s, int64_t *ret)
{
	AUTO_ERR(bad);

	*ret = 0;
	return streq(s, "root") || num_int(s + (*s == '+' && s[1] != '-'), INT32_MIN, INT32_MAX, ret, &bad) >= 0;
}

/* SPEC: "name", or ":name" for a group. False: nobody is called that. */
static bool look_up(int root, const char *name, bool group, uid_t *uid, gid_t *gid)
{
	auto_free char *spec = group ? xasprintf("0:%s", name) : xstrdup(name);
	struct ctr_user u = CTR_USER_INIT;
	AUTO_ERR(unknown);
	bool found;

	/* all digits, but no id: a name that no file can hold */
	if (strspn(name, "0123456789") == strlen(name) || strchr(name, ':'))
		return false;
	found = ctr_user_resolve(root, spec, NULL, &u, &unknown) >= 0;
	if (found) {
		*uid = u.uid;
		*gid = u.gid;
	}
	ctr_user_done(&u);
	return found;
}

int owner_parse(int root, bool scratch, const char *text, uid_t *uid, gid_t *gid, struct err *e)
{
	size_t n = strcspn(text, ":");
	auto_free char *user = xstrndup(text, n);
	const char *group = text[n] ? text + n + 1 : NULL;
	int64_t id = 0, group_id = 0;
	bool named = *user && !is_id(user, &id), group_named = group && *group && !is_id(group, &group_id);
	uid_t ignored;

	if ((named || group_named) && scratch)
		return err_set(e, EINVAL, "invalid user index: -1");
	*uid = 0;
	*gid = 0;
	if (named) {
		(void)look_up(root, user, false, uid, gid);
	} else if (*user) {
		*uid = (uid_t)id;
		*gid = (gid_t)id;
	}
	if (group_named)
		(void)look_up(root, group, true, &ignored, gid);
	else if (group)
		*gid = (gid_t)group_id;
	return 0;
}
