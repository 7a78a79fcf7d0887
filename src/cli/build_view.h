/* SPDX-License-Identifier: MIT
 *
 * cli/build_view.h - a build on the terminal: BuildKit's plain progress, the failing step with its line and its last output
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>

struct app;
struct build_options;
struct err;
/* Runs O (whose events, fetch and interrupt_fd are set here). QUIET: only errors. *RET_ID: the image's id, caller frees, NULL after a mere check. */
int build_view_run(struct app *app, struct build_options *o, bool quiet, char **ret_id, struct err *e);
