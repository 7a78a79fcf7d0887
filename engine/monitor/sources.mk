# engine/monitor: the process beside each project, and talking to it (control.c, which the CLI links too)
noinst_LIBRARIES += libmonitor.a
libmonitor_a_SOURCES = \
	engine/monitor/adopt.c engine/monitor/attach.c engine/monitor/begin.c \
	engine/monitor/cleanup.c engine/monitor/client.h engine/monitor/control.c engine/monitor/control.h \
	engine/monitor/health.c engine/monitor/health.h engine/monitor/home.c engine/monitor/keep.h engine/monitor/keeper.c \
	engine/monitor/launch.c engine/monitor/logio.c engine/monitor/monitor.c engine/monitor/monitor.h \
	engine/monitor/probe.c engine/monitor/restart.c engine/monitor/restart.h engine/monitor/rows.c engine/monitor/serve.c \
	engine/monitor/states.c engine/monitor/sweep.c

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_restart tests/unit/test_health
TESTS += tests/unit/test_restart tests/unit/test_health
endif
tests_unit_test_restart_SOURCES = tests/unit/test_restart.c
tests_unit_test_restart_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_restart_LDADD = libmonitor.a libbase.a $(CMOCKA_LIBS)
tests_unit_test_health_SOURCES = tests/unit/test_health.c
tests_unit_test_health_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_health_LDADD = libmonitor.a libcontainer.a libbase.a $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)

# containers and a monitor without compose files, images and networks, for tests/integration/monitor.bats
check_PROGRAMS += tests/helper/monitor-ctl
tests_helper_monitor_ctl_SOURCES = tests/helper/monitor-ctl.c
tests_helper_monitor_ctl_LDADD = libmonitor.a libcontainer.a libstate.a libbase.a $(SQLITE_LIBS) $(CJSON_LIBS) $(MD_LIBS)
