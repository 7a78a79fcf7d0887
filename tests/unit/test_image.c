/* SPDX-License-Identifier: MIT
 *
 * The store, and loading into it with the real gantry-image (found beside the tests' folder). Needs root: layers have owners and whiteouts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/tarmaker.h"
#include "base/digest.h"
#include "base/dirs.h"
#include "base/file.h"
#include "base/json.h"
#include "engine/image/inspect.h"
#include "engine/image/load.h"
#include "engine/image/manifest.h"
#include "engine/image/store.h"
#include "state/container_store.h"
#include "state/db.h"
#include "tests/unit/scratch_store.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

static int count(const struct store *s, const char *sub)
{
	auto_free char *path = dirs_root(&s->dirs, "%s", sub);
	DIR *dir = opendir(path);
	struct dirent *d;
	int n = 0;

	assert_non_null(dir);
	while ((d = readdir(dir)))
		n += d->d_name[0] != '.';
	closedir(dir);
	return n;
}

/* ---- archives ---- */

static void sum_of(const struct str *b, char text[DIGEST_TEXT])
{
	digest_text(b->s, b->len, text);
}

static void gzip(const struct str *in, struct str *out)
{
	z_stream z = { 0 };
	auto_free unsigned char *buf = xmalloc(in->len + 1000);

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (unsigned char *)in->s;
	z.avail_in = (unsigned)in->len;
	z.next_out = buf;
	z.avail_out = (unsigned)in->len + 1000;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	str_addn(out, (char *)buf, z.total_out);
	deflateEnd(&z);
}

static void zstd(const struct str *in, struct str *out)
{
	size_t room = ZSTD_compressBound(in->len);
	auto_free char *buf = xmalloc(room);

	str_addn(out, buf, ZSTD_compress(buf, room, in->s, in->len, 3));
}

static void config_text(struct str *out, const char *env, const char (*diffs)[DIGEST_TEXT], int n)
{
	str_addf(out, "{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":\"2020-01-01T00:00:00Z\",\"config\":{\"Env\":[\"%s\"]},"
		 "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[", env);
	for (int i = 0; i < n; i++)
		str_addf(out, "%s\"%s\"", i ? "," : "", diffs[i]);
	str_add(out, "]}}");
}

static void raw_file(struct str *b, const char *name, const struct str *data)
{
	tar_header(b, &(struct tar_head){ .name = name, .type = '0', .mode = 0644, .size = (long long)data->len });
	tar_data_add(b, data->s, data->len);
}

enum how { PLAIN, GZIP, ZSTD, WRONG_DIFF, CUT, LINKED, NO_LAYER, NO_CONFIG, OPAQUE };

static const char layer_one[] = "d bin\nf bin/sh=shell\nd etc\nf etc/a=1\nf etc/b=2";
static const char layer_two[] = "f etc/.wh.a=\nf etc/c=3";
static const char layer_opaque[] = "f .wh..wh..opq=\nf etc/c=3";

/* manifest.json comes last. */
static void docker_archive(struct str *out, const char *tag, const char *env, enum how how)
{
	AUTO_STR(one, TARMAKER_MAX);
	AUTO_STR(two, TARMAKER_MAX);
	AUTO_STR(config, 1 << 20);
	AUTO_STR(manifest, 1 << 20);
	AUTO_STR(packed, TARMAKER_MAX);
	char diffs[2][DIGEST_TEXT];

	tar_text(&one, layer_one);
	tar_end(&one);
	tar_text(&two, how == OPAQUE ? layer_opaque : layer_two);
	tar_end(&two);
	sum_of(&one, diffs[0]);
	sum_of(&two, diffs[1]);
	if (how == WRONG_DIFF)
		diffs[1][20] ^= 1;
	config_text(&config, env, diffs, 2);
	if (how == GZIP)
		gzip(&two, &packed);
	else if (how == ZSTD)
		zstd(&two, &packed);
	else
		str_addn(&packed, two.s, how == CUT ? 700 : two.len);
	tar_header(out, &(struct tar_head){ .name = "one", .type = '5', .mode = 0755 });
	raw_file(out, "one/layer.tar", &one);
	if (how == LINKED) {
		raw_file(out, "real/layer.tar", &packed);
		tar_header(out, &(struct tar_head){ .name = "two/layer.tar", .link = "../real/layer.tar", .type = '2', .mode = 0777 });
	} else if (how != NO_LAYER) {
		raw_file(out, "./two/layer.tar", &packed);
	}
	if (how != NO_CONFIG)
		raw_file(out, "c.json", &config);
	str_addf(&manifest, "[{\"Config\":\"c.json\",\"RepoTags\":[\"%s\"],\"Layers\":[\"one/layer.tar\",\"two/layer.tar\"]}]", tag);
	raw_file(out, "manifest.json", &manifest);
	tar_end(out);
}

