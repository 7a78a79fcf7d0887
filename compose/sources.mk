# compose: files -> project model. Pure: no database, no kernel.
noinst_LIBRARIES += libcompose.a
libcompose_a_CFLAGS = $(AM_CFLAGS) $(YAML_CFLAGS)
libcompose_a_SOURCES = \
	compose/node.c compose/node.h compose/yaml.c compose/yaml_scalar.c compose/yaml.h compose/yaml_hint.c compose/yaml_hint.h compose/read.c compose/read.h \
	compose/interp.c compose/interp.h compose/dotenv.c compose/dotenv.h compose/env.c compose/env.h \
	compose/reset.c compose/reset.h compose/unit.c compose/unit.h compose/include.c compose/extends.c \
	compose/profiles.c compose/profiles.h compose/discover.c compose/discover.h compose/load.c compose/load.h \
	compose/project.c compose/project.h compose/faults.c compose/faults.h compose/field.c compose/field.h compose/ftypes.h compose/ftypes_scalar.c \
	compose/ftypes_list.c compose/ftypes_map.c compose/ftypes_pairs.c compose/ftypes_net.c compose/ftypes_mount.c compose/fields_service.c \
	compose/fields_build.c compose/fields_deploy.c compose/fields_top.c compose/normalize.c compose/normalize.h \
	compose/adjust.c compose/adjust.h compose/validate.c compose/values.c compose/validate.h compose/graph.c compose/graph.h compose/emit.c compose/emit_yaml.c compose/emit.h \
	compose/trace.c compose/trace.h compose/explain.c compose/explain.h compose/explain_walk.c compose/explain_walk.h compose/schema.c compose/schema.h

if HAVE_CMOCKA
compose_test_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
compose_test_ldadd = libcompose.a libbase.a $(YAML_LIBS) $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
compose_tests = tests/unit/test_yaml tests/unit/test_interp tests/unit/test_dotenv tests/unit/test_load \
	tests/unit/test_values tests/unit/test_fields tests/unit/test_emit
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
tests_unit_test_load_SOURCES = tests/unit/test_load.c tests/unit/compose_cases.h tests/unit/compose_world.h
tests_unit_test_load_CFLAGS = $(compose_test_cflags)
tests_unit_test_load_LDADD = $(compose_test_ldadd)
tests_unit_test_values_SOURCES = tests/unit/test_values.c tests/unit/compose_cases.h tests/unit/compose_world.h
tests_unit_test_values_CFLAGS = $(compose_test_cflags)
tests_unit_test_values_LDADD = $(compose_test_ldadd)
tests_unit_test_emit_SOURCES = tests/unit/test_emit.c tests/unit/compose_cases.h tests/unit/compose_world.h
tests_unit_test_emit_CFLAGS = $(compose_test_cflags)
tests_unit_test_emit_LDADD = $(compose_test_ldadd)
tests_unit_test_fields_SOURCES = tests/unit/test_fields.c tests/unit/compose_cases.h tests/unit/compose_world.h
tests_unit_test_fields_CFLAGS = $(compose_test_cflags)
tests_unit_test_fields_LDADD = $(compose_test_ldadd)
endif

# Loads and prints a project without the rest: for tests/run_cases and for comparing.
check_PROGRAMS += tests/helper/compose-config
TESTS += tests/run_cases
EXTRA_DIST += tests/run_cases tests/cases/compose
tests_helper_compose_config_SOURCES = tests/helper/compose-config.c
tests_helper_compose_config_LDADD = libcompose.a libbase.a $(YAML_LIBS) $(CJSON_LIBS) $(MD_LIBS)

compose_fuzz_ldadd = libcompose.a libbase.a $(YAML_LIBS) $(CJSON_LIBS) $(MD_LIBS)
compose_fuzz_ldflags = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
fuzz_programs += tests/fuzz/fuzz_yaml tests/fuzz/fuzz_interp tests/fuzz/fuzz_dotenv tests/fuzz/fuzz_load
tests_fuzz_fuzz_yaml_SOURCES = tests/fuzz/fuzz_yaml.c tests/fuzz/fuzz.h $(fuzz_main)
tests_fuzz_fuzz_yaml_LDADD = $(compose_fuzz_ldadd)
tests_fuzz_fuzz_yaml_LDFLAGS = $(compose_fuzz_ldflags)
tests_fuzz_fuzz_interp_SOURCES = tests/fuzz/fuzz_interp.c tests/fuzz/fuzz.h $(fuzz_main)
tests_fuzz_fuzz_interp_LDADD = $(compose_fuzz_ldadd)
tests_fuzz_fuzz_interp_LDFLAGS = $(compose_fuzz_ldflags)
tests_fuzz_fuzz_dotenv_SOURCES = tests/fuzz/fuzz_dotenv.c tests/fuzz/fuzz.h $(fuzz_main)
tests_fuzz_fuzz_dotenv_LDADD = $(compose_fuzz_ldadd)
tests_fuzz_fuzz_dotenv_LDFLAGS = $(compose_fuzz_ldflags)
tests_fuzz_fuzz_load_SOURCES = tests/fuzz/fuzz_load.c tests/fuzz/fuzz.h $(fuzz_main)
tests_fuzz_fuzz_load_LDADD = $(compose_fuzz_ldadd)
tests_fuzz_fuzz_load_LDFLAGS = $(compose_fuzz_ldflags)
