/* SPDX-License-Identifier: MIT
 *
 * compose/yaml_hint.h - what the writer of a broken YAML file most likely did, told from the lines around the place
 */
#pragma once
#include "compose/node.h"

struct arena;

struct yaml_mistake {
	const char *problem; /* libyaml's words */
	struct pos pos;      /* where it gave up */
	int quote, quote_end;/* lines of a quoted value before it that goes over several; 0: none */
};
/* In the arena or static; NULL: nothing to say. */
const char *yaml_hint(struct arena *a, const struct yaml_mistake *m);
