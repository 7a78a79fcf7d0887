/* SPDX-License-Identifier: MIT
 *
 * cli/image_filter.h - --filter of image ls and image prune
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include "state/image_store.h"
#include <stdbool.h>

struct db;
struct err;
#define IMAGE_FILTER_LS "before=IMAGE, dangling=BOOL, label=KEY[=VALUE], reference=PATTERN, since=IMAGE, until=TIME"
#define IMAGE_FILTER_PRUNE "dangling=BOOL, label=KEY[=VALUE], label!=KEY[=VALUE], until=TIME"

struct image_filter {
	struct strv references, labels, not_labels;
	int64_t before_ns, since_ns; /* 0: no bound */
	enum { DANGLING_ANY, DANGLING_YES, DANGLING_NO } dangling;
};
void image_filter_done(struct image_filter *f);
/* Several references are alternatives, all else must hold. ALLOWED: one of the lists above, also for the message. Times as docker's --until: RFC 3339, a date,
 * seconds, a duration back from now. */
int image_filter_parse(struct db *db, const struct strv *texts, const char *allowed, struct image_filter *ret, struct err *e);
/* Go's path.Match over the name as users write it, with and without its tag. */
void image_filter_reference(struct image_filter *f, const char *pattern);
/* NAME: canonical, "": the image has none. */
bool image_filter_passes(const struct image_filter *f, const struct image_row *row, const char *name);
