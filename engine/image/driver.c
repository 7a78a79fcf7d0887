/* SPDX-License-Identifier: MIT
 *
 * Which storage driver serves a root: tried, not guessed from versions. Overlay needs a file system that takes upper folders, whiteouts and
 * trusted.* attributes, and a kernel that lets us mount; what it says is kept in root/driver for this kernel and file system.
 *
 * Another driver is a row in drivers[].
 */
#include "engine/image/store.h"
#include "engine/image/rootcopy.h"
#include "engine/image/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"

enum { CACHE_MAX = 4096, CACHE_VERSION = 2 };

static int probe_overlay(const char *dir, struct err *e);

/* What overlayfs keeps apart already. */
static int upper_changes(const struct dirs *d, const struct strv *layers, const char *folder, bool last, int todir, const char *name,
	struct err *e)
{
	auto_free char *upper = path_join(folder, "upper");

	(void)d, (void)layers, (void)last;
	return file_copy_tree(AT_FDCWD, upper, todir, name, e);
}

static int probe_copy(const char *dir, struct err *e)
{
	(void)dir, (void)e;
	return 0;
}

/* In order of preference. FOLDER is that of a container or of a build's step. */
static const struct driver {
	const char *name;
	enum whiteout_form form;
	int (*probe)(const char *dir, struct err *e); /* may it serve here? DIR is an empty folder; it runs in a process of its own */
	/* FOLDER/root; NULL: layers are mounted where they are used */
	int (*root)(const struct dirs *d, const struct strv *layers, const char *folder, struct err *e);
	int (*view)(const struct dirs *d, const struct strv *layers, const char *on, struct err *e);
	/* changes since the root was made, into NAME of TODIR; LAST: the root is not used any more */
	int (*changes)(const struct dirs *d, const struct strv *layers, const char *folder, bool last, int todir, const char *name,
	struct err *e);
} drivers[] = {
	{ "overlay", WHITEOUT_DEVICE, probe_overlay, NULL, NULL, upper_changes },
	{ "btrfs", WHITEOUT_FILE, snapshot_probe, snapshot_root, snapshot_view, snapshot_changes },
	{ "copy", WHITEOUT_FILE, probe_copy, rootcopy_root, rootcopy_view, rootcopy_changes },
};

static int put_file(const char *dir, const char *name)
{
	auto_free char *path = xasprintf("%s/%s", dir, name);
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : 0;
}

/* Two lower folders, the upper of which deletes a file and hides a folder; a file is written through the mount. */
static int probe_overlay(const char *dir, struct err *e)
{
	static const char *const subs[] = { "low", "low/hidden", "mid", "mid/hidden", "up", "work", "at" };
	struct stat st;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, "a mount namespace");
	if (chdir(dir) < 0)
		return err_sys(e, "enter '%s'", dir);
	for (size_t i = 0; i < ARRAY_LEN(subs); i++)
		if (mkdir(subs[i], 0755) < 0)
			return err_sys(e, "make a folder");
	if (put_file("low", "gone") < 0 || put_file("low", "hidden/gone") < 0)
		return err_sys(e, "make a file");
	if (mknod("mid/gone", S_IFCHR | 0600, 0) < 0)
		return err_sys(e, "make a whiteout");
	if (setxattr("mid/hidden", "trusted.overlay.opaque", "y", 1, 0) < 0)
		return err_sys(e, "set a trusted.* attribute");
	if (mount("overlay", "at", "overlay", 0, "lowerdir=mid:low,upperdir=up,workdir=work") < 0)
		return err_sys(e, "mount an overlay");
	if (put_file("at", "new") < 0 || unlink("at/new") < 0 || rmdir("at/hidden") < 0)
		return err_sys(e, "write through an overlay");
	if (lstat("at/gone", &st) == 0)
		return err_set(e, ENOTSUP, "whiteouts do not hide files");
	return 0;
}

