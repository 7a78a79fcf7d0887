/* SPDX-License-Identifier: MIT
 * state/lock.h - who may change what: flocks named after the project
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>

struct dirs;
struct err;
/* The writers' ticket (FD of run/ticket.lock): first come, first served, which SQLite's own busy handler is not. Waits MS at most; -EBUSY names the
 * holder (it can only be one that was stopped or hangs in the disk: nothing is done while holding it). */
int lock_ticket(int fd, int ms, struct err *e);
void lock_ticket_drop(int fd);
/* run/p/PROJECT/cmd.lock: one command changes a project at a time. WAIT_TEXT: called once with the holder when it has to wait, NULL ok. */
int lock_project(const struct dirs *d, const char *project, void (*waiting)(int pid, void *arg), void *arg, int *ret_fd, struct err *e);
/* run/p/PROJECT/lock: held by its monitor as long as it lives (an open file description lock: it survives exec when the fd does, and asking whether
 * it is held never takes it). Returns 1 when held by another. */
int lock_monitor(const struct dirs *d, const char *project, int *ret_fd, struct err *e);
bool lock_monitor_held(const struct dirs *d, const char *project);
/* run/gen/PROJECT: an inotify fd that becomes readable after each commit that touched PROJECT; read it empty, then read the rows. */
int gen_watch(const struct dirs *d, const char *project, struct err *e);
void gen_drain(int fd);
