/* SPDX-License-Identifier: MIT
 *
 * engine/image/change.h - `--change` of import and commit: Dockerfile instructions that alter a config
 */
#pragma once

struct cJSON;
struct err;
struct strv;
/* Applies each of CHANGES ("CMD [\"sh\"]", "ENV A=b C=\"d e\"", …) to CONFIG, the object "config" of an image's config. The error names the change. */
int image_changes(struct cJSON *config, const struct strv *changes, struct err *e);
