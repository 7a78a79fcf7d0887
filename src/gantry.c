/* SPDX-License-Identifier: MIT
 *
 * gantry - the command
 */
#include <stdio.h>

int main(void)
{
	printf("gantry %s\n", PACKAGE_VERSION);
	return 0;
}
