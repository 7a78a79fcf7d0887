/* SPDX-License-Identifier: MIT
 *
 * compose/dotenv.h - .env, env_file and label_file (compose.md §21)
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct err;

enum dotenv_format { DOTENV, DOTENV_RAW /* docker --env-file: verbatim to the end of the line */ };

struct dotenv_var {
	const char *name; /* "" : a lone word at the end of the file, see dotenv_read */
	const char *value;
	int line;         /* that its last value is on */
};
struct dotenv_vars {
	struct dotenv_var *v; /* in order of their first appearance, names unique, the last value */
	size_t n;
};
/* Where values come from that a file refers to: asked before the file's own variables. */
struct dotenv_env {
	const char *(*lookup)(void *arg, const char *name); /* NULL: not set */
	void (*warn)(void *arg, const char *text);          /* may be NULL */
	void *arg;
	bool given;                                         /* the user named the file: it may be a pipe (read.h) */
};

/* Errors are docker compose's: "line 3: unterminated quoted value "a". */
int dotenv_parse(struct arena *a, const char *text, size_t len, enum dotenv_format format,
		 const struct dotenv_env *env, struct dotenv_vars *ret, struct err *e);
/* Reads and parses PATH: "failed to read PATH: …" for what is wrong in it; a missing file keeps ENOENT. A variable without a name is
 * dropped with a warning. */
int dotenv_read(struct arena *a, const char *path, enum dotenv_format format, const struct dotenv_env *env,
		struct dotenv_vars *ret, struct err *e);
/* "" and "dotenv", "raw"; -EINVAL: unsupported. */
int dotenv_format_parse(const char *s, enum dotenv_format *ret, struct err *e);
