/* SPDX-License-Identifier: MIT
 *
 * compose/profiles.h - which services are active (compose.md §26), and which the command line picked
 */
#pragma once
#include "base/auto.h"
#include "base/strv.h"
#include "compose/project.h"
#include <stdbool.h>

struct err;
/* --profile, or else COMPOSE_PROFILES: p->active_profiles. */
void profiles_active(struct project *p, const struct strv *given);
/* Sets .off of each service by p->active_profiles and those of the services NAMED (which may be patterns), and .disabled as well unless EVERY.
 * "no such service: x", unless EVERY. */
int profiles_apply(struct project *p, const struct strv *named, bool every, struct err *e);
/* Disables all but the services NAMED and, with DEPS, what they need. Nothing named: nothing is changed. */
int profiles_select(struct project *p, const struct strv *named, bool deps, struct err *e);
