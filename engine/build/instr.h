/* SPDX-License-Identifier: MIT
 *
 * engine/build/instr.h - the instructions of a Dockerfile: names, how their arguments are read, which flags they know
 *
 * Adding one: a row in instr.c, an apply function in stage.c, a case in tests/cases/dockerfile.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>

enum instr_kind {
	INSTR_ADD, INSTR_ARG, INSTR_CMD, INSTR_COPY, INSTR_ENTRYPOINT, INSTR_ENV, INSTR_EXPOSE, INSTR_FROM, INSTR_HEALTHCHECK, INSTR_LABEL,
	INSTR_MAINTAINER, INSTR_ONBUILD, INSTR_RUN, INSTR_SHELL, INSTR_STOPSIGNAL, INSTR_USER, INSTR_VOLUME, INSTR_WORKDIR, INSTR_KINDS
};
enum instr_args {
	ARGS_JSON_OR_TEXT, /* JSON list, or all of it as one word */
	ARGS_JSON_OR_LIST, /* JSON list, or split at blanks */
	ARGS_LIST,         /* split at blanks */
	ARGS_TEXT,         /* one word */
	ARGS_PAIRS,        /* K=V words, or "K the rest" */
	ARGS_NAMES,        /* words, quotes respected */
	ARGS_NESTED,       /* an instruction, as text */
	ARGS_HEALTH,       /* NONE, or CMD and JSON_OR_TEXT */
};
enum flag_type { FLAG_STRING, FLAG_BOOL, FLAG_LIST };
struct instr_flag {
	const char *name;
	enum flag_type type;
};
struct instr_info {
	const char *name;      /* upper case */
	enum instr_args args;
	bool heredocs;
	bool no_flags;         /* words that look like flags are dropped without a look */
	const struct instr_flag *flags; /* ends with a NULL name */
};
extern const struct instr_info instr_infos[INSTR_KINDS];
/* By any case; INSTR_KINDS: none. *RET_NEAR: "did you mean", NULL. */
enum instr_kind instr_find(const char *word, const char **ret_near);

struct instr;
struct err;
struct strv;
/* All flags are known, given once, with values where they take one. */
int instr_flags_check(const struct instr *i, struct err *e);
/* Value of a flag ("" for a bare one), NULL: not given. Borrowed. */
const char *instr_flag(const struct instr *i, const char *name);
/* As instr_flag; an empty value ("--from=") is none, as BuildKit has it. */
const char *instr_flag_value(const struct instr *i, const char *name);
bool instr_flag_bool(const struct instr *i, const char *name, bool dflt);
void instr_flag_list(const struct instr *i, const char *name, struct strv *ret);
