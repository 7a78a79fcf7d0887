/* SPDX-License-Identifier: MIT
 *
 * base/err.h - one error from the deepest step to the terminal
 *
 * A function that can fail returns int and takes `struct err *e` last, never NULL. < 0: failed (a negative errno value),
 * e is set, outputs untouched. >= 0: fine, e untouched; a positive value is another documented outcome.
 *
 *   err_set(e, EINVAL, "port %d: out of range", n)   raises; returns -EINVAL
 *   err_sys(e, "open '%s'", path)                    raises from errno: "open '/x': No such file…"; returns -errno
 *   err_wrap(e, "service '%s'", name)                puts "service 'web': " before what is there; returns e's code
 *   err_hint(e, "create the file, or …")             the way out, printed on a line of its own; the first one stays
 *
 * Text and hint are bounded (ERR_TEXT, ERR_HINT): what is longer is cut and ends in "...".
 * Setting an error that is already set is a bug and aborts; err_clear() first where a failure was handled.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>

enum { ERR_TEXT = 8192, ERR_HINT = 1024 };

struct err {
	int code;          /* errno value, 0: not set */
	int exit;          /* exit code that the program should end with, 0: the default of the command */
	const char *file;  /* where it was raised, for --debug */
	int line;
	bool positioned;   /* text begins with file:line:column: printed without the "gantry: " prefix */
	char *text;        /* NULL: none */
	char *hint;        /* NULL: none */
};
#define ERR_INIT ((struct err){ 0 })
#define AUTO_ERR(name) AUTO_DONE(err_clear) struct err name = ERR_INIT

int err_set_(struct err *e, const char *file, int line, int code, const char *fmt, ...) PRINTF(5, 6);
int err_sys_(struct err *e, const char *file, int line, int code, const char *fmt, ...) PRINTF(5, 6);
#define err_set(e, code, ...) err_set_(e, __FILE__, __LINE__, code, __VA_ARGS__)
#define err_sys(e, ...) err_sys_(e, __FILE__, __LINE__, errno, __VA_ARGS__)
/* As err_sys for a code that is not in errno (pass it positive). */
#define err_code(e, code, ...) err_sys_(e, __FILE__, __LINE__, code, __VA_ARGS__)

int err_wrap(struct err *e, const char *fmt, ...) PRINTF(2, 3);
void err_hint(struct err *e, const char *fmt, ...) PRINTF(2, 3);
/* Sets the exit code, for instance 127 for a command that was not found. Returns the (negative) code of e. */
int err_exit(struct err *e, int exit_code);
void err_clear(struct err *e);
/* Says better what failed: the new text and code in place of what is there, its hint too. */
#define err_instead(e, code, ...) (err_clear(e), err_set(e, code, __VA_ARGS__))
bool err_is(const struct err *e, int code);
/* Moves FROM (set) into TO (not set); returns TO's negative code. */
int err_move(struct err *to, struct err *from);
/* "text", never NULL. */
const char *err_text(const struct err *e);

/* Text form for a pipe or socket: code, exit, hint, text; err_decode raises what the other side saw. Owned by the caller. */
char *err_encode(const struct err *e, size_t *ret_len);
int err_decode(struct err *e, const char *data, size_t len);

/* A broken invariant: prints and aborts, in every build. */
_Noreturn void bug_(const char *file, int line, const char *fmt, ...) PRINTF(3, 4);
#define BUG(...) bug_(__FILE__, __LINE__, __VA_ARGS__)
#define BUG_ON(cond)                                                                               \
	do {                                                                                       \
		if (cond)                                                                          \
			bug_(__FILE__, __LINE__, "%s", #cond);                                     \
	} while (0)
