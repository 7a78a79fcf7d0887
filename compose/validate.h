/* SPDX-License-Identifier: MIT
 *
 * compose/validate.h - references, conflicts, cycles of a whole project (compose.md §32), for active services
 *
 * What one object says about itself is checked where it is decoded (fields_*.c).
 */
#pragma once

struct err;
struct project;
/* After profiles. */
int validate_project(const struct project *p, struct err *e);
/* Values that load and that no container can have (values.c): notes of kind NOTE_REFUSED for active services. */
void validate_values(struct project *p);
