/* SPDX-License-Identifier: MIT
 *
 * engine/image/stub.h - what mounts left behind: places that had to be made for them do not belong into the layer
 */
#pragma once

struct dirs;
struct err;
struct strv;
/* Removes each of TARGETS (paths) from the layer ROOT that is still empty and that no layer below has; then its folders, upwards, while they are empty; a
 * folder that was only copied up for it goes too. */
void stubs_remove(const struct strv *targets, const struct dirs *d, const struct strv *layers, int root);
/* overlayfs marks folders as opaque that are moved or made where layers may have something; where none has, the mark goes from the layer ROOT. */
int opaque_tidy(const struct dirs *d, const struct strv *layers, int root, struct err *e);
