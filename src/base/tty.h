/* SPDX-License-Identifier: MIT
 *
 * base/tty.h - terminals
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>
#include <termios.h>

struct err;
bool tty_is(int fd);
int tty_size(int fd, unsigned short *rows, unsigned short *cols); /* < 0: not a terminal */
int tty_set_size(int fd, unsigned short rows, unsigned short cols);
int tty_raw(int fd, struct termios *ret_saved, struct err *e);
void tty_restore(int fd, const struct termios *saved);
/* A pty of the devpts behind /dev/ptmx; both ends are O_RDWR, O_NOCTTY, CLOEXEC. */
int tty_open_pty(int *ret_master, int *ret_slave, struct err *e);
