/* SPDX-License-Identifier: MIT
 *
 * plan/op_image.h - images while a plan runs: looked up and decoded once each
 */
#pragma once
#include "engine/image/store.h"

struct apply;
struct apply_image {
	struct image_row row;
	struct image_config config;
};
void apply_image_free(void *image);
/* Borrowed from A. -ENOENT: not here. */
int apply_image(struct apply *a, const char *ref, const struct apply_image **ret, struct err *e);