static void blob_add(struct str *out, const struct str *data, char digest[DIGEST_TEXT])
{
	auto_free char *name = NULL;

	sum_of(data, digest);
	name = xasprintf("blobs/sha256/%s", digest + 7);
	raw_file(out, name, data);
}

enum oci { OCI_GOOD, OCI_BAD_BLOB, OCI_VERSION, OCI_INDEX, OCI_SIZE };

static void oci_archive(struct str *out, const char *name, enum oci how)
{
	AUTO_STR(one, TARMAKER_MAX);
	AUTO_STR(packed, TARMAKER_MAX);
	AUTO_STR(config, 1 << 20);
	AUTO_STR(manifest, 1 << 20);
	AUTO_STR(index, 1 << 20);
	AUTO_STR(layout, 100);
	char diff[1][DIGEST_TEXT], blob[DIGEST_TEXT], config_digest[DIGEST_TEXT], manifest_digest[DIGEST_TEXT];

	tar_text(&one, layer_one);
	tar_end(&one);
	sum_of(&one, diff[0]);
	zstd(&one, &packed);
	config_text(&config, "OCI=1", diff, 1);
	blob_add(out, &packed, blob);
	blob_add(out, &config, config_digest);
	if (how == OCI_BAD_BLOB)
		out->s[512 + 20] ^= 1;
	str_addf(&manifest, "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\",\"size\":%zu},"
		 "\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"%s\",\"size\":%zu}]}",
		 config_digest, config.len, blob, packed.len + (how == OCI_SIZE));
	blob_add(out, &manifest, manifest_digest);
	if (how == OCI_INDEX) {
		AUTO_STR(inner, 1 << 20);
		size_t n = manifest.len;

		str_addf(&inner, "{\"schemaVersion\":2,\"manifests\":["
			 "{\"digest\":\"sha256:%064d\",\"size\":1,\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}},"
			 "{\"digest\":\"%s\",\"size\":%zu,\"platform\":{\"os\":\"linux\",\"architecture\":\"386\"}},"
			 "{\"digest\":\"sha256:%064d\",\"size\":1,\"platform\":{\"os\":\"unknown\",\"architecture\":\"unknown\"}}]}",
			 7, manifest_digest, n, 8);
		blob_add(out, &inner, manifest_digest);
		str_reset(&manifest);
		str_addn(&manifest, inner.s, inner.len);
	}
	str_addf(&index, "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%zu,"
		 "\"annotations\":{\"org.opencontainers.image.ref.name\":\"%s\"}}]}",
		 how == OCI_INDEX ? "application/vnd.oci.image.index.v1+json" : "application/vnd.oci.image.manifest.v1+json",
		 manifest_digest, manifest.len, name);
	raw_file(out, "index.json", &index);
	str_addf(&layout, "{\"imageLayoutVersion\":\"%s\"}", how == OCI_VERSION ? "2.0.0" : "1.0.0");
	raw_file(out, "oci-layout", &layout);
	tar_end(out);
}

