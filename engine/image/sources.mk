# engine/image: libimage is the store (linked by gantry and the monitor), libimageio what meets archives (gantry-image only).
noinst_LIBRARIES += libimage.a libimageio.a
libimage_a_SOURCES = \
	engine/image/blob.c engine/image/blob.h engine/image/blob_collect.c engine/image/change.c engine/image/change.h engine/image/commit.c engine/image/commit.h engine/image/config.c engine/image/cred.c \
	engine/image/cred.h engine/image/driver.c \
	engine/image/hosts.c engine/image/hosts.h engine/image/hosts_conf.c engine/image/hosts_priv.h engine/image/hosts_toml.c \
	engine/image/fsck.c engine/image/fsck.h engine/image/fsck_repair.c engine/image/gc.c engine/image/gc.h engine/image/image_blobs.c engine/image/image_blobs.h engine/image/image_save.c \
	engine/image/inspect.c engine/image/inspect.h \
	engine/image/load.c engine/image/load.h engine/image/load_priv.h engine/image/lookup.c engine/image/lookup.h engine/image/manifest.c engine/image/manifest.h engine/image/marker.c engine/image/marker.h \
	engine/image/platform.c engine/image/platform.h engine/image/program.c engine/image/program.h engine/image/ref.c engine/image/ref.h \
	engine/image/remote.c engine/image/remote.h engine/image/remote_push.c engine/image/rootcopy.c engine/image/rootcopy.h engine/image/since.c engine/image/since.h engine/image/snapshot.c engine/image/snapshot.h engine/image/store.c engine/image/store.h engine/image/stub.c engine/image/stub.h engine/image/tree.c engine/image/tree.h engine/image/trees.c engine/image/trees.h engine/image/toml.c engine/image/toml.h engine/image/wire.c engine/image/wire.h \
	engine/image/worker.c engine/image/worker.h
libimageio_a_CFLAGS = $(AM_CFLAGS) $(ARCHIVE_CFLAGS) $(CRYPTO_CFLAGS) $(CURL_CFLAGS) $(ZLIB_CFLAGS) $(ZSTD_CFLAGS)
libimageio_a_SOURCES = \
	engine/image/archive.c engine/image/archive.h engine/image/auth.c engine/image/auth.h engine/image/bytes.c engine/image/bytes.h \
	engine/image/challenge.c engine/image/challenge.h engine/image/deflate.c engine/image/deflate.h engine/image/digest.c engine/image/digest.h \
	engine/image/download.c engine/image/download.h engine/image/http.c engine/image/http.h \
	engine/image/inflate.c engine/image/jail.c engine/image/jail.h \
	engine/image/job.c engine/image/job.h engine/image/job_priv.h engine/image/layer.c engine/image/layer.h engine/image/layer_job.c engine/image/layer_job.h \
	engine/image/pack.c engine/image/pack.h engine/image/proxy.c engine/image/proxy.h engine/image/pull.c engine/image/pull.h engine/image/push.c engine/image/push.h \
	engine/image/registry.c engine/image/registry.h \
	engine/image/registry_error.c engine/image/registry_error.h engine/image/registry_fetch.c engine/image/registry_priv.h engine/image/registry_push.c engine/image/resolve.c engine/image/resolve.h engine/image/retry.c engine/image/retry.h \
	engine/image/save.c engine/image/save.h \
	engine/image/tar.c engine/image/tar.h engine/image/upload.c engine/image/upload.h
IMAGEIO_LIBS = $(CURL_LIBS) $(ARCHIVE_LIBS) $(CRYPTO_LIBS) $(ZLIB_LIBS) $(ZSTD_LIBS)

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_ref tests/unit/test_manifest tests/unit/test_layer tests/unit/test_image \
	tests/unit/test_registry tests/unit/test_since
TESTS += tests/unit/test_ref tests/unit/test_manifest tests/unit/test_layer tests/unit/test_image tests/unit/test_registry tests/unit/test_since
tests_unit_test_ref_SOURCES = tests/unit/test_ref.c tests/unit/compose_cases.h
tests_unit_test_ref_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_ref_LDADD = libimage.a libbase.a $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_manifest_SOURCES = tests/unit/test_manifest.c tests/unit/compose_cases.h
tests_unit_test_manifest_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_manifest_LDADD = libimage.a libbase.a $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_layer_SOURCES = tests/unit/test_layer.c tests/unit/tarmaker.h
tests_unit_test_layer_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_layer_LDADD = libimageio.a libimage.a libbase.a $(IMAGEIO_LIBS) $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_registry_SOURCES = tests/unit/test_registry.c tests/unit/compose_cases.h
tests_unit_test_registry_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_registry_LDADD = libimageio.a libimage.a libbase.a $(IMAGEIO_LIBS) $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_since_SOURCES = tests/unit/test_since.c
tests_unit_test_since_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_since_LDADD = libimage.a libbase.a $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
tests_unit_test_image_SOURCES = tests/unit/test_image.c tests/unit/scratch_store.h tests/unit/tarmaker.h
tests_unit_test_image_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(ZLIB_CFLAGS) $(ZSTD_CFLAGS)
tests_unit_test_image_LDADD = libimage.a libstate.a libbase.a $(ZLIB_LIBS) $(ZSTD_LIBS) $(SQLITE_LIBS) $(CJSON_LIBS) $(MD_LIBS) $(CMOCKA_LIBS)
EXTRA_tests_unit_test_image_DEPENDENCIES = gantry-image
endif

fuzz_programs += tests/fuzz/fuzz_ref tests/fuzz/fuzz_manifest tests/fuzz/fuzz_tar tests/fuzz/fuzz_auth
tests_fuzz_fuzz_ref_SOURCES = tests/fuzz/fuzz_ref.c tests/fuzz/fuzz.h $(fuzz_main)
tests_fuzz_fuzz_ref_LDADD = libimage.a libbase.a $(CJSON_LIBS) $(MD_LIBS)
tests_fuzz_fuzz_ref_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_manifest_SOURCES = tests/fuzz/fuzz_manifest.c tests/fuzz/fuzz.h $(fuzz_main)
tests_fuzz_fuzz_manifest_LDADD = libimage.a libbase.a $(CJSON_LIBS) $(MD_LIBS)
tests_fuzz_fuzz_manifest_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_tar_SOURCES = tests/fuzz/fuzz_tar.c tests/fuzz/fuzz.h tests/unit/tarmaker.h $(fuzz_main)
tests_fuzz_fuzz_tar_LDADD = libimageio.a libimage.a libbase.a $(IMAGEIO_LIBS) $(CJSON_LIBS) $(MD_LIBS)
tests_fuzz_fuzz_tar_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
tests_fuzz_fuzz_auth_SOURCES = tests/fuzz/fuzz_auth.c tests/fuzz/fuzz.h $(fuzz_main)
tests_fuzz_fuzz_auth_LDADD = libimageio.a libimage.a libbase.a $(IMAGEIO_LIBS) $(CJSON_LIBS) $(MD_LIBS)
tests_fuzz_fuzz_auth_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/helper/faults.py tests/helper/oddreg.py
