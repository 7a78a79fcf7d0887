# plan: project + rows -> operations -> done
noinst_LIBRARIES += libplan.a
libplan_a_SOURCES = \
	src/plan/apply.c src/plan/apply.h src/plan/apply_task.h src/plan/task.c src/plan/lower.c src/plan/lower.h src/plan/lower_build.c src/plan/lower_build.h src/plan/lower_files.c \
	src/plan/lower_mounts.c src/plan/lower_net.c src/plan/observe.c src/plan/observe.h src/plan/observed.c \
	src/plan/op_container.c src/plan/op_image.c src/plan/op_image.h src/plan/op_labels.h src/plan/op_network.c src/plan/op_run.c \
	src/plan/op_run.h src/plan/op_volume.c src/plan/op_wait.c src/plan/plan.c src/plan/plan.h src/plan/plan_build.h \
	src/plan/plan_down.c src/plan/plan_pull.c src/plan/plan_text.c src/plan/plan_up.c src/plan/sweep.c src/plan/sweep.h
EXTRA_DIST += tests/cases/plan tests/cases/lower

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_plan
TESTS += tests/unit/test_plan
tests_unit_test_plan_SOURCES = tests/unit/test_plan.c tests/unit/case_dirs.h
tests_unit_test_plan_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_plan_LDADD = libplan.a libstate.a libcompose.a libbase.a $(SQLITE_LIBS) $(YAML_LIBS) $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += tests/unit/test_lower
TESTS += tests/unit/test_lower
tests_unit_test_lower_SOURCES = tests/unit/test_lower.c tests/unit/case_dirs.h
tests_unit_test_lower_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_lower_LDADD = libplan.a libcontainer.a libimage.a libkernel.a libstate.a libcompose.a libbase.a $(SECCOMP_LIBS) \
	$(SQLITE_LIBS) $(YAML_LIBS) $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
endif
