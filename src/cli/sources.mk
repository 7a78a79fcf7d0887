# cli: one file a command; commands.c lists them.
noinst_LIBRARIES += libcli.a
libcli_a_SOURCES = \
	src/cli/attach.c \
	src/cli/attach.h \
	src/cli/cli.c \
	src/cli/cli.h \
	src/cli/commands.c \
	src/cli/commands.h \
	src/cli/ctr_view.c \
	src/cli/ctr_view.h \
	src/cli/each.c \
	src/cli/each.h \
	src/cli/format.c \
	src/cli/format.h \
	src/cli/log_view.c \
	src/cli/log_view.h \
	src/cli/opts.c \
	src/cli/opts.h \
	src/cli/progress.c \
	src/cli/progress.h \
	src/cli/run_plan.c \
	src/cli/run_plan.h \
	src/cli/table.c \
	src/cli/table.h \
	src/cli/cmd_config.c \
	src/cli/cmd_down.c \
	src/cli/cmd_events.c \
	src/cli/cmd_exec.c \
	src/cli/cmd_host.c \
	src/cli/cmd_image.c \
	src/cli/cmd_images.c \
	src/cli/cmd_info.c \
	src/cli/cmd_kill.c \
	src/cli/cmd_login.c \
	src/cli/cmd_logs.c \
	src/cli/cmd_ls.c \
	src/cli/cmd_port.c \
	src/cli/cmd_ps.c \
	src/cli/cmd_pull.c \
	src/cli/cmd_push.c \
	src/cli/cmd_stop.c \
	src/cli/cmd_top.c \
	src/cli/cmd_up.c \
	src/cli/cmd_version.c \
	src/cli/cmd_wait.c
