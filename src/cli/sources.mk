# cli: one file a command; commands.c lists them.
noinst_LIBRARIES += libcli.a
libcli_a_SOURCES = \
	src/cli/attach.c \
	src/cli/attach.h \
	src/cli/build_output.c \
	src/cli/build_output.h \
	src/cli/build_services.c \
	src/cli/build_services.h \
	src/cli/build_view.c \
	src/cli/build_view.h \
	src/cli/attach_ctr.c \
	src/cli/attach_ctr.h \
	src/cli/cli.c \
	src/cli/cli.h \
	src/cli/commands.c \
	src/cli/commands.h \
	src/cli/config_explain.c \
	src/cli/config_explain.h \
	src/cli/ctr_view.c \
	src/cli/ctr_view.h \
	src/cli/each.c \
	src/cli/each.h \
	src/cli/filters.c \
	src/cli/filters.h \
	src/cli/format.c \
	src/cli/format.h \
	src/cli/log_view.c \
	src/cli/log_view.h \
	src/cli/object_view.c \
	src/cli/object_view.h \
	src/cli/opts.c \
	src/cli/opts.h \
	src/cli/push_view.c \
	src/cli/push_view.h \
	src/cli/output.c \
	src/cli/output.h \
	src/cli/pin.c src/cli/pin.h \
	src/cli/port_view.c \
	src/cli/port_view.h \
	src/cli/progress.c \
	src/cli/progress.h \
	src/cli/run_plan.c \
	src/cli/run_plan.h \
	src/cli/table.c \
	src/cli/table.h \
	src/cli/template.c \
	src/cli/template.h \
	src/cli/cmd_build.c \
	src/cli/cmd_commit.c \
	src/cli/cmd_completion.c \
	src/cli/cmd_config.c \
	src/cli/cmd_down.c \
	src/cli/cmd_events.c \
	src/cli/cmd_cp.c \
	src/cli/cmd_exec.c \
	src/cli/cmd_export.c \
	src/cli/cmd_host.c \
	src/cli/cmd_image.c \
	src/cli/cmd_df.c \
	src/cli/cmd_fsck.c \
	src/cli/cmd_gc.c \
	src/cli/cmd_image_history.c \
	src/cli/cmd_image_prune.c \
	src/cli/image_filter.c \
	src/cli/image_filter.h \
	src/cli/cmd_image_save.c \
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
	src/cli/cmd_run.c \
	src/cli/cmd_stats.c \
	src/cli/cmd_stop.c \
	src/cli/cmd_top.c \
	src/cli/cmd_up.c \
	src/cli/cmd_version.c \
	src/cli/cmd_volume.c \
	src/cli/cmd_network.c \
	src/cli/cmd_inspect.c \
	src/cli/cmd_wait.c

check_PROGRAMS += tests/unit/test_template tests/unit/test_port_view
TESTS += tests/unit/test_template tests/unit/test_port_view
tests_unit_test_template_SOURCES = tests/unit/test_template.c src/cli/template.c src/cli/template.h
tests_unit_test_template_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_template_LDADD = libbase.a $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_port_view_SOURCES = tests/unit/test_port_view.c src/cli/port_view.c src/cli/port_view.h
tests_unit_test_port_view_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_port_view_LDADD = libbase.a $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
