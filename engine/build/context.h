/* SPDX-License-Identifier: MIT
 *
 * engine/build/context.h - what a build's files come from: a folder, or something that becomes one in the build's temporary folder
 *
 *   -               standard input: an archive, or a Dockerfile by itself
 *   http(s)://…     the same, fetched by gantry-image
 *   git …           a repository (git.h): "#ref:subdir"
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>

struct build_options;
struct err;
enum { CONTEXT_MAX_GIB = 16 };

struct context {
	char *folder;             /* NULL: there are no files */
	char *dockerfile;         /* what came was a Dockerfile: its text; NULL */
	char *ignore;             /* .dockerignore of a named folder, NULL */
	size_t ignore_len;
};
void context_done(struct context *c);
/* TEXT is something to be fetched, not a folder. */
bool context_is_remote(const char *text);
/* PLACE: a folder of ours for what comes; NAME: of its entry there. */
int context_fetch(const struct build_options *o, const char *text, const char *place, const char *name, struct context *ret, struct err *e);
