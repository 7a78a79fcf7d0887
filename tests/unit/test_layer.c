/* SPDX-License-Identifier: MIT
 *
 * Layers: whiteouts in every order, in both forms; archives that want to get out (after containerd's TestBreakouts); what is damaged or too large.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/tarmaker.h"
#include "base/file.h"
#include "engine/image/layer.h"
#include "engine/image/tar.h"
#include "engine/image/tree.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

struct place {
	char dir[64]; /* holds root/ and canary */
	int root;
};

static void place_make(struct place *p)
{
	auto_free char *root = NULL, *canary = NULL;
	AUTO_ERR(e);

	snprintf(p->dir, sizeof(p->dir), "/tmp/gantry-layer-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	root = xasprintf("%s/root", p->dir);
	canary = xasprintf("%s/canary", p->dir);
	assert_int_equal(mkdir(root, 0755), 0);
	assert_int_equal(file_replace(canary, "untouched", 9, 0600, false, &e), 0);
	p->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(p->root >= 0);
}

/* Nothing outside of root/ may have changed. */
static void place_done(struct place *p)
{
	auto_free char *canary = xasprintf("%s/canary", p->dir), *text = NULL;
	struct dirent *d;
	struct stat st;
	AUTO_ERR(e);
	int n = 0;

	assert_int_equal(file_read(canary, 100, &text, NULL, &e), 0);
	assert_string_equal(text, "untouched");
	assert_int_equal(stat(canary, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_nlink, 1);
	DIR *dir = opendir(p->dir);

	while ((d = readdir(dir)))
		n++;
	closedir(dir);
	assert_int_equal(n, 4);
	close(p->root);
	assert_int_equal(file_remove_tree_path(p->dir, &e), 0);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_tree(int at, const char *path, struct str *out);

static void list_one(int at, const char *path, const char *name, struct str *out)
{
	auto_free char *full = *path ? xasprintf("%s/%s", path, name) : xstrdup(name);
	struct stat st;

	assert_int_equal(fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	if (str_starts(name, ".wh.")) {
		assert_true(S_ISREG(st.st_mode));
		assert_int_equal(st.st_size, 0);
		str_addf(out, "%s%s%s gone\n", path, *path ? "/" : "", name + 4);
	} else if (S_ISDIR(st.st_mode)) {
		auto_close int sub = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		char value[2];
		bool opaque = faccessat(sub, ".wh..wh..opq", F_OK, 0) == 0 || fgetxattr(sub, "trusted.overlay.opaque", value, 2) == 1;

		str_addf(out, "%s/%s\n", full, opaque ? " opaque" : "");
		list_tree(sub, full, out);
	} else if (S_ISREG(st.st_mode)) {
		auto_free char *text = NULL;
		AUTO_ERR(e);

		assert_int_equal(file_read_at(at, name, 1 << 20, &text, NULL, &e), 0);
		str_addf(out, "%s=%s\n", full, text);
	} else if (S_ISLNK(st.st_mode)) {
		char target[200] = { 0 };

		assert_true(readlinkat(at, name, target, sizeof(target) - 1) >= 0);
		str_addf(out, "%s->%s\n", full, target);
	} else if (S_ISCHR(st.st_mode) && st.st_rdev == 0) {
		str_addf(out, "%s gone\n", full);
	} else if (S_ISFIFO(st.st_mode)) {
		str_addf(out, "%s pipe\n", full);
	} else {
		str_addf(out, "%s device %u:%u\n", full, major(st.st_rdev), minor(st.st_rdev));
	}
}

static void list_tree(int at, const char *path, struct str *out)
{
	AUTO_STRV(names);
	DIR *dir = fdopendir(openat(at, ".", O_RDONLY | O_DIRECTORY));
	struct dirent *d;

	while ((d = readdir(dir)))
		if (!streq(d->d_name, ".") && !streq(d->d_name, "..") && !streq(d->d_name, ".wh..wh..opq"))
			strv_add(&names, d->d_name);
	closedir(dir);
	if (names.n)
		qsort(names.v, names.n, sizeof(*names.v), by_name);
	for (size_t i = 0; i < names.n; i++)
		list_one(at, path, names.v[i], out);
}

static bool is_root(void)
{
	return geteuid() == 0;
}

static int unpack(int root, enum whiteout_form form, const struct str *tar, size_t step, struct layer_unpacked *done, struct err *e)
{
	const struct layer_unpack u = { .rootfd = root, .form = form, .no_owner = !is_root(), .max_bytes = 1 << 20, .max_entries = 1000 };
	struct memory_bytes in = memory_bytes(tar->s, tar->len, step);

	return layer_unpack(&in.b, &u, done, e);
}

/* WANT NULL: refused with WANT_ERR. */
static void check(enum whiteout_form form, const char *text, const char *want, const char *want_err)
{
	struct place p;
	AUTO_STR(tar, TARMAKER_MAX);
	AUTO_STR(got, 1 << 20);
	struct layer_unpacked done;
	AUTO_ERR(e);
	int r;

	tar_text(&tar, text);
	tar_end(&tar);
	place_make(&p);
	r = unpack(p.root, form, &tar, 700, &done, &e);
	if (r < 0 && (want || !strstr(err_text(&e), want_err)))
		fail_msg("%s\n-> %s", text, err_text(&e));
	if (r >= 0) {
		list_tree(p.root, "", &got);
		if (!want || !streq(got.s, want))
			fail_msg("%s\n-> %s\n   instead of %s", text, got.s, want ? want : want_err);
	}
	place_done(&p);
}

static const struct layer_case {
	const char *text, *want, *want_err;
} cases[] = {
	/* plain */
	{ "d a\nf a/x=1\ns a/l->x\nh b->a/x\np q", "a/\na/l->x\na/x=1\nb=1\nq pipe\n", NULL },
	{ "f a/b/c=1", "a/\na/b/\na/b/c=1\n", NULL },
	{ "f ./a=1\nf /b=2\nf c//d/./e=3\nf x/../y=4", "a=1\nb=2\nc/\nc/d/\nc/d/e=3\ny=4\n", NULL },
	{ "d .\nf a=1", "a=1\n", NULL },
	{ "", "", NULL },
	/* the last one of a name counts */
	{ "f a=1\nf a=22", "a=22\n", NULL },
	{ "f a=1\nd a\nf a/b=2", "a/\na/b=2\n", NULL },
	{ "d a\nf a/b=1\nf a=2", "a=2\n", NULL },
	{ "d a\nf a/b=1\nd a\nf a/c=2", "a/\na/b=1\na/c=2\n", NULL },
	{ "s a->b\nd a", "a/\n", NULL },
	{ "d a\nf a/b=1\ns a->c", "a->c\n", NULL },
	{ "f a=1\nh a->a", "a=1\n", NULL },
	/* links lead about inside */
	{ "d usr\nd usr/lib\ns lib->usr/lib\nf lib/x=1", "lib->usr/lib\nusr/\nusr/lib/\nusr/lib/x=1\n", NULL },
	{ "d var\nd run\ns var/run->/run\nf var/run/pid=7", "run/\nrun/pid=7\nvar/\nvar/run->/run\n", NULL },
	{ "s l->x\nh k->l", "k->x\nl->x\n", NULL },
	/* whiteouts, before and after */
	{ "f .wh.x=", "x gone\n", NULL },
	{ "d d\nf d/.wh.x=", "d/\nd/x gone\n", NULL },
	{ "f d/.wh.x=", "d/\nd/x gone\n", NULL },
	{ "f x=1\nf .wh.x=", "x=1\n", NULL },
	{ "f .wh.x=\nf x=1", "x=1\n", NULL },
	{ "f .wh.x=\nf .wh.x=", "x gone\n", NULL },
	{ "d x\nf x/a=1\nf .wh.x=", "x/ opaque\nx/a=1\n", NULL },
	{ "f .wh.x=\nd x\nf x/a=1", "x/ opaque\nx/a=1\n", NULL },
	{ "f .wh.x=\nf x/a=1", "x/ opaque\nx/a=1\n", NULL },
	{ "f .wh.x=\nf x/y/z=1", "x/ opaque\nx/y/\nx/y/z=1\n", NULL },
	{ "f .wh.x=\nh x->y", NULL, "not in this layer" },
	{ "f .wh.x=\nf y=1\nh x->y", "x=1\ny=1\n", NULL },
	{ "f .wh.y=\nh x->y", NULL, "which is not in this layer" },
	{ "d d\nf d/a=1\nf d/.wh..wh..opq=\nf d/b=2", "d/ opaque\nd/a=1\nd/b=2\n", NULL },
	{ "f d/.wh..wh..opq=\nd d\nf d/a=1", "d/ opaque\nd/a=1\n", NULL },
	{ "f d/.wh..wh..opq=\nf d/.wh.x=", "d/ opaque\nd/x gone\n", NULL },
	{ "f .wh..wh.plnk=\nd .wh..wh.aufs\nf .wh..wh.orph/x=1\nf a=1", "a=1\n", NULL },
	{ "f .wh.=", NULL, "a whiteout of nothing" },
	{ "f .wh..=", NULL, "a whiteout of nothing" },
	{ "f .wh...=", NULL, "a whiteout of nothing" },
	{ "f .wh....=", "... gone\n", NULL },
	/* ways out */
	{ "f ../x=1", NULL, "leads out of the layer" },
	{ "f a/../../x=1", NULL, "leads out of the layer" },
	{ "s l->..\nf l/canary=1", "canary=1\nl->..\n", NULL },
	{ "s l->../..\nd l/x", "l->../..\nx/\n", NULL },
	{ "s l->/\nf l/x=1", "l->/\nx=1\n", NULL },
	{ "s canary->../canary\nf canary=1", "canary=1\n", NULL },
	{ "s l->/nowhere\nf l/x=1", NULL, "'l' is not a folder in this layer" },
	{ "s a->b\ns b->a\nf a/x=1", NULL, "'a' is not a folder in this layer" },
	{ "h x->../canary", NULL, "leads out of the layer" },
	{ "h x->/../canary", NULL, "leads out of the layer" },
	{ "s l->..\nh x->l/canary", NULL, "not in this layer" },
	{ "h x->canary", NULL, "not in this layer" },
	{ "h x->.", NULL, "hard link to the root" },
	{ "d d\nh x->d", NULL, "link: Operation not permitted" },
	{ "s l->../canary\nf l/.wh.x=", NULL, "'l' is not a folder" },
	{ "s l->..\nf l/.wh.canary=", "canary gone\nl->..\n", NULL },
	{ "s l->..\nf l/.wh..wh..opq=", "l->..\n", NULL },
	{ "f a=1\nf a/b=2", NULL, "'a' is not a folder in this layer" },
	{ "f .=1", NULL, "the root is not a folder" },
	{ "c z 0:0", NULL, "would delete files of other layers" },
	/* a block of zeros is the end */
	{ "f a=1\nz\nz\nf b=2", "a=1\n", NULL },
	/* PAX */
	{ "x path=long/name\nf x=1", "long/\nlong/name=1\n", NULL },
	{ "x path=../x\nf x=1", NULL, "leads out of the layer" },
	{ "x linkpath=../canary\nh x->y", NULL, "leads out of the layer" },
	{ "x uid=4294967295\nf x=1", NULL, "out of range" },
	{ "x gid=99999999999\nf x=1", NULL, "out of range" },
	{ "x mtime=-5\nf x=1", "x=1\n", NULL },
	{ "x mtime=99999999999999\nf x=1", "x=1\n", NULL },
	{ "x comment=\xff\xfe\nf \xc3\xa4\xff=1", "\xc3\xa4\xff=1\n", NULL },
	{ "x path=\xc3\xa4/\xff\nf x=1", "\xc3\xa4/\n\xc3\xa4/\xff=1\n", NULL },
};

static void whiteouts_as_files(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check(WHITEOUT_FILE, cases[i].text, cases[i].want, cases[i].want_err);
}

static void whiteouts_as_devices(void **state)
{
	if (!is_root())
		skip();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check(WHITEOUT_DEVICE, cases[i].text, cases[i].want, cases[i].want_err);
}

static void devices(void **state)
{
	if (!is_root())
		skip();
	check(WHITEOUT_DEVICE, "c null 1:3\nb loop 7:1", "loop device 7:1\nnull device 1:3\n", NULL);
}

/* Owner, mode, time, attributes. */
static void attributes(void **state)
{
	static const unsigned char capability[20] = { 1, 0, 0, 2, 0, 4 };
	struct layer_unpacked done;
	struct place p;
	struct stat st;
	char value[64];
	AUTO_STR(tar, TARMAKER_MAX);
	AUTO_ERR(e);

	if (!is_root())
		skip();
	tar_pax(&tar, "SCHILY.xattr.security.capability", capability, sizeof(capability));
	tar_header(&tar, &(struct tar_head){ .name = "f", .type = '0', .mode = 06755, .uid = 1000, .gid = 1001, .size = 3, .mtime = 1577836800 });
	tar_data_add(&tar, "abc", 3);
	tar_pax(&tar, "SCHILY.xattr.trusted.overlay.redirect", "/etc", 4);
	tar_header(&tar, &(struct tar_head){ .name = "d", .type = '5', .mode = 01777, .uid = 5, .gid = 6, .mtime = 1577836801 });
	tar_pax(&tar, "SCHILY.xattr.user.note", "hello", 5);
	tar_header(&tar, &(struct tar_head){ .name = "d/x", .type = '0', .mode = 0400, .mtime = 1577836802 });
	tar_header(&tar, &(struct tar_head){ .name = "d/l", .link = "x", .type = '2', .mode = 0777, .uid = 7, .gid = 8, .mtime = 1577836803 });
	tar_end(&tar);
	place_make(&p);
	assert_int_equal(unpack(p.root, WHITEOUT_DEVICE, &tar, 1 << 16, &done, &e), 0);
	assert_int_equal(done.size, 3);
	assert_int_equal(done.entries, 4);
	assert_int_equal(done.left_out, 1);
	assert_int_equal(fstatat(p.root, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 06755);
	assert_int_equal(st.st_uid, 1000);
	assert_int_equal(st.st_gid, 1001);
	assert_int_equal(st.st_mtime, 1577836800);
	assert_int_equal(fstatat(p.root, "d", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 01777);
	assert_int_equal(st.st_mtime, 1577836801);
	assert_int_equal(fstatat(p.root, "d/l", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_uid, 7);
	assert_int_equal(st.st_mtime, 1577836803);
	assert_int_equal(fchdir(p.root), 0);
	assert_int_equal(getxattr("f", "security.capability", value, sizeof(value)), 20);
	assert_true(getxattr("d", "trusted.overlay.redirect", value, sizeof(value)) < 0);
	assert_true(getxattr("d/x", "user.note", value, sizeof(value)) == 5 || errno == ENOTSUP);
	assert_int_equal(chdir("/"), 0);
	place_done(&p);
}

/* GNU's sparse form 0.1: 1 MiB of hole, then data. */
static void sparse(void **state)
{
	AUTO_STR(tar, TARMAKER_MAX);
	struct layer_unpacked done;
	struct place p;
	struct stat st;
	AUTO_ERR(e);
	char text[5] = { 0 };

	AUTO_STR(records, 4096);
	static const char *const keys[][2] = { { "GNU.sparse.size", "1048580" }, { "GNU.sparse.numblocks", "1" }, { "GNU.sparse.map", "1048576,4" } };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		size_t rest = strlen(keys[i][0]) + strlen(keys[i][1]) + 3, len = rest + 2;

		str_addf(&records, "%zu %s=%s\n", len, keys[i][0], keys[i][1]);
	}
	tar_header(&tar, &(struct tar_head){ .name = "pax", .type = 'x', .mode = 0644, .size = (long long)records.len });
	tar_data_add(&tar, records.s, records.len);
	tar_header(&tar, &(struct tar_head){ .name = "s", .type = '0', .mode = 0644, .size = 4 });
	tar_data_add(&tar, "data", 4);
	tar_end(&tar);
	place_make(&p);
	assert_int_equal(unpack(p.root, WHITEOUT_FILE, &tar, 512, &done, &e), 0);
	assert_int_equal(fstatat(p.root, "s", &st, 0), 0);
	assert_int_equal(st.st_size, 1048580);
	assert_true(st.st_blocks < 64);
	assert_int_equal(done.size, 4);
	auto_close int fd = openat(p.root, "s", O_RDONLY);

	assert_int_equal(pread(fd, text, 4, 1048576), 4);
	assert_string_equal(text, "data");
	place_done(&p);
}

/* Each is refused (or harmless), whatever the pieces in which it comes. */
static void damaged(void **state)
{
	AUTO_STR(tar, TARMAKER_MAX);
	static const char junk[] = "this is certainly not a tar archive, however long one looks at it ";

	tar_text(&tar, "d a\nf a/x=1\nx path=some/where\nf y=2\ns l->a");
	tar_end(&tar);
	for (size_t cut = 0; cut < tar.len; cut += 97) {
		struct str part = { .s = tar.s, .len = cut, .max = TARMAKER_MAX };
		struct layer_unpacked done;
		struct place p;
		AUTO_ERR(e);

		place_make(&p);
		(void)unpack(p.root, WHITEOUT_FILE, &part, 100, &done, &e);
		place_done(&p);
	}
	struct str text = { .s = (char *)junk, .len = sizeof(junk) - 1, .max = 1 << 20 };
	struct layer_unpacked done;
	struct place p;
	AUTO_ERR(e);

	place_make(&p);
	assert_true(unpack(p.root, WHITEOUT_FILE, &text, 7, &done, &e) < 0);
	assert_string_equal(err_text(&e), "it is not a tar archive");
	place_done(&p);
}

static void refused(const struct str *tar, const char *want)
{
	struct layer_unpacked done;
	struct place p;
	AUTO_ERR(e);

	place_make(&p);
	assert_true(unpack(p.root, WHITEOUT_FILE, tar, 1 << 16, &done, &e) < 0);
	if (!strstr(err_text(&e), want))
		fail_msg("'%s' instead of '%s'", err_text(&e), want);
	place_done(&p);
}

static void too_large(void **state)
{
	AUTO_STR(tar, TARMAKER_MAX);
	auto_free char *big = xcalloc(2 << 20, 1);

	tar_header(&tar, &(struct tar_head){ .name = "big", .type = '0', .mode = 0644, .size = 2 << 20 });
	tar_data_add(&tar, big, 2 << 20);
	tar_end(&tar);
	refused(&tar, "unpacks to more than 1 MiB");

	str_reset(&tar);
	for (int i = 0; i <= 1000; i++) {
		auto_free char *name = xasprintf("f%d", i);

		tar_file(&tar, name, "");
	}
	tar_end(&tar);
	refused(&tar, "more than 1000 files");

	str_reset(&tar);
	memset(big, 'a', 300);
	tar_pax(&tar, "path", big, 300);
	tar_file(&tar, "x", "1");
	refused(&tar, "a name of more than 255 bytes");

	str_reset(&tar);
	for (int i = 0; i < 5000; i += 2)
		memcpy(big + i, "a/", 2);
	tar_pax(&tar, "path", big, 5000);
	tar_file(&tar, "x", "1");
	refused(&tar, "a path of more than 4095 bytes");

	str_reset(&tar);
	memset(big, 'a', 2 << 20);
	tar_pax(&tar, "path", big, 2 << 20);
	tar_file(&tar, "x", "1");
	refused(&tar, "tar: ");
}

static void xattr_rules(void **state)
{
	assert_int_equal(layer_xattr_rule("security.capability"), XATTR_KEPT);
	assert_int_equal(layer_xattr_rule("user.x"), XATTR_KEPT);
	assert_int_equal(layer_xattr_rule("user.overlay.opaque"), XATTR_LEFT_OUT);
	assert_int_equal(layer_xattr_rule("trusted.overlay.opaque"), XATTR_LEFT_OUT);
	assert_int_equal(layer_xattr_rule("security.selinux"), XATTR_DROPPED);
	assert_int_equal(layer_xattr_rule("system.posix_acl_access"), XATTR_KEPT);
}

/* Published values of XXH64. */
static void checksums(void **state)
{
	assert_int_equal(checksum64("", 0, 0), UINT64_C(0xEF46DB3751D8E999));
	assert_int_equal(checksum64("a", 1, 0), UINT64_C(0xD24EC4F1A98C6E5B));
	assert_int_equal(checksum64("abc", 3, 0), UINT64_C(0x44BC2CF5AD770999));
	assert_int_equal(checksum64("Nobody inspects the spammish repetition", 39, 0), UINT64_C(0xFBCEA83C8A378BF1));
}

static uint64_t content_of(const unsigned char *p, size_t n, size_t step, bool holes)
{
	auto_free struct content *c = xmalloc(sizeof(*c));

	content_begin(c);
	for (size_t at = 0; at < n; at += step) {
		size_t part = MIN(step, n - at);
		bool zero = true;

		for (size_t i = 0; i < part; i++)
			zero &= p[at + i] == 0;
		if (!holes || !zero)
			content_add(c, (int64_t)at, p + at, part);
	}
	assert_false(c->unknown);
	return content_end(c);
}

/* However it is cut, and whether zeros are written or are holes. */
static void contents(void **state)
{
	enum { N = 5 * TREE_BLOCK + 77 };
	auto_free unsigned char *p = xcalloc(N, 1);
	auto_free struct content *c = xmalloc(sizeof(*c));
	uint64_t want;

	for (size_t i = 0; i < N; i++)
		p[i] = i / 4096 % 3 ? (unsigned char)(i * 7 + i / 251) : 0;
	memset(p + TREE_BLOCK, 0, 2 * TREE_BLOCK);
	want = content_of(p, N, N, false);
	for (size_t step = 512; step < 3 * TREE_BLOCK; step = step * 2 + (step == 4096)) {
		assert_int_equal(content_of(p, N, step, false), want);
		assert_int_equal(content_of(p, N, step, true), want);
	}
	p[TREE_BLOCK + 5] = 1;
	assert_int_not_equal(content_of(p, N, N, false), want);
	p[TREE_BLOCK + 5] = 0;
	p[3 * TREE_BLOCK + 5000] ^= 1;
	assert_int_not_equal(content_of(p, N, N, false), want);

	content_begin(c);
	content_add(c, 100, "x", 1);
	content_add(c, 50, "y", 1);
	assert_true(c->unknown);
}

static void lists_of_damage(void **state)
{
	static const char was[] = "d 755 0 0 1.000000000 0 0 0 .\0\0f 644 0 0 1.000000000 3 ab 0 a b\0\0l 777 0 0 1.000000000 0 0 0 l\0a b";
	static const char is[] = "d 755 0 0 1.000000000 0 0 0 .\0\0f 600 0 0 1.000000000 3 ac 0 a b\0\0f 644 0 0 1.000000000 0 1 0 n\0";
	AUTO_STRV(lines);
	AUTO_ERR(e);

	assert_int_equal(tree_compare(was, sizeof(was), is, sizeof(is), false, &lines, &e), 0);
	assert_int_equal(lines.n, 3);
	assert_string_equal(lines.v[0], "changed: a b: mode 600, was 644, content");
	assert_string_equal(lines.v[1], "missing: l");
	assert_string_equal(lines.v[2], "unexpected: n");
	strv_clear(&lines);
	assert_int_equal(tree_compare(was, sizeof(was), was, sizeof(was), false, &lines, &e), 0);
	assert_int_equal(lines.n, 0);
	for (size_t n = 1; n < sizeof(was); n++) {
		AUTO_ERR(why);

		(void)tree_compare(was, n, was, sizeof(was), false, &lines, &why);
		strv_clear(&lines);
	}
	assert_true(tree_compare("x\0", 3, "", 0, false, &lines, &e) < 0);
}

static int setup(void **state)
{
	AUTO_ERR(e);

	return tar_prepare(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whiteouts_as_files), cmocka_unit_test(whiteouts_as_devices), cmocka_unit_test(devices),
		cmocka_unit_test(attributes), cmocka_unit_test(sparse), cmocka_unit_test(damaged), cmocka_unit_test(too_large),
		cmocka_unit_test(xattr_rules),
		cmocka_unit_test(checksums), cmocka_unit_test(contents), cmocka_unit_test(lists_of_damage),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
