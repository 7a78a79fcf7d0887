/* SPDX-License-Identifier: MIT */
#include "cli/commands.h"

const struct cmd *const commands[] = {
	&cmd_config,
	&cmd_create,
	&cmd_down,
	&cmd_events,
	&cmd_exec,
	&cmd_image,
	&cmd_images,
	&cmd_kill,
	&cmd_logs,
	&cmd_ls,
	&cmd_pause,
	&cmd_plan,
	&cmd_port,
	&cmd_ps,
	&cmd_restart,
	&cmd_rm,
	&cmd_scale,
	&cmd_start,
	&cmd_stop,
	&cmd_unpause,
	&cmd_up,
	&cmd_version,
	&cmd_wait,
	NULL,
};
