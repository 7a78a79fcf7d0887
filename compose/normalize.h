/* SPDX-License-Identifier: MIT
 *
 * compose/normalize.h - what a project means without saying it: defaults, implied networks and dependencies, names
 *
 * compose.md §25 k, o, t; §27, §28.
 */
#pragma once

struct err;
struct fctx;
struct node;
struct project;
/* Before paths: build.context ".", target of secrets, mode and protocol of ports. */
int normalize_tree(struct fctx *c, struct node *tree, struct err *e);
/* Of a tree that is not interpolated and so never decoded: what of normalize_project can be said of it. */
void normalize_raw(struct fctx *c, struct node *tree, const char *project);
/* After decode: default network, `dockerfile`, names of resources, bare variables of environment and build args, values of
 * environment-sourced secrets and configs, implied dependencies. */
int normalize_project(struct project *p, struct err *e);
/* The values of secrets and configs, nothing else: what is left of it with --no-normalize. */
void normalize_values(struct project *p);
/* After validation: a `deploy` beside `scale` says the same number; of active services. */
void normalize_replicas(struct project *p);
/* After profiles: env_file and label_file of active services are read and folded in. */
int normalize_env_files(struct project *p, struct err *e);
/* Of the services that are left: marks the networks, volumes, secrets, configs, models that active services use. */
void normalize_used(struct project *p);
