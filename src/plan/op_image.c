/* SPDX-License-Identifier: MIT */
#include "plan/op_image.h"
#include "base/alloc.h"
#include "base/str.h"
#include "engine/image/remote.h"
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

/* ---- pull ---- */

static void on_progress(void *arg, const char *text, bool figure)
{
	struct task *t = arg;
	auto_free char *id = task_id(t->op);

	task_report(t, figure ? APPLY_FIGURE : APPLY_TEXT, id, text);
}

static void on_ended(void *arg, int r, const char *digest, struct err *e)
{
	struct task *t = arg;

	if (t->state != TASK_RUNNING)
		return;
	if (r < 0)
		err_move(&t->e, e);
	if (r < 0 && t->op->service_name)
		err_wrap(&t->e, "service '%s'", t->op->service_name);
	free(t->id);
	t->id = r < 0 ? NULL : xstrdup(digest);
	if (r == IMAGE_UP_TO_DATE) {
		auto_free char *id = task_id(t->op);

		task_report(t, APPLY_TEXT, id, "Up to date");
	}
	map_remove(&t->a->images, t->op->name);
	task_end(t, r < 0 ? r : TASK_DONE);
}

static int forget_pull(struct task *t)
{
	(void)t;
	return TASK_DONE; /* the program ends with the plan */
}

int op_image_pull(struct task *t)
{
	const struct service *s = t->op->service;

	if (s && s->build && !s->image) {
		err_set(&t->e, ENOENT, "service '%s': image '%s' is not present, and is not to be built", s->name, t->op->name);
		err_hint(&t->e, "build it with 'gantry build %s', or leave out --no-build", s->name);
		return -ENOENT;
	}
	t->cancel = forget_pull;
	t->fetch = true;
	return TASK_WAITING;
}

void op_images_fetch(struct apply *a)
{
	const struct image_pull_options o = { .jobs = a->o.layers, .progress = on_progress, .ended = on_ended };
	auto_free struct image_pull_item *items = xcalloc(a->plan->n + 1, sizeof *items);
	struct image_pull *pull = NULL;
	AUTO_ERR(e);
	size_t n = 0;

	for (size_t i = 0; i < a->plan->n; i++)
		if (a->tasks[i].fetch && a->tasks[i].state == TASK_RUNNING) {
			a->tasks[i].fetch = false;
			items[n++] = (struct image_pull_item){ a->tasks[i].op->name, a->tasks[i].op->platform, &a->tasks[i] };
		}
	if (n == 0)
		return;
	if (image_pull_start(a->db, a->loop, items, n, &o, &pull, &e) >= 0) {
		xgrow(&a->pulls, a->npulls, &a->pulls_cap, sizeof *a->pulls);
		a->pulls[a->npulls++] = pull;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct task *t = items[i].arg;

		err_set(&t->e, e.code, "%s", err_text(&e));
		if (e.hint)
			err_hint(&t->e, "%s", e.hint);
		task_end(t, -e.code);
	}
}

void op_images_done(struct apply *a)
{
	for (size_t i = 0; i < a->npulls; i++)
		image_pull_free(a->pulls[i]);
	free(a->pulls);
	a->pulls = NULL;
	a->npulls = 0;
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
