/* SPDX-License-Identifier: MIT
 *
 * compose/discover.h - the steps of compose_env() (load.h) that others use too
 */
#pragma once
#include "base/auto.h"

struct arena;
struct err;
struct map;
struct notes;
/* The project's name when neither -p nor COMPOSE_PROJECT_NAME gave one: FROM_FILE (NULL: none) or else the folder DIR. */
int discover_name(struct arena *a, const char *from_file, const char *dir, struct notes *notes, const char **ret,
		  struct err *e);
