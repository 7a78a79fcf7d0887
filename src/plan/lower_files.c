/* SPDX-License-Identifier: MIT
 *
 * The content of secrets and configs, as files in the container's folder (0711, root's): owner and mode are what the container sees.
 */
#include "plan/lower.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/container/spec.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { CONTENT_MAX = 16 << 20 };

static int write_one(const struct mount_spec *m, const char *text, size_t n, struct err *e)
{
	auto_close int fd = open(m->source, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_sys(e, "make '%s'", m->source);
	TRY(fd_write_all(fd, text, n, e));
	if (fchown(fd, m->uid < 0 ? 0 : (uid_t)m->uid, m->gid < 0 ? 0 : (gid_t)m->gid) < 0 ||
	    fchmod(fd, m->mode < 0 ? 0444 : (mode_t)m->mode) < 0)
		return err_sys(e, "owner and mode of '%s'", m->source);
	return 0;
}

static int content(const struct file_object *o, char **ret, size_t *ret_n, struct err *e)
{
	if (o->file)
		return file_read(o->file, CONTENT_MAX, ret, ret_n, e);
	*ret = xstrdup(o->value);
	*ret_n = strlen(o->value);
	return 0;
}

static const struct mount_spec *mount_at(const struct ctr_spec *c, const char *target)
{
	for (size_t i = 0; i < c->nmounts; i++)
		if (c->mounts[i].type == MNT_FILE && streq(c->mounts[i].target, target))
			return &c->mounts[i];
	return NULL;
}

static int write_ref(const struct lower *l, const struct ctr_spec *c, const struct file_ref *ref, bool secret, struct err *e)
{
	const struct file_object *o = secret ? project_secret(l->p, ref->source) : project_config(l->p, ref->source);
	auto_free char *target = path_join(secret ? "/run/secrets" : "/", ref->target ? ref->target : ref->source);
	auto_free char *clean = path_clean(target);
	const struct mount_spec *m = mount_at(c, clean);
	auto_free char *text = NULL;
	size_t n = 0;
	int r;

	if (!m || !o)
		return 0; /* a volume is on that target */
	r = content(o, &text, &n, e);
	if (r >= 0)
		r = write_one(m, text, n, e);
	if (text && secret)
		explicit_bzero(text, n);
	return r < 0 ? err_wrap(e, "%s '%s'", secret ? "secret" : "config", o->key) : 0;
}

int lower_write_files(const struct lower *l, const struct ctr_spec *spec, struct err *e)
{
	const struct service *s = l->s;

	if (s->configs.n + s->secrets.n == 0)
		return 0;
	TRY(file_mkdir_p(l->files_dir, 0711, e));
	for (size_t i = 0; i < s->configs.n; i++)
		TRY(write_ref(l, spec, &s->configs.v[i], false, e));
	for (size_t i = 0; i < s->secrets.n; i++)
		TRY(write_ref(l, spec, &s->secrets.v[i], true, e));
	return 0;
}
