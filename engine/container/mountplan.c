/* SPDX-License-Identifier: MIT */
#include "engine/container/mountplan.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/container/spec.h"
#include "engine/kernel/sys.h"
#include <errno.h>

enum { DATA_MAX = 4096, TEXT_MAX = 1 << 20 };
#define SHM_SIZE (INT64_C(64) << 20)
#define SAFE (ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC)

static const char *const default_masked[] = {
	"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
	"/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
	"/sys/firmware",
};
static const char *const default_readonly[] = {
	"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
};

void mountplan_done(struct mountplan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].source);
		free(p->v[i].target);
		free(p->v[i].data);
	}
	free(p->v);
	strv_done(&p->masked);
	strv_done(&p->readonly_paths);
	*p = MOUNTPLAN_INIT;
}

static struct plan_mount *add(struct mountplan *p, enum plan_kind kind, const char *target, uint64_t attr)
{
	xgrow(&p->v, p->n, &p->cap, sizeof(*p->v));
	p->v[p->n] = (struct plan_mount){
		.kind = kind, .target = xstrdup(target), .attr = attr, .propagation = MS_PRIVATE,
	};
	return &p->v[p->n++];
}

/* Does the user put something on TARGET, or on all of /dev? */
static bool replaced(const struct ctr_spec *s, const char *target)
{
	for (size_t i = 0; i < s->nmounts; i++) {
		const char *t = s->mounts[i].target;

		if (streq(t, target) || (streq(t, "/dev") && str_starts(target, "/dev/")))
			return true;
	}
	return false;
}

static struct plan_mount *add_fs(struct mountplan *p, const struct ctr_spec *s, enum plan_kind kind, const char *fstype,
				 const char *target, uint64_t attr, const char *data)
{
	struct plan_mount *m;

	if (replaced(s, target))
		return NULL;
	m = add(p, kind, target, attr);
	m->fstype = fstype;
	m->data = xstrdup0(data);
	return m;
}

static struct plan_mount *add_bind(struct mountplan *p, const struct ctr_spec *s, const char *source, const char *target,
				   uint64_t attr)
{
	struct plan_mount *m;

	if (replaced(s, target))
		return NULL;
	m = add(p, PLAN_BIND, target, attr);
	m->source = xstrdup(source);
	return m;
}

static bool is(const char *value, const char *want)
{
	return value && streq(value, want);
}

