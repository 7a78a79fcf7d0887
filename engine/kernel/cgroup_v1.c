/* SPDX-License-Identifier: MIT
 *
 * engine/kernel/cgroup_v1.c - controllers in hierarchies of their own, and the empty v2 one beside them
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/kernel/cgroup_priv.h"
#include "engine/kernel/device.h"
#include "engine/kernel/sys.h"
#include <errno.h>
#include <time.h>

enum { FREEZE_TRIES = 200, FREEZE_NAP_NS = 1000000 };

/* A cpuset without CPUs and memory nodes takes no process (cpusets(7)): it begins with its parent's. */
static int fill_cpuset(const char *parent, const char *dir, struct err *e)
{
	static const char *const names[] = { "cpuset.cpus", "cpuset.mems" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char mine[4096], theirs[4096];
		int r;

		if (cgroup_get(dir, names[i], mine, sizeof(mine)) > 0)
			continue;
		if (cgroup_get(parent, names[i], theirs, sizeof(theirs)) <= 0)
			return err_set(e, ENODEV, "cgroup '%s' has no %s", parent, names[i]);
		r = cgroup_put(dir, names[i], theirs);
		if (r < 0)
			return err_code(e, -r, "write '%s' to '%s/%s'", theirs, dir, names[i]);
	}
	return 0;
}

/* Deny all, then allow: nothing is in the cgroup yet. */
static int allow_devices(const char *dir, const struct device_rules *rules, struct err *e)
{
	int r = cgroup_put(dir, "devices.deny", "a");

	if (r < 0)
		return err_code(e, -r, "deny all devices in '%s'", dir);
	for (size_t i = 0; i < rules->n; i++) {
		char text[DEVICE_RULE_TEXT];

		r = cgroup_put(dir, "devices.allow", device_rule_text(&rules->v[i], text));
		if (r < 0)
			return err_code(e, -r, "allow device '%s'", text);
	}
	return 0;
}

static int make_one(const struct cgroup_layout *l, int i, const char *path, const struct cgroup_files *files,
		    const struct device_rules *devices, struct cgroup_join *ret, struct err *e)
{
	auto_free char *dir = xasprintf("%s/%s", l->v1[i].dir, path);
	auto_free char *tasks = xasprintf("%s/tasks", dir);
	bool cpuset = cgroup_find_v1(l, "cpuset") == i;

	TRY(cgroup_mkdir(l->v1[i].dir, path, cpuset ? fill_cpuset : NULL, e));
	for (size_t k = 0; k < files->n; k++)
		if (cgroup_find_v1(l, files->v[k].controller) == i)
			TRY(cgroup_write_file(dir, &files->v[k], e));
	if (devices && cgroup_find_v1(l, "devices") == i)
		TRY(allow_devices(dir, devices, e));
	ret->tasks[ret->ntasks] = open(tasks, O_WRONLY | O_CLOEXEC);
	if (ret->tasks[ret->ntasks] < 0)
		return err_sys(e, "open '%s'", tasks);
	ret->ntasks++;
	return 0;
}

int cgroup_v1_make(const struct cgroup_layout *l, const char *path, const struct cgroup_files *files,
		   const struct device_rules *devices, struct cgroup_join *ret, struct err *e)
{
	for (size_t k = 0; k < files->n; k++)
		if (cgroup_find_v1(l, files->v[k].controller) < 0 && !files->v[k].optional)
			return err_set(e, EOPNOTSUPP, "%s: the cgroup controller '%s' is not mounted", files->v[k].what,
				       files->v[k].controller);
	if (devices && cgroup_find_v1(l, "devices") < 0)
		return err_set(e, EOPNOTSUPP, "the cgroup controller 'devices' is not mounted: devices could not be denied");
	for (size_t i = 0; i < l->nv1; i++)
		TRY(make_one(l, (int)i, path, files, devices, ret, e));
	if (l->unified) {
		auto_free char *dir = xasprintf("%s/%s", l->unified, path);
		auto_free char *procs = xasprintf("%s/cgroup.procs", dir);

		TRY(cgroup_mkdir(l->unified, path, NULL, e));
		ret->unified = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (ret->unified < 0)
			return err_sys(e, "open '%s'", dir);
		ret->unified_procs = open(procs, O_WRONLY | O_CLOEXEC);
	}
	return 0;
}

int cgroup_v1_freeze(const struct cgroup_layout *l, const char *path, bool frozen, struct err *e)
{
	const char *want = frozen ? "FROZEN" : "THAWED";
	const struct timespec nap = { .tv_nsec = FREEZE_NAP_NS };
	int i = cgroup_find_v1(l, "freezer");
	char state[32] = "";
	int r;

	if (i < 0)
		return err_set(e, EOPNOTSUPP, "the cgroup controller 'freezer' is not mounted");

	auto_free char *dir = xasprintf("%s/%s", l->v1[i].dir, path);

	/* FREEZING turns into FROZEN when the state is read or written again after all have stopped */
	for (int n = 0; n < FREEZE_TRIES; n++) {
		r = cgroup_put(dir, "freezer.state", want);
		if (r < 0)
			return err_code(e, -r, "%s cgroup '%s'", frozen ? "freeze" : "thaw", path);
		if (cgroup_get(dir, "freezer.state", state, sizeof(state)) > 0 && streq(state, want))
			return 0;
		nanosleep(&nap, NULL);
	}
	return err_set(e, EBUSY, "cgroup '%s' stays '%s', wanted '%s'", path, state, want);
}

static char *dir_of(const struct cgroup_layout *l, const char *controller, const char *path)
{
	int i = cgroup_find_v1(l, controller);

	return i < 0 ? xstrdup("/nonexistent") : xasprintf("%s/%s", l->v1[i].dir, path);
}

/* "MAJ:MIN Read N" lines of every device */
static void add_io(const char *dir, struct cgroup_stats *ret)
{
	char buf[16384];

	if (cgroup_get(dir, "blkio.throttle.io_service_bytes", buf, sizeof(buf)) < 0)
		return;
	for (const char *p = buf; p; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
		const char *word = p + strcspn(p, " \n");

		if (strncmp(word, " Read ", 6) == 0)
			ret->io_read += strtoull(word + 6, NULL, 10);
		else if (strncmp(word, " Write ", 7) == 0)
			ret->io_write += strtoull(word + 7, NULL, 10);
	}
}

void cgroup_v1_stats(const struct cgroup_layout *l, const char *path, struct cgroup_stats *ret)
{
	auto_free char *cpu = dir_of(l, "cpuacct", path);
	auto_free char *memory = dir_of(l, "memory", path);
	auto_free char *pids = dir_of(l, "pids", path);
	auto_free char *blkio = dir_of(l, "blkio", path);
	uint64_t cache;

	ret->cpu_ns = cgroup_number(cpu, "cpuacct.usage");
	ret->memory = cgroup_number(memory, "memory.usage_in_bytes");
	cache = cgroup_key(memory, "memory.stat", "total_inactive_file");
	ret->memory -= MIN(cache, ret->memory);
	ret->memory_limit = cgroup_number(memory, "memory.limit_in_bytes");
	if (ret->memory_limit >= (uint64_t)INT64_MAX / 4096 * 4096)
		ret->memory_limit = UINT64_MAX; /* PAGE_COUNTER_MAX */
	ret->pids = cgroup_number(pids, "pids.current");
	ret->pids_limit = cgroup_number(pids, "pids.max");
	add_io(blkio, ret);
}
