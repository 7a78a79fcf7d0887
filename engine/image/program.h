/* SPDX-License-Identifier: MIT
 *
 * engine/image/program.h - gantry-image for one thing: its verbs are in layer_job.h
 */
#pragma once

struct cJSON;
struct err;
/* gantry-image VERB SOCKET A B [TEXT]; A and B (above 2) are descriptors. Its one answer, owned by the caller. */
int image_program(const char *verb, int a, int b, const char *text, struct cJSON **ret, struct err *e);