/* ---- loading ---- */

static int file_of(const struct str *b)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, b->s, b->len, 0), b->len);
	return fd;
}

/* From a file, or through a pipe. */
static int load(struct store *s, const struct str *archive, bool piped, struct strv *report, struct err *e)
{
	auto_close int fd = -1;
	pid_t writer = 0;
	int p[2], r;

	if (piped) {
		assert_int_equal(pipe(p), 0);
		writer = fork();
		if (writer == 0) {
			close(p[0]);
			for (size_t at = 0; at < archive->len;) {
				ssize_t n = write(p[1], archive->s + at, archive->len - at);

				if (n <= 0)
					_exit(1);
				at += (size_t)n;
			}
			_exit(0);
		}
		close(p[1]);
		fd = p[0];
	} else {
		fd = file_of(archive);
	}
	struct image_source src = { .fd = fd, .what = "test.tar" };

	r = image_load(s->db, &src, report, e);
	if (writer) {
		kill(writer, SIGKILL);
		waitpid(writer, NULL, 0);
	}
	return r;
}

static void load_good(struct store *s, const struct str *archive, bool piped, const char *want)
{
	AUTO_STRV(report);
	AUTO_ERR(e);

	if (load(s, archive, piped, &report, &e) < 0)
		fail_msg("%s", err_text(&e));
	auto_free char *text = strv_join(&report, "\n");

	assert_string_equal(text, want);
	assert_int_equal(count(s, "images/tmp"), 0);
}

static void load_bad(struct store *s, const struct str *archive, const char *want)
{
	for (int piped = 0; piped < 2; piped++) {
		int layers = count(s, "images/layers");
		AUTO_STRV(report);
		AUTO_ERR(e);

		assert_true(load(s, archive, piped, &report, &e) < 0);
		if (!strstr(err_text(&e), want))
			fail_msg("'%s' instead of '%s'", err_text(&e), want);
		assert_int_equal(count(s, "images/tmp"), 0);
		assert_int_equal(count(s, "images/layers"), layers);
	}
}

static char *layer_file(struct store *s, const char *image, size_t layer, const char *name)
{
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	AUTO_ERR(e);

	assert_int_equal(image_need(s->db, image, &row, &e), 0);
	assert_true(layer < row.layers.n);
	auto_free char *path = layer_path(&s->dirs, row.layers.v[layer]);

	return xasprintf("%s/%s", path, name);
}

static void docker_archives(void **state)
{
	static const enum how good[] = { PLAIN, GZIP, ZSTD, LINKED };
	struct stat st;

	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		for (int piped = 0; piped < 2; piped++) {
			struct store s;
			AUTO_STR(archive, TARMAKER_MAX);
			AUTO_STR(outer, TARMAKER_MAX);
			auto_free char *sh = NULL, *gone = NULL;

			store_open(&s);
			docker_archive(&archive, "web:1", "A=1", good[i]);
			if (good[i] == GZIP)
				gzip(&archive, &outer);
			else
				str_addn(&outer, archive.s, archive.len);
			load_good(&s, &outer, piped, "Loaded image: web:1");
			sh = layer_file(&s, "web:1", 0, "bin/sh");
			gone = layer_file(&s, "docker.io/library/web:1", 1, "etc/a");
			assert_int_equal(stat(sh, &st), 0);
			assert_int_equal(st.st_size, 5);
			assert_int_equal(stat(gone, &st), 0);
			assert_true(S_ISCHR(st.st_mode));
			/* again: nothing is unpacked, nothing changes */
			load_good(&s, &outer, piped, "Loaded image: web:1");
			assert_int_equal(count(&s, "images/layers"), 2);
			store_close(&s);
		}
	}
}

