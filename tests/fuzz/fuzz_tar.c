/* SPDX-License-Identifier: MIT
 *
 * fuzz_tar: a layer, compressed or not, unpacked into a folder of its own. Nothing beside that folder may change, and what is written stays below the
 * limits. The first byte chooses the form of whiteouts and how the bytes come; header checksums are set right, or no change would get past them.
 */
#include "tests/fuzz/fuzz.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/image/layer.h"
#include "engine/image/tar.h"
#include "tests/unit/tarmaker.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BYTES = 1 << 20, ENTRIES = 200, INPUT = 1 << 20 };

static char place[64];

static void clean_up(void)
{
	AUTO_ERR(e);

	(void)file_remove_tree_path(place, &e);
}

static void prepare(void)
{
	AUTO_ERR(e);

	if (*place)
		return;
	snprintf(place, sizeof(place), "/tmp/gantry-fuzz-XXXXXX");
	BUG_ON(!mkdtemp(place) || tar_prepare(&e) < 0);
	atexit(clean_up);
	auto_free char *canary = xasprintf("%s/canary", place);

	BUG_ON(file_replace(canary, "untouched", 9, 0600, false, &e) < 0);
}

/* What looks like a header gets the checksum that it needs. */
static void set_checksums(unsigned char *p, size_t n)
{
	for (size_t at = 0; at + 512 <= n; at += 512) {
		unsigned sum = 0;
		char text[9];

		if (memcmp(p + at + 257, "ustar", 5) != 0)
			continue;
		memset(p + at + 148, ' ', 8);
		for (int i = 0; i < 512; i++)
			sum += p[at + i];
		snprintf(text, sizeof(text), "%06o", sum);
		memcpy(p + at + 148, text, 7);
	}
}

static void check_beside(void)
{
	auto_free char *canary = xasprintf("%s/canary", place), *text = NULL;
	DIR *dir = opendir(place);
	struct stat st;
	int n = 0;
	AUTO_ERR(e);

	while (readdir(dir))
		n++;
	closedir(dir);
	BUG_ON(n != 4);
	BUG_ON(file_read(canary, 100, &text, NULL, &e) < 0 || !streq(text, "untouched"));
	BUG_ON(stat(canary, &st) < 0 || (st.st_mode & 07777) != 0600 || st.st_nlink != 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *root = NULL;
	auto_free unsigned char *copy = NULL;
	AUTO(inflate_free) struct inflate *z = NULL;
	struct layer_unpacked done = { 0 };
	AUTO_ERR(e);

	prepare();
	if (size < 1 || size > INPUT)
		return 0;
	root = xasprintf("%s/root", place);
	BUG_ON(mkdir(root, 0700) < 0);
	auto_close int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct layer_unpack u = { .rootfd = fd, .form = geteuid() == 0 && (data[0] & 1) ? WHITEOUT_DEVICE : WHITEOUT_FILE, .no_owner = true,
		.max_bytes = BYTES, .max_entries = ENTRIES };

	copy = xmemdup(data + 1, size - 1);
	set_checksums(copy, size - 1);
	struct memory_bytes in = memory_bytes(copy, size - 1, data[0] & 2 ? 1000 : 1 << 16);

	if (inflate_open(&in.b, &z, &e) >= 0 && layer_unpack(inflate_bytes(z), &u, &done, &e) >= 0)
		BUG_ON(done.size > BYTES || done.entries > ENTRIES);
	else
		BUG_ON(!*err_text(&e));
	check_beside();
	err_clear(&e);
	BUG_ON(file_remove_tree_path(root, &e) < 0);
	return 0;
}
