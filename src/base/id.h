/* SPDX-License-Identifier: MIT
 *
 * base/id.h - ids and names
 */
#pragma once
#include "base/auto.h"
#include <stdbool.h>

enum { ID_LEN = 64, ID_BUF = ID_LEN + 1, ID_SHORT = 12 };
void id_new(char buf[ID_BUF]); /* 64 hex, random */
void id_hex(char *buf, unsigned n); /* N hex digits and a NUL */
bool id_is(const char *s);          /* 64 hex */
bool name_is_container(const char *s); /* [a-zA-Z0-9][a-zA-Z0-9_.-]+ ; volumes and networks the same */
bool name_is_project(const char *s);   /* [a-z0-9][a-z0-9_-]* */
