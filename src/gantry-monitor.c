/* SPDX-License-Identifier: MIT
 *
 * gantry-monitor - starts, watches, restarts and stops the containers of one project: engine/monitor/monitor.c
 */
#include "engine/monitor/monitor.h"

int main(int argc, char **argv)
{
	return monitor_main(argc, argv);
}
