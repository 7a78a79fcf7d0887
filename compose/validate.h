/* SPDX-License-Identifier: MIT
 *
 * compose/validate.h - references, conflicts, cycles of a whole project (compose.md §32), for active services
 */
#pragma once

struct err;
struct fctx;
struct node;
struct project;
/* On the canonical tree, before decode: exclusive sources of secrets and configs, external with more, device counts. */
int validate_tree(struct fctx *c, const struct node *tree, struct err *e);
/* Everything else, after profiles. */
int validate_project(const struct project *p, struct err *e);
