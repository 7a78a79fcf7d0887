/* SPDX-License-Identifier: MIT */
#include "cli/pin.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "base/strv.h"
#include "cli/cli.h"
#include "compose/project.h"
#include "engine/image/ref.h"
#include "engine/image/remote.h"
#include "state/db.h"
#include "state/image_store.h"

static bool is_meant(const struct service *s)
{
	return !s->disabled && !s->provider && s->image && *s->image;
}

/* Canonical, with a tag; one that has a digest is written without. */
static int full_name(const struct service *s, char **ret, bool *ret_pinned, struct err *e)
{
	AUTO_DONE(ref_done) struct ref ref = { 0 };

	if (ref_parse_tagged(s->image, &ref, e) < 0)
		return err_wrap(e, "service '%s'", s->name);
	*ret = ref_text(&ref);
	*ret_pinned = ref.digest != NULL;
	return 0;
}

/* What it stood for when it was pulled. Caller frees; NULL: it was not, or nobody may look. */
static char *known_here(struct app *app, struct db **db, const char *name)
{
	AUTO_DONE(image_remote_done) struct image_remote row = { 0 };
	AUTO_ERR(ignored);

	if (!*db && db_open(&app->dirs, DB_READONLY, db, &ignored) < 0)
		return NULL;
	return image_remote_get(*db, name, &row, &ignored) == 0 ? xstrdup(row.digest) : NULL;
}

static int pin_one(struct app *app, struct db **db, const struct project *p, struct service *s, const char *name, struct image_digest *d, struct err *e)
{
	auto_free char *here = d->digest ? NULL : known_here(app, db, name);

	if (!d->digest && !here && s->build) {
		log_warning("service '%s': '%s' keeps its tag, it is built here and not at its registry", s->name, s->image);
		return 0;
	}
	if (!d->digest && !here) {
		err_set(e, d->failure.code, "%s", err_text(&d->failure));
		if (d->failure.hint)
			err_hint(e, "%s", d->failure.hint);
		return err_wrap(e, "service '%s'", s->name);
	}
	if (here)
		log_warning("service '%s': its registry does not say what '%s' is now; the digest is that of the image here (%s)", s->name, s->image,
			err_text(&d->failure));
	s->image = arena_printf(p->arena, "%s@%s", name, d->digest ? d->digest : here);
	return 0;
}

/* What is asked for, each once. */
static int collect(struct project *p, struct strv *names, struct err *e)
{
	for (size_t i = 0; i < p->services.n; i++) {
		struct service *s = &p->services.v[i];
		auto_free char *name = NULL;
		bool pinned;

		if (!is_meant(s))
			continue;
		TRY(full_name(s, &name, &pinned, e));
		if (pinned)
			s->image = arena_printf(p->arena, "%s", name);
		else
			strv_add_unique(names, name);
	}
	return 0;
}

static int pin_all(struct app *app, struct project *p, const struct strv *names, struct image_digest *v, struct db **db, struct err *e)
{
	for (size_t i = 0; i < p->services.n; i++) {
		struct service *s = &p->services.v[i];
		auto_free char *name = NULL;
		bool pinned = false;

		if (is_meant(s))
			TRY(full_name(s, &name, &pinned, e));
		for (size_t k = 0; name && !pinned && k < names->n; k++)
			if (streq(names->v[k], name)) {
				TRY(pin_one(app, db, p, s, name, &v[k], e));
				break;
			}
	}
	return 0;
}

int pin_images(struct app *app, struct project *p, struct err *e)
{
	AUTO_STRV(names);
	struct image_digest *v;
	struct db *db = NULL;
	int r;

	TRY(collect(p, &names, e));
	v = xcalloc(names.n + 1, sizeof(*v));
	for (size_t i = 0; i < names.n; i++)
		v[i].ref = names.v[i];
	r = image_digests(app->dirs.root, v, names.n, e);
	if (r >= 0)
		r = pin_all(app, p, &names, v, &db, e);
	image_digests_done(v, names.n);
	free(v);
	db_close(db);
	return r;
}

void pin_warn(const struct project *p)
{
	AUTO_STRV(names);

	for (size_t i = 0; i < p->services.n; i++) {
		const struct service *s = &p->services.v[i];
		AUTO_DONE(ref_done) struct ref ref = { 0 };
		AUTO_ERR(ignored);

		if (is_meant(s) && !s->build && ref_parse(s->image, &ref, &ignored) >= 0 && !ref.digest && (!ref.tag || streq(ref.tag, "latest")))
			strv_add_unique(&names, s->image);
	}
	if (!names.n)
		return;
	auto_free char *all = strv_join(&names, ", ");

	log_warning("no fixed version: %s. What that is changes; 'gantry config --lock-image-digests' writes an override that pins it", all);
}
