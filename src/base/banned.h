/* SPDX-License-Identifier: MIT
 *
 * base/banned.h - functions we do not use; included by every .c through the compiler's -include in developer builds
 */
#pragma once
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#undef basename
#undef dirname
#undef alloca
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok gets atoi atol atof system alloca basename dirname