static void shared_layers_and_names(void **state)
{
	struct store s;
	AUTO_STR(one, TARMAKER_MAX);
	AUTO_STR(two, TARMAKER_MAX);
	AUTO_DONE(image_row_done) struct image_row before = { 0 }, after = { 0 };
	AUTO_STRV(report);
	AUTO_ERR(e);

	if (geteuid() != 0)
		skip();
	store_open(&s);
	docker_archive(&one, "web:1", "A=1", PLAIN);
	docker_archive(&two, "web:1", "A=2", PLAIN);
	load_good(&s, &one, false, "Loaded image: web:1");
	assert_int_equal(image_need(s.db, "web:1", &before, &e), 0);
	auto_free char *want = xasprintf("The image web:1 already exists, renaming the old one with ID %s to empty string\nLoaded image: web:1", before.id);

	load_good(&s, &two, false, want);
	assert_int_equal(image_need(s.db, "web:1", &after, &e), 0);
	assert_string_not_equal(before.id, after.id);
	assert_int_equal(count(&s, "images/layers"), 2);
	/* the old one is there still, by id, and goes alone */
	assert_int_equal(image_remove(s.db, before.id, false, &report, &e), 0);
	assert_int_equal(report.n, 1);
	assert_int_equal(count(&s, "images/layers"), 2);
	strv_clear(&report);
	assert_int_equal(image_remove(s.db, "web:1", false, &report, &e), 0);
	assert_int_equal(report.n, 4);
	assert_string_equal(report.v[0], "Untagged: web:1");
	assert_int_equal(count(&s, "images/layers"), 0);
	assert_int_equal(count(&s, "trash"), 0);
	store_close(&s);
}

/* A layer whose root is opaque: what is below is kept (the image can be saved again), but does not belong to the container's root. */
static void opaque_roots(void **state)
{
	struct store s;
	AUTO_STR(archive, TARMAKER_MAX);
	AUTO_STRV(report);
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	AUTO_ERR(e);

	if (geteuid() != 0)
		skip();
	store_open(&s);
	docker_archive(&archive, "web:1", "A=1", OPAQUE);
	load_good(&s, &archive, false, "Loaded image: web:1");
	assert_int_equal(image_need(s.db, "web:1", &row, &e), 0);
	assert_int_equal(row.layers.n, 1);
	assert_true(layer_is_opaque(&s.dirs, row.layers.v[0]));
	if (image_collect(s.db, &report, &e) < 0)
		fail_msg("%s", err_text(&e));
	assert_int_equal(report.n, 0);
	assert_int_equal(count(&s, "images/layers"), 2);
	assert_int_equal(image_remove(s.db, "web:1", false, &report, &e), 0);
	assert_int_equal(count(&s, "images/layers"), 0);
	store_close(&s);
}

static void oci_archives(void **state)
{
	static const struct {
		enum oci how;
		const char *name, *want, *want_err;
	} rows[] = {
		{ OCI_GOOD, "busybox:latest", "Loaded image: busybox:latest", NULL },
		{ OCI_INDEX, "ghcr.io/a/b:2", "Loaded image: ghcr.io/a/b:2", NULL },
		{ OCI_GOOD, "latest", NULL, NULL },
		{ OCI_BAD_BLOB, "x:1", NULL, "layer 1 of 1" },
		{ OCI_SIZE, "x:1", NULL, "are announced" },
		{ OCI_VERSION, "x:1", NULL, "unsupported OCI version 2.0.0" },
		{ OCI_GOOD, "X:1", NULL, "must be lowercase" },
	};

	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct store s;
		AUTO_STR(archive, TARMAKER_MAX);
		AUTO_STRV(report);
		AUTO_ERR(e);

		store_open(&s);
		oci_archive(&archive, rows[i].name, rows[i].how);
		if (rows[i].want_err) {
			load_bad(&s, &archive, rows[i].want_err);
		} else if (rows[i].want) {
			load_good(&s, &archive, i % 2, rows[i].want);
		} else {
			assert_true(load(&s, &archive, false, &report, &e) >= 0);
			assert_true(str_starts(report.v[0], "Loaded image ID: sha256:"));
		}
		store_close(&s);
	}
}

