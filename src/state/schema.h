/* SPDX-License-Identifier: MIT
 *
 * state/schema.h - the migrations: entry N takes the database from user_version N to N + 1. Append-only; a released one never changes.
 */
#pragma once

extern const char *const schema_migrations[];
extern const int schema_version; /* the user_version that this program knows: the number of migrations */