/* A process of its own, because the probe changes its mount namespace. */
static int probe_in_child(const struct driver *driver, const char *dir, struct err *e)
{
	auto_close int out = -1;
	auto_free char *text = NULL;
	int p[2], status;
	size_t n;
	pid_t pid;

	TRY(fd_pipe(p, e));
	out = p[0];
	pid = fork();
	if (pid < 0) {
		close(p[1]);
		return err_sys(e, "fork");
	}
	if (pid == 0) {
		AUTO_ERR(failure);

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (driver->probe(dir, &failure) >= 0)
			_exit(0);
		text = err_encode(&failure, &n);
		(void)!write(p[1], text, n);
		_exit(1);
	}
	close(p[1]);
	if (fd_read_all(out, 64 << 10, &text, &n, e) < 0 || waitpid(pid, &status, 0) < 0)
		return e->code ? -e->code : err_sys(e, "waitpid");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (n && err_decode(e, text, n) < 0)
		return -e->code;
	return err_set(e, EIO, "the probe ended unexpectedly");
}

/* "VERSION KERNEL DEVICE": what an answer is true for. Caller frees. */
static char *cache_key(const struct dirs *d)
{
	struct utsname u = { 0 };
	struct stat st = { 0 };

	uname(&u);
	(void)stat(d->root, &st);
	return xasprintf("%d %s %llx", CACHE_VERSION, u.release, (unsigned long long)st.st_dev);
}

/* Known from docker and others. */
static const struct { const char *name, *hint; } others[] = {
	{ "aufs", "kernels have no aufs; use overlay, which does the same and is in every kernel" },
	{ "devicemapper", "use overlay, on a file system of the device's own: ext4, xfs or btrfs" },
	{ "overlay2", "it is docker's name for what is 'overlay' here" },
	{ "fuse-overlayfs", "use overlay; without the right to mount it, copy" },
	{ "vfs", "use copy, which does the same and shares data where the file system has reflinks (xfs, btrfs)" },
	{ "zfs", "use overlay on a ZFS that takes it (OpenZFS 2.2), or copy" },
};

static int driver_unknown(const char *name, struct err *e)
{
	int r = err_set(e, EINVAL, "GANTRY_STORAGE: '%s' is not a storage driver; there are overlay, btrfs and copy", name);

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (streq(others[i].name, name))
			err_hint(e, "%s", others[i].hint);
	return r;
}

static const struct driver *driver_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
		if (streq(drivers[i].name, name))
			return &drivers[i];
	return NULL;
}

/* As specs and rows have it: NULL and what another version wrote is overlay. */
static const struct driver *driver_of(const char *name)
{
	const struct driver *found = name ? driver_find(name) : NULL;

	return found ? found : &drivers[0];
}

int image_driver_fits(struct db *db, const char *driver, const char *image, struct err *e)
{
	auto_free char *user = NULL, *other = NULL;
	int r = image ? layer_other_driver(db, image, driver, &other, e) : container_other_driver(db, driver, &user, &other, e);

	if (r != 0 || (image && !streq(driver, "overlay")))
		return MIN(r, 0); /* a copy is made of layers in either form */
	if (image)
		err_set(e, EINVAL, "the image's layers are in the form of the '%s' driver, and the driver is '%s'", other, driver);
	else
		err_set(e, EBUSY, "container %s has layers of the '%s' driver below it, and the driver is '%s' now", user, other, driver);
	err_hint(e, getenv("GANTRY_STORAGE") ? "unset GANTRY_STORAGE, or give it another --root; %s" : "%s",
		image ? "pull or load the image again: it is unpacked in the new form" : "to change the driver of a root, remove its containers first");
	return -e->code;
}

bool image_driver_copies(const char *driver)
{
	return driver_of(driver)->root;
}

enum whiteout_form image_driver_form(const char *driver)
{
	return driver_of(driver)->form;
}

int image_root_make(const struct dirs *d, const char *driver, const struct strv *layers, const char *folder, struct err *e)
{
	return driver_of(driver)->root(d, layers, folder, e);
}