static void bad_archives(void **state)
{
	static const struct {
		enum how how;
		const char *want;
	} rows[] = {
		{ WRONG_DIFF, "digest mismatch: got sha256:" },
		{ CUT, "layer 2 of 2" },
		{ NO_LAYER, "image 'web:1': layer 2 of 2: 'two/layer.tar' is not in it" },
		{ NO_CONFIG, "image 'web:1': its config 'c.json' is not in it" },
	};
	struct store s;

	if (geteuid() != 0)
		skip();
	store_open(&s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_STR(archive, TARMAKER_MAX);

		docker_archive(&archive, "web:1", "A=1", rows[i].how);
		load_bad(&s, &archive, rows[i].want);
	}
	AUTO_STR(rootfs, TARMAKER_MAX);

	tar_text(&rootfs, "d bin\nd etc\nf etc/passwd=root");
	tar_end(&rootfs);
	load_bad(&s, &rootfs, "unrecognized image format");
	str_reset(&rootfs);
	str_add(&rootfs, "hello");
	load_bad(&s, &rootfs, "not a tar archive");
	str_reset(&rootfs);
	str_add(&rootfs, "BZh91AY and so on");
	load_bad(&s, &rootfs, "compressed with bzip2");
	str_reset(&rootfs);
	str_addn(&rootfs, "\x1f\x8b\x08\x00\x00", 5);
	load_bad(&s, &rootfs, "gzip: it ends too early");
	store_close(&s);
}

/* Several at once: one set of layers, nothing left over. */
static void in_parallel(void **state)
{
	enum { LOADS = 6 };
	struct store s;
	AUTO_STR(archive, TARMAKER_MAX);
	AUTO_STRV(report);
	pid_t pids[LOADS];
	AUTO_ERR(e);
	int status;

	if (geteuid() != 0)
		skip();
	store_open(&s);
	docker_archive(&archive, "web:1", "A=1", GZIP);
	for (int i = 0; i < LOADS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct store mine = { .dirs = s.dirs };
			AUTO_STRV(lines);
			AUTO_ERR(why);

			if (db_open(&mine.dirs, 0, &mine.db, &why) < 0 || load(&mine, &archive, i % 2, &lines, &why) < 0) {
				fprintf(stderr, "%s\n", err_text(&why));
				_exit(1);
			}
			db_close(mine.db);
			_exit(0);
		}
	}
	for (int i = 0; i < LOADS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(count(&s, "images/layers"), 2);
	assert_int_equal(count(&s, "images/tmp"), 0);
	auto_free char *sh = layer_file(&s, "web:1", 0, "bin/sh");

	assert_true(file_exists(sh));
	assert_int_equal(image_remove(s.db, "web:1", false, &report, &e), 0);
	assert_int_equal(count(&s, "images/layers"), 0);
	store_close(&s);
}

/* What a killed load leaves: collected, or replaced. */
static void leftovers(void **state)
{
	struct store s;
	AUTO_STR(archive, TARMAKER_MAX);
	auto_free char *tmp = NULL, *layer = NULL, *file = NULL, *moved = NULL;
	struct stat st;
	AUTO_STRV(report);
	AUTO_ERR(e);

	if (geteuid() != 0)
		skip();
	store_open(&s);
	docker_archive(&archive, "web:1", "A=1", PLAIN);
	tmp = dirs_root(&s.dirs, "images/tmp/0123456789abcdef/0/bin");
	assert_int_equal(file_mkdir_p(tmp, 0755, &e), 0);
	load_good(&s, &archive, false, "Loaded image: web:1");
	/* a layer's folder without a row, with less in it */
	file = layer_file(&s, "web:1", 0, "bin/sh");
	layer = layer_file(&s, "web:1", 0, "");
	moved = xasprintf("%s/moved", s.dir);
	assert_int_equal(rename(layer, moved), 0);
	assert_int_equal(image_remove(s.db, "web:1", false, &report, &e), 0);
	assert_int_equal(mkdir(layer, 0755), 0);
	load_good(&s, &archive, false, "Loaded image: web:1");
	assert_int_equal(stat(file, &st), 0);
	store_close(&s);
}

