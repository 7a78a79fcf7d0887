/* SPDX-License-Identifier: MIT */
#include "engine/container/devices.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/container/spec.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { DEVICES_MAX = 16384, DEPTH_MAX = 16 };

void ctr_devices_done(struct ctr_devices *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->v[i].path);
	free(d->v);
	device_rules_done(&d->rules);
	*d = CTR_DEVICES_INIT;
}

/* ACCESS 0: no rule for it. */
static int add(struct ctr_devices *d, const char *path, const struct stat *st, unsigned access, struct err *e)
{
	if (d->n == DEVICES_MAX)
		return err_set(e, E2BIG, "more than %d devices", DEVICES_MAX);
	xgrow(&d->v, d->n, &d->cap, sizeof(*d->v));
	d->v[d->n++] = (struct ctr_device){
		.path = xstrdup(path), .mode = st->st_mode, .dev = st->st_rdev, .uid = st->st_uid, .gid = st->st_gid,
	};
	if (access)
		device_rules_add(&d->rules, (struct device_rule){ S_ISBLK(st->st_mode) ? 'b' : 'c', major(st->st_rdev),
								  minor(st->st_rdev), access });
	return 0;
}

static bool is_device(const struct stat *st)
{
	return S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);
}

/* Below the host's /dev these belong to each container itself. */
static bool skipped(const char *path)
{
	static const char *const list[] = { "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/fd", "/dev/console", "/dev/ptmx", NULL };

	if (str_in(path, list))
		return true;
	for (size_t i = 0; i < device_nodes_count; i++)
		if (str_starts(path, "/dev/") && streq(path + strlen("/dev/"), device_nodes[i].name))
			return true;
	return false;
}

/* All devices below the host's folder HOST, under PATH in the container; links are left out. */
static int add_folder(struct ctr_devices *d, const char *host, const char *path, unsigned access, int depth, struct err *e)
{
	struct dirent *ent;
	DIR *dir = opendir(host);
	int r = 0;

	if (!dir)
		return err_sys(e, "read folder '%s'", host);
	while (r >= 0 && (ent = readdir(dir))) {
		auto_free char *from = xasprintf("%s/%s", host, ent->d_name);
		auto_free char *to = xasprintf("%s/%s", path, ent->d_name);
		struct stat st;

		if (*ent->d_name == '.' || skipped(from) || lstat(from, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
			r = add_folder(d, from, to, access, depth + 1, e);
		else if (is_device(&st))
			r = add(d, to, &st, access, e);
	}
	closedir(dir);
	return r;
}

int ctr_devices_find(const struct ctr_spec *s, struct ctr_devices *ret, struct err *e)
{
	AUTO_DONE(ctr_devices_done) struct ctr_devices d = CTR_DEVICES_INIT;

	d.all = s->privileged;
	device_rules_default(&d.rules);
	if (s->privileged)
		TRY(add_folder(&d, "/dev", "/dev", 0, 0, e));
	for (size_t i = 0; i < s->ndevices; i++) {
		const struct device_spec *v = &s->devices[i];
		unsigned access = device_access(v->perms ? v->perms : "rwm");
		struct stat st;

		if (stat(v->host, &st) < 0) {
			err_sys(e, "device '%s'", v->host);
			err_hint(e, "is the driver loaded? remove it from devices if the container can do without");
			return -e->code;
		}
		if (S_ISDIR(st.st_mode)) {
			TRY(add_folder(&d, v->host, v->ctr, access, 0, e));
			continue;
		}
		if (!is_device(&st))
			return err_set(e, ENOTBLK, "'%s' is not a device", v->host);
		TRY(add(&d, v->ctr, &st, access, e));
	}
	for (size_t i = 0; i < s->res.device_cgroup_rules.n; i++) {
		struct device_rule r;

		TRY(device_rule_parse(s->res.device_cgroup_rules.v[i], &r, e));
		device_rules_add(&d.rules, r);
	}
	*ret = d;
	d = CTR_DEVICES_INIT;
	return 0;
}
