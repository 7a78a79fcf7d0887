/* SPDX-License-Identifier: MIT
 *
 * base/log.h - debug lines by area; the log level is the program's one global. Libraries use log_debug only.
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>

struct err;
/* Debug lines go to FD (default 2) when on; PREFIX is the program's name. */
void log_setup(const char *prefix, int fd, bool debug);
bool log_debugging(void);
void log_debug_(const char *file, int line, const char *fmt, ...) PRINTF(3, 4);
#define log_debug(...)                                                                             \
	do {                                                                                       \
		if (log_debugging())                                                               \
			log_debug_(__FILE__, __LINE__, __VA_ARGS__);                               \
	} while (0)
/* For the few places that report: "gantry: warning: …", "gantry: …" + "hint: …". */
void log_warning(const char *fmt, ...) PRINTF(1, 2);
void log_err(const struct err *e);
