/* SPDX-License-Identifier: MIT
 *
 * net/linkname.h - names and marks of our links. Pure.
 *
 * "gb1a2b3-7": bridge of network 7 of the root whose id begins with 1a2b3; "gv1a2b3-2s": host end of endpoint 100 (base 36, so that 15
 * characters last). The alias "gantry:1a2b3c4d:b7" is the proof that it is ours; a link without it is never touched.
 */
#pragma once
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

enum { LINK_ALIAS_LEN = 64 };
#define LINK_BRIDGE 'b'
#define LINK_VETH 'v'
void link_name(char buf[IFNAMSIZ], const char *root_id, char kind, int64_t id);
void link_mark(char buf[LINK_ALIAS_LEN], const char *root_id, char kind, int64_t id);
/* Is this mark one of the root's? */
bool link_mark_read(const char *alias, const char *root_id, char *ret_kind, int64_t *ret_id);
