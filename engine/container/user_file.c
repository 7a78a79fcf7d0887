/* SPDX-License-Identifier: MIT */
#include "engine/container/user_file.h"

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "engine/container/user.h"
#include <errno.h>
#include <string.h>

enum { USER_FILE_MAX = 1 << 20 };

int user_file_write(const struct dirs *d, const char *id, const struct ctr_user *u, struct err *e)
{
	auto_free char *folder = dirs_run(d, "c/%s", id);
	auto_free char *path = dirs_run(d, "c/%s/user", id);
	AUTO(json_free) struct cJSON *j = json_object();
	struct cJSON *groups = json_add_array(j, "groups");
	auto_free char *text = NULL;

	json_add_int(j, "uid", u->uid);
	json_add_int(j, "gid", u->gid);
	for (size_t i = 0; i < u->ngroups; i++)
		json_add_int(groups, NULL, u->groups[i]);
	json_add_str(j, "home", u->home);
	text = json_text(j, false);
	TRY(file_mkdir_p(folder, 0700, e));
	return file_replace(path, text, strlen(text), 0600, false, e);
}

int user_file_read(const struct dirs *d, const char *id, struct ctr_user *ret, struct err *e)
{
	auto_free char *path = dirs_run(d, "c/%s/user", id);
	AUTO_DONE(ctr_user_done) struct ctr_user u = CTR_USER_INIT;
	AUTO(json_free) struct cJSON *j = NULL;
	auto_free char *text = NULL;
	const struct cJSON *groups;
	int64_t uid, gid;
	size_t len, cap = 0;

	TRY(file_read(path, USER_FILE_MAX, &text, &len, e));
	TRY(json_parse(text, len, path, &j, e));
	uid = json_int(j, "uid", -1);
	gid = json_int(j, "gid", -1);
	if (uid < 0 || uid > CTR_USER_MAX_ID || gid < 0 || gid > CTR_USER_MAX_ID || !json_str(j, "home"))
		return err_set(e, EBADMSG, "'%s' is damaged", path);
	u.uid = (uid_t)uid;
	u.gid = (gid_t)gid;
	u.home = xstrdup(json_str(j, "home"));
	groups = json_get(j, "groups");
	for (const struct cJSON *c = groups ? json_first(groups) : NULL; c; c = json_next(c)) {
		int64_t g;

		if (!json_value_int(c, &g) || g < 0 || g > CTR_USER_MAX_ID)
			return err_set(e, EBADMSG, "'%s' is damaged", path);
		xgrow(&u.groups, u.ngroups, &cap, sizeof(*u.groups));
		u.groups[u.ngroups++] = (gid_t)g;
	}
	*ret = u;
	u = CTR_USER_INIT;
	return 0;
}
