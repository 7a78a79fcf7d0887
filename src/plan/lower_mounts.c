/* SPDX-License-Identifier: MIT
 *
 * compose.md §8 (volumes), §18 (secrets and configs), §34 (anonymous volumes).
 *
 * What is first on a target stays: the service's volumes, its tmpfs, volumes_from, then the image's VOLUMEs, configs, secrets.
 */
#include "plan/lower.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/container/spec.h"
#include "engine/image/store.h"
#include <errno.h>
#include <unistd.h>

static bool has_target(const struct ctr_spec *c, const char *target)
{
	for (size_t i = 0; i < c->nmounts; i++)
		if (streq(c->mounts[i].target, target))
			return true;
	return false;
}

static struct mount_spec *add(struct ctr_spec *c, enum mount_type type, const char *target)
{
	struct mount_spec *m = ctr_spec_add_mount(c);

	m->type = type;
	m->target = path_clean(target);
	return m;
}

/* ---- volumes ---- */

static int bind_mount(const struct mount *v, struct mount_spec *m, struct err *e)
{
	const struct mount_bind *b = v->bind;

	if (!v->source || !*v->source)
		return err_set(e, EINVAL, "'%s': field Source must not be empty", v->target);
	m->source = path_clean(v->source);
	m->create_source = b && b->create_host_path;
	if (!b)
		return 0;
	m->propagation = xstrdup0(b->propagation);
	if (b->recursive) {
		m->nonrecursive = streq(b->recursive, "disabled");
		m->recursive_ro = streq(b->recursive, "readonly");
	}
	return 0;
}

static int volume_mount(const struct lower *l, const struct mount *v, struct mount_spec *m, struct err *e)
{
	const struct volume *vol = v->source ? project_volume(l->p, v->source) : NULL;

	if (v->source && !vol)
		return err_set(e, ENOENT, "undefined volume '%s'", v->source);
	m->source = vol ? xstrdup(vol->name) : l->anonymous(l->arg, m->target);
	m->anonymous = !vol;
	if (v->volume) {
		m->nocopy = v->volume->nocopy;
		m->subpath = xstrdup0(v->volume->subpath);
	}
	return 0;
}

static int image_mount(const struct lower *l, const struct mount *v, struct mount_spec *m, struct err *e)
{
	const char *id = NULL;

	if (!v->source)
		return err_set(e, EINVAL, "'%s': an image is needed as source", v->target);
	TRY(l->image_of(l->arg, v->source, &id, e));
	m->source = xstrdup(id);
	m->read_only = true;
	m->subpath = v->image ? xstrdup0(v->image->subpath) : NULL;
	return 0;
}

static int one_volume(const struct lower *l, struct ctr_spec *c, const struct mount *v, struct err *e)
{
	static const enum mount_type types[] = {
		[MOUNT_VOLUME] = MNT_VOLUME, [MOUNT_BIND] = MNT_BIND, [MOUNT_TMPFS] = MNT_TMPFS, [MOUNT_IMAGE] = MNT_IMAGE,
	};
	struct mount_spec *m;

	if (v->type == MOUNT_CLUSTER || v->type == MOUNT_NPIPE)
		return err_set(e, EOPNOTSUPP, "'%s': type '%s' is not for this system", str0(v->target),
			       v->type == MOUNT_CLUSTER ? "cluster" : "npipe");
	if (!v->target || !*v->target)
		return err_set(e, EINVAL, "a target is needed");
	m = add(c, types[v->type], v->target);
	m->read_only = v->read_only;
	switch (m->type) {
	case MNT_BIND:
		return bind_mount(v, m, e);
	case MNT_VOLUME:
		return volume_mount(l, v, m, e);
	case MNT_IMAGE:
		return image_mount(l, v, m, e);
	default:
		if (v->tmpfs) {
			m->tmpfs_size = v->tmpfs->size > 0 ? v->tmpfs->size : -1;
			m->tmpfs_mode = v->tmpfs->mode > 0 ? v->tmpfs->mode : -1;
		}
		return 0;
	}
}

/* "/run:size=64m,mode=1777": size in docker's units, the rest as mount options. */
static int one_tmpfs(struct ctr_spec *c, const char *text, struct err *e)
{
	auto_free char *target = xstrdup(text);
	char *colon = strchr(target, ':');
	AUTO_STRV(opts);
	struct mount_spec *m;

	if (colon)
		*colon = '\0';
	m = add(c, MNT_TMPFS, target);
	if (!colon)
		return 0;
	strv_split(&opts, colon + 1, ",");
	for (size_t i = 0; i < opts.n; i++) {
		const char *size = str_after(opts.v[i], "size="), *mode = str_after(opts.v[i], "mode=");
		uint32_t bits = 0;

		if (size && !str_ends(size, "%")) {
			TRY(num_bytes(size, &m->tmpfs_size, e));
		} else if (mode) {
			TRY(num_octal(mode, 07777, &bits, e));
			m->tmpfs_mode = bits;
		} else if (streq(opts.v[i], "ro")) {
			m->read_only = true;
		} else if (*opts.v[i] && !streq(opts.v[i], "rw")) {
			strv_add(&m->options, opts.v[i]);
		}
	}
	return 0;
}

