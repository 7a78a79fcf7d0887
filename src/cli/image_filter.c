/* SPDX-License-Identifier: MIT */
#include "cli/image_filter.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/image/ref.h"
#include "engine/image/store.h"
#include <errno.h>
#include <fnmatch.h>

void image_filter_done(struct image_filter *f)
{
	strv_done(&f->references);
	strv_done(&f->labels);
	strv_done(&f->not_labels);
}

/* The last bound does not widen what an earlier one said. */
static void bound_before(struct image_filter *f, int64_t ns)
{
	f->before_ns = f->before_ns ? MIN(f->before_ns, ns) : MAX(ns, INT64_C(1));
}

static int created_of(struct db *db, const char *ref, int64_t *ret, struct err *e)
{
	AUTO_DONE(image_row_done) struct image_row row = { 0 };

	TRY(image_need(db, ref, &row, e));
	*ret = row.created_ns;
	return 0;
}

static int add_before(struct db *db, struct image_filter *f, const char *value, struct err *e)
{
	int64_t ns = 0;

	TRY(created_of(db, value, &ns, e));
	bound_before(f, ns);
	return 0;
}

static int add_since(struct db *db, struct image_filter *f, const char *value, struct err *e)
{
	int64_t ns = 0;

	TRY(created_of(db, value, &ns, e));
	f->since_ns = MAX(f->since_ns, ns);
	return 0;
}

static int add_until(struct db *db, struct image_filter *f, const char *value, struct err *e)
{
	int64_t ns = 0;

	(void)db;
	TRY(time_parse(value, time_now_ns(), &ns, e));
	bound_before(f, ns);
	return 0;
}

static int add_dangling(struct db *db, struct image_filter *f, const char *value, struct err *e)
{
	bool yes;

	(void)db;
	TRY(num_bool(value, &yes, e));
	f->dangling = yes ? DANGLING_YES : DANGLING_NO;
	return 0;
}

static int add_label(struct db *db, struct image_filter *f, const char *value, struct err *e)
{
	(void)db, (void)e;
	strv_add(&f->labels, value);
	return 0;
}

static int add_not_label(struct db *db, struct image_filter *f, const char *value, struct err *e)
{
	(void)db, (void)e;
	strv_add(&f->not_labels, value);
	return 0;
}

static int add_reference(struct db *db, struct image_filter *f, const char *value, struct err *e)
{
	(void)db, (void)e;
	image_filter_reference(f, value);
	return 0;
}

static const struct kind {
	const char *key;   /* with its '=' */
	int (*add)(struct db *db, struct image_filter *f, const char *value, struct err *e);
} kinds[] = {
	{ "before=", add_before }, { "dangling=", add_dangling }, { "label!=", add_not_label }, { "label=", add_label },
	{ "reference=", add_reference }, { "since=", add_since }, { "until=", add_until },
};

void image_filter_reference(struct image_filter *f, const char *pattern)
{
	strv_add(&f->references, pattern);
}

static int parse_one(struct db *db, const char *text, const char *allowed, struct image_filter *f, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const char *value = str_after(text, kinds[i].key);

		if (!value || !strstr(allowed, kinds[i].key))
			continue;
		return kinds[i].add(db, f, value, e) < 0 ? err_wrap(e, "filter '%s'", text) : 0;
	}
	return err_set(e, EINVAL, "invalid filter '%s': there are %s", text, allowed);
}

int image_filter_parse(struct db *db, const struct strv *texts, const char *allowed, struct image_filter *ret, struct err *e)
{
	for (size_t i = 0; i < texts->n; i++)
		TRY(parse_one(db, texts->v[i], allowed, ret, e));
	return 0;
}

static bool has_label(const struct image_config *config, const char *want)
{
	return strchr(want, '=') ? strv_has(&config->labels, want) : strv_env_get(&config->labels, want) != NULL;
}

static bool labels_pass(const struct image_filter *f, const struct image_row *row)
{
	AUTO_DONE(image_config_done) struct image_config config = { 0 };
	AUTO_ERR(ignored);

	if (f->labels.n + f->not_labels.n == 0)
		return true;
	if (image_config_parse(row->config, &config, &ignored) < 0)
		return false;
	for (size_t i = 0; i < f->labels.n; i++)
		if (!has_label(&config, f->labels.v[i]))
			return false;
	for (size_t i = 0; i < f->not_labels.n; i++)
		if (has_label(&config, f->not_labels.v[i]))
			return false;
	return true;
}

static bool matches_reference(const char *name, const char *pattern)
{
	const char *familiar = ref_familiar(name), *colon = strrchr(familiar, ':');
	auto_free char *bare = colon && !strchr(colon, '/') ? xstrndup(familiar, (size_t)(colon - familiar)) : xstrdup(familiar);

	return *name && (fnmatch(pattern, familiar, FNM_PATHNAME) == 0 || fnmatch(pattern, bare, FNM_PATHNAME) == 0);
}

bool image_filter_passes(const struct image_filter *f, const struct image_row *row, const char *name)
{
	bool named = f->references.n == 0;

	for (size_t i = 0; i < f->references.n && !named; i++)
		named = matches_reference(name, f->references.v[i]);
	if (!named || (f->dangling == DANGLING_YES && *name) || (f->dangling == DANGLING_NO && !*name))
		return false;
	if ((f->before_ns && row->created_ns >= f->before_ns) || (f->since_ns && row->created_ns <= f->since_ns))
		return false;
	return labels_pass(f, row);
}
