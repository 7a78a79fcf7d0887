# engine/volume: volumes of the local driver
noinst_LIBRARIES += libvolume.a
libvolume_a_SOURCES = engine/volume/copyup.c engine/volume/options.c engine/volume/volume.c engine/volume/volume.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_volume
TESTS += tests/unit/test_volume
tests_unit_test_volume_SOURCES = tests/unit/test_volume.c tests/unit/scratch_store.h
tests_unit_test_volume_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_volume_LDADD = libvolume.a libstate.a libbase.a $(SQLITE_LIBS) $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
endif
