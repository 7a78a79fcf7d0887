/* SPDX-License-Identifier: MIT
 *
 * base/names.h - name tables of enums: one designated-initialiser array gives x_name() and x_parse()
 *
 *   static const char *const state_names[STATES] = { [STATE_UP] = "up", … };
 *   DEFINE_NAMES(state, state_names)        static inline const char *state_name(int); int state_parse(const char *)
 */
#pragma once
#include "base/auto.h"
#include <string.h>

#define DEFINE_NAMES_SCOPE(scope, prefix, table)                                                   \
	scope __attribute__((unused)) const char *prefix##_name(int i)                             \
	{                                                                                          \
		return i >= 0 && (size_t)i < ARRAY_LEN(table) && table[i] ? table[i] : "?";        \
	}                                                                                          \
	scope __attribute__((unused)) int prefix##_parse(const char *s) /* -1: none of the names */ \
	{                                                                                          \
		for (size_t i = 0; i < ARRAY_LEN(table); i++)                                      \
			if (table[i] && strcmp(table[i], s) == 0)                                  \
				return (int)i;                                                     \
		return -1;                                                                         \
	}
#define DEFINE_NAMES(prefix, table) DEFINE_NAMES_SCOPE(, prefix, table)
#define DECLARE_NAMES(prefix)                                                                      \
	const char *prefix##_name(int i);                                                          \
	int prefix##_parse(const char *s);
