/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/volume/volume.h"
#include "state/container_store.h"
#include "tests/unit/scratch_store.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

static char *at(const struct store *s, const char *name)
{
	return dirs_root(&s->dirs, "%s", name);
}

static bool there(const struct store *s, const char *name)
{
	auto_free char *path = at(s, name);

	return file_exists(path);
}

static void put(const struct store *s, const char *name, const char *text)
{
	auto_free char *path = at(s, name), *dir = NULL;
	char *slash = strrchr(path, '/');
	AUTO_ERR(e);

	dir = xstrndup(path, (size_t)(slash - path));
	assert_true(file_mkdir_p(dir, 0755, &e) >= 0);
	assert_int_equal(file_replace(path, text, strlen(text), 0640, false, &e), 0);
}

static void check_text(const struct store *s, const char *name, const char *want)
{
	auto_free char *path = at(s, name), *text = NULL;
	AUTO_ERR(e);

	if (file_read(path, 1 << 20, &text, NULL, &e) < 0)
		fail_msg("%s", err_text(&e));
	assert_string_equal(text, want);
}

static int create(struct store *s, const char *name, const char *options, struct err *e)
{
	const struct volume_row v = { .name = (char *)name, .driver = (char *)"local", .options = (char *)options, .labels = (char *)"{}",
				      .hash = (char *)"", .created_ns = 1 };

	return volume_create(s->db, &v, e);
}

