/* SPDX-License-Identifier: MIT
 *
 * cli/progress.h - what a command is doing, on stderr: drawn in place on a terminal, plain or JSON lines elsewhere
 *
 *   plain   " Container web-1  Started"        tty   "[+] Running 2/3" and a line per object with its time
 *   json    {"id":"Container web-1","status":"Started"} per event        quiet   nothing but errors
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <stdint.h>

struct app;
struct progress;
enum progress_state { PROGRESS_WORKING, PROGRESS_DONE, PROGRESS_WARNING, PROGRESS_ERROR };
/* WHAT: "Running", "Building" … for the heading. */
struct progress *progress_new(const struct app *app, const char *what);
/* ID "Container web-1", TEXT "Creating". The same id again moves its line on. */
void progress_event(struct progress *p, const char *id, enum progress_state state, const char *text);
/* Redraws spinners and times; call it every 100 ms while something is under way (does nothing off a terminal). */
void progress_tick(struct progress *p);
/* The line that the JSON form has for such an event, at once. */
void progress_print_json(const char *id, enum progress_state state, const char *text);
bool progress_animated(const struct progress *p);
/* Moves the drawing aside so that other output can be printed; the next event draws it again below. */
void progress_pause(struct progress *p);
void progress_free(struct progress *p);
DEFINE_AUTO(struct progress *, progress_free)
