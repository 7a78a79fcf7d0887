/* SPDX-License-Identifier: MIT
 *
 * engine/container/rootfs_skeleton.c - the layer of mount points
 *
 * Our mounts need files and folders to lie on (/etc/hosts, /dev, …), which many images lack. Made in each container's writable layer they are six inodes
 * a container, made and removed again and again; as a layer of their own, between the image's and the writable one, they are made once a host.
 * What such a layer looks like depends only on what is missing and on the attributes of the image's /etc, which it covers; that is its name:
 * root/skeletons/MODE.UID.GID.BITS. What an image lacks is looked up once and kept as such a name (layer_lack_path()).
 * A container changes nothing in a skeleton: overlayfs copies up. One that is damaged does no harm either, as what is still missing is made in the writable
 * layer as before.
 */
#include "engine/container/rootfs_priv.h"

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/container/container.h"
#include "engine/container/mountplan.h"
#include "engine/container/spec.h"
#include "engine/image/lookup.h"
#include "engine/image/store.h"
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

enum { RANDOM = 16 };

static const struct {
	const char *path;
	mode_t mode;
	bool in_etc;
} parts[] = {
	{ ".dockerenv", S_IFREG | 0755, false },
	{ "dev", S_IFDIR | 0755, false },
	{ "proc", S_IFDIR | 0755, false },
	{ "sys", S_IFDIR | 0755, false },
	{ "etc/hostname", S_IFREG | 0644, true },
	{ "etc/hosts", S_IFREG | 0644, true },
	{ "etc/resolv.conf", S_IFREG | 0644, true },
	{ "etc/mtab", S_IFLNK, true },
};

void container_mount_points(struct strv *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		strv_addf(ret, "/%s", parts[i].path);
}

/* Somebody else's mount on PATH or above it decides itself what has to be there. */
static bool is_users(const struct mountplan *plan, const char *path)
{
	for (size_t i = 0; i < plan->n; i++) {
		const char *rest = str_after(path, plan->v[i].target + 1);

		if (plan->v[i].user && rest && (!*rest || *rest == '/'))
			return true;
	}
	return false;
}

/* Attributes beyond owner and mode, of a layer's folder. */
static bool has_more(const char *layer, const char *name)
{
	auto_free char *path = xasprintf("%s/%s", layer, name);
	char list[512];
	ssize_t n = llistxattr(path, list, sizeof(list));

	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(list + i) + 1)
		if (!str_starts(list + i, "trusted.overlay."))
			return true;
	return n < 0 && errno != ENOTSUP;
}

/* What an image lacks: a bit for each of PARTS, and /etc as it has it. */
struct lack {
	unsigned parts, mode, uid, gid;
};

/* false: /etc is not a folder that can be covered. */
static bool find_etc(const struct dirs *d, const struct strv *layers, struct lack *l)
{
	struct stat st = { .st_mode = S_IFDIR | 0755 };
	ssize_t at = layers_lookup(d, layers, "etc", &st);
	auto_free char *layer = at < 0 ? NULL : layer_path(d, layers->v[at]);

	if (!S_ISDIR(st.st_mode) || (layer && has_more(layer, "etc")))
		return false;
	l->mode = st.st_mode & 07777;
	l->uid = st.st_uid;
	l->gid = st.st_gid;
	return true;
}

static struct lack find_lack(const struct dirs *d, const struct strv *layers)
{
	struct lack l = { 0 };
	bool covers = find_etc(d, layers, &l);
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if ((!parts[i].in_etc || covers) && layers_lookup(d, layers, parts[i].path, &st) < 0)
			l.parts |= 1U << i;
	return l;
}

static char *lack_name(const struct lack *l)
{
	return xasprintf("%o.%u.%u.%x", l->mode, l->uid, l->gid, l->parts);
}

/* As find_lack(), which looks into each layer, but once an image. */
static struct lack image_lack(const struct dirs *d, const struct strv *layers)
{
	auto_free char *known = layer_lack_path(d, layers->v[layers->n - 1]), *folder = NULL, *name = NULL;
	char text[64] = "";
	struct lack l;

	if (readlink(known, text, sizeof(text) - 1) > 0 && sscanf(text, "%o.%u.%u.%x", &l.mode, &l.uid, &l.gid, &l.parts) == 4)
		return l;
	l = find_lack(d, layers);
	name = lack_name(&l);
	folder = path_parent(known);
	if (file_mkdir_p(folder, 0711, NULL) < 0 || symlink(name, known) < 0)
		log_debug("cannot make '%s'", known); /* asked again the next time */
	return l;
}

static int make_part(int dir, const char *path, mode_t mode)
{
	if (S_ISDIR(mode))
		return mkdirat(dir, path, mode & 07777) < 0 || fchmodat(dir, path, mode & 07777, 0) < 0 ? -errno : 0;
	if (S_ISLNK(mode))
		return symlinkat("/proc/mounts", dir, path) < 0 ? -errno : 0;
	return mknodat(dir, path, mode, 0) < 0 || fchmodat(dir, path, mode & 07777, 0) < 0 ? -errno : 0;
}

static int make_parts(int dir, const struct lack *l)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		int r = l->parts & 1U << i ? 0 : 1;

		if (r == 0 && parts[i].in_etc && mkdirat(dir, "etc", 0700) < 0 && errno != EEXIST)
			return -errno;
		if (r == 0 && (r = make_part(dir, parts[i].path, parts[i].mode)) < 0)
			return r;
	}
	if (faccessat(dir, "etc", F_OK, 0) == 0 &&
	    (fchownat(dir, "etc", l->uid, l->gid, 0) < 0 || fchmodat(dir, "etc", l->mode, 0) < 0))
		return -errno;
	return 0;
}

/* Whole under another name first; somebody else may be doing the same. */
static int make_skeleton(const struct dirs *d, const char *path, const struct lack *l, struct err *e)
{
	char random[RANDOM + 1];
	auto_free char *part = NULL;
	auto_close int dir = -1;
	AUTO_ERR(quiet);
	int r;

	id_hex(random, RANDOM);
	part = dirs_root(d, "skeletons/.%s", random);
	TRY(file_mkdir_p(part, 0711, e));
	dir = open(part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "open '%s'", part);
	r = make_parts(dir, l);
	if (r < 0)
		err_code(e, -r, "make '%s'", path);
	else if (rename(part, path) == 0)
		return 0;
	else if (errno != EEXIST && errno != ENOTEMPTY)
		r = err_sys(e, "rename '%s'", path);
	if (file_remove_tree_path(part, &quiet) < 0)
		log_debug("%s", err_text(&quiet));
	return r;
}

int rootfs_skeleton(const struct rootfs_args *a)
{
	struct lack l = { 0 };
	auto_free char *name = NULL, *path = NULL;
	AUTO_ERR(e);
	int fd;

	if (!a->spec->build_step)
		l = image_lack(a->dirs, &a->spec->layers);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		if (is_users(a->plan, parts[i].path))
			l.parts &= ~(1U << i);
	if (!l.parts)
		return -1;
	name = lack_name(&l);
	path = dirs_root(a->dirs, "skeletons/%s", name);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && make_skeleton(a->dirs, path, &l, &e) < 0)
		log_debug("skeleton: %s", err_text(&e));
	return fd < 0 ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : fd;
}
