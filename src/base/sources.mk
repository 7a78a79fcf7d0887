# base: under everything. json.c needs cJSON and digest.c libcrypto only where a program really uses them (static archive).
noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	src/base/alloc.c src/base/alloc.h src/base/arena.c src/base/arena.h src/base/auto.h src/base/banned.h \
	src/base/digest.c src/base/digest.h src/base/dirs.c src/base/dirs.h src/base/err.c src/base/err.h \
	src/base/fail.c src/base/fail.h src/base/fd.c src/base/fd.h src/base/file.c src/base/file_copy.c src/base/file_remove.c src/base/file_size.c src/base/file.h \
	src/base/id.c src/base/id.h src/base/json.c src/base/json.h src/base/log.c src/base/log.h \
	src/base/loop.c src/base/loop.h src/base/map.c src/base/map.h src/base/names.h src/base/num.c src/base/num.h \
	src/base/path.c src/base/path_in.c src/base/path.h src/base/remover.c src/base/remover.h src/base/proc.c src/base/proc_spawn.c src/base/proc.h src/base/str.c src/base/str.h \
	src/base/strv.c src/base/strv.h src/base/time.c src/base/time.h src/base/usage.c src/base/usage.h src/base/tty.c src/base/tty.h

if HAVE_CMOCKA
base_tests = \
	tests/unit/test_err tests/unit/test_str tests/unit/test_strv tests/unit/test_map \
	tests/unit/test_num tests/unit/test_time tests/unit/test_path tests/unit/test_fd \
	tests/unit/test_file tests/unit/test_proc tests/unit/test_loop tests/unit/test_json \
	tests/unit/test_fail tests/unit/test_dirs tests/unit/test_id
check_PROGRAMS += $(base_tests)
TESTS += $(base_tests)
endif
base_test_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
base_test_ldadd = libbase.a $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_err_SOURCES = tests/unit/test_err.c
tests_unit_test_err_CFLAGS = $(base_test_cflags)
tests_unit_test_err_LDADD = $(base_test_ldadd)
tests_unit_test_str_SOURCES = tests/unit/test_str.c
tests_unit_test_str_CFLAGS = $(base_test_cflags)
tests_unit_test_str_LDADD = $(base_test_ldadd)
tests_unit_test_strv_SOURCES = tests/unit/test_strv.c
tests_unit_test_strv_CFLAGS = $(base_test_cflags)
tests_unit_test_strv_LDADD = $(base_test_ldadd)
tests_unit_test_map_SOURCES = tests/unit/test_map.c
tests_unit_test_map_CFLAGS = $(base_test_cflags)
tests_unit_test_map_LDADD = $(base_test_ldadd)
tests_unit_test_num_SOURCES = tests/unit/test_num.c
tests_unit_test_num_CFLAGS = $(base_test_cflags)
tests_unit_test_num_LDADD = $(base_test_ldadd)
tests_unit_test_time_SOURCES = tests/unit/test_time.c
tests_unit_test_time_CFLAGS = $(base_test_cflags)
tests_unit_test_time_LDADD = $(base_test_ldadd)
tests_unit_test_path_SOURCES = tests/unit/test_path.c
tests_unit_test_path_CFLAGS = $(base_test_cflags)
tests_unit_test_path_LDADD = $(base_test_ldadd)
tests_unit_test_fd_SOURCES = tests/unit/test_fd.c
tests_unit_test_fd_CFLAGS = $(base_test_cflags)
tests_unit_test_fd_LDADD = $(base_test_ldadd)
tests_unit_test_file_SOURCES = tests/unit/test_file.c
tests_unit_test_file_CFLAGS = $(base_test_cflags)
tests_unit_test_file_LDADD = $(base_test_ldadd)
tests_unit_test_proc_SOURCES = tests/unit/test_proc.c
tests_unit_test_proc_CFLAGS = $(base_test_cflags)
tests_unit_test_proc_LDADD = $(base_test_ldadd)
tests_unit_test_loop_SOURCES = tests/unit/test_loop.c
tests_unit_test_loop_CFLAGS = $(base_test_cflags)
tests_unit_test_loop_LDADD = $(base_test_ldadd)
tests_unit_test_json_SOURCES = tests/unit/test_json.c
tests_unit_test_json_CFLAGS = $(base_test_cflags)
tests_unit_test_json_LDADD = $(base_test_ldadd)
tests_unit_test_fail_SOURCES = tests/unit/test_fail.c
tests_unit_test_fail_CFLAGS = $(base_test_cflags)
tests_unit_test_fail_LDADD = $(base_test_ldadd)
tests_unit_test_dirs_SOURCES = tests/unit/test_dirs.c
tests_unit_test_dirs_CFLAGS = $(base_test_cflags)
tests_unit_test_dirs_LDADD = $(base_test_ldadd)
tests_unit_test_id_SOURCES = tests/unit/test_id.c
tests_unit_test_id_CFLAGS = $(base_test_cflags)
tests_unit_test_id_LDADD = $(base_test_ldadd)
