# engine/build: a Dockerfile becomes an image. libbuildfile is what is pure: parser, words, patterns.
noinst_LIBRARIES += libbuildfile.a libbuild.a
libbuildfile_a_SOURCES = \
	engine/build/dockerfile.c engine/build/dockerfile.h engine/build/expand.c engine/build/expand.h engine/build/glob.c engine/build/glob.h \
	engine/build/git_url.c engine/build/git.h engine/build/gofmt.c engine/build/gofmt.h engine/build/instr.c engine/build/instr.h engine/build/words.c engine/build/words.h
libbuild_a_SOURCES = \
	engine/build/bases.c engine/build/build.c engine/build/build.h engine/build/build_priv.h engine/build/cache.c engine/build/cache.h engine/build/copy.c \
	engine/build/copy.h engine/build/hash.c engine/build/hash.h engine/build/img.c engine/build/instr_apply.c engine/build/instr_check.c \
	engine/build/instr_steps.c engine/build/owner.c engine/build/owner.h engine/build/add.c engine/build/add.h \
	engine/build/context.c engine/build/context.h engine/build/git.c \
	engine/build/lint.c engine/build/network.c engine/build/run.c engine/build/run_mount.c engine/build/schedule.c engine/build/select.c \
	engine/build/select.h engine/build/stage.c engine/build/stage.h engine/build/step.c engine/build/step.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_dockerfile tests/unit/test_expand tests/unit/test_git tests/unit/test_glob
TESTS += tests/unit/test_dockerfile tests/unit/test_expand tests/unit/test_git tests/unit/test_glob
tests_unit_test_dockerfile_SOURCES = tests/unit/test_dockerfile.c tests/unit/compose_cases.h
tests_unit_test_dockerfile_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_dockerfile_LDADD = libbuildfile.a libbase.a $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_expand_SOURCES = tests/unit/test_expand.c tests/unit/compose_cases.h
tests_unit_test_expand_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_expand_LDADD = libbuildfile.a libbase.a $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_git_SOURCES = tests/unit/test_git.c
tests_unit_test_git_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_git_LDADD = libbuildfile.a libbase.a $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_glob_SOURCES = tests/unit/test_glob.c tests/unit/compose_cases.h
tests_unit_test_glob_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_glob_LDADD = libbuildfile.a libbase.a $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
endif

fuzz_programs += tests/fuzz/fuzz_dockerfile tests/fuzz/fuzz_dockerignore
tests_fuzz_fuzz_dockerfile_SOURCES = tests/fuzz/fuzz_dockerfile.c tests/fuzz/fuzz.h $(fuzz_main)
tests_fuzz_fuzz_dockerfile_LDADD = libbuildfile.a libbase.a $(CJSON_LIBS) $(MD_LIBS)
tests_fuzz_fuzz_dockerfile_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_dockerignore_SOURCES = tests/fuzz/fuzz_dockerignore.c tests/fuzz/fuzz.h $(fuzz_main)
tests_fuzz_fuzz_dockerignore_LDADD = libbuildfile.a libbase.a $(CJSON_LIBS) $(MD_LIBS)
tests_fuzz_fuzz_dockerignore_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