static void imports(void **state)
{
	struct store s;
	AUTO_STR(tar, TARMAKER_MAX);
	AUTO_STRV(changes);
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	AUTO_DONE(image_config_done) struct image_config config = { 0 };
	auto_free char *id = NULL, *id2 = NULL, *id3 = NULL, *dir = NULL, *none = NULL;
	AUTO_ERR(e);
	AUTO_ERR(bad);

	if (geteuid() != 0)
		skip();
	store_open(&s);
	tar_text(&tar, layer_one);
	tar_end(&tar);
	strv_add(&changes, "CMD [\"sh\", \"-c\", \"x\"]");
	strv_add(&changes, "ENV A=1 B=\"two words\"");
	strv_add(&changes, "env C three four");
	strv_add(&changes, "ENTRYPOINT run me");
	strv_add(&changes, "USER 1000:1000");
	strv_add(&changes, "WORKDIR /a");
	strv_add(&changes, "WORKDIR b");
	strv_add(&changes, "EXPOSE 80 53/udp");
	strv_add(&changes, "VOLUME [\"/data\"]");
	strv_add(&changes, "LABEL k=v");
	strv_add(&changes, "STOPSIGNAL SIGUSR1");
	strv_add(&changes, "HEALTHCHECK --interval=5s --retries=2 CMD test -e /x");
	auto_close int fd = file_of(&tar);
	struct image_source src = { .fd = fd, .what = "root.tar" };
	struct image_import how = { "mine:1", &changes, NULL, NULL };

	if (image_import(s.db, &src, &how, &id, &e) < 0)
		fail_msg("%s", err_text(&e));
	assert_int_equal(image_need(s.db, "mine:1", &row, &e), 0);
	assert_string_equal(row.id, id);
	assert_int_equal(image_config_parse(row.config, &config, &e), 0);
	auto_free char *env = strv_join(&config.env, ";"), *cmd = strv_join(&config.cmd, ";"), *entry = strv_join(&config.entrypoint, ";");
	auto_free char *ports = strv_join(&config.exposed_ports, ";");

	assert_string_equal(env, "A=1;B=two words;C=three four");
	assert_string_equal(cmd, "sh;-c;x");
	assert_string_equal(entry, "/bin/sh;-c;run me");
	assert_string_equal(ports, "80/tcp;53/udp");
	assert_string_equal(config.user, "1000:1000");
	assert_string_equal(config.cwd, "/a/b");
	assert_string_equal(config.stop_signal, "SIGUSR1");
	assert_int_equal(json_int(config.healthcheck, "Interval", 0), 5000000000);
	/* its layer's folder imported again is the same layer, twice the same */
	dir = layer_path(&s.dirs, row.layers.v[0]);
	auto_close int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct image_source tree = { .fd = dirfd, .what = dir };
	struct image_import again = { "tree", NULL, "by hand", "linux/arm64" };

	assert_int_equal(image_import(s.db, &tree, &again, &id2, &e), 0);
	assert_int_equal(image_import(s.db, &tree, &again, &id3, &e), 0);
	assert_int_equal(count(&s, "images/layers"), 2);
	auto_free char *sh = layer_file(&s, "tree", 0, "bin/sh");

	assert_true(file_exists(sh));
	strv_clear(&changes);
	strv_add(&changes, "RUN x");
	assert_true(image_import(s.db, &src, &how, &none, &bad) < 0);
	assert_non_null(strstr(err_text(&bad), "change 'RUN x': only CMD"));
	store_close(&s);
}

/* ---- names ---- */

