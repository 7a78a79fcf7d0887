/* SPDX-License-Identifier: MIT */
#include "engine/kernel/lsm.h"

#include "base/err.h"
#include "base/str.h"
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define APPARMOR_ENABLED "/sys/module/apparmor/parameters/enabled"
#define APPARMOR_PROFILES "/sys/kernel/security/apparmor/profiles"
#define APPARMOR_DEFAULT "docker-default"
#define SELINUX_ENFORCE "/sys/fs/selinux/enforce"

static bool apparmor_on(void)
{
	FILE *f = fopen(APPARMOR_ENABLED, "re");
	int c = f ? getc(f) : 'N';

	if (f)
		fclose(f);
	return c == 'Y';
}

/* Lines are "NAME (MODE)". */
static bool apparmor_loaded(const char *profile)
{
	FILE *f = fopen(APPARMOR_PROFILES, "re");
	size_t n = strlen(profile);
	char line[1024];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = strncmp(line, profile, n) == 0 && line[n] == ' ' && line[n + 1] == '(';
	if (f)
		fclose(f);
	return found;
}

static int set_apparmor(const char *profile, bool privileged, struct lsm *ret, struct err *e)
{
	const char *want = profile && *profile ? profile : privileged ? "unconfined" : APPARMOR_DEFAULT;

	if (!apparmor_on() || streq(want, "unconfined"))
		return 0;
	if (!apparmor_loaded(want)) {
		if (!profile || !*profile)
			return 0; /* nobody has loaded docker's: run as an ordinary process does */
		err_set(e, ENOENT, "security_opt: apparmor profile '%s' is not loaded", want);
		err_hint(e, "load it with apparmor_parser, or use apparmor=unconfined");
		return -ENOENT;
	}
	if (snprintf(ret->label, sizeof(ret->label), "exec %s", want) >= (int)sizeof(ret->label))
		return err_set(e, EINVAL, "security_opt: apparmor profile name is too long");
	ret->file = "self/attr/apparmor/exec";
	ret->fallback = "self/attr/exec";
	return 0;
}

int lsm_prepare(const char *apparmor, const char *selinux, bool privileged, struct lsm *ret, struct err *e)
{
	*ret = (struct lsm){ 0 };
	TRY(set_apparmor(apparmor, privileged, ret, e));
	if (!selinux || !*selinux || streq(selinux, "disable") || access(SELINUX_ENFORCE, F_OK) < 0)
		return 0;
	/* a whole context is written as it is; type:, level: and the like would need the policy's default to start from */
	if (!strchr(selinux, ':') || strchr(selinux, '=')) {
		err_set(e, EOPNOTSUPP, "security_opt: label '%s': only a whole SELinux context, or disable, is supported", selinux);
		return -EOPNOTSUPP;
	}
	if (snprintf(ret->label, sizeof(ret->label), "%s", selinux) >= (int)sizeof(ret->label))
		return err_set(e, EINVAL, "security_opt: label is too long");
	ret->file = "self/attr/exec";
	return 0;
}
