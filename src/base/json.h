/* SPDX-License-Identifier: MIT
 *
 * base/json.h - cJSON behind typed getters whose errors carry the path. `struct cJSON *` is opaque to everyone else.
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct cJSON;
void json_free(struct cJSON *j);
DEFINE_AUTO(struct cJSON *, json_free)
/* WHAT names the document in messages. Depth and size are bounded. */
int json_parse(const char *text, size_t n, const char *what, struct cJSON **ret, struct err *e);
char *json_text(const struct cJSON *j, bool pretty); /* caller frees */

struct cJSON *json_object(void);
struct cJSON *json_array(void);
struct cJSON *json_copy(const struct cJSON *j);
/* Add to object O under KEY, or append to array O when KEY is NULL. _add takes ownership of V and returns it. */
struct cJSON *json_add(struct cJSON *o, const char *key, struct cJSON *v);
struct cJSON *json_add_object(struct cJSON *o, const char *key);
struct cJSON *json_add_array(struct cJSON *o, const char *key);
void json_add_str(struct cJSON *o, const char *key, const char *s); /* NULL s: nothing is added */
void json_add_int(struct cJSON *o, const char *key, int64_t v);     /* exact beyond 2^53 too */
void json_add_bool(struct cJSON *o, const char *key, bool v);
void json_add_double(struct cJSON *o, const char *key, double v);
void json_add_null(struct cJSON *o, const char *key);
void json_add_raw(struct cJSON *o, const char *key, const char *text);
void json_add_strv(struct cJSON *o, const char *key, const struct strv *l);
void json_add_map(struct cJSON *o, const char *key, const struct strv *env); /* "K=V" list -> object */
void json_remove(struct cJSON *o, const char *key);

/* Lookups: NULL / default when absent or of another type (wrong types in our own files are not worth an error). */
struct cJSON *json_get(const struct cJSON *o, const char *key);
const char *json_str(const struct cJSON *o, const char *key); /* borrowed, NULL */
int64_t json_int(const struct cJSON *o, const char *key, int64_t dflt);
double json_double(const struct cJSON *o, const char *key, double dflt);
bool json_bool(const struct cJSON *o, const char *key, bool dflt);
void json_strv(const struct cJSON *o, const char *key, struct strv *l);      /* appends strings of an array */
void json_map_strv(const struct cJSON *o, const char *key, struct strv *l);  /* object of strings -> "K=V" */
/* Foreign documents: -EINVAL with the path when absent or wrong. */
int json_need_str(const struct cJSON *o, const char *key, const char *what, const char **ret, struct err *e);

/* Walking: for (c = json_first(a); c; c = json_next(c)) */
struct cJSON *json_first(const struct cJSON *o);
struct cJSON *json_next(const struct cJSON *c);
const char *json_key(const struct cJSON *c);   /* NULL in arrays */
const char *json_value_str(const struct cJSON *c); /* NULL: not a string */
bool json_value_int(const struct cJSON *c, int64_t *ret);
bool json_is_object(const struct cJSON *c);
bool json_is_array(const struct cJSON *c);
bool json_is_null(const struct cJSON *c);
size_t json_count(const struct cJSON *c);
