/* SPDX-License-Identifier: MIT
 *
 * cli/build_output.h - where the result of a build goes: `image build --output`, as of docker buildx
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>

struct app;
struct err;
struct strv;

enum output_type {
	OUTPUT_IMAGE,  /* the store */
	OUTPUT_LOCAL,  /* the files, into the folder DEST */
	OUTPUT_TAR,    /* the files, as an archive */
	OUTPUT_SAVED,  /* the image, as `image save` writes it */
	OUTPUT_NONE,   /* the cache only */
};
struct build_output {
	enum output_type type;
	char *dest; /* NULL: standard output */
	char *name; /* of the image, further names behind commas; NULL */
};
struct build_outputs {
	struct build_output *v;
	size_t n;
	bool keep; /* the image stays in the store */
};
void build_outputs_done(struct build_outputs *o);
/* "DIR", "-", "type=local,dest=DIR", …: https://docs.docker.com/reference/cli/docker/buildx/build/#output. Names of type=image are added to TAGS. LOAD: the
 * image is wanted in the store too. */
int build_outputs_parse(const struct strv *words, bool load, struct strv *tags, struct build_outputs *ret, struct err *e);
/* Writes the image ID to all of them. NEW: it was not in the store before, and goes unless it is to stay. */
int build_outputs_write(struct app *app, const struct build_outputs *o, const char *id, bool new_image, struct err *e);
