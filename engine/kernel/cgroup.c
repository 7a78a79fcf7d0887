/* SPDX-License-Identifier: MIT */
#include "engine/kernel/cgroup.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/kernel/cgroup_priv.h"
#include "engine/kernel/sys.h"
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#define CGROUP_ROOT "/sys/fs/cgroup"
enum { CGROUP_PATH = 4096, REMOVE_WAIT_S = 5, RETRY_NS = 500000, PIDS_MAX_READ = 1 << 20 };

/* ---- what is mounted ------------------------------------------------------------------------------------------------ */

static long magic_of(const char *path)
{
	struct statfs st;

	return statfs(path, &st) == 0 ? (long)st.f_type : 0;
}

static void look_at(struct cgroup_layout *l, const char *name)
{
	auto_free char *dir = xasprintf("%s/%s", CGROUP_ROOT, name);
	struct stat st;

	/* "cpu" is often a symlink to "cpu,cpuacct": the real one comes by itself */
	if (lstat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
		return;
	switch (magic_of(dir)) {
	case MAGIC_CGROUP2:
		if (!l->unified)
			l->unified = TAKE(dir);
		break;
	case MAGIC_CGROUP:
		if (l->nv1 == CGROUP_HIERARCHIES)
			break;
		l->v1[l->nv1].name = xstrdup(name);
		l->v1[l->nv1++].dir = TAKE(dir);
		break;
	default:
		break;
	}
}

int cgroup_layout(const struct cgroup_layout **ret, struct err *e)
{
	static struct cgroup_layout l; /* a memo: mounts of control groups do not move while we run */
	struct dirent *d;
	DIR *dir;

	if (l.unified || l.nv1) {
		*ret = &l;
		return 0;
	}
	if (magic_of(CGROUP_ROOT) == MAGIC_CGROUP2) {
		l.unified = xstrdup(CGROUP_ROOT);
		l.v2 = true;
		*ret = &l;
		return 0;
	}
	dir = opendir(CGROUP_ROOT);
	while (dir && (d = readdir(dir)))
		if (*d->d_name != '.')
			look_at(&l, d->d_name);
	if (dir)
		closedir(dir);
	if (!l.unified && !l.nv1) {
		err_set(e, ENOENT, "no control groups are mounted at %s", CGROUP_ROOT);
		err_hint(e, "mount -t cgroup2 none %s", CGROUP_ROOT);
		return -ENOENT;
	}
	*ret = &l;
	return 0;
}

int cgroup_find_v1(const struct cgroup_layout *l, const char *controller)
{
	size_t n = strlen(controller);

	for (size_t i = 0; i < l->nv1; i++)
		for (const char *p = l->v1[i].name; *p; p += strcspn(p, ","), p += *p == ',')
			if (strncmp(p, controller, n) == 0 && (p[n] == ',' || !p[n]))
				return (int)i;
	return -1;
}

/* ---- files ---------------------------------------------------------------------------------------------------------- */

int cgroup_put(const char *dir, const char *name, const char *value)
{
	auto_free char *path = xasprintf("%s/%s", dir, name);
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		return -errno;
	return 0;
}

ssize_t cgroup_get(const char *dir, const char *name, char *buf, size_t n)
{
	auto_free char *path = xasprintf("%s/%s", dir, name);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = read(fd, buf, n - 1);
	if (got < 0)
		return -errno;
	if (got && buf[got - 1] == '\n')
		got--;
	buf[got] = '\0';
	return got;
}

int cgroup_write_file(const char *dir, const struct cgroup_file *f, struct err *e)
{
	const char *value = f->text ? f->text : f->value;
	int r = cgroup_put(dir, f->name, value);

	if (r == -ENOENT && f->other_name)
		r = cgroup_put(dir, f->other_name, f->other_value);
	if (r >= 0 || (f->optional && r == -ENOENT))
		return 0;
	if (r == -ENOENT) {
		err_set(e, EOPNOTSUPP, "%s: this kernel has no '%s'", f->what, f->name);
		err_hint(e, "the cgroup controller '%s' is not built in or not enabled", f->controller);
		return -EOPNOTSUPP;
	}
	return err_code(e, -r, "%s: write '%s' to '%s'", f->what, value, f->name);
}

uint64_t cgroup_number(const char *dir, const char *name)
{
	char buf[64], *end;
	unsigned long long v;

	if (cgroup_get(dir, name, buf, sizeof(buf)) < 0)
		return 0;
	v = strtoull(buf, &end, 10);
	return end == buf || *end ? UINT64_MAX : v;
}

uint64_t cgroup_key(const char *dir, const char *name, const char *key)
{
	char buf[8192];
	size_t n = strlen(key);

	if (cgroup_get(dir, name, buf, sizeof(buf)) < 0)
		return 0;
	for (const char *p = buf; p; p = strchr(p, '\n'), p = p ? p + 1 : NULL)
		if (strncmp(p, key, n) == 0 && p[n] == ' ')
			return strtoull(p + n + 1, NULL, 10);
	return 0;
}

/* E is set for DIR: is it because DIR was removed? */
static int went_away(const char *dir, struct err *e)
{
	if (access(dir, F_OK) == 0 || errno != ENOENT)
		return -e->code;
	err_clear(e);
	return 1;
}

/* One attempt. 1: a parent went away meanwhile (cgroup_prune of another process). */
static int mkdir_once(const char *mount, const char *path, cgroup_dir_fn *each, struct err *e)
{
	auto_free char *full = xasprintf("%s/%s", mount, path);
	size_t start = strlen(mount) + 1;
	char *slash = strrchr(full + start, '/');
	bool retried = false;

	if (strlen(full) >= CGROUP_PATH)
		return err_set(e, ENAMETOOLONG, "cgroup path '%s' is too long", path);
	/* Parents, which are mostly there; EACH is repeated for them, as another process may have made one just now and not be done with it. */
	for (char *p = strchr(full + start, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(full, 0755) < 0 && errno != EEXIST)
			return errno == ENOENT ? 1 : err_sys(e, "make cgroup '%s'", full);
		if (each) {
			auto_free char *parent = xstrndup(full, (size_t)(strrchr(full, '/') - full));

			if (each(parent, full, e) < 0)
				return went_away(full, e);
		}
		*p = '/';
	}
	while (mkdir(full, 0755) < 0) {
		if (errno == ENOENT)
			return 1;
		if (errno == EEXIST && !retried && rmdir(full) == 0) {
			retried = true;
			continue;
		}
		if (errno == EBUSY || errno == EEXIST)
			return err_set(e, EBUSY, "cgroup '%s' is there and has processes", full);
		return err_sys(e, "make cgroup '%s'", full);
	}
	if (each) {
		auto_free char *parent = slash ? xstrndup(full, (size_t)(slash - full)) : xstrdup(mount);

		if (each(parent, full, e) < 0)
			return went_away(full, e);
	}
	return 0;
}

static int mkdir_patiently(const char *mount, const char *path, cgroup_dir_fn *each, struct err *e)
{
	for (int i = 0; i < 100; i++) {
		int r = mkdir_once(mount, path, each, e);

		if (r != 1)
			return r;
	}
	return err_set(e, EBUSY, "cgroup '%s/%s': its parent is removed again and again", mount, path);
}

int cgroup_mkdir(const char *mount, const char *path, cgroup_dir_fn *each, struct err *e)
{
	mode_t saved = umask(022); /* programs of every user look up their limits there, whatever the umask of ours is */
	int r = mkdir_patiently(mount, path, each, e);

	umask(saved);
	return r;
}

/* ---- joining -------------------------------------------------------------------------------------------------------- */

void cgroup_join_close(struct cgroup_join *j)
{
	if (j->unified >= 0)
		close(j->unified);
	if (j->unified_procs >= 0)
		close(j->unified_procs);
	for (size_t i = 0; i < j->ntasks; i++)
		close(j->tasks[i]);
	*j = CGROUP_JOIN_NONE;
}

int cgroup_open(const char *path, struct cgroup_join *ret, struct err *e)
{
	const struct cgroup_layout *l;
	struct cgroup_join j = CGROUP_JOIN_NONE;

	TRY(cgroup_layout(&l, e));
	if (l->unified) {
		auto_free char *dir = xasprintf("%s/%s", l->unified, path);
		auto_free char *procs = xasprintf("%s/cgroup.procs", dir);

		j.unified = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (j.unified < 0)
			goto fail;
		j.unified_procs = open(procs, O_WRONLY | O_CLOEXEC);
	}
	for (size_t i = 0; i < l->nv1; i++) {
		auto_free char *tasks = xasprintf("%s/%s/tasks", l->v1[i].dir, path);

		j.tasks[j.ntasks] = open(tasks, O_WRONLY | O_CLOEXEC);
		if (j.tasks[j.ntasks] < 0)
			goto fail;
		j.ntasks++;
	}
	*ret = j;
	return 0;
fail:
	err_sys(e, "open cgroup '%s'", path);
	cgroup_join_close(&j);
	return -e->code;
}

int cgroup_make(const char *path, const struct cgroup_limits *limits, const struct device_rules *devices,
		struct cgroup_join *ret, struct err *e)
{
	AUTO_DONE(cgroup_files_done) struct cgroup_files files = { 0 };
	struct cgroup_join j = CGROUP_JOIN_NONE;
	const struct cgroup_layout *l;
	int r;

	FP("ctr.cgroup", e);
	TRY(cgroup_layout(&l, e));
	TRY(cgroup_limits_files(l->v2, limits, &files, e));
	r = l->v2 ? cgroup_v2_make(l, path, &files, devices, &j, e) : cgroup_v1_make(l, path, &files, devices, &j, e);
	if (r < 0) {
		AUTO_ERR(quiet);

		cgroup_join_close(&j);
		if (cgroup_remove(path, &quiet) < 0)
			log_debug("undo: %s", err_text(&quiet));
		return r;
	}
	*ret = j;
	return 0;
}

/* ---- ending --------------------------------------------------------------------------------------------------------- */

/* Every directory that may hold processes of PATH: unified first. */
static size_t each_dir(const struct cgroup_layout *l, const char *path, char *dirs[CGROUP_HIERARCHIES + 1])
{
	size_t n = 0;

	if (l->unified)
		dirs[n++] = xasprintf("%s/%s", l->unified, path);
	for (size_t i = 0; i < l->nv1; i++)
		dirs[n++] = xasprintf("%s/%s", l->v1[i].dir, path);
	return n;
}

/* Without cgroup.kill (before 5.14): what is there now; the caller freezes first, so that nothing forks away. */
static int kill_listed(const char *dir)
{
	auto_free char *path = xasprintf("%s/cgroup.procs", dir);
	FILE *f = fopen(path, "re");
	long pid;
	int n = 0;

	if (!f)
		return -errno;
	while (n < PIDS_MAX_READ && fscanf(f, "%ld", &pid) == 1)
		if (pid > 0 && kill((pid_t)pid, SIGKILL) == 0)
			n++;
	fclose(f);
	return n;
}

static int kill_frozen(const char *path, const char *dir)
{
	AUTO_ERR(frozen);
	AUTO_ERR(thawed);
	int r;

	(void)cgroup_freeze(path, true, &frozen);
	r = kill_listed(dir);
	(void)cgroup_freeze(path, false, &thawed);
	return r;
}

int cgroup_kill(const char *path, struct err *e)
{
	char *dirs[CGROUP_HIERARCHIES + 1];
	const struct cgroup_layout *l;
	size_t n, v1;
	int r = -ENOENT;

	TRY(cgroup_layout(&l, e));
	n = each_dir(l, path, dirs);
	v1 = l->unified ? 1 : 0;
	if (l->unified) {
		r = cgroup_put(dirs[0], "cgroup.kill", "1");
		if (r == -ENOENT && access(dirs[0], F_OK) == 0)
			r = kill_frozen(path, dirs[0]);
	}
	/* whoever entered v1 and not yet v2, or all when there is no v2 */
	if (n > v1) {
		int one = r >= 0 ? kill_listed(dirs[v1]) : kill_frozen(path, dirs[v1]);

		if (r == -ENOENT)
			r = one;
	}
	for (size_t i = 0; i < n; i++)
		free(dirs[i]);
	if (r == -ENOENT)
		return 1;
	return r < 0 ? err_code(e, -r, "kill what is in cgroup '%s'", path) : 0;
}

/* Until no process is left in DIR or DEADLINE passes. v2 wakes us by cgroup.events; v1 has nothing of the kind. */
static void wait_empty(const char *dir, int64_t deadline)
{
	auto_free char *events = xasprintf("%s/cgroup.events", dir);
	auto_close int fd = open(events, O_RDONLY | O_CLOEXEC);

	while (fd >= 0) {
		char buf[256];
		ssize_t n = pread(fd, buf, sizeof(buf) - 1, 0);
		int64_t left = (deadline - time_mono_ns()) / 1000000;

		buf[MAX(n, 0)] = '\0';
		if (n <= 0 || strstr(buf, "populated 0") || left <= 0)
			return;
		(void)poll(&(struct pollfd){ .fd = fd, .events = POLLPRI }, 1, (int)left);
	}
}

/* Removes DIR and what the container made below it. */
static int remove_dir(const char *dir, int64_t deadline, int depth)
{
	const struct timespec nap = { .tv_nsec = RETRY_NS };

	for (;;) {
		struct dirent *d;
		DIR *below;

		if (rmdir(dir) == 0 || errno == ENOENT)
			return 0;
		if (errno != EBUSY && errno != ENOTEMPTY)
			return -errno;
		below = depth ? opendir(dir) : NULL;
		while (below && (d = readdir(below)))
			if (d->d_type == DT_DIR && *d->d_name != '.') {
				auto_free char *child = xasprintf("%s/%s", dir, d->d_name);

				(void)remove_dir(child, deadline, depth - 1);
			}
		if (below)
			closedir(below);
		if (rmdir(dir) == 0 || errno == ENOENT)
			return 0;
		if (time_mono_ns() >= deadline)
			return -EBUSY;
		nanosleep(&nap, NULL);
	}
}

void cgroup_prune(const char *path)
{
	char *dirs[CGROUP_HIERARCHIES + 1];
	const struct cgroup_layout *l;
	AUTO_ERR(ignored);
	size_t n;

	if (cgroup_layout(&l, &ignored) < 0)
		return;
	n = each_dir(l, path, dirs);
	for (size_t i = 0; i < n; i++) {
		(void)rmdir(dirs[i]);
		free(dirs[i]);
	}
}

int cgroup_remove(const char *path, struct err *e)
{
	int64_t deadline = time_mono_ns() + REMOVE_WAIT_S * INT64_C(1000000000);
	char *dirs[CGROUP_HIERARCHIES + 1];
	const struct cgroup_layout *l;
	size_t n;
	int r;

	TRY(cgroup_layout(&l, e));
	r = cgroup_kill(path, e);
	if (r < 0)
		return r;
	n = each_dir(l, path, dirs);
	if (r == 0 && l->unified)
		wait_empty(dirs[0], deadline);
	r = 0;
	for (size_t i = 0; i < n; i++) {
		int one = remove_dir(dirs[i], deadline, 16);

		if (one < 0 && r == 0)
			r = err_code(e, -one, "remove cgroup '%s'", dirs[i]);
		free(dirs[i]);
	}
	return r;
}

int cgroup_freeze(const char *path, bool frozen, struct err *e)
{
	const struct cgroup_layout *l;

	TRY(cgroup_layout(&l, e));
	if (l->unified) {
		auto_free char *dir = xasprintf("%s/%s", l->unified, path);
		int r = cgroup_put(dir, "cgroup.freeze", frozen ? "1" : "0");

		if (r >= 0)
			return 0;
		if (r != -ENOENT || l->v2)
			return err_code(e, -r, "%s cgroup '%s'", frozen ? "freeze" : "thaw", path);
	}
	return cgroup_v1_freeze(l, path, frozen, e);
}

/* ---- numbers -------------------------------------------------------------------------------------------------------- */

int cgroup_oom_kills(const char *path, uint64_t *ret, struct err *e)
{
	const struct cgroup_layout *l;
	int memory;

	TRY(cgroup_layout(&l, e));
	memory = cgroup_find_v1(l, "memory");
	if (l->v2) {
		auto_free char *dir = xasprintf("%s/%s", l->unified, path);

		*ret = cgroup_key(dir, "memory.events", "oom_kill");
	} else if (memory >= 0) {
		auto_free char *dir = xasprintf("%s/%s", l->v1[memory].dir, path);

		*ret = cgroup_key(dir, "memory.oom_control", "oom_kill");
	} else {
		*ret = 0;
	}
	return 0;
}

int cgroup_stats(const char *path, struct cgroup_stats *ret, struct err *e)
{
	const struct cgroup_layout *l;
	struct cgroup_stats s = { .memory_limit = UINT64_MAX, .pids_limit = UINT64_MAX };

	TRY(cgroup_layout(&l, e));

	auto_free char *dir = xasprintf("%s/%s", l->unified ? l->unified : l->v1[0].dir, path);

	if (access(dir, F_OK) < 0)
		return err_sys(e, "cgroup '%s'", path);
	if (l->v2)
		cgroup_v2_stats(l, path, &s);
	else
		cgroup_v1_stats(l, path, &s);
	TRY(cgroup_oom_kills(path, &s.oom_kills, e));
	*ret = s;
	return 0;
}
