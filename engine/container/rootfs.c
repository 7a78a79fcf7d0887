/* SPDX-License-Identifier: MIT */
#include "engine/container/rootfs.h"

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/container/devices.h"
#include "engine/container/mountplan.h"
#include "engine/container/pty.h"
#include "engine/container/rootfs_priv.h"
#include "engine/container/spec.h"
#include "engine/kernel/mount.h"
#include "engine/kernel/ns.h"
#include "engine/kernel/probe.h"
#include "engine/volume/volume.h"
#include <errno.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

void rootfs_done(struct rootfs *r)
{
	const int fds[] = { r->root, r->null, r->mask, r->pty_master, r->pty_slave };

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	for (size_t i = 0; i < r->nsources; i++)
		if (r->sources[i] >= 0)
			close(r->sources[i]);
	for (size_t i = 0; i < r->nlate; i++)
		if (r->late[i].target >= 0)
			close(r->late[i].target);
	free(r->sources);
	free(r->late);
	ctr_user_done(&r->user);
	*r = (struct rootfs){ .root = -1, .null = -1, .mask = -1, .pty_master = -1, .pty_slave = -1 };
}

/* ---- sources -------------------------------------------------------------------------------------------------------- */

/* O_PATH fd of what is to be seen at M's target. */
static int open_source(const struct dirs *d, const struct plan_mount *m, struct err *e)
{
	const struct mount_spec *u = m->user;
	auto_close int fd = m->kind == PLAN_VOLUME ? volume_open(d, m->source, e) : open(m->source, O_PATH | O_CLOEXEC);

	if (fd < 0 && m->kind == PLAN_VOLUME)
		return fd;
	if (fd < 0 && errno == ENOENT && u && u->type == MNT_BIND && u->create_source) {
		mode_t saved = umask(022); /* the monitor's is for what is its own; this folder is the user's, as mkdir would make it */
		int made = file_mkdir_p(m->source, 0755, e);

		umask(saved);
		TRY(made);
		fd = open(m->source, O_PATH | O_CLOEXEC);
	}
	if (fd < 0) {
		int r = err_sys(e, "source '%s'", m->source);

		if (r == -ENOENT && u && u->type == MNT_BIND)
			err_hint(e, "create it, or set 'bind: {create_host_path: true}'");
		return r;
	}
	if (u && u->subpath) {
		int sub = path_open_in(fd, u->subpath, O_PATH | O_CLOEXEC, 0, e);

		return sub < 0 ? err_wrap(e, "subpath '%s'", u->subpath) : sub;
	}
	return TAKE_FD(fd);
}

static bool has_source(const struct plan_mount *m)
{
	return m->kind == PLAN_BIND || m->kind == PLAN_VOLUME;
}

static int open_one(const struct rootfs_args *a, const struct plan_mount *m, bool clone, int *ret, struct err *e)
{
	auto_close int fd = open_source(a->dirs, m, e);
	int copy;

	if (fd < 0)
		return err_wrap(e, "mount '%s'", m->target);
	if (!clone) {
		*ret = TAKE_FD(fd);
		return 0;
	}
	copy = mount_clone(fd, m->recursive);
	if (copy < 0)
		return err_code(e, -copy, "mount '%s': take hold of '%s'", m->target, m->source);
	*ret = copy;
	return 0;
}

