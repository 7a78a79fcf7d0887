/* SPDX-License-Identifier: MIT
 *
 * drivers none and host: nothing to make. A sandbox of mode "none" has a namespace with loopback only, one of mode "host" none at all.
 */
#include "net/driver.h"

const struct net_driver driver_none = { .name = "none" };
const struct net_driver driver_host = { .name = "host" };
