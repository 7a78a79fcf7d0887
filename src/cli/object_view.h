/* SPDX-License-Identifier: MIT
 *
 * cli/object_view.h - images' names, networks and volumes as docker's commands show them, and what those commands share
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include <stdbool.h>
#include <stdint.h>

struct app;
struct cJSON;
struct db;
struct dirs;
struct err;
struct network_row;
struct volume_row;

/* ["k=v", "k"] -> {"k":"v"} text; WHAT names the option in errors. NEED_VALUE: a key alone is an error. Caller frees. */
int object_options(const struct strv *list, const char *what, bool need_value, char **ret, struct err *e);
/* A filter's "K" or "K=V" against a row's JSON object. */
bool object_has_label(const char *labels_json, const char *want);
/* {"a":"1","b":"2"} -> "a=1,b=2". Caller frees. */
char *object_labels_text(const char *labels_json);
/* docker inspect's object; caller frees. */
struct cJSON *volume_view(const struct dirs *d, const struct volume_row *v);
int network_view(struct db *db, const struct network_row *n, struct cJSON **ret, struct err *e);
/* 64 hex that stay the same for a network's row: rows only have numbers, docker's users expect ids. */
enum { NETWORK_VIEW_ID = 64 };
void network_view_id(const struct dirs *d, int64_t id, char buf[NETWORK_VIEW_ID + 1]);
/* By name, by that id, or by its beginning. 1: none; -EINVAL: ambiguous. */
int network_view_find(struct db *db, const char *name, struct network_row *ret, struct err *e);
/* "2026-11-25T07:44:53Z", in local time with its zone as docker prints it. */
enum { OBJECT_TIME = 64 };
char *object_time(int64_t ns, char buf[OBJECT_TIME]);
/* "3 hours ago"; "N/A" for a time that is not known (0). Caller frees. */
char *object_ago(int64_t ns);
/* The parts of an image's canonical name ("": it has none) as docker's lists show them, "<none>" for what is not there. The repository is the caller's to
 * free, the tag a part of NAME. */
char *image_repository_text(const char *name);
const char *image_tag_text(const char *name);
/* ONE for each of NAMES, with ARG. Goes on after a failure, and returns the first. */
typedef int object_fn(struct app *app, const char *name, void *arg, struct err *e);
int object_each(struct app *app, const struct strv *names, object_fn *one, void *arg, struct err *e);
/* An inspect command: ADD appends what NAME is to LIST. Prints what was found, also after a failure: one array, or FORMAT (json, a template) per
 * document. */
typedef int inspect_fn(struct app *app, const char *name, void *arg, struct cJSON *list, struct err *e);
int object_inspect(struct app *app, const struct strv *names, inspect_fn *add, void *arg, const char *format, struct err *e);
/* "QUESTION [y/N] " on stderr; what is no clear yes is a no. */
bool object_agreed(const char *question);
