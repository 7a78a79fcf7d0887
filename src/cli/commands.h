/* SPDX-License-Identifier: MIT
 * cli/commands.h - the commands, one file each; commands.c lists them in the order of help
 */
#pragma once
#include "cli/cli.h"

extern const struct cmd *const commands[]; /* NULL-terminated */
extern const struct cmd cmd_attach, cmd_run;
extern const struct cmd cmd_commit, cmd_complete, cmd_completion;
extern const struct cmd cmd_config;
extern const struct cmd cmd_cp;
extern const struct cmd cmd_create;
extern const struct cmd cmd_down;
extern const struct cmd cmd_events;
extern const struct cmd cmd_exec;
extern const struct cmd cmd_export;
extern const struct cmd cmd_image, cmd_image_save, cmd_image_history, cmd_image_prune;
extern const struct cmd cmd_df, cmd_fsck, cmd_gc;
extern const struct cmd cmd_host;
extern const struct cmd cmd_images;
extern const struct cmd cmd_info;
extern const struct cmd cmd_inspect;
extern const struct cmd cmd_kill;
extern const struct cmd cmd_logs;
extern const struct cmd cmd_ls;
extern const struct cmd cmd_network;
extern const struct cmd cmd_pause;
extern const struct cmd cmd_plan;
extern const struct cmd cmd_port;
extern const struct cmd cmd_ps;
extern const struct cmd cmd_login, cmd_logout;
extern const struct cmd cmd_build, cmd_image_build;
extern const struct cmd cmd_pull, cmd_image_pull, cmd_push, cmd_image_push;
extern const struct cmd cmd_reap;
extern const struct cmd cmd_restart;
extern const struct cmd cmd_rm;
extern const struct cmd cmd_scale;
extern const struct cmd cmd_start;
extern const struct cmd cmd_stats;
extern const struct cmd cmd_stop;
extern const struct cmd cmd_top;
extern const struct cmd cmd_unpause;
extern const struct cmd cmd_up;
extern const struct cmd cmd_version;
extern const struct cmd cmd_volume, cmd_volumes;
extern const struct cmd cmd_wait;
