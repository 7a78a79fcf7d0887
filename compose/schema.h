/* SPDX-License-Identifier: MIT
 *
 * compose/schema.h - the JSON schema (draft-07) of the Compose file, made from the rows of attributes: for editors
 */
#pragma once
struct arena;
struct str;

/* Writes the whole schema. What a row's type takes, it takes here: strings where variables may stand, short forms, words. */
void schema_print(struct arena *a, struct str *out);
