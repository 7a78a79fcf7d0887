# compose: files -> project model. Pure: no database, no kernel.
noinst_LIBRARIES += libcompose.a
libcompose_a_CFLAGS = $(AM_CFLAGS) $(YAML_CFLAGS)
libcompose_a_SOURCES = \
	compose/node.c compose/node.h compose/yaml.c compose/yaml_scalar.c compose/yaml.h compose/read.c compose/read.h \
	compose/interp.c compose/interp.h compose/dotenv.c compose/dotenv.h compose/env.c compose/env.h \
	compose/reset.c compose/reset.h compose/unit.c compose/unit.h compose/include.c compose/extends.c \
	compose/profiles.c compose/profiles.h compose/discover.c compose/discover.h compose/load.c compose/load.h

if HAVE_CMOCKA
compose_test_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
compose_test_ldadd = libcompose.a libbase.a $(YAML_LIBS) $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
compose_tests = tests/unit/test_yaml tests/unit/test_interp tests/unit/test_dotenv
check_PROGRAMS += $(compose_tests)
TESTS += $(compose_tests)
tests_unit_test_yaml_SOURCES = tests/unit/test_yaml.c tests/unit/compose_cases.h
tests_unit_test_yaml_CFLAGS = $(compose_test_cflags)
tests_unit_test_yaml_LDADD = $(compose_test_ldadd)
tests_unit_test_interp_SOURCES = tests/unit/test_interp.c tests/unit/compose_cases.h
tests_unit_test_interp_CFLAGS = $(compose_test_cflags)
tests_unit_test_interp_LDADD = $(compose_test_ldadd)
tests_unit_test_dotenv_SOURCES = tests/unit/test_dotenv.c tests/unit/compose_cases.h
tests_unit_test_dotenv_CFLAGS = $(compose_test_cflags)
tests_unit_test_dotenv_LDADD = $(compose_test_ldadd)
endif
