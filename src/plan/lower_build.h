/* SPDX-License-Identifier: MIT
 *
 * plan/lower_build.h - compose `build:` -> what the engine builds (dockerfile.md 9)
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"

struct build_options;
struct err;
struct project;
struct service;
/* WARNINGS gets sentences about what has no effect. ENVIRON: "K=V" of the caller, for proxies and secrets. */
int lower_build(const struct project *p, const struct service *s, const struct strv *environ, struct build_options *o, struct strv *warnings,
	struct err *e);
/* "id=x,src=FILE", "id=x,env=NAME", "type=env,id=x": docker's --secret. */
int lower_secret(const char *text, const struct strv *environ, struct build_options *o, struct err *e);
/* "default", "id=SOCKET": docker's --ssh. */
int lower_ssh(const char *text, const struct strv *environ, struct build_options *o, struct err *e);
/* Services that must be built before S, because a build context of it says service:NAME. */
void lower_build_needs(const struct service *s, struct strv *ret);
