/* SPDX-License-Identifier: MIT
 *
 * engine/build/dockerfile.h - a Dockerfile's text -> instructions with their words. Pure; every byte may be hostile.
 *
 *   physical lines ─ directives, comments, continuations ─► logical line ─ name, --flags, arguments by the instruction's own rule, heredocs
 *
 * Rules: dockerfile.md 1 (BuildKit's parser). What the words mean is stage.c's matter.
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include "engine/build/instr.h"
#include <stdbool.h>
#include <stddef.h>

struct err;
enum {
	DF_LINE_MAX = 65535,      /* bytes of a physical line */
	DF_MAX = 8 << 20,         /* bytes of the file */
	DF_INSTRUCTIONS = 100000,
	DF_HEREDOCS = 100,        /* of one instruction */
};
struct heredoc {
	char *name, *body;        /* body: lines with their ends; "<<-" not stripped yet */
	bool expand, chomp;       /* NAME was not quoted; "<<-" */
};
struct instr {
	enum instr_kind kind;
	char *word;               /* as written: "RUN", "run" */
	char *check;              /* of a comment "check=" just above it, NULL */
	char *text;               /* the logical line */
	struct strv flags;        /* "--from=x", quotes removed */
	struct strv args;         /* JSON: its strings; ENV, LABEL: "K=V" words, quotes kept; else see instr.h */
	bool json;
	bool legacy;              /* ENV K V */
	struct heredoc *docs;
	size_t ndocs;
	int line, last;           /* first and last physical line, from 1 */
	bool trigger;             /* of a base's ONBUILD */
};
struct df_warning {
	const char *rule;         /* "NoEmptyContinuation" */
	char *text;
	int line;
};
struct df_warnings {
	struct df_warning *v;
	size_t n, cap;
};
void df_warn(struct df_warnings *w, const char *rule, int line, const char *fmt, ...) PRINTF(4, 5);
void df_warnings_done(struct df_warnings *w);

struct dockerfile {
	struct instr *v;
	size_t n, cap;
	char escape;              /* '\\' or '`' */
	char *syntax, *check;     /* directives, NULL */
	struct df_warnings warnings;
};
/* Where an error is: lines from 1, 0: nowhere. */
struct df_place {
	int first, last;
};
void dockerfile_done(struct dockerfile *d);
int dockerfile_parse(const char *text, size_t n, struct dockerfile *ret, struct df_place *place, struct err *e);
/* One instruction by itself (ONBUILD's); default escape. -EINVAL: not exactly one. */
int dockerfile_parse_one(const char *text, struct dockerfile *ret, struct err *e);
/* "CMD", for messages: the name in upper case. */
const char *instr_name(enum instr_kind kind);
/* WORD ("<<EOF", "3<<-'EOF'") stands for one of I's heredocs. */
bool heredoc_is_named(const struct instr *i, const char *word);
/* A heredoc's body as it is to be used: leading tabs gone with "<<-". Caller frees. */
char *heredoc_text(const struct heredoc *h);
