/* SPDX-License-Identifier: MIT */
#include "plan/op_image.h"
#include "base/alloc.h"
#include "base/str.h"
#include "plan/apply_task.h"
#include "state/db.h"
#include <errno.h>

void apply_image_free(void *p)
{
	struct apply_image *i = p;

	image_row_done(&i->row);
	image_config_done(&i->config);
	free(i);
}

int apply_image(struct apply *a, const char *ref, const struct apply_image **ret, struct err *e)
{
	struct apply_image *i = map_get(&a->images, ref);
	int r;

	if (!i) {
		i = xcalloc(1, sizeof *i);
		r = image_need(a->db, ref, &i->row, e);
		if (r >= 0)
			r = image_config_parse(i->row.config, &i->config, e);
		if (r < 0) {
			apply_image_free(i);
			return r;
		}
		map_set(&a->images, ref, i);
	}
	*ret = i;
	return 0;
}

/* XXX: no registry client yet, so what is not here has to be brought. Nothing was made before: images are the first phase. */
int op_image_pull(struct task *t)
{
	const struct service *s = t->op->service;

	if (s && s->build) {
		err_set(&t->e, ENOENT, "service '%s': image '%s' is not present, and this version cannot build it", s->name, t->op->name);
		err_hint(&t->e, "build it elsewhere and bring it: 'docker save %s | gantry image load'", t->op->name);
	} else {
		err_set(&t->e, ENOENT, "service '%s': image '%s' is not present, and this version cannot pull it",
			str0(t->op->service_name), t->op->name);
		err_hint(&t->e, "bring it with 'gantry image load FILE', or 'gantry image import FOLDER %s'", t->op->name);
	}
	return -ENOENT;
}

int op_image_remove(struct task *t)
{
	AUTO_STRV(lines);
	int r = image_remove(t->a->db, t->op->name, false, &lines, &t->e);

	if (r == -ENOENT) {
		err_clear(&t->e);
		return TASK_DONE;
	}
	return r < 0 ? r : TASK_DONE;
}
