/* SPDX-License-Identifier: MIT
 *
 * plan/sweep.h - what a killed command left behind
 *
 * run/p/PROJECT/dirty is there while a plan runs, and stays when it failed: whoever finds it (holding the project's lock) knows that the last
 * one did not come to its end, and looks.
 */
#pragma once
#include <stdbool.h>

struct db;
struct err;
/* Before the first operation. STARTS: containers will be started, so folders of their volumes are made where a kill came before them. */
int sweep_begin(struct db *db, const char *project, bool starts, struct err *e);
void sweep_end(struct db *db, const char *project);
