/* SPDX-License-Identifier: MIT
 *
 * The images that builds stand on and copy from. Those that are missing are brought together, before anything is built: FROM and COPY --from name them
 * whatever the images hold, so a conversion of the stages on images that are made up says which there are. What cannot be brought is no error then: the
 * step or stage that needs it asks again, and says it.
 */
#include <errno.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/build/build_priv.h"

static char *fetched_key(const char *ref, const char *platform)
{
	return xasprintf("%s %s", ref, str0(platform));
}

/* 1: it is to be brought. */
static int image_here(struct build *b, const char *ref, const char *platform, struct image_row *ret, struct err *e)
{
	auto_free char *key = fetched_key(ref, platform);

	return b->o->pull && !strv_has(&b->all->fetched, key) ? 1 : image_resolve(b->db, ref, ret, e);
}

int build_image_row(struct build *b, const char *ref, const char *platform, struct image_row *ret, struct err *e)
{
	const struct build_set *set = b->all->set;
	AUTO_STRV(refs);
	int r = image_here(b, ref, platform, ret, e);

	if (r <= 0)
		return r;
	if (set->fetch) {
		AUTO_ERR(why);

		strv_add(&refs, ref);
		r = set->fetch(set->fetch_arg, &refs, platform, &why);
		if (r < 0 && (!b->o->pull || r == -ECANCELED)) {
			err_move(e, &why);
			return err_wrap(e, "%s: failed to resolve source metadata", ref);
		}
		strv_add_take(&b->all->fetched, fetched_key(ref, platform));
	}
	return image_need(b->db, ref, ret, e);
}

int build_base_image(void *arg, const char *ref, const char *platform, char **ret_config, char **ret_id, struct err *e)
{
	AUTO_DONE(image_row_done) struct image_row row = { 0 };

	TRY(build_image_row(arg, ref, platform, &row, e));
	*ret_config = TAKE(row.config);
	*ret_id = TAKE(row.id);
	return 0;
}

/* ---- which are missing --------------------------------------------------------------------------------------------------------------------------- */

struct asking {
	struct build *b;
	struct map *missing;      /* platform, "": none -> strv of references */
	bool made_up;             /* a stage stands on an image that is missing */
};

static void free_refs(void *refs)
{
	strv_done(refs);
	free(refs);
}

/* 1: it is missing; < 0: whether is not to be found out. */
static int ask(const struct asking *a, const char *ref, const char *platform, struct image_row *row)
{
	struct strv *refs = map_get(a->missing, str0(platform));
	AUTO_ERR(ignored);
	int r = image_here(a->b, ref, platform, row, &ignored);

	if (r != 1)
		return r;
	if (!refs) {
		refs = xcalloc(1, sizeof(*refs));
		map_set(a->missing, str0(platform), refs);
	}
	strv_add_unique(refs, ref);
	return 1;
}

static int made_up_image(void *arg, const char *ref, const char *platform, char **ret_config, char **ret_id, struct err *e)
{
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	struct asking *a = arg;

	(void)e;
	a->made_up |= ask(a, ref, platform, &row) != 0;
	*ret_config = row.config ? TAKE(row.config) : xstrdup("{}");
	*ret_id = row.id ? TAKE(row.id) : xstrdup("");
	return 0;
}

static void ask_source(const struct asking *a, const struct source *from)
{
	AUTO_DONE(image_row_done) struct image_row row = { 0 };

	if (from->kind == SOURCE_IMAGE)
		ask(a, from->name, a->b->o->platform, &row);
}

/* Where no stage stands on an image that was made up, the stages are what they were converted for: they stay. */
static void ask_build(struct build *b, struct map *missing)
{
	struct asking a = { .b = b, .missing = missing };
	AUTO_ERR(why); /* it may be the made up image's fault; if not, it comes again */
	int r;

	b->stage_options.base_image = made_up_image;
	b->stage_options.arg = &a;
	r = stages_make(&b->df, &b->stage_options, &b->stages, &why);
	b->stage_options.base_image = build_base_image;
	b->stage_options.arg = b;
	for (size_t i = 0; i < b->stages.n; i++)
		for (size_t k = 0; k < b->stages.v[i].nsteps; k++) {
			const struct step *t = b->stages.v[i].steps[k];

			ask_source(&a, &t->from);
			for (size_t m = 0; m < t->nmounts; m++)
				ask_source(&a, &t->mounts[m].from);
		}
	if (r < 0 || a.made_up)
		stages_done(&b->stages);
}

int builds_fetch(struct builds *a, struct err *e)
{
	AUTO_MAP(missing, free_refs);
	size_t n = 0;

	for (size_t i = 0; i < a->n && a->set->fetch; i++)
		if (a->v[i].state == BUILD_READ)
			ask_build(&a->v[i], &missing);
	for (size_t i = 0; i < missing.n; i++)
		n += ((struct strv *)missing.v[i].value)->n;
	for (size_t i = 0; i < missing.n && n > 1; i++) { /* one alone is brought where it is needed */
		const char *platform = *missing.v[i].key ? missing.v[i].key : NULL;
		const struct strv *refs = missing.v[i].value;
		AUTO_ERR(why);
		int r = a->set->fetch(a->set->fetch_arg, refs, platform, &why);

		if (r == -ECANCELED)
			return err_move(e, &why);
		if (r < 0)
			continue;
		for (size_t k = 0; k < refs->n; k++)
			strv_add_take(&a->fetched, fetched_key(refs->v[k], platform));
	}
	return 0;
}
