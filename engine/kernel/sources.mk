# engine/kernel: thin wrappers over what Linux has. seccomp.c needs libseccomp: only who calls seccomp_build gets it from the archive, which the
# monitor does not.
noinst_LIBRARIES += libkernel.a
libkernel_a_SOURCES = \
	engine/kernel/caps.c engine/kernel/caps.h engine/kernel/cgroup.c engine/kernel/cgroup.h \
	engine/kernel/cgroup_devices.c engine/kernel/cgroup_limits.c engine/kernel/cgroup_pids.c engine/kernel/cgroup_priv.h \
	engine/kernel/cgroup_v1.c engine/kernel/cgroup_v2.c engine/kernel/device.c engine/kernel/device.h \
	engine/kernel/lsm.c engine/kernel/lsm.h engine/kernel/mount.c engine/kernel/mount.h engine/kernel/ns.c \
	engine/kernel/ns.h engine/kernel/overlay.c engine/kernel/overlay.h engine/kernel/probe.c engine/kernel/probe.h \
	engine/kernel/rlimit.c engine/kernel/rlimit.h engine/kernel/seccomp.h engine/kernel/seccomp_load.c \
	engine/kernel/selfexe.c engine/kernel/selfexe.h engine/kernel/sys.h

libkernel_a_SOURCES += engine/kernel/seccomp.c engine/kernel/seccomp_default.c
libkernel_a_SOURCES += engine/kernel/seccomp_profile.c engine/kernel/seccomp_profile.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_caps
TESTS += tests/unit/test_caps
check_PROGRAMS += tests/unit/test_rlimit
TESTS += tests/unit/test_rlimit
check_PROGRAMS += tests/unit/test_cgroup
TESTS += tests/unit/test_cgroup
check_PROGRAMS += tests/unit/test_seccomp
TESTS += tests/unit/test_seccomp
endif
tests_unit_test_caps_SOURCES = tests/unit/test_caps.c
tests_unit_test_caps_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_caps_LDADD = libkernel.a libbase.a $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_rlimit_SOURCES = tests/unit/test_rlimit.c
tests_unit_test_rlimit_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_rlimit_LDADD = libkernel.a libbase.a $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_cgroup_SOURCES = tests/unit/test_cgroup.c
tests_unit_test_cgroup_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_cgroup_LDADD = libkernel.a libbase.a $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_seccomp_SOURCES = tests/unit/test_seccomp.c
tests_unit_test_seccomp_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_seccomp_LDADD = libkernel.a libbase.a $(SECCOMP_LIBS) $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