/* ---- volumes_from ---- */

static void copy_mount(struct ctr_spec *c, const struct mount_spec *from, bool read_only)
{
	struct mount_spec *m = add(c, from->type, from->target);

	m->source = xstrdup0(from->source);
	m->read_only = from->read_only || read_only;
	m->recursive_ro = from->recursive_ro;
	m->create_source = from->create_source;
	m->nocopy = from->nocopy;
	m->subpath = xstrdup0(from->subpath);
	m->propagation = xstrdup0(from->propagation);
	m->nonrecursive = from->nonrecursive;
	strv_copy(&m->options, &from->options);
}

static int one_volumes_from(const struct lower *l, struct ctr_spec *c, const char *text, struct err *e)
{
	const char *rest = str_after(text, "container:");
	auto_free char *name = xstrdup(rest ? rest : text);
	char *colon = strchr(name, ':');
	const struct ctr_spec *from = NULL;
	const char *id = NULL;
	bool read_only = false;

	if (colon) {
		*colon = '\0';
		read_only = streq(colon + 1, "ro");
		if (!read_only && !streq(colon + 1, "rw"))
			return err_set(e, EINVAL, "'%s': mode must be ro or rw", text);
	}
	if (l->container_of(l->arg, name, rest != NULL, &id, e) < 0)
		return err_wrap(e, "cannot share volumes of '%s'", name);
	TRY(l->spec_of(l->arg, id, &from, e));
	for (size_t i = 0; i < from->nmounts; i++) {
		const struct mount_spec *m = &from->mounts[i];

		if ((m->type == MNT_BIND || m->type == MNT_VOLUME) && !has_target(c, m->target))
			copy_mount(c, m, read_only);
	}
	return 0;
}

static void image_volumes(const struct lower *l, struct ctr_spec *c)
{
	for (size_t i = 0; i < l->config->volumes.n; i++) {
		auto_free char *target = path_clean(l->config->volumes.v[i]);
		struct mount_spec *m;

		if (has_target(c, target) || !path_is_abs(target))
			continue;
		m = add(c, MNT_VOLUME, target);
		m->source = l->anonymous(l->arg, target);
		m->anonymous = true;
	}
}

/* ---- secrets and configs ---- */

static int owner(const char *what, const char *text, int64_t *ret, struct err *e)
{
	if (!text || !*text)
		return 0;
	if (num_int(text, 0, INT32_MAX, ret, e) < 0)
		return err_wrap(e, "%s", what);
	return 0;
}

static int one_file(const struct lower *l, struct ctr_spec *c, const struct file_ref *ref, bool secret, struct err *e)
{
	const struct file_object *o = secret ? project_secret(l->p, ref->source) : project_config(l->p, ref->source);
	const char *kind = secret ? "secret" : "config", *dir = secret ? "/run/secrets" : "/";
	auto_free char *target = path_join(dir, ref->target ? ref->target : ref->source);
	auto_free char *clean = path_clean(target);
	struct mount_spec *m;

	if (!o)
		return err_set(e, ENOENT, "undefined %s '%s'", kind, ref->source);
	if (o->external)
		return err_set(e, EOPNOTSUPP, "unsupported external %s %s", kind, o->name ? o->name : o->key);
	if (!o->file && !o->value) {
		if (o->environment)
			return err_set(e, ENOENT, "environment variable \"%s\" required by %s \"%s\" is not set", o->environment, kind, o->key);
		return err_set(e, ENOENT, "%s '%s' has no content", kind, o->key);
	}
	if (o->file && access(o->file, R_OK) < 0)
		return err_sys(e, "%s '%s': open '%s'", kind, o->key, o->file);
	if (has_target(c, clean))
		return 0;
	m = add(c, MNT_FILE, clean);
	m->source = xasprintf("%s/%s-%zu", l->files_dir, kind, c->nmounts);
	m->read_only = true;
	m->mode = opt_or(ref->mode, 0444);
	m->uid = m->gid = 0;
	TRY(owner("uid", ref->uid, &m->uid, e));
	return owner("gid", ref->gid, &m->gid, e);
}

int lower_mounts(const struct lower *l, struct ctr_spec *c, struct err *e)
{
	const struct service *s = l->s;

	for (size_t i = 0; i < s->volumes.n; i++)
		if (one_volume(l, c, &s->volumes.v[i], e) < 0)
			return err_wrap(e, "volumes");
	for (size_t i = 0; i < s->tmpfs.n; i++)
		if (one_tmpfs(c, s->tmpfs.v[i], e) < 0)
			return err_wrap(e, "tmpfs '%s'", s->tmpfs.v[i]);
	for (size_t i = 0; i < s->volumes_from.n; i++)
		if (one_volumes_from(l, c, s->volumes_from.v[i], e) < 0)
			return err_wrap(e, "volumes_from");
	image_volumes(l, c);
	for (size_t i = 0; i < s->configs.n; i++)
		if (one_file(l, c, &s->configs.v[i], false, e) < 0)
			return err_wrap(e, "configs");
	for (size_t i = 0; i < s->secrets.n; i++)
		if (one_file(l, c, &s->secrets.v[i], true, e) < 0)
			return err_wrap(e, "secrets");
	return 0;
}
