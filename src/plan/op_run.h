/* SPDX-License-Identifier: MIT
 *
 * plan/op_run.h - turning containers on and off through the project's monitor
 */
#pragma once
#include "plan/apply_task.h"
#include <stdbool.h>

struct ctr_row;
struct dirs;
/* Is there something to stop: a live process, or a start or restart under way? */
bool op_row_running(const struct ctr_row *c, const struct dirs *d);
/* Asks the monitor to stop container ID with the plan's timeout; NEXT as of task_request. Without a monitor it is cleaned up here. */
int op_stop_request(struct task *t, const char *id, task_fn *next);
