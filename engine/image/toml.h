/* SPDX-License-Identifier: MIT
 *
 * engine/image/toml.h - TOML 1.0 as containerd's hosts.toml and containers' registries.conf use it, made into the JSON that says the same. Pure.
 *
 * Tables, arrays of tables, dotted and quoted keys, all four kinds of strings, integers, booleans, arrays, inline tables. Floats and dates, which
 * neither file has, become strings of their text. A key that is there twice is an error.
 */
#pragma once
#include <stddef.h>

struct cJSON;
struct err;
enum { TOML_DEPTH = 32 };
/* WHAT names the text in messages, which add the line. Caller frees *RET, an object. */
int toml_parse(const char *text, size_t n, const char *what, struct cJSON **ret, struct err *e);
