/* SPDX-License-Identifier: MIT
 *
 * engine/build/stub.h - what mounts left behind: places that had to be made for them do not belong into the layer
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"

struct dirs;
struct err;
struct stubs {
	struct strv targets;
};
void stubs_done(struct stubs *s);
void stubs_watch(struct stubs *s, const char *target);
/* Removes each target from UPPER that is still empty and that no layer below has; then its folders, upwards, while they are empty; a folder that was
 * only copied up for it goes too. */
int stubs_remove(const struct stubs *s, const struct dirs *d, const struct strv *layers, const char *upper, struct err *e);
