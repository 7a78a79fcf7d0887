/* SPDX-License-Identifier: MIT */
#include "cli/build_output.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/num.h"
#include "base/path.h"
#include "base/str.h"
#include "base/strv.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "engine/image/program.h"
#include "engine/image/save.h"
#include "engine/image/store.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define PUSH_INSTEAD "give --push instead, or use 'image push' after the build"

static const struct {
	const char *name;
	enum output_type type;
} types[] = {
	{ "cacheonly", OUTPUT_NONE }, { "docker", OUTPUT_SAVED }, { "image", OUTPUT_IMAGE },
	{ "local", OUTPUT_LOCAL },    { "oci", OUTPUT_SAVED },    { "tar", OUTPUT_TAR },
};

static void output_done(struct build_output *o)
{
	free(o->dest);
	free(o->name);
}

void build_outputs_done(struct build_outputs *o)
{
	for (size_t i = 0; i < o->n; i++)
		output_done(&o->v[i]);
	free(o->v);
	*o = (struct build_outputs){ 0 };
}

/* ---- words ---- */

static int set_type(struct build_output *o, const char *text, const char *value, struct err *e)
{
	const char *near = str_nearest(value, &types[0].name, ARRAY_LEN(types), sizeof(types[0]));

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (streq(types[i].name, value)) {
			o->type = types[i].type;
			return 0;
		}
	err_set(e, EINVAL, "invalid output '%s': there is no type '%s'", text, value);
	if (streq(value, "registry"))
		err_hint(e, PUSH_INSTEAD);
	else if (near)
		err_hint(e, "did you mean '%s'?", near);
	else
		err_hint(e, "there are local, tar, oci, docker, image and cacheonly");
	return -EINVAL;
}

static int set_word(struct build_output *o, const char *text, const char *key, const char *value, struct err *e)
{
	bool push = false;

	if (streq(key, "type"))
		return set_type(o, text, value, e);
	if (streq(key, "dest")) {
		free(o->dest);
		o->dest = xstrdup(value);
		return 0;
	}
	if (streq(key, "name")) {
		free(o->name);
		o->name = xstrdup(value);
		return 0;
	}
	if (streq(key, "push")) {
		TRY(num_bool(value, &push, e));
		if (!push)
			return 0;
		err_set(e, EOPNOTSUPP, "invalid output '%s': outputs are not pushed", text);
		err_hint(e, PUSH_INSTEAD);
		return -EOPNOTSUPP;
	}
	return err_set(e, EINVAL, "invalid output '%s': unexpected key '%s'", text, key);
}

static int parse(const char *text, struct build_output *o, struct err *e)
{
	AUTO_STRV(words);

	*o = (struct build_output){ 0 };
	if (!strchr(text, '=')) { /* a folder; "-" is an archive on standard output */
		o->type = streq(text, "-") ? OUTPUT_TAR : OUTPUT_LOCAL;
		o->dest = xstrdup(text);
	} else {
		strv_split_csv(&words, text);
	}
	for (size_t i = 0; i < words.n; i++) {
		const char *eq = strchr(words.v[i], '=');
		auto_free char *key = eq ? xstrndup(words.v[i], (size_t)(eq - words.v[i])) : NULL;

		if (!eq)
			return err_set(e, EINVAL, "invalid output '%s': '%s' is not KEY=VALUE", text, words.v[i]);
		TRY(set_word(o, text, key, eq + 1, e));
	}
	if (o->dest && (streq(o->dest, "-") || !*o->dest)) {
		free(o->dest);
		o->dest = NULL;
	}
	if (o->type == OUTPUT_LOCAL && !o->dest) {
		err_set(e, EINVAL, "invalid output '%s': files need a folder", text);
		err_hint(e, "name it: type=local,dest=FOLDER");
		return -EINVAL;
	}
	return 0;
}

static void add_names(struct strv *tags, const char *name)
{
	AUTO_STRV(names);

	strv_split(&names, name, ",");
	for (size_t i = 0; i < names.n; i++)
		strv_add_unique(tags, names.v[i]);
}