static void put_image(struct store *s, const char *name, const char *env, char id[DIGEST_TEXT])
{
	AUTO_STR(config, 1 << 20);
	struct image_row row = { 0 };
	AUTO_ERR(e);

	config_text(&config, env, NULL, 0);
	sum_of(&config, id);
	row.id = id;
	row.config = config.s;
	row.manifest = (char *)"sha256:" "1111111111111111111111111111111111111111111111111111111111111111";
	row.os = (char *)"linux";
	row.architecture = (char *)"amd64";
	assert_true(image_insert(s->db, &row, &e) >= 0);
	if (name)
		assert_int_equal(image_name_set(s->db, name, id, &e), 0);
}

static void check_resolve(struct store *s, const char *ref, const char *want_id)
{
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	AUTO_ERR(e);
	int r = image_resolve(s->db, ref, &row, &e);

	if (want_id ? r != 0 || !streq(row.id, want_id) : r != 1)
		fail_msg("'%s': %d %s", ref, r, err_text(&e));
}

static void resolving(void **state)
{
	struct store s;
	char a[DIGEST_TEXT], b[DIGEST_TEXT], part[16];
	AUTO_ERR(e);
	AUTO_ERR(bad);
	AUTO_ERR(none);
	AUTO_DONE(image_row_done) struct image_row row = { 0 };

	store_open(&s);
	put_image(&s, "docker.io/library/web:1", "A=1", a);
	put_image(&s, "ghcr.io/x/y:latest", "A=2", b);
	check_resolve(&s, "web:1", a);
	check_resolve(&s, "docker.io/web:1", a);
	check_resolve(&s, "web", NULL);
	check_resolve(&s, "ghcr.io/x/y", b);
	check_resolve(&s, a, a);
	check_resolve(&s, a + 7, a);
	snprintf(part, sizeof(part), "%.12s", b + 7);
	check_resolve(&s, part, b);
	snprintf(part, sizeof(part), "%.3s", b + 7);
	check_resolve(&s, part, NULL);
	check_resolve(&s, "sha256:0000000000000000000000000000000000000000000000000000000000000000", NULL);
	check_resolve(&s, "ghcr.io/x/y@sha256:1111111111111111111111111111111111111111111111111111111111111111", b);
	check_resolve(&s, "ghcr.io/x/z@sha256:1111111111111111111111111111111111111111111111111111111111111111", NULL);
	assert_true(image_resolve(s.db, "Web", &row, &bad) < 0);
	assert_true(image_need(s.db, "nothing", &row, &none) == -ENOENT);
	assert_string_equal(err_text(&none), "no such image: 'nothing'");
	/* a name that looks like an id wins over the id */
	snprintf(part, sizeof(part), "%.8s", a + 7);
	assert_int_equal(image_tag(s.db, "ghcr.io/x/y", part, &e), 0);
	check_resolve(&s, part, b);
	store_close(&s);
}

static void removing(void **state)
{
	struct store s;
	char a[DIGEST_TEXT];
	AUTO_STRV(report);
	AUTO_ERR(e);
	AUTO_ERR(several);
	AUTO_ERR(used);

	store_open(&s);
	put_image(&s, "docker.io/library/web:1", "A=1", a);
	assert_int_equal(image_tag(s.db, "web:1", "web:2", &e), 0);
	assert_true(image_remove(s.db, a, false, &report, &several) == -EBUSY);
	assert_non_null(strstr(err_text(&several), "has several names: web:1, web:2"));
	assert_int_equal(image_remove(s.db, "web:2", false, &report, &e), 0);
	assert_string_equal(report.v[0], "Untagged: web:2");
	strv_clear(&report);
	struct ctr_row c = { .id = (char *)"00000000000000000000000000000000000000000000000000000000000000aa", .name = (char *)"p-web-1",
			     .image_id = a, .hash = (char *)"", .config = (char *)"{}" };

	assert_true(ctr_insert(s.db, &c, &e) >= 0);
	assert_true(image_remove(s.db, "web:1", false, &report, &used) == -EBUSY);
	assert_string_equal(err_text(&used), "image 'web:1' is used by container p-web-1 (created)");
	assert_int_equal(report.n, 0);
	assert_int_equal(image_remove(s.db, "web:1", true, &report, &e), 0);
	check_resolve(&s, a, a);
	check_resolve(&s, "web:1", NULL);
	assert_int_equal(ctr_delete(s.db, c.id, &e), 0);
	assert_int_equal(image_remove(s.db, a, false, &report, &e), 0);
	check_resolve(&s, a, NULL);
	store_close(&s);
}

