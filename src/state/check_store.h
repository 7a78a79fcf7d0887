/* SPDX-License-Identifier: MIT
 * state/check_store.h - the database looks at itself
 */
#pragma once

struct db;
struct err;
struct strv;
/* What is wrong with its pages, indexes and references, a line each. Reads all of it. */
int db_check(struct db *db, struct strv *ret, struct err *e);
