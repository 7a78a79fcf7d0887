/* SPDX-License-Identifier: MIT
 *
 * compose/read.h - the files that a load reads: once, bounded, and only what is a file
 *
 * Regular files, /dev/null, and pipes that the caller handed over (/dev/fd/N, `-f <(cmd)`). A FIFO in a folder or a device would
 * block or never end: refused.
 */
#pragma once
#include "base/auto.h"
#include "compose/node.h"
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct err;

enum { READ_MAX_ENV = 16 << 20 }; /* .env, env_file, label_file */

/* The text (in the arena, terminated; may hold NULs: see *RET_LEN). GIVEN: the user named it, so it may be a pipe of theirs.
 * Errors: "open PATH: No such file or directory". */
int read_text(struct arena *a, const char *path, bool given, size_t max, const char **ret_text, size_t *ret_len,
	      struct err *e);
/* A compose file: PATH "-" is standard input. SHOWN names it in messages; FROM: the file that asked for it, NULL: the user. */
int read_source(struct arena *a, const char *path, const char *shown, const char *dir, const struct source *from,
		const struct source **ret, struct err *e);