static void add_dev(struct mountplan *p, const struct ctr_spec *s, const struct plan_host *h)
{
	int64_t size = s->shm_size > 0 ? s->shm_size : SHM_SIZE;
	auto_free char *shm = xasprintf("mode=1777,size=%lld", (long long)size);
	struct plan_mount *m;

	add_fs(p, s, PLAN_DEV, "tmpfs", "/dev", ATTR_NOSUID | ATTR_STRICTATIME, "mode=755,size=65536k");
	add_fs(p, s, PLAN_PTS, "devpts", "/dev/pts", ATTR_NOSUID | ATTR_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
	if (is(s->ipc, "host")) {
		m = add_bind(p, s, "/dev/mqueue", "/dev/mqueue", SAFE);
		if (m)
			m->optional = true;
	} else {
		m = add_fs(p, s, PLAN_FS, "mqueue", "/dev/mqueue", SAFE, NULL);
		if (m)
			m->late = true;
	}
	if (is(s->ipc, "host")) {
		m = add_bind(p, s, "/dev/shm", "/dev/shm", 0);
		if (m)
			m->optional = true;
	} else if (h->ipc_joined) {
		if (!replaced(s, "/dev/shm"))
			add(p, PLAN_SHM, "/dev/shm", 0);
	} else if (!is(s->ipc, "none")) {
		add_fs(p, s, PLAN_FS, "tmpfs", "/dev/shm", SAFE, shm);
	}
}

/* The container's own directory of each hierarchy, or all of it with the host's cgroup namespace on v2. */
static void add_cgroups(struct mountplan *p, const struct ctr_spec *s, const struct plan_host *h)
{
	uint64_t ro = s->privileged ? 0 : ATTR_RDONLY;

	if (replaced(s, "/sys/fs/cgroup"))
		return;
	if (h->cgroup_v2) {
		auto_free char *own = is(s->cgroupns, "host") ? xstrdup(h->cgroup_unified)
							      : xasprintf("%s/%s", h->cgroup_unified, h->cgroup_path);

		add_bind(p, s, own, "/sys/fs/cgroup", SAFE | ro);
		return;
	}
	if (!h->cgroup_v1 || !*h->cgroup_v1)
		return;
	/* read-only only after the mounts below it are there: see rootfs.c */
	add_fs(p, s, PLAN_FS, "tmpfs", "/sys/fs/cgroup", SAFE | ro, "mode=755,size=64k");
	for (size_t i = 0; h->cgroup_v1[i]; i++) {
		auto_free char *own = xasprintf("%s/%s", h->cgroup_v1[i], h->cgroup_path);
		auto_free char *target = xasprintf("/sys/fs/cgroup/%s", strrchr(h->cgroup_v1[i], '/') + 1);

		add_bind(p, s, own, target, SAFE | ro);
	}
	if (h->cgroup_unified) {
		auto_free char *own = xasprintf("%s/%s", h->cgroup_unified, h->cgroup_path);

		add_bind(p, s, own, "/sys/fs/cgroup/unified", SAFE | ro);
	}
}

static void add_defaults(struct mountplan *p, const struct ctr_spec *s, const struct plan_host *h)
{
	struct plan_mount *m = add_fs(p, s, PLAN_FS, "proc", "/proc", SAFE, NULL);

	if (m)
		m->late = true;
	add_dev(p, s, h);
	add_fs(p, s, PLAN_FS, "sysfs", "/sys", SAFE | (s->privileged ? 0 : ATTR_RDONLY), NULL);
	add_cgroups(p, s, h);
}

static void add_etc(struct mountplan *p, const struct ctr_spec *s, const struct plan_host *h)
{
	static const char *const names[] = { "resolv.conf", "hostname", "hosts" };
	uint64_t attr = s->read_only ? ATTR_RDONLY : 0;

	for (size_t i = 0; h->etc_dir && i < ARRAY_LEN(names); i++) {
		auto_free char *source = xasprintf("%s/%s", h->etc_dir, names[i]);
		auto_free char *target = xasprintf("/etc/%s", names[i]);
		struct plan_mount *m = add_bind(p, s, source, target, attr);

		if (m)
			m->is_file = true;
	}
	if (s->init && h->init) {
		struct plan_mount *m = add_bind(p, s, h->init, CTR_INIT_PATH, ATTR_RDONLY);

		if (m)
			m->is_file = true;
	}
}

/* ---- the user's mounts ---------------------------------------------------------------------------------------------- */

static const struct flag {
	const char *name;
	uint64_t set, clear;
} flags[] = {
	{ "ro", ATTR_RDONLY, 0 },        { "rw", 0, ATTR_RDONLY },
	{ "nosuid", ATTR_NOSUID, 0 },    { "suid", 0, ATTR_NOSUID },
	{ "nodev", ATTR_NODEV, 0 },      { "dev", 0, ATTR_NODEV },
	{ "noexec", ATTR_NOEXEC, 0 },    { "exec", 0, ATTR_NOEXEC },
	{ "noatime", ATTR_NOATIME, 0 },  { "atime", 0, ATTR_NOATIME },
	{ "nodiratime", ATTR_NODIRATIME, 0 }, { "diratime", 0, ATTR_NODIRATIME },
	{ "strictatime", ATTR_STRICTATIME, 0 }, { "relatime", 0, ATTR_ATIME },
	{ "z", 0, 0 }, { "Z", 0, 0 }, /* SELinux labels: nothing to do where it is off */
};
static const struct {
	const char *name;
	uint64_t flags;
} propagations[] = {
	{ "private", MS_PRIVATE }, { "rprivate", MS_PRIVATE }, { "shared", MS_SHARED },
	{ "rshared", MS_SHARED },  { "slave", MS_SLAVE },      { "rslave", MS_SLAVE },
};

static bool take_flag(struct plan_mount *m, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (streq(flags[i].name, name)) {
			m->attr = (m->attr & ~flags[i].clear) | flags[i].set;
			return true;
		}
	return false;
}

/* Options of tmpfs: flags are ours, "size=", "mode=", "uid=", … are the file system's. */
static int plan_tmpfs(struct plan_mount *m, const struct mount_spec *u, struct err *e)
{
	static const char *const known[] = { "size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "huge", "mpol", NULL };
	AUTO_STR(data, DATA_MAX);
	bool mode = false;

	m->fstype = "tmpfs";
	m->attr = SAFE;
	if (u->tmpfs_size >= 0)
		str_addf(&data, "size=%lld", (long long)u->tmpfs_size);
	for (size_t i = 0; i < u->options.n; i++) {
		const char *o = u->options.v[i], *eq = strchr(o, '=');
		auto_free char *key = eq ? xstrndup(o, (size_t)(eq - o)) : NULL;

		if (!eq && take_flag(m, o))
			continue;
		if (!eq || !str_in(key, known) || strchr(o, ','))
			return err_set(e, EINVAL, "tmpfs '%s': unknown option '%s'", u->target, o);
		mode = mode || streq(key, "mode");
		str_addf(&data, "%s%s", data.len ? "," : "", o);
	}
	if (!mode)
		str_addf(&data, "%smode=%llo", data.len ? "," : "", u->tmpfs_mode >= 0 ? (unsigned long long)u->tmpfs_mode : 01777ULL);
	TRY(str_check(&data, u->target, e));
	m->data = str_take(&data);
	return 0;
}

static int plan_bind(struct plan_mount *m, const struct mount_spec *u, struct err *e)
{
	m->source = xstrdup(u->source);
	m->recursive = m->kind == PLAN_BIND && !u->nonrecursive && u->type != MNT_FILE;
	m->recursive_ro = u->read_only && m->recursive;
	m->is_file = u->type == MNT_FILE;
	for (size_t i = 0; i < u->options.n; i++)
		if (!take_flag(m, u->options.v[i]))
			return err_set(e, EINVAL, "'%s': unknown option '%s'", u->target, u->options.v[i]);
	for (size_t i = 0; u->propagation && i < ARRAY_LEN(propagations); i++)
		if (streq(propagations[i].name, u->propagation))
			m->propagation = propagations[i].flags;
	return 0;
}

static int add_user(struct mountplan *p, const struct mount_spec *u, struct err *e)
{
	static const enum plan_kind kinds[MNT_TYPES] = {
		[MNT_BIND] = PLAN_BIND, [MNT_VOLUME] = PLAN_VOLUME, [MNT_TMPFS] = PLAN_FS,
		[MNT_FILE] = PLAN_BIND, [MNT_IMAGE] = PLAN_IMAGE,
	};
	struct plan_mount *m;

	if (streq(u->target, "/proc"))
		return err_set(e, EINVAL, "'/proc' cannot be replaced");
	m = add(p, kinds[u->type], u->target, 0);
	m->user = u;
	if (u->type == MNT_TMPFS)
		TRY(plan_tmpfs(m, u, e));
	else if (u->type == MNT_IMAGE)
		m->attr = ATTR_RDONLY;
	else
		TRY(plan_bind(m, u, e));
	if (u->read_only)
		m->attr |= ATTR_RDONLY;
	/* what lies below a late mount waits for it */
	for (size_t i = 0; i + 1 < p->n; i++) {
		const char *rest = p->v[i].late ? str_after(m->target, p->v[i].target) : NULL;

		if (rest && *rest == '/')
			m->late = true;
	}
	return 0;
}

static unsigned depth(const char *path)
{
	unsigned n = 0;

	for (; *path; path++)
		n += *path == '/';
	return n;
}

/* Stable, by depth, from FIRST on; lists are short. */
static void sort_by_depth(struct mountplan *p, size_t first)
{
	for (size_t i = first + 1; i < p->n; i++)
		for (size_t k = i; k > first && depth(p->v[k - 1].target) > depth(p->v[k].target); k--) {
			struct plan_mount swap = p->v[k];

			p->v[k] = p->v[k - 1];
			p->v[k - 1] = swap;
		}
}

static void add_paths(struct mountplan *p, const struct ctr_spec *s, const struct plan_host *h)
{
	if (s->privileged || s->unconfined_paths)
		return;
	if (s->masked.n)
		strv_copy(&p->masked, &s->masked);
	for (size_t i = 0; !s->masked.n && i < ARRAY_LEN(default_masked); i++)
		strv_add(&p->masked, default_masked[i]);
	/* they tell a neighbour's load (GHSA-6fw5-f8r9-fgfm) */
	for (unsigned i = 0; !s->masked.n && i < h->throttled_cpus; i++)
		strv_addf(&p->masked, "/sys/devices/system/cpu/cpu%u/thermal_throttle", i);
	if (s->readonly_paths.n)
		strv_copy(&p->readonly_paths, &s->readonly_paths);
	for (size_t i = 0; !s->readonly_paths.n && i < ARRAY_LEN(default_readonly); i++)
		strv_add(&p->readonly_paths, default_readonly[i]);
}

int mountplan_make(const struct ctr_spec *s, const struct plan_host *h, struct mountplan *ret, struct err *e)
{
	AUTO_DONE(mountplan_done) struct mountplan p = MOUNTPLAN_INIT;
	size_t first;

	add_defaults(&p, s, h);
	first = p.n;
	add_etc(&p, s, h);
	for (size_t i = 0; i < s->nmounts; i++)
		TRY(add_user(&p, &s->mounts[i], e));
	sort_by_depth(&p, first);
	add_paths(&p, s, h);
	p.root_readonly = s->read_only;
	*ret = p;
	p = MOUNTPLAN_INIT;
	return 0;
}

/* ---- text ----------------------------------------------------------------------------------------------------------- */

static void attr_text(struct str *b, uint64_t attr)
{
	static const struct {
		uint64_t bit;
		const char *name;
	} names[] = {
		{ ATTR_RDONLY, "ro" }, { ATTR_NOSUID, "nosuid" }, { ATTR_NODEV, "nodev" }, { ATTR_NOEXEC, "noexec" },
		{ ATTR_NOATIME, "noatime" }, { ATTR_STRICTATIME, "strictatime" }, { ATTR_NODIRATIME, "nodiratime" },
	};
	size_t before = b->len;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (attr & names[i].bit)
			str_addf(b, "%s%s", b->len > before ? "," : "", names[i].name);
	if (b->len == before)
		str_add(b, "rw");
}

char *mountplan_text(const struct mountplan *p)
{
	static const char *const kinds[PLAN_KINDS] = { "fs", "dev", "pts", "bind", "volume", "image", "shm" };
	AUTO_STR(b, TEXT_MAX);

	for (size_t i = 0; i < p->n; i++) {
		const struct plan_mount *m = &p->v[i];

		str_addf(&b, "%s %s %s ", m->target, kinds[m->kind], m->fstype ? m->fstype : str0(m->source));
		attr_text(&b, m->attr);
		if (m->data)
			str_addf(&b, " %s", m->data);
		str_addf(&b, "%s%s%s%s%s%s\n", m->recursive ? " rbind" : "", m->recursive_ro ? " rro" : "",
			 m->propagation == MS_SHARED ? " shared" : "", m->propagation == MS_SLAVE ? " slave" : "",
			 m->is_file ? " file" : "", m->late ? " late" : m->optional ? " optional" : "");
	}
	for (size_t i = 0; i < p->masked.n; i++)
		str_addf(&b, "mask %s\n", p->masked.v[i]);
	for (size_t i = 0; i < p->readonly_paths.n; i++)
		str_addf(&b, "readonly %s\n", p->readonly_paths.v[i]);
	if (p->root_readonly)
		str_add(&b, "root ro\n");
	return str_take(&b);
}
