/* SPDX-License-Identifier: MIT
 *
 * engine/kernel/cgroup_v2.c - one hierarchy; a controller is there in a cgroup when its parent's cgroup.subtree_control names it
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/kernel/cgroup_priv.h"
#include "engine/kernel/sys.h"
#include <errno.h>

static const char *const controllers[] = { "cpuset", "cpu", "io", "memory", "pids" };

static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; *p; p += strcspn(p, " "), p += *p == ' ')
		if (strncmp(p, word, n) == 0 && (p[n] == ' ' || !p[n]))
			return true;
	return false;
}

/* The new DIR's controllers come from PARENT. What cannot be enabled only matters to a limit that needs it, and is said there. */
static int enable(const char *parent, const char *dir, struct err *e)
{
	char have[1024], on[1024];

	(void)dir;
	if (cgroup_get(parent, "cgroup.controllers", have, sizeof(have)) < 0 ||
	    cgroup_get(parent, "cgroup.subtree_control", on, sizeof(on)) < 0)
		return err_sys(e, "read the controllers of '%s'", parent);
	for (size_t i = 0; i < ARRAY_LEN(controllers); i++) {
		char word[32] = "+";
		int r;

		if (!has_word(have, controllers[i]) || has_word(on, controllers[i]))
			continue;
		memcpy(word + 1, controllers[i], strlen(controllers[i]) + 1);
		r = cgroup_put(parent, "cgroup.subtree_control", word);
		if (r < 0)
			log_debug("enable '%s' below '%s': %s", controllers[i], parent, strerror(-r));
	}
	return 0;
}

int cgroup_v2_make(const struct cgroup_layout *l, const char *path, const struct cgroup_files *files,
		   const struct device_rules *devices, struct cgroup_join *ret, struct err *e)
{
	auto_free char *dir = xasprintf("%s/%s", l->unified, path);
	auto_free char *procs = xasprintf("%s/cgroup.procs", dir);

	TRY(cgroup_mkdir(l->unified, path, enable, e));
	for (size_t i = 0; i < files->n; i++)
		TRY(cgroup_write_file(dir, &files->v[i], e));
	ret->unified = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret->unified < 0)
		return err_sys(e, "open '%s'", dir);
	ret->unified_procs = open(procs, O_WRONLY | O_CLOEXEC);
	return devices ? cgroup_devices_attach(ret->unified, devices, e) : 0;
}

static void add_io(const char *dir, struct cgroup_stats *ret)
{
	char buf[16384];

	if (cgroup_get(dir, "io.stat", buf, sizeof(buf)) < 0)
		return;
	for (const char *p = buf; (p = strpbrk(p, "rw")); p++) {
		if (strncmp(p, "rbytes=", 7) == 0)
			ret->io_read += strtoull(p + 7, NULL, 10);
		else if (strncmp(p, "wbytes=", 7) == 0)
			ret->io_write += strtoull(p + 7, NULL, 10);
	}
}

void cgroup_v2_stats(const struct cgroup_layout *l, const char *path, struct cgroup_stats *ret)
{
	auto_free char *dir = xasprintf("%s/%s", l->unified, path);
	uint64_t cache;

	ret->cpu_ns = cgroup_key(dir, "cpu.stat", "usage_usec") * 1000;
	ret->memory = cgroup_number(dir, "memory.current");
	cache = cgroup_key(dir, "memory.stat", "inactive_file");
	ret->memory -= MIN(cache, ret->memory);
	ret->memory_limit = cgroup_number(dir, "memory.max");
	ret->pids = cgroup_number(dir, "pids.current");
	ret->pids_limit = cgroup_number(dir, "pids.max");
	add_io(dir, ret);
}
