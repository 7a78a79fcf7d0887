/* SPDX-License-Identifier: MIT
 *
 * cli/build_view.h - a build on the terminal: BuildKit's plain progress or JSON lines, the failing step with its line and its last output
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>

struct app;
struct build_set;
struct err;
/* Builds SET (whose events, fetches, bound and interrupt_fd are set here). QUIET: only errors. A mere check (all
 * items' check_only) fails when there were warnings. */
int build_view_run(struct app *app, struct build_set *set, bool quiet, struct err *e);
