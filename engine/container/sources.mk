# engine/container: one container
noinst_LIBRARIES += libcontainer.a
libcontainer_a_SOURCES = \
	engine/container/spec.c engine/container/spec_check.c engine/container/spec.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_spec
TESTS += tests/unit/test_spec
endif
tests_unit_test_spec_SOURCES = tests/unit/test_spec.c
tests_unit_test_spec_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_spec_LDADD = libbase.a $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
