/* SPDX-License-Identifier: MIT
 *
 * plan/op_labels.h - the JSON of rows: options, and labels with the tool's own (compose.md §33)
 */
#pragma once
#include "compose/project.h"

/* {"k":"v"}; caller frees. */
char *op_json_of(const struct kvs *l);
/* The user's labels with com.docker.compose.{project,KIND,config-hash}. Caller frees. */
char *op_labels(const struct project *p, const struct kvs *user, const char *kind, const char *key, const char *hash);
