/* SPDX-License-Identifier: MIT
 *
 * engine/image/upload.h - the process that sends one image to one registry: reads credentials, opens the blobs, becomes nobody, then meets the network
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct cJSON;
struct err;
/* REQUEST is that of push.h. IMAGES: the store's folder. Tells SOCK how it gets on; ANSWER becomes {"pushed", "manifest", "same"?}. For a process that ends
 * then. */
int upload_run(int sock, int images, const struct cJSON *request, struct cJSON *answer, struct err *e);
/* {"layer": LAYER, "text": TEXT, "over": OVER} to SOCK. */
void upload_news(int sock, int64_t layer, const char *text, bool over);
