/* SPDX-License-Identifier: MIT */
#include "engine/image/lookup.h"

#include "base/alloc.h"
#include "base/auto.h"
#include "base/strv.h"
#include "engine/image/marker.h"
#include "engine/image/store.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>


static bool has_marker(int dirfd, const char *name)
{
	auto_free char *marker = xasprintf(WH "%s", name);
	struct stat st;

	return fstatat(dirfd, marker, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Of PATH in the layer ROOT: 1: it is there (*st), 0: it says nothing, -1: it hides what is below. */
static int layer_says(int root, const char *path, struct stat *st)
{
	int at = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	AUTO_STRV(names);
	bool hides = false;

	strv_split(&names, path, "/");
	for (size_t i = 0; at >= 0 && r == 0 && i < names.n; i++) {
		int next;

		if (!*names.v[i])
			continue;
		hides |= layer_folder_opaque(at);
		if (fstatat(at, names.v[i], st, AT_SYMLINK_NOFOLLOW) < 0) {
			r = hides || has_marker(at, names.v[i]) ? -1 : 0;
			break;
		}
		if (S_ISCHR(st->st_mode) && st->st_rdev == 0)
			r = -1;
		else if (i + 1 == names.n)
			r = 1;
		else if (!S_ISDIR(st->st_mode))
			r = S_ISLNK(st->st_mode) ? 1 : -1; /* by a link: taken for being there */
		if (r)
			break;
		next = openat(at, names.v[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close(at);
		at = next;
	}
	if (at >= 0)
		close(at);
	return r;
}

ssize_t layers_lookup(const struct dirs *d, const struct strv *layers, const char *path, struct stat *st)
{
	for (size_t i = layers->n; i-- > 0;) {
		auto_free char *dir = layer_path(d, layers->v[i]);
		auto_close int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int r = root < 0 ? 0 : layer_says(root, path, st);

		if (r || layer_is_opaque(d, layers->v[i]))
			return r > 0 ? (ssize_t)i : -1;
	}
	return -1;
}