/* /dev/shm of another container: a mount can only be cloned by who is in its namespace, so that is where we go for a moment. */
static int open_shm(const struct rootfs_args *a, int *ret, struct err *e)
{
	auto_close int fd = -1;
	int clone = -ENOENT, r;

	if (!kernel_probe()->new_mount)
		return err_set(e, EOPNOTSUPP, "sharing it with another container needs Linux 5.12");
	r = ns_enter(a->shm_mnt, CLONE_NEWNS);
	if (r < 0)
		return err_code(e, -r, "enter the mount namespace of the container whose ipc it shares");
	fd = open("/dev/shm", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		clone = mount_clone(fd, false);
	r = ns_enter(a->host_mnt, CLONE_NEWNS);
	if (r < 0)
		return err_code(e, -r, "go back to the host's mount namespace");
	if (clone < 0)
		return err_code(e, -clone, "the container whose ipc it shares has none");
	*ret = clone;
	return 0;
}

/* When a source is opened. HOSTS, with the new mount API: before the namespace is left, as detached copies that keep the host's peer groups
 * (rshared, rslave); with the old one after it, as mount(2) binds only from the namespace that it is called in. VOLUMES: always in the
 * container's, where their drivers mount. PARTS of volumes: after copy-up, which may bring what they name. */
enum pass { HOSTS, VOLUMES, PARTS };

static enum pass pass_of(const struct plan_mount *m)
{
	if (m->kind == PLAN_IMAGE)
		return VOLUMES;
	if (m->kind != PLAN_VOLUME)
		return HOSTS;
	return m->user && m->user->subpath ? PARTS : VOLUMES;
}

static int open_sources(const struct rootfs_args *a, struct rootfs *r, enum pass pass, struct err *e)
{
	bool clone = kernel_probe()->new_mount;

	for (size_t i = 0; i < r->nsources; i++) {
		const struct plan_mount *m = &a->plan->v[i];

		if (pass_of(m) != pass)
			continue;
		if (m->kind == PLAN_SHM && open_shm(a, &r->sources[i], e) < 0)
			return err_wrap(e, "mount '%s'", m->target);
		if (m->kind == PLAN_IMAGE && rootfs_open_image(a, m->user, &r->sources[i], e) < 0)
			return err_wrap(e, "mount '%s'", m->target);
		if (!has_source(m))
			continue;
		if (!clone && m->propagation == MS_SHARED)
			return err_set(e, EOPNOTSUPP, "mount '%s': propagation 'shared' needs Linux 5.12", m->target);
		if (m->optional && access(m->source, F_OK) < 0)
			continue;
		TRY(open_one(a, m, clone, &r->sources[i], e));
	}
	return 0;
}

static void init_sources(const struct rootfs_args *a, struct rootfs *r)
{
	r->nsources = a->plan->n;
	r->sources = xcalloc(r->nsources + 1, sizeof(*r->sources));
	for (size_t i = 0; i < r->nsources; i++)
		r->sources[i] = -1;
}

/* ---- the root ------------------------------------------------------------------------------------------------------- */

/* First use of a volume: the image's content goes in before anything is mounted over it. */
static int copy_up(const struct rootfs_args *a, int root, struct err *e)
{
	for (size_t i = 0; i < a->plan->n; i++) {
		const struct plan_mount *m = &a->plan->v[i];
		AUTO_ERR(missing);
		auto_close int dir = -1;

		if (m->kind != PLAN_VOLUME || !m->user || m->user->nocopy || m->user->subpath)
			continue;
		dir = path_open_in(root, m->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, &missing);
		if (dir < 0)
			continue; /* nothing there to copy */
		if (volume_copy_up(a->dirs, m->source, dir, e) < 0)
			return err_wrap(e, "volume '%s': copy what the image has in '%s'", m->source, m->target);
	}
	return 0;
}

/* ---- targets -------------------------------------------------------------------------------------------------------- */

static int make_file(int root, const char *path, mode_t mode, struct err *e)
{
	auto_free char *parent = path_parent(path);
	auto_close int dir = path_mkdir_in(root, parent, 0755, 0, 0, e), made = -1;

	if (dir < 0)
		return dir;
	made = openat(dir, path_base(path), O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, mode);
	if (made < 0 && errno != EEXIST)
		return err_sys(e, "make file '%s'", path);
	return 0;
}

/* O_PATH fd of PATH below ROOT, made when missing. */
static int open_target(int root, const char *path, bool file, struct err *e)
{
	AUTO_ERR(first);
	auto_close int fd = path_open_in(root, path, O_PATH | O_CLOEXEC, 0, &first);
	struct stat st;

	if (fd == -ENOENT) {
		if (!file)
			return path_mkdir_in(root, path, 0755, 0, 0, e);
		TRY(make_file(root, path, 0644, e));
		fd = path_open_in(root, path, O_PATH | O_CLOEXEC, 0, e);
		return fd < 0 ? fd : TAKE_FD(fd);
	}
	if (fd < 0)
		return err_move(e, &first);
	if (fstat(fd, &st) < 0)
		return err_sys(e, "'%s'", path);
	if (file && S_ISDIR(st.st_mode))
		return err_set(e, EISDIR, "the image has a folder there, and what is to be mounted is a file");
	if (!file && !S_ISDIR(st.st_mode))
		return err_set(e, ENOTDIR, "the image has a file there, and what is to be mounted is a folder");
	return TAKE_FD(fd);
}

/* /proc, /dev and /sys are no links, whatever the image says: what we make there must be in the container (CVE-2026-41579). */
static int open_plain_dir(int root, const char *path, struct err *e)
{
	const char *name = path + 1;
	int fd;

	if (mkdirat(root, name, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "make '%s'", path);
	fd = openat(root, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno != ELOOP && errno != ENOTDIR)
		return err_sys(e, "open '%s'", path);
	return err_set(e, ENOTDIR, "'%s' of the image is not an ordinary folder, and something must be mounted there", path);
}

static bool is_top(const char *path)
{
	return !strchr(path + 1, '/');
}

/* ---- mounts --------------------------------------------------------------------------------------------------------- */

static int source_is_file(int fd, bool *ret, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "look at the source");
	*ret = !S_ISDIR(st.st_mode);
	return 0;
}

static void add_late(struct rootfs *r, const struct plan_mount *m, int source, int target)
{
	r->late = xreallocarray(r->late, r->nlate + 1, sizeof(*r->late));
	r->late[r->nlate++] = (struct rootfs_late){
		.fstype = m->fstype, .data = m->data, .path = m->target, .attr = m->attr, .propagation = m->propagation,
		.source = source, .target = target, .recursive = m->recursive, .recursive_ro = m->recursive_ro,
		.detached = kernel_probe()->new_mount, .is_proc = m->fstype && streq(m->fstype, "proc"),
	};
}

static int apply_fs(const struct rootfs_args *a, struct rootfs *r, const struct plan_mount *m, struct err *e)
{
	/* a tmpfs becomes read-only at the end, when what is mounted below it has its folders */
	bool tmpfs = streq(m->fstype, "tmpfs");
	uint64_t attr = tmpfs ? m->attr & ~(uint64_t)ATTR_RDONLY : m->attr;
	auto_close int target = !m->user && is_top(m->target) ? open_plain_dir(r->root, m->target, e)
							      : open_target(r->root, m->target, false, e);
	auto_close int mnt = -1;

	if (target < 0)
		return target;
	if (m->late) {
		add_late(r, m, -1, TAKE_FD(target));
		return 0;
	}
	mnt = mount_fs(m->fstype, m->data, attr, target, r->root, m->target);
	if (mnt < 0)
		return err_code(e, -mnt, "mount %s", m->fstype);
	switch (m->kind) {
	case PLAN_DEV:
		return rootfs_fill_dev(mnt, a->devices, e);
	case PLAN_PTS:
		return a->spec->tty ? pty_open(mnt, r->user.uid, &r->pty_master, &r->pty_slave, e) : 0;
	default:
		return 0;
	}
}

static int apply_bind(struct rootfs *r, const struct plan_mount *m, int source, struct err *e)
{
	auto_close int target = -1;
	bool file = false;
	int n;

	if (m->late) {
		add_late(r, m, source, -1);
		return 0;
	}
	TRY(source_is_file(source, &file, e));
	target = open_target(r->root, m->target, file, e);
	if (target < 0)
		return target;
	n = mount_bind(&(struct mount_bind){
		.source = source, .target = target, .attr = m->attr, .propagation = m->propagation,
		.recursive = m->recursive, .recursive_attr = m->recursive_ro, .detached = kernel_probe()->new_mount,
		.dir = r->root, .name = m->target,
	});
	return n < 0 ? err_code(e, -n, "mount '%s'", m->source ? m->source : m->target) : 0;
}

static int apply(const struct rootfs_args *a, struct rootfs *r, size_t i, struct err *e)
{
	const struct plan_mount *m = &a->plan->v[i];

	FP("ctr.mount", e);
	switch (m->kind) {
	case PLAN_FS:
	case PLAN_DEV:
	case PLAN_PTS:
		return apply_fs(a, r, m, e);
	case PLAN_BIND:
	case PLAN_VOLUME:
	case PLAN_SHM:
	case PLAN_IMAGE:
		return r->sources[i] < 0 ? 0 : apply_bind(r, m, r->sources[i], e);
	case PLAN_KINDS:
		break;
	}
	BUG("mount of kind %d", (int)m->kind);
}

/* Lies something that was mounted later over mount I, as the user's own /sys does over /sys/fs/cgroup? */
static bool is_covered(const struct mountplan *p, size_t i)
{
	for (size_t k = i + 1; k < p->n; k++) {
		const char *rest = str_after(p->v[i].target, p->v[k].target);

		if (rest && (*rest == '/' || !*rest))
			return true;
	}
	return false;
}

/* The tmpfs that were left writable for what is below them. */
static int make_readonly(const struct rootfs_args *a, struct rootfs *r, struct err *e)
{
	for (size_t i = 0; i < a->plan->n; i++) {
		const struct plan_mount *m = &a->plan->v[i];
		auto_close int fd = -1;
		int n;

		if (!(m->attr & ATTR_RDONLY) || m->late || !m->fstype || !streq(m->fstype, "tmpfs") || is_covered(a->plan, i))
			continue;
		fd = path_open_in(r->root, m->target, O_PATH | O_CLOEXEC, 0, e);
		if (fd < 0)
			return fd;
		n = mount_remount(fd, ATTR_RDONLY);
		if (n < 0)
			return err_code(e, -n, "make '%s' read-only", m->target);
	}
	return 0;
}

/* What docker leaves in every root too; programs look for it. */
static int add_marks(const struct ctr_spec *spec, int root, struct err *e)
{
	AUTO_ERR(quiet);
	int fd = spec->build_step ? -1 : openat(root, ".dockerenv", O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0755);
	auto_close int etc = -1;

	if (spec->build_step)
		return 0;
	if (fd >= 0)
		close(fd);
	else if (errno != EEXIST)
		return err_sys(e, "make '/.dockerenv'");
	etc = path_open_in(root, "/etc", O_PATH | O_DIRECTORY | O_CLOEXEC, 0, &quiet);
	if (etc >= 0 && symlinkat("/proc/mounts", etc, "mtab") < 0 && errno != EEXIST)
		return err_sys(e, "make '/etc/mtab'");
	return 0;
}

static int make_cwd(int root, const char *cwd, struct err *e)
{
	AUTO_ERR(missing);
	auto_close int fd = -1;

	if (!cwd || !*cwd || streq(cwd, "/") || str_starts(cwd, "/proc/"))
		return 0;
	fd = path_open_in(root, cwd, O_PATH | O_CLOEXEC, 0, &missing);
	if (fd == -ENOENT) {
		fd = path_mkdir_in(root, cwd, 0755, 0, 0, e);
		if (fd < 0)
			return err_wrap(e, "working_dir '%s'", cwd);
	}
	return 0; /* anything else is for the child to say, which enters it */
}

static int open_masks(struct rootfs *r, struct err *e)
{
	struct stat st;

	/* once, on the host's side: a container's own /dev/null can be swapped (CVE-2025-31133) */
	r->null = open("/dev/null", O_PATH | O_CLOEXEC);
	if (r->null < 0 || fstat(r->null, &st) < 0)
		return err_sys(e, "open '/dev/null'");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return err_set(e, ENODEV, "the host's '/dev/null' is not the null device");
	r->mask = mount_fs_detached("tmpfs", "nr_blocks=1,nr_inodes=1", ATTR_RDONLY | SAFE_ATTRS);
	if (r->mask < 0 && r->mask != -ENOSYS)
		return err_code(e, -r->mask, "make the mask for hidden folders");
	r->mask = MAX(r->mask, -1);
	return 0;
}

static int leave_host(struct err *e)
{
	int r = ns_unshare(CLONE_NEWNS);

	FP("ctr.unshare", e);
	if (r < 0)
		return err_code(e, -r, "make a mount namespace");
	/* slave with the old API, so that `propagation: slave` can still be had */
	if (mount(NULL, "/", NULL, MS_REC | (kernel_probe()->new_mount ? MS_PRIVATE : MS_SLAVE), NULL) < 0)
		return err_sys(e, "cut the mount namespace off the host's");
	return 0;
}

/* The sources, the new namespace, the root, the volumes' first content. */
static int begin(const struct rootfs_args *a, struct rootfs *r, struct err *e)
{
	bool early = kernel_probe()->new_mount;

	init_sources(a, r);
	if (early)
		TRY(open_sources(a, r, HOSTS, e));
	TRY(leave_host(e));
	if (!early)
		TRY(open_sources(a, r, HOSTS, e));
	TRY(open_sources(a, r, VOLUMES, e));
	r->root = rootfs_mount_root(a, e);
	if (r->root < 0)
		return -e->code;
	TRY(copy_up(a, r->root, e));
	return open_sources(a, r, PARTS, e);
}

static int apply_all(const struct rootfs_args *a, struct rootfs *r, struct err *e)
{
	for (size_t i = 0; i < a->plan->n; i++)
		if (apply(a, r, i, e) < 0)
			return err_wrap(e, "mount '%s'", a->plan->v[i].target);
	return 0;
}

static int build(const struct rootfs_args *a, struct rootfs *r, struct err *e)
{
	TRY(begin(a, r, e));
	TRY(ctr_user_resolve(r->root, a->spec->user, &a->spec->group_add, &r->user, e));
	TRY(open_masks(r, e));
	TRY(apply_all(a, r, e));
	if (r->pty_slave >= 0)
		TRY(rootfs_mount_console(r, e));
	TRY(make_readonly(a, r, e));
	TRY(make_cwd(r->root, a->spec->cwd, e));
	return add_marks(a->spec, r->root, e);
}

int rootfs_build(const struct rootfs_args *a, struct rootfs *ret, struct err *e)
{
	struct rootfs r = { .root = -1, .null = -1, .mask = -1, .pty_master = -1, .pty_slave = -1 };

	if (build(a, &r, e) < 0) {
		rootfs_done(&r);
		return -e->code;
	}
	*ret = r;
	return 0;
}

int rootfs_open_view(const struct rootfs_args *a, struct err *e)
{
	struct rootfs r = { .root = -1, .null = -1, .mask = -1, .pty_master = -1, .pty_slave = -1 };
	int n = begin(a, &r, e), root;

	if (n >= 0)
		n = apply_all(a, &r, e);
	root = n < 0 ? n : TAKE_FD(r.root);
	rootfs_done(&r);
	return root;
}
