/* SPDX-License-Identifier: MIT
 *
 * cli/push_view.h - pushes on the terminal: push, image push, build --push
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>

struct app;
struct err;
struct strv;
/* Goes on after a failure, and keeps the first. QUIET: without progress. */
int push_images(struct app *app, const struct strv *refs, bool quiet, struct err *e);