static void drivers(void **state)
{
	struct store s;
	const char *driver;
	auto_free char *why = NULL;
	AUTO_ERR(e);
	AUTO_ERR(bad);

	if (geteuid() != 0)
		skip();
	store_open(&s);
	for (int i = 0; i < 2; i++) { /* tried, then remembered */
		assert_int_equal(image_driver(&s.dirs, &driver, &why, &e), 0);
		assert_true(streq(driver, "overlay") || (streq(driver, "copy") && why));
		free(TAKE(why));
	}
	setenv("GANTRY_STORAGE", "zfs", 1);
	assert_true(image_driver(&s.dirs, &driver, &why, &bad) < 0);
	setenv("GANTRY_STORAGE", "copy", 1);
	assert_int_equal(image_driver(&s.dirs, &driver, &why, &e), 0);
	assert_string_equal(driver, "copy");
	assert_int_equal(count(&s, "tmp"), 0);

	/* a root made by copies: whiteouts applied and gone */
	AUTO_STR(archive, TARMAKER_MAX);
	AUTO_DONE(image_row_done) struct image_row row = { 0 };
	auto_free char *root = xasprintf("%s/copied", s.dir), *a = NULL, *c = NULL;

	docker_archive(&archive, "web:1", "A=1", PLAIN);
	load_good(&s, &archive, false, "Loaded image: web:1");
	assert_int_equal(image_need(s.db, "web:1", &row, &e), 0);
	assert_int_equal(mkdir(root, 0755), 0);
	auto_close int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (image_root_copy(&s.dirs, &row.layers, fd, &e) < 0)
		fail_msg("%s", err_text(&e));
	assert_true(faccessat(fd, "etc/a", F_OK, AT_SYMLINK_NOFOLLOW) < 0);
	assert_true(faccessat(fd, "etc/.wh.a", F_OK, AT_SYMLINK_NOFOLLOW) < 0);
	assert_int_equal(faccessat(fd, "etc/b", F_OK, 0), 0);
	assert_int_equal(faccessat(fd, "etc/c", F_OK, 0), 0);
	assert_int_equal(faccessat(fd, "bin/sh", F_OK, 0), 0);
	/* the overlay driver cannot use these layers: they are unpacked again */
	setenv("GANTRY_STORAGE", "overlay", 1);
	load_good(&s, &archive, false, "Loaded image: web:1");
	a = layer_file(&s, "web:1", 1, "etc/a");
	c = layer_file(&s, "web:1", 1, "etc/.wh.a");
	assert_true(file_exists(a));
	assert_false(file_exists(c));
	AUTO_DONE(layer_row_done) struct layer_row layer = { 0 };

	assert_int_equal(layer_get(s.db, row.layers.v[1], &layer, &e), 0);
	assert_string_equal(layer.driver, "overlay");
	unsetenv("GANTRY_STORAGE");
	store_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resolving), cmocka_unit_test(removing), cmocka_unit_test(docker_archives), cmocka_unit_test(shared_layers_and_names),
		cmocka_unit_test(oci_archives), cmocka_unit_test(opaque_roots), cmocka_unit_test(bad_archives), cmocka_unit_test(in_parallel), cmocka_unit_test(leftovers),
		cmocka_unit_test(imports), cmocka_unit_test(drivers),
	};

	setenv("GANTRY_LIBEXEC", ".", 0); /* make check runs in the build folder */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
