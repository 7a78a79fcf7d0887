# state: SQLite rows and locks. Only db.c and stmt.c know sqlite3.
noinst_LIBRARIES += libstate.a
libstate_a_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS)
libstate_a_SOURCES = \
	src/state/blob_store.c src/state/blob_store.h \
	src/state/check_store.c src/state/check_store.h src/state/build_store.c src/state/build_store.h src/state/container_store.c src/state/container_store.h src/state/db.c src/state/db.h src/state/db_priv.h \
	src/state/event_store.c src/state/event_store.h src/state/image_store.c src/state/image_store.h \
	src/state/lock.c src/state/lock.h src/state/network_store.c src/state/network_store.h \
	src/state/project_store.c src/state/project_store.h src/state/rebuild.c src/state/schema.c src/state/schema.h \
	src/state/sql.c src/state/sql.h src/state/stmt.c src/state/stmt.h src/state/volume_store.c src/state/volume_store.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_state
TESTS += tests/unit/test_state
tests_unit_test_state_SOURCES = tests/unit/test_state.c
tests_unit_test_state_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_state_LDADD = libstate.a libbase.a $(SQLITE_LIBS) $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
endif
