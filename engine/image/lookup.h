/* SPDX-License-Identifier: MIT
 *
 * engine/image/lookup.h - what unpacked layers (in either form, layer.h) say of a path, without mounting them
 */
#pragma once
#include <sys/types.h>

struct dirs;
struct stat;
struct strv;
/* PATH in LAYERS (lowest first): the index of the layer that decides, with what is there in *st; -1: nothing is there. What lies behind a symlink is taken
 * for being there, *st is the link's. */
ssize_t layers_lookup(const struct dirs *d, const struct strv *layers, const char *path, struct stat *st);
