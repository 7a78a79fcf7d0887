/* SPDX-License-Identifier: MIT
 *
 * cli/opts.h - option rows -> a struct; help and completion come from the same rows
 *
 * Syntax as docker compose's (pflag): -d, -dT, -n5, -n 5, -n=5, --tail 5, --tail=5, --detach=false, "--" ends options. Options and arguments mix
 * unless the command says that everything after its first argument belongs to another program (OPTS_STOP: exec, run).
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct err;
enum opt_type {
	OPT_BOOL,   /* bool */
	OPT_UNBOOL, /* bool, set to false by the option (-T for tty) */
	OPT_STR,    /* const char *, borrowed from argv */
	OPT_LIST,   /* struct strv, appended */
	OPT_INT,    /* int64_t */
	OPT_TYPES
};
enum opt_flags { OPT_HIDDEN = 1, OPT_REFUSED = 2 /* known, not supported yet: `help` says why */ };
struct opt {
	char letter;              /* 0: none */
	const char *name;         /* without dashes */
	enum opt_type type;
	size_t offset;            /* of the member in the command's options */
	const char *arg;          /* name of the value in help, NULL for booleans */
	const char *help;
	const char *const *choices; /* NULL-terminated values that are allowed, NULL: any */
	unsigned flags;
};
#define OPT(letter, name, type, strct, member, arg, help) { letter, name, type, offsetof(strct, member), arg, help, NULL, 0 }
#define OPT_CHOICE(letter, name, strct, member, arg, help, list) { letter, name, OPT_STR, offsetof(strct, member), arg, help, list, 0 }
#define OPT_HIDE(letter, name, type, strct, member, arg, help) { letter, name, type, offsetof(strct, member), arg, help, NULL, OPT_HIDDEN }
/* Known to docker compose, refused here with the reason in WHY. */
#define OPT_REFUSE(letter, name, arg, why) { letter, name, (arg) ? OPT_STR : OPT_BOOL, 0, arg, why, NULL, OPT_REFUSED }
#define OPT_END { 0 }
#define OPT_IS_END(o) ((o)->name == NULL)

enum { OPTS_STOP = 1, OPTS_HELP = 1 /* outcome of opts_parse */ };
/* Long options that every command takes beside its own (NULL: none); help does not repeat them. */
struct opts_also {
	const struct opt *rows;
	void *obj;
};
/* Parses ARGV[1..] into OBJ by ROWS. Arguments that are no options go to REST. Returns 0, OPTS_HELP for -h/--help, or -EINVAL with exit 1... as
 * docker compose: "unknown flag: --x" with the nearest name as hint. */
int opts_parse(const struct opt *rows, void *obj, const struct opts_also *also, int argc, char **argv, unsigned flags, struct strv *rest,
	       struct err *e);
/* Lists release their memory. */
void opts_done(const struct opt *rows, void *obj);
void opts_help(const struct opt *rows, FILE *out);
