/* SPDX-License-Identifier: MIT
 *
 * base/fail.h - fail points: FP("net.bridge") marks a step at which tests make the program fail or die
 *
 * Built in with --enable-developer (GANTRY_FAILPOINTS), nothing otherwise. The environment decides, also for the programs
 * that are started on the way:
 *   GANTRY_FP="net.bridge=kill9"           at its first hit; "=2*off->kill9" at its third; "=1*error(ENOSPC)" fails the first
 *   GANTRY_FP=trace GANTRY_FP_LOG=FILE     appends "name" per hit; GANTRY_FP_PROG=gantry limits it to one program
 * Actions: off, error(ERRNO), kill9, exit(N), stop, delay(MS). Grammar: [COUNT*]ACTION[->…], points separated by ';'.
 */
#pragma once

struct err;
#ifdef GANTRY_FAILPOINTS
/* 0, or a negative errno value to fail with. */
int fail_point(const char *name);
#else
static inline int fail_point(const char *name)
{
	(void)name;
	return 0;
}
#endif
/* In functions that return int with e. */
#define FP(name, e)                                                                                \
	do {                                                                                       \
		int fp_ = fail_point(name);                                                        \
		if (fp_ < 0)                                                                       \
			return err_code(e, -fp_, "fail point '%s'", name);                         \
	} while (0)
