/* SPDX-License-Identifier: MIT
 *
 * engine/build/glob.h - Go's filepath.Match, and the patterns of .dockerignore (moby/patternmatcher). Pure.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>

struct err;
struct strv;
bool glob_has_wildcard(const char *s); /* any of *?[ that is not escaped */
/* -EINVAL "syntax error in pattern" */
int glob_check(const char *pattern, struct err *e);
/* PATTERN passed glob_check. */
bool glob_match(const char *pattern, const char *name);

enum { IGNORE_PATTERNS = 10000, IGNORE_MAX = 4 << 20 };
struct ignore;
/* The text of a .dockerignore. */
int ignore_parse(const char *text, size_t n, struct ignore **ret, struct err *e);
/* Patterns by themselves (--exclude). */
int ignore_new(const struct strv *patterns, struct ignore **ret, struct err *e);
void ignore_free(struct ignore *g); /* NULL is fine */
DEFINE_AUTO(struct ignore *, ignore_free)
/* PATH: clean, relative. NULL ignores nothing. */
bool ignore_has(const struct ignore *g, const char *path);
/* PATH is ignored as a folder: may something below it be there nevertheless? */
bool ignore_has_exceptions(const struct ignore *g);
