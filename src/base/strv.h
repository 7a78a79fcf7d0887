/* SPDX-License-Identifier: MIT
 *
 * base/strv.h - a list of strings, counted and NULL-terminated: execve(argv.v[0], argv.v, envp.v). It owns its strings.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stddef.h>

struct strv {
	char **v; /* never NULL after the first add; use strv_v() when it may be empty */
	size_t n, cap;
};
#define STRV_INIT ((struct strv){ 0 })
#define AUTO_STRV(name) AUTO_DONE(strv_done) struct strv name = STRV_INIT

void strv_done(struct strv *l);
void strv_add(struct strv *l, const char *s);
void strv_add_take(struct strv *l, char *s);
void strv_addf(struct strv *l, const char *fmt, ...) PRINTF(2, 3);
void strv_add_all(struct strv *l, char *const *v); /* v: NULL-terminated, NULL is fine */
void strv_clear(struct strv *l);
void strv_remove(struct strv *l, size_t i);
char *const *strv_v(const struct strv *l); /* never NULL */
bool strv_has(const struct strv *l, const char *s);
void strv_add_unique(struct strv *l, const char *s);
void strv_sort(struct strv *l);
void strv_copy(struct strv *to, const struct strv *from); /* appends */
char *strv_join(const struct strv *l, const char *sep);
/* Splits at each of SEPS' characters; empty pieces are kept. */
void strv_split(struct strv *l, const char *s, const char *seps);
/* At commas that are not between double quotes, which go: `a,"b=1,2"` -> a and b=1,2. */
void strv_split_csv(struct strv *l, const char *s);
/* "KEY=VALUE" lists: the value of KEY or NULL; set replaces in place or appends. */
const char *strv_env_get(const struct strv *l, const char *key);
void strv_env_set(struct strv *l, const char *key, const char *value);
void strv_env_unset(struct strv *l, const char *key);
