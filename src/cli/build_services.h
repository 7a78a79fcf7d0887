/* SPDX-License-Identifier: MIT
 *
 * cli/build_services.h - builds the images of a project's services: build, up --build, and whatever finds an image missing
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>

struct app;
struct err;
struct strv;
struct build_services {
	const struct strv *services; /* NULL or empty: all active ones */
	const struct strv *args;     /* K=V for all, NULL */
	const struct strv *ssh;      /* NULL */
	bool no_cache, pull, quiet, check, with_deps;
	bool all;                    /* else only those whose image is missing (or whose pull_policy is build) */
	struct strv *built;          /* gets the services whose images were built, NULL */
};
/* All at the same time, but for one whose context is another's image. */
int build_services(struct app *app, const struct build_services *b, struct err *e);
