/* SPDX-License-Identifier: MIT
 *
 * engine/image/marker.h - how a layer says that something below it is gone (layer.h), in archives and where whiteouts are files
 */
#pragma once
#include <stdbool.h>

#define WH ".wh."
#define WH_OPAQUE ".wh..wh..opq"

/* The folder FD of a layer, in either form, hides what lower layers have in it. */
bool layer_folder_opaque(int fd);