int build_outputs_parse(const struct strv *words, bool load, struct strv *tags, struct build_outputs *ret, struct err *e)
{
	ret->v = xcalloc(words->n + 1, sizeof *ret->v);
	ret->keep = load || !words->n;
	for (size_t i = 0; i < words->n; i++) {
		struct build_output *o = &ret->v[ret->n++];

		TRY(parse(words->v[i], o, e));
		if (o->name)
			add_names(tags, o->name);
		/* an archive of the image has its names from the store */
		ret->keep = ret->keep || o->type == OUTPUT_IMAGE || (o->type == OUTPUT_SAVED && tags->n);
	}
	if (!ret->keep)
		strv_clear(tags);
	return 0;
}

/* ---- writing ---- */

/* The image's files, copied together in a folder of the store that is locked as long as it is open. */
struct tree {
	int dir;
	char *path;
};

static void tree_done(struct tree *t)
{
	image_tmp_done(t->dir, t->path);
}

static int tree_open(struct app *app, const struct image_row *image, struct tree *ret, struct err *e)
{
	ret->dir = image_tmp_make(&app->dirs, NULL, &ret->path, e);
	TRY(ret->dir);
	return image_root_copy(&app->dirs, &image->layers, ret->dir, e);
}

/* Over what is there; all of it belongs to who builds, as with buildx. */
static int write_local(int tree, const char *dest, struct err *e)
{
	struct file_copy_how how = { .merge = true, .replace = true, .keep_root = true, .set_owner = true, .uid = getuid(), .gid = getgid() };
	auto_close int dir = -1;

	TRY(file_mkdir_p(dest, 0755, e));
	dir = open(dest, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "open '%s'", dest);
	return file_copy_object(tree, dir, ".", &how, e);
}

static int write_archive(int tree, const char *dest, struct err *e)
{
	AUTO(json_free) struct cJSON *answer = NULL;
	AUTO_DONE(output_free) struct output out = OUTPUT_INIT;

	TRY(output_open(dest, &out, e));
	return output_end(&out, image_program("pack", tree, out.fd, "", &answer, e), e);
}

static int write_image(struct app *app, const char *id, const char *dest, struct err *e)
{
	AUTO_DONE(output_free) struct output out = OUTPUT_INIT;
	AUTO_STRV(refs);

	TRY(image_names_of(app->db, id, &refs, e));
	if (!refs.n)
		strv_add(&refs, id);
	TRY(output_open(dest, &out, e));
	return output_end(&out, image_save(app->db, &refs, out.fd, e), e);
}

static int write_one(struct app *app, const struct build_output *o, const struct image_row *image, struct err *e)
{
	AUTO_DONE(tree_done) struct tree t = { .dir = -1 };

	switch (o->type) {
	case OUTPUT_LOCAL:
	case OUTPUT_TAR:
		TRY(tree_open(app, image, &t, e));
		return o->type == OUTPUT_LOCAL ? write_local(t.dir, o->dest, e) : write_archive(t.dir, o->dest, e);
	case OUTPUT_SAVED:
		return write_image(app, image->id, o->dest, e);
	case OUTPUT_IMAGE:
	case OUTPUT_NONE:
		return 0;
	}
	BUG("output of type %d", (int)o->type);
}

int build_outputs_write(struct app *app, const struct build_outputs *o, const char *id, bool new_image, struct err *e)
{
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	AUTO_STRV(report);
	int r = 0;

	if (!o->n)
		return 0;
	TRY(image_need(app->db, id, &row, e));
	for (size_t i = 0; i < o->n && r >= 0; i++)
		r = write_one(app, &o->v[i], &row, e);
	if (r < 0)
		err_wrap(e, "write what was built");
	if (!o->keep && new_image) {
		AUTO_ERR(left);

		if (image_unlist(app->db, id, false, &report, &left) < 0 && r >= 0)
			r = err_move(e, &left);
	}
	return r;
}