int image_root_view(const struct dirs *d, const char *driver, const struct strv *layers, const char *on, struct err *e)
{
	return driver_of(driver)->view(d, layers, on, e);
}

int image_root_changes(const struct dirs *d, const char *driver, const struct strv *layers, const char *folder, bool last, int todir, const char *name,
	struct err *e)
{
	return driver_of(driver)->changes(d, layers, folder, last, todir, name, e);
}

/* root/driver: three lines, key, driver, why not another. */
static const struct driver *cache_read(const struct dirs *d, const char *key, char **ret_why)
{
	auto_free char *path = dirs_root(d, "driver"), *text = NULL;
	AUTO_ERR(ignored);
	AUTO_STRV(lines);
	const struct driver *found;

	if (file_read(path, CACHE_MAX, &text, NULL, &ignored) < 0)
		return NULL;
	strv_split(&lines, text, "\n");
	if (lines.n < 3 || !streq(lines.v[0], key))
		return NULL;
	found = driver_find(lines.v[1]);
	if (found && *lines.v[2])
		*ret_why = xstrdup(lines.v[2]);
	return found;
}

static void cache_write(const struct dirs *d, const char *key, const struct driver *driver, const char *why)
{
	auto_free char *path = dirs_root(d, "driver"), *text = xasprintf("%s\n%s\n%s\n", key, driver->name, str0(why));
	AUTO_ERR(ignored);

	if (file_replace(path, text, strlen(text), 0600, false, &ignored) < 0)
		log_debug("%s", err_text(&ignored));
}

static const struct driver *probe_all(const struct dirs *d, char **ret_why, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		char random[17];
		auto_free char *dir = NULL;
		AUTO_ERR(why);
		AUTO_ERR(ignored);
		int r;

		id_hex(random, 16);
		dir = dirs_root(d, "tmp/probe-%s", random);
		if (file_mkdir_p(dir, 0700, e) < 0)
			return NULL;
		r = probe_in_child(&drivers[i], dir, &why);
		(void)file_remove_tree_path(dir, &ignored);
		if (r >= 0)
			return &drivers[i];
		free(*ret_why);
		*ret_why = xasprintf("%s: %s", drivers[i].name, err_text(&why));
		for (char *p = *ret_why; *p; p++)
			*p = *p == '\n' ? ' ' : *p;
	}
	err_set(e, ENOTSUP, "no storage driver works in '%s'", d->root);
	return NULL;
}

/* What was asked for has to work here; overlay tells that itself, at the first mount. */
static int probe_forced(const struct dirs *d, const struct driver *driver, struct err *e)
{
	auto_free char *flat = dirs_root(d, "images/flat"), *dir = NULL;
	char random[17];
	AUTO_ERR(ignored);
	int r;

	if (driver->probe != snapshot_probe || file_exists(flat))
		return 0;
	id_hex(random, 16);
	dir = dirs_root(d, "tmp/probe-%s", random);
	TRY(file_mkdir_p(dir, 0700, e));
	r = driver->probe(dir, e);
	(void)file_remove_tree_path(dir, &ignored);
	return r < 0 ? err_wrap(e, "GANTRY_STORAGE: '%s' does not work in '%s'", driver->name, d->root) : 0;
}

int image_driver(const struct dirs *d, const char **ret_driver, char **ret_why, struct err *e)
{
	const char *forced = getenv("GANTRY_STORAGE");
	auto_free char *key = cache_key(d), *why = NULL;
	const struct driver *driver;

	if (forced && *forced) {
		driver = driver_find(forced);
		if (!driver)
			return driver_unknown(forced, e);
		TRY(probe_forced(d, driver, e));
		why = xstrdup("GANTRY_STORAGE says so");
	} else {
		driver = cache_read(d, key, &why);
		if (!driver) {
			driver = probe_all(d, &why, e);
			if (!driver)
				return -e->code;
			cache_write(d, key, driver, why);
		}
	}
	*ret_driver = driver->name;
	*ret_why = TAKE(why);
	return 0;
}
