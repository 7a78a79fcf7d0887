/* SPDX-License-Identifier: MIT
 *
 * cli/config_explain.h - `config --explain PATH`: the answer of compose/explain.h as text or JSON
 */
#pragma once
#include <stdbool.h>

struct arena;
struct err;
struct load_opts;
struct notes;
struct str;

/* Loads the project by O, with everything that no service uses, and writes what is known about PATH to OUT. */
int config_explain(struct load_opts *o, struct arena *a, struct notes *notes, const char *path, bool json, struct str *out, struct err *e);