static int entries(const struct store *s, const char *name)
{
	auto_free char *path = at(s, name);
	DIR *dir = opendir(path);
	struct dirent *d;
	int n = 0;

	assert_non_null(dir);
	while ((d = readdir(dir)))
		n += d->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void life(void **state)
{
	struct store s;
	AUTO_DONE(volume_row_done) struct volume_row row = { 0 };
	AUTO_ERR(e);
	AUTO_ERR(busy);

	store_open(&s);
	assert_int_equal(create(&s, "p_data", NULL, &e), 0);
	assert_int_equal(create(&s, "p_data", NULL, &e), 1);
	assert_true(there(&s, "volumes/p_data/volume.json"));
	put(&s, "volumes/p_data/data/x", "1");
	/* a row without its folder is made whole */
	assert_int_equal(create(&s, "half", NULL, &e), 0);
	auto_free char *half = at(&s, "volumes/half");

	assert_int_equal(file_remove_tree_path(half, &e), 0);
	assert_int_equal(create(&s, "half", NULL, &e), 1);
	assert_true(there(&s, "volumes/half/data"));
	/* in use */
	struct ctr_row c = { .id = (char *)"00000000000000000000000000000000000000000000000000000000000000aa", .name = (char *)"p-web-1",
			     .hash = (char *)"", .config = (char *)"{}" };

	assert_true(ctr_insert(s.db, &c, &e) >= 0);
	assert_int_equal(volume_use(s.db, "p_data", c.id, &e), 0);
	assert_int_equal(volume_remove(s.db, "p_data", &busy), -EBUSY);
	assert_string_equal(err_text(&busy), "volume 'p_data' is in use by container p-web-1");
	check_text(&s, "volumes/p_data/data/x", "1");
	assert_int_equal(ctr_delete(s.db, c.id, &e), 0);
	assert_int_equal(volume_remove(s.db, "p_data", &e), 0);
	assert_int_equal(volume_remove(s.db, "p_data", &e), 1);
	assert_int_equal(volume_get(s.db, "p_data", &row, &e), 1);
	assert_int_equal(entries(&s, "volumes"), 1);
	assert_int_equal(entries(&s, "trash"), 0);
	store_close(&s);
}

/* Removals that were killed at each step end with the next command. */
static void killed_removals(void **state)
{
	struct store s;
	AUTO_ERR(e);

	store_open(&s);
	assert_int_equal(create(&s, "one", NULL, &e), 0);
	assert_int_equal(create(&s, "two", NULL, &e), 0);
	put(&s, "volumes/one/data/x", "old");
	assert_int_equal(volume_set_deleting(s.db, "one", &e), 0);
	assert_int_equal(create(&s, "one", NULL, &e), 0);
	assert_false(there(&s, "volumes/one/data/x"));
	assert_int_equal(volume_set_deleting(s.db, "two", &e), 0);
	put(&s, "trash/volume-0123/data/x", "old");
	assert_int_equal(volume_collect(s.db, &e), 0);
	assert_false(there(&s, "volumes/two"));
	assert_int_equal(entries(&s, "trash"), 0);
	assert_true(there(&s, "volumes/one"));
	store_close(&s);
}

static void refused(void **state)
{
	static const char *const rows[][3] = {
		{ "a", NULL, "too short" },
		{ "../x", NULL, "invalid characters" },
		{ "/abs", NULL, "invalid characters" },
		{ "-x", NULL, "invalid characters" },
		{ "a b", NULL, "invalid characters" },
		{ "ok", "{\"typ\":\"nfs\"}", "invalid option: 'typ'" },
		{ "ok", "{\"type\":\"nfs\"}", "missing required option: 'device'" },
		{ "ok", "{\"o\":\"rw\"}", "missing required option: 'device'" },
		{ "ok", "{\"device\":\"x\"}", "missing required option: 'type'" },
		{ "ok", "{\"type\":\"none\",\"device\":\"rel\",\"o\":\"bind\"}", "not an absolute path" },
		{ "ok", "{\"size\":\"1g\"}", "quotas" },
		{ "ok", "{", "" },
	};
	struct store s;

	store_open(&s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_ERR(e);

		assert_true(create(&s, rows[i][0], rows[i][1], &e) < 0);
		if (!strstr(err_text(&e), rows[i][2]))
			fail_msg("%s %s: %s", rows[i][0], str0(rows[i][1]), err_text(&e));
	}
	assert_int_equal(entries(&s, "volumes"), 0);
	store_close(&s);
}

static void options(void **state)
{
	AUTO_DONE(volume_mount_done) struct volume_mount nfs = { 0 }, bind = { 0 }, none = { 0 };
	AUTO_ERR(e);

	assert_int_equal(volume_mount_args(NULL, &none, &e), 1);
	assert_int_equal(volume_mount_args("{}", &none, &e), 1);
	assert_int_equal(volume_mount_args("{\"type\":\"nfs\",\"device\":\":/x\",\"o\":\"addr=10.0.0.1,ro,_netdev,noatime,nfsvers=4.1,rw,,soft\"}", &nfs, &e), 0);
	assert_string_equal(nfs.type, "nfs");
	assert_string_equal(nfs.source, ":/x");
	assert_string_equal(nfs.data, "addr=10.0.0.1,nfsvers=4.1,soft");
	assert_int_equal(nfs.flags, MS_NOATIME);
	assert_int_equal(volume_mount_args("{\"device\":\"/srv\",\"o\":\"rbind,ro,rslave\"}", &bind, &e), 0);
	assert_string_equal(bind.type, "none");
	assert_int_equal(bind.flags, MS_BIND | MS_REC | MS_RDONLY);
	assert_int_equal(bind.propagation, MS_SLAVE | MS_REC);
}

static int image_dir(const struct store *s)
{
	auto_free char *path = at(s, "image"), *link = at(s, "image/link"), *sub = at(s, "image/sub");
	int fd;

	put(s, "image/a", "from the image");
	put(s, "image/sub/b", "below");
	assert_int_equal(symlink("a", link), 0);
	assert_int_equal(chmod(path, 0750), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(path, 1000, 1001), 0);
	assert_int_equal(chmod(sub, 0700), 0);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* In a mount namespace of their own. */
static void mounts(void **state)
{
	struct store s;
	AUTO_ERR(e);
	int status;

	if (geteuid() != 0)
		skip();
	store_open(&s);
	put(&s, "src/file", "bound");
	auto_close int image = image_dir(&s);
	auto_free char *src = at(&s, "src"), *bind = xasprintf("{\"type\":\"none\",\"device\":\"%s\",\"o\":\"bind,ro\"}", src);

	assert_int_equal(create(&s, "ram", "{\"type\":\"tmpfs\",\"device\":\"tmpfs\",\"o\":\"size=1m,mode=0700,nosuid\"}", &e), 0);
	assert_int_equal(create(&s, "bound", bind, &e), 0);
	assert_int_equal(create(&s, "plain", NULL, &e), 0);
	assert_int_equal(create(&s, "cifs", "{\"type\":\"cifs\",\"device\":\"//127.0.0.1/x\",\"o\":\"addr=127.0.0.1,username=u,password=secret\"}", &e), 0);
	pid_t pid = fork();

	if (pid == 0) {
		struct statfs fs;
		AUTO_ERR(why);
		AUTO_ERR(refused_why);
		int fd;

		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(77);
		fd = volume_open(&s.dirs, "ram", &why);
		if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != 0x01021994)
			_exit(1);
		/* the first use copies into what is mounted */
		if (volume_copy_up(&s.dirs, "ram", image, &why) != 0 || faccessat(fd, "sub/b", F_OK, 0) < 0 ||
		    volume_copy_up(&s.dirs, "ram", image, &why) != 1)
			_exit(5);
		fd = volume_open(&s.dirs, "bound", &why);
		if (fd < 0 || faccessat(fd, "file", F_OK, 0) < 0 || openat(fd, "new", O_CREAT | O_WRONLY, 0600) >= 0 || errno != EROFS)
			_exit(2);
		fd = volume_open(&s.dirs, "plain", &why);
		if (fd < 0)
			_exit(3);
		if (volume_open(&s.dirs, "cifs", &refused_why) >= 0 || strstr(err_text(&refused_why), "secret"))
			_exit(4);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WEXITSTATUS(status) != 77)
		assert_int_equal(status, 0);
	store_close(&s);
}

static void check_copied(const struct store *s)
{
	auto_free char *data = at(s, "volumes/vol/data");
	struct stat st;

	check_text(s, "volumes/vol/data/a", "from the image");
	check_text(s, "volumes/vol/data/sub/b", "below");
	assert_int_equal(stat(data, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	if (geteuid() == 0)
		assert_int_equal(st.st_uid, 1000);
	assert_false(there(s, "volumes/vol/new"));
	assert_false(there(s, "volumes/vol/moving"));
	assert_true(there(s, "volumes/vol/copied"));
}

static void copy_up(void **state)
{
	struct store s;
	AUTO_ERR(e);

	store_open(&s);
	auto_close int image = image_dir(&s);

	assert_int_equal(create(&s, "vol", NULL, &e), 0);
	if (volume_copy_up(&s.dirs, "vol", image, &e) < 0)
		fail_msg("%s", err_text(&e));
	check_copied(&s);
	/* once: what the user removes does not come back */
	auto_free char *a = at(&s, "volumes/vol/data/a");

	assert_int_equal(unlink(a), 0);
	assert_int_equal(volume_copy_up(&s.dirs, "vol", image, &e), 1);
	assert_false(there(&s, "volumes/vol/data/a"));
	/* not into what somebody filled */
	assert_int_equal(create(&s, "used", NULL, &e), 0);
	put(&s, "volumes/used/data/lost+found/x", "");
	assert_int_equal(volume_copy_up(&s.dirs, "used", image, &e), 1);
	assert_int_equal(entries(&s, "volumes/used/data"), 1);
	store_close(&s);
}

/* Killed in the middle of the copy, and in the middle of the moves; the user's own file stays. */
static void copy_up_killed(void **state)
{
	for (int moving = 0; moving < 2; moving++) {
		struct store s;
		AUTO_ERR(e);

		store_open(&s);
		auto_close int image = image_dir(&s);

		assert_int_equal(create(&s, "vol", NULL, &e), 0);
		put(&s, "volumes/vol/new/a", moving ? "from the image" : "half a fi");
		if (moving) {
			put(&s, "volumes/vol/moving", "");
			put(&s, "volumes/vol/data/sub/b", "below");
			put(&s, "volumes/vol/data/mine", "mine");
		}
		assert_int_equal(volume_copy_up(&s.dirs, "vol", image, &e), 0);
		check_copied(&s);
		if (moving)
			check_text(&s, "volumes/vol/data/mine", "mine");
		store_close(&s);
	}
}

/* Replicas that start together. */
static void copy_up_together(void **state)
{
	enum { N = 5 };
	struct store s;
	pid_t pids[N];
	AUTO_ERR(e);
	int status, did = 0;

	store_open(&s);
	auto_close int image = image_dir(&s);

	assert_int_equal(create(&s, "vol", NULL, &e), 0);
	for (int i = 0; i < N; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			AUTO_ERR(why);
			int r = volume_copy_up(&s.dirs, "vol", image, &why);

			_exit(r < 0 ? 9 : r);
		}
	}
	for (int i = 0; i < N; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
		did += WEXITSTATUS(status) == 0;
	}
	assert_int_equal(did, 1);
	check_copied(&s);
	store_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(life), cmocka_unit_test(killed_removals), cmocka_unit_test(refused), cmocka_unit_test(options), cmocka_unit_test(mounts),
		cmocka_unit_test(copy_up), cmocka_unit_test(copy_up_killed), cmocka_unit_test(copy_up_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
