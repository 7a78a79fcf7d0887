/* SPDX-License-Identifier: MIT
 *
 * engine/container/create.c - a container's row and folder
 *
 * Row first (in the caller's transaction, if there is one), then the folder; spec.json is the last file and synced, so a folder with one is
 * whole. A folder without a row is registered again by db_rebuild, never taken for rubbish.
 */
#include "engine/container/container.h"

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/image/store.h"
#include "engine/kernel/caps.h"
#include "engine/kernel/seccomp.h"
#include "state/container_store.h"
#include "state/db.h"
#include "state/image_store.h"
#include "state/volume_store.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/* The upper folder is what the container sees as "/" itself: it looks like the image's. */
static int make_upper(const struct dirs *d, const struct ctr_spec *s, const char *path, struct err *e)
{
	struct stat st = { .st_mode = 0755 };

	if (s->layers.n) {
		auto_free char *top = layer_path(d, s->layers.v[s->layers.n - 1]);

		if (stat(top, &st) < 0) {
			err_sys(e, "layer '%s'", top);
			err_hint(e, "pull or build the image again");
			return -e->code;
		}
	}
	if (mkdir(path, 0700) < 0)
		return err_sys(e, "make '%s'", path);
	if (chown(path, st.st_uid, st.st_gid) < 0 || chmod(path, st.st_mode & 07777) < 0)
		return err_sys(e, "set owner and mode of '%s'", path);
	return 0;
}

static int make_tree(const struct dirs *d, const struct ctr_spec *s, const char *folder, struct err *e)
{
	auto_free char *upper = xasprintf("%s/upper", folder);
	auto_free char *work = xasprintf("%s/work", folder), *merged = xasprintf("%s/merged", folder);

	TRY(file_mkdir_p(folder, 0710, e)); /* configs and secrets may have been written into it before */
	if (chmod(folder, 0710) < 0)
		return err_sys(e, "set the mode of '%s'", folder);
	if (mkdir(merged, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "make '%s'", merged);
	if (image_driver_copies(s->layers_driver))
		return image_root_make(d, s->layers_driver, &s->layers, folder, e);
	if (mkdir(work, 0700) < 0)
		return err_sys(e, "make '%s'", work);
	return make_upper(d, s, upper, e);
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

int container_seccomp(const struct dirs *d, const struct ctr_spec *s, struct err *e)
{
	auto_free char *path = dirs_root(d, "containers/%s/seccomp.bpf", s->id), *cached = NULL, *fresh = NULL;
	AUTO_DONE(seccomp_filter_done) struct seccomp_filter f = { 0 };
	uint64_t available, caps;
	AUTO_ERR(stale);
	char key[65];
	int last;

	if (s->privileged || (s->seccomp && streq(s->seccomp, "unconfined")))
		return 0;
	TRY(caps_available(&available, &last, e));
	TRY(caps_resolve(&s->cap_add, &s->cap_drop, s->privileged, available, &caps, e));
	seccomp_key(s->seccomp, caps, key);
	cached = dirs_root(d, "seccomp/%s.bpf", key);
	if (seccomp_file_read(cached, &f, &stale) < 0) {
		TRY(seccomp_build(s->seccomp, caps, &f, e));
		TRY(seccomp_file_write(cached, &f, e));
	}
	if (same_file(cached, path))
		return 0;
	/* a link, so that clearing the cache takes nothing away; another file system or a limit on links: a copy */
	fresh = xasprintf("%s.new", path);
	(void)unlink(fresh);
	if (link(cached, fresh) < 0)
		TRY(seccomp_file_write(fresh, &f, e));
	if (rename(fresh, path) < 0)
		return err_sys(e, "rename '%s'", fresh);
	(void)unlink(fresh); /* rename(2) between two links of one file does nothing and leaves both */
	return 0;
}

static int write_spec(const char *folder, const struct ctr_spec *s, struct err *e)
{
	auto_free char *path = xasprintf("%s/spec.json", folder);
	AUTO(json_free) struct cJSON *j = ctr_spec_to_json(s);
	auto_free char *text = json_text(j, true);

	return file_replace(path, text, strlen(text), 0600, true, e);
}

static int insert_rows(struct db *db, const struct ctr_spec *s, const struct ctr_row *row, struct err *e)
{
	TRY(ctr_insert(db, row, e));
	for (size_t i = 0; i < s->nmounts; i++)
		if (s->mounts[i].type == MNT_VOLUME)
			TRY(volume_use(db, s->mounts[i].source, s->id, e));
	return 0;
}

static int make_folder(const struct dirs *d, const struct ctr_spec *s, const char *folder, struct err *e)
{
	FP("ctr.folder", e);
	TRY(make_tree(d, s, folder, e));
	FP("ctr.seccomp", e);
	TRY(container_seccomp(d, s, e));
	FP("ctr.spec", e);
	return write_spec(folder, s, e);
}

int container_find_layers(struct db *db, struct ctr_spec *spec, struct err *e)
{
	for (size_t i = 0; i < spec->nmounts; i++) {
		struct mount_spec *m = &spec->mounts[i];
		AUTO_DONE(image_row_done) struct image_row row = { 0 };
		int r;

		if (m->type != MNT_IMAGE || m->options.n)
			continue;
		r = image_get(db, m->source, &row, e);
		if (r < 0)
			return r;
		if (r == 1)
			return err_set(e, ENOENT, "mount '%s': image '%s' is not there", m->target, m->source);
		strv_copy(&m->options, &row.layers);
	}
	return 0;
}

int container_create(struct db *db, const struct ctr_spec *spec, const struct ctr_row *row, struct err *e)
{
	const struct dirs *d = db_dirs(db);
	auto_free char *folder = dirs_root(d, "containers/%s", spec->id);
	int r;

	TRY(ctr_spec_check(spec, e));
	TRY(db_begin(db, e));
	r = insert_rows(db, spec, row, e);
	if (r >= 0)
		r = container_event(db, "create", spec, e);
	if (r >= 0) {
		r = make_folder(d, spec, folder, e);
		if (r < 0) {
			AUTO_ERR(quiet);

			if (file_remove_tree_path(folder, &quiet) < 0)
				log_debug("undo: %s", err_text(&quiet));
		}
	}
	return db_end(db, r, e);
}
