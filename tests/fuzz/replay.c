/* SPDX-License-Identifier: MIT
 *
 * tests/fuzz/replay.c - main() of a fuzzer without libFuzzer: runs the files or folders given, or the corpus that belongs to its
 * name (fuzz_yaml: tests/fuzz/corpus/yaml), each once. Skipped (77) when there is none.
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "tests/fuzz/fuzz.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static int run_file(const char *path)
{
	auto_free char *text = NULL;
	size_t len;
	AUTO_ERR(e);

	if (file_read(path, 64 << 20, &text, &len, &e) < 0) {
		fprintf(stderr, "%s\n", err_text(&e));
		return 1;
	}
	LLVMFuzzerTestOneInput((const uint8_t *)text, len);
	return 0;
}

static int run(const char *path, size_t *n)
{
	DIR *d = opendir(path);
	int r = 0;

	if (!d) {
		++*n;
		return run_file(path);
	}
	for (struct dirent *x; (x = readdir(d));)
		if (x->d_name[0] != '.') {
			auto_free char *file = path_join(path, x->d_name);

			++*n;
			r |= run_file(file);
		}
	closedir(d);
	return r;
}

int main(int argc, char **argv)
{
	const char *src = getenv("srcdir"), *name = str_after(path_base(argv[0]), "fuzz_");
	auto_free char *corpus = xasprintf("%s/tests/fuzz/corpus/%s", src ? src : ".", name ? name : "none");
	size_t n = 0;
	int r = 0;

	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++)
		r |= run(argv[i], &n);
	if (argc == 1) {
		if (!file_exists(corpus)) {
			printf("no %s\n", corpus);
			return 77;
		}
		r = run(corpus, &n);
	}
	printf("%zu inputs\n", n);
	return r;
}
