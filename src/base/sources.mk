# base: under everything. json.c needs cJSON and digest.c libmd only where a program really uses them (static archive).
noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	src/base/alloc.c src/base/alloc.h src/base/arena.c src/base/arena.h src/base/auto.h src/base/banned.h \
	src/base/digest.c src/base/digest.h src/base/dirs.c src/base/dirs.h src/base/err.c src/base/err.h \
	src/base/fail.c src/base/fail.h src/base/fd.c src/base/fd.h src/base/file.c src/base/file_copy.c src/base/file_remove.c src/base/file.h \
	src/base/id.c src/base/id.h src/base/json.c src/base/json.h src/base/log.c src/base/log.h \
	src/base/loop.c src/base/loop.h src/base/map.c src/base/map.h src/base/names.h src/base/num.c src/base/num.h \
	src/base/path.c src/base/path_in.c src/base/path.h src/base/proc.c src/base/proc_spawn.c src/base/proc.h src/base/str.c src/base/str.h \
	src/base/strv.c src/base/strv.h src/base/time.c src/base/time.h src/base/tty.c src/base/tty.h
