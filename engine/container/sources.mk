# engine/container: one container
noinst_LIBRARIES += libcontainer.a
libcontainer_a_SOURCES =
libcontainer_a_SOURCES += engine/container/capsule.c engine/container/capsule.h
libcontainer_a_SOURCES += engine/container/cgroup_of.c engine/container/cgroup_of.h
libcontainer_a_SOURCES += engine/container/child.c engine/container/child.h
libcontainer_a_SOURCES += engine/container/container.h engine/container/cleanup.c engine/container/create.c engine/container/load.c
libcontainer_a_SOURCES += engine/container/inspect.c engine/container/remove.c
libcontainer_a_SOURCES += engine/container/devices.c engine/container/devices.h
libcontainer_a_SOURCES += engine/container/exec.c engine/container/exec.h
libcontainer_a_SOURCES += engine/container/host_etc.c engine/container/host_etc.h
libcontainer_a_SOURCES += engine/container/init_program.c engine/container/init_program.h
libcontainer_a_SOURCES += engine/container/log.c engine/container/log.h engine/container/log_read.c
libcontainer_a_SOURCES += engine/container/mountplan.c engine/container/mountplan.h
libcontainer_a_SOURCES += engine/container/process.c engine/container/process.h
libcontainer_a_SOURCES += engine/container/pty.c engine/container/pty.h
libcontainer_a_SOURCES += engine/container/rootfs.c engine/container/rootfs.h engine/container/rootfs_dev.c engine/container/rootfs_layers.c engine/container/rootfs_skeleton.c engine/container/rootfs_priv.h
libcontainer_a_SOURCES += engine/container/spec.c engine/container/spec.h engine/container/spec_check.c
libcontainer_a_SOURCES += engine/container/start.c engine/container/start.h
libcontainer_a_SOURCES += engine/container/user.c engine/container/user.h engine/container/view.c engine/container/view.h
libcontainer_a_SOURCES += engine/container/user_file.c engine/container/user_file.h

# runs a command as on an older kernel
check_PROGRAMS += tests/helper/no-syscall
tests_helper_no_syscall_SOURCES = tests/helper/no-syscall.c

# starts one container without a monitor, for tests
check_PROGRAMS += tests/helper/ctr-run
tests_helper_ctr_run_SOURCES = tests/helper/ctr-run.c
tests_helper_ctr_run_LDADD = libcontainer.a libvolume.a libimage.a libstate.a libkernel.a libbase.a $(CJSON_LIBS) $(MD_LIBS) $(SQLITE_LIBS) \
	$(SECCOMP_LIBS)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_spec
TESTS += tests/unit/test_spec
endif
tests_unit_test_spec_SOURCES = tests/unit/test_spec.c
tests_unit_test_spec_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_spec_LDADD = libbase.a $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_log
TESTS += tests/unit/test_log
endif
tests_unit_test_log_SOURCES = tests/unit/test_log.c
tests_unit_test_log_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_log_LDADD = libcontainer.a libbase.a $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_user
TESTS += tests/unit/test_user
check_PROGRAMS += tests/unit/test_mountplan
TESTS += tests/unit/test_mountplan
endif
tests_unit_test_user_SOURCES = tests/unit/test_user.c
tests_unit_test_user_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_user_LDADD = libcontainer.a libkernel.a libbase.a $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_mountplan_SOURCES = tests/unit/test_mountplan.c
tests_unit_test_mountplan_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_mountplan_LDADD = libcontainer.a libkernel.a libbase.a $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
