/* SPDX-License-Identifier: MIT
 *
 * engine/image/inspect.h - an image as docker's inspect shows it
 */
#pragma once

struct cJSON;
struct db;
struct err;
struct image_row;
/* Caller frees *ret. */
int image_inspect(struct db *db, const struct image_row *row, struct cJSON **ret, struct err *e);
