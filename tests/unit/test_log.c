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
#include "engine/container/log.h"
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define T0 INT64_C(1700000000123456789)

struct fixture {
	char top[64];
	struct dirs d;
	struct log_spec spec;
};
static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	auto_free char *root = NULL, *run = NULL, *log = NULL, *mark = NULL;
	AUTO_ERR(e);

	snprintf(f->top, sizeof(f->top), "/tmp/test_log.XXXXXX");
	assert_non_null(mkdtemp(f->top));
	root = xasprintf("%s/root", f->top);
	run = xasprintf("%s/run", f->top);
	dirs_init(&f->d, root, run);
	log = dirs_root(&f->d, "containers/c");
	mark = dirs_run(&f->d, "c/c");
	assert_int_equal(file_mkdir_p(log, 0700, &e), 0);
	assert_int_equal(file_mkdir_p(mark, 0700, &e), 0);
	*state = f;
	return 0;
}
static int teardown(void **state)
{
	struct fixture *f = *state;
	AUTO_ERR(e);

	assert_true(file_remove_tree_path(f->top, &e) >= 0);
	dirs_done(&f->d);
	strv_done(&f->spec.options);
	free(f);
	return 0;
}
static struct log_writer *writer(struct fixture *f)
{
	struct log_writer *w = NULL;
	AUTO_ERR(e);

	if (log_writer_open(&f->d, "c", &f->spec, &w, &e) < 0)
		fail_msg("%s", err_text(&e));
	return w;
}
static size_t put(struct log_writer *w, enum log_stream s, const char *text, size_t len, unsigned flags, int64_t t)
{
	AUTO_ERR(e);
	size_t n = 0, off = 0;

	while (off < len) {
		if (log_store(w, s, text + off, len - off, flags, t, &n, &e) < 0)
			fail_msg("%s", err_text(&e));
		if (n == 0)
			break;
		log_stored(w);
		off += n;
	}
	return off;
}
static size_t puts_(struct log_writer *w, const char *text)
{
	return put(w, LOG_STDOUT, text, strlen(text), 0, T0);
}
/* "o:text$|e:text|" of all entries; $ ends a complete line */
static char *read_all(struct fixture *f, int64_t tail, int64_t since, int64_t until)
{
	AUTO(log_reader_close) struct log_reader *r = NULL;
	struct str b = STR_INIT(16 << 20);
	struct log_entry en;
	AUTO_ERR(e);
	int n;

	if (log_reader_open(&f->d, "c", tail, since, until, &r, &e) < 0)
		fail_msg("%s", err_text(&e));
	while ((n = log_reader_next(r, &en, &e)) == 1) {
		str_addf(&b, "%c:", en.stream == LOG_STDERR ? 'e' : 'o');
		str_addn(&b, en.text, en.len);
		str_add(&b, en.complete ? "$|" : "|");
	}
	assert_int_equal(n, 0);
	return str_take(&b);
}
#define assert_log(f, tail, want)                                                                      \
	do {                                                                                           \
		auto_free char *got_ = read_all(f, tail, 0, 0);                                        \
		assert_string_equal(got_, want);                                                       \
	} while (0)
static char *raw(struct fixture *f, const char *name)
{
	auto_free char *path = dirs_root(&f->d, "containers/c/%s", name);
	char *text = NULL;
	AUTO_ERR(e);

	return file_read(path, 64 << 20, &text, NULL, &e) < 0 ? NULL : text;
}

static void lines_and_rest(void **state)
{
	struct fixture *f = *state;
	AUTO(log_writer_close) struct log_writer *w = writer(f);
	auto_free char *text = NULL;

	assert_int_equal(puts_(w, "one\n\nthree\nunfini"), 11); /* the rest stays with the caller */
	assert_int_equal(put(w, LOG_STDERR, "bad\n", 4, 0, T0), 4);
	assert_log(f, -1, "o:one$|o:$|o:three$|e:bad$|");
	assert_int_equal(put(w, LOG_STDOUT, "unfini", 6, LOG_FLUSH, T0), 6);
	assert_log(f, -1, "o:one$|o:$|o:three$|e:bad$|o:unfini|");
	text = raw(f, "json.log");
	assert_non_null(strstr(text, "{\"log\":\"one\\n\",\"stream\":\"stdout\",\"time\":\"2023-11-14T22:13:20.123456789Z\"}\n"));
}
static void odd_bytes(void **state)
{
	struct fixture *f = *state;
	AUTO(log_writer_close) struct log_writer *w = writer(f);
	static const char text[] = "q\"b\\s\tz\0c\x1b[0m\x7f gr\xc3\xbc\xc3\x9f \xe2\x98\x83 \xf0\x9f\x8e\x89 bad\xff\xc3 end\n";
	auto_free char *got = NULL;

	assert_int_equal(put(w, LOG_STDOUT, text, sizeof(text) - 1, 0, T0), sizeof(text) - 1);
	got = read_all(f, -1, 0, 0);
	/* all comes back; what is no UTF-8 as U+FFFD */
	assert_memory_equal(got, "o:q\"b\\s\tz\0c\x1b[0m\x7f gr\xc3\xbc\xc3\x9f \xe2\x98\x83 \xf0\x9f\x8e\x89 bad\xef\xbf\xbd\xef\xbf\xbd end$|",
			    sizeof(text) - 1 + 2 + 4 + 1);
}
static void long_lines_in_pieces(void **state)
{
	struct fixture *f = *state;
	AUTO(log_writer_close) struct log_writer *w = writer(f);
	AUTO(log_reader_close) struct log_reader *r = NULL;
	auto_free char *text = xmalloc(100002);
	struct log_entry en;
	AUTO_ERR(e);
	size_t total = 0, pieces = 0;

	memset(text, 'x', 100000);
	text[100000] = '\n';
	memcpy(text + LOG_LINE - 1, "\xc3\xbc", 2); /* never cut in two */
	assert_int_equal(put(w, LOG_STDOUT, text, 100001, 0, T0), 100001);
	assert_int_equal(log_reader_open(&f->d, "c", -1, 0, 0, &r, &e), 0);
	while (log_reader_next(r, &en, &e) == 1) {
		assert_memory_equal(en.text, text + total, en.len);
		assert_int_equal(en.complete, total + en.len == 100000);
		total += en.len;
		pieces++;
	}
	assert_int_equal(total, 100000);
	assert_int_equal(pieces, 7);
	puts_(w, "last\n");
	{
		auto_free char *got = read_all(f, 2, 0, 0);

		assert_int_equal(strlen(got), 100000 + 6 * 3 + 4 + 8); /* two lines, not two pieces */
	}
}
static void tail(void **state)
{
	struct fixture *f = *state;
	AUTO(log_writer_close) struct log_writer *w = writer(f);

	assert_log(f, 5, "");
	puts_(w, "1\n2\n3\n4 \\n\n");
	assert_log(f, 0, "");
	assert_log(f, 1, "o:4 \\n$|");
	assert_log(f, 3, "o:2$|o:3$|o:4 \\n$|");
	assert_log(f, 4, "o:1$|o:2$|o:3$|o:4 \\n$|");
	assert_log(f, 40, "o:1$|o:2$|o:3$|o:4 \\n$|");
	put(w, LOG_STDOUT, "end", 3, LOG_END, T0);
	assert_log(f, 0, "");
	assert_log(f, 1, "o:end|");
	assert_log(f, 2, "o:4 \\n$|o:end|");
}
static void since_until(void **state)
{
	struct fixture *f = *state;
	AUTO(log_writer_close) struct log_writer *w = writer(f);
	auto_free char *a = NULL, *b = NULL;

	put(w, LOG_STDOUT, "old\n", 4, 0, T0);
	put(w, LOG_STDOUT, "new\n", 4, 0, T0 + 1000);
	a = read_all(f, -1, T0 + 1000, 0);
	assert_string_equal(a, "o:new$|");
	b = read_all(f, -1, 0, T0 + 999);
	assert_string_equal(b, "o:old$|");
}
static void rotation(void **state)
{
	struct fixture *f = *state;
	AUTO(log_writer_close) struct log_writer *w = NULL;
	auto_free char *got = NULL, *rest = NULL;
	struct stat st;

	strv_add(&f->spec.options, "max-size=1k");
	strv_add(&f->spec.options, "max-file=3");
	w = writer(f);
	for (int i = 0; i < 100; i++) {
		char line[32];

		puts_(w, (snprintf(line, sizeof(line), "line %d\n", i), line));
	}
	got = read_all(f, -1, 0, 0);
	assert_non_null(strstr(got, "o:line 99$|"));
	assert_null(strstr(got, "o:line 50$|"));
	rest = read_all(f, 15, 0, 0); /* over a rotated file */
	assert_true(str_starts(rest, "o:line 85$|"));
	assert_true(str_ends(rest, "o:line 99$|"));
	for (int i = 0; i < 3; i++) {
		auto_free char *path = i ? dirs_root(&f->d, "containers/c/json.log.%d", i) : dirs_root(&f->d, "containers/c/json.log");

		assert_int_equal(stat(path, &st), 0);
		assert_true(st.st_size <= 1024);
	}
	assert_null(raw(f, "json.log.3"));
}
static void follow_over_rotation(void **state)
{
	struct fixture *f = *state;
	AUTO(log_writer_close) struct log_writer *w = NULL;
	AUTO(log_reader_close) struct log_reader *r = NULL;
	struct log_entry en;
	struct pollfd p;
	AUTO_ERR(e);
	int next = 0;

	strv_add(&f->spec.options, "max-size=1k");
	strv_add(&f->spec.options, "max-file=20");
	assert_int_equal(log_reader_open(&f->d, "c", -1, 0, 0, &r, &e), 0);
	p = (struct pollfd){ .fd = log_reader_watch_fd(r, &e), .events = POLLIN };
	assert_true(p.fd >= 0);
	assert_int_equal(log_reader_next(r, &en, &e), 0);
	w = writer(f);
	for (int i = 0; i < 150; i++) {
		char line[32];

		puts_(w, (snprintf(line, sizeof(line), "%d\n", i), line));
		if (i % 37)
			continue; /* several rotations between two looks */
		assert_int_equal(poll(&p, 1, 1000), 1);
		log_reader_drain(r);
		while (log_reader_next(r, &en, &e) == 1) {
			assert_int_equal(strtol(en.text, NULL, 10), next);
			next++;
		}
		assert_int_equal(next, i + 1);
	}
}
/* A monitor killed between any two steps: what hold has decides. */
static void recovery(void **state)
{
	struct fixture *f = *state;
	struct log_writer *w = writer(f);
	AUTO_ERR(e);
	size_t n, held[LOG_STREAMS] = { 0 };

	puts_(w, "a\n");
	/* killed after the write, before the bytes were taken away: 4 are held still */
	assert_int_equal(log_store(w, LOG_STDOUT, "b\nxx", 4, 0, T0, &n, &e), 0);
	assert_int_equal(n, 2);
	log_writer_close(w);
	w = writer(f);
	held[LOG_STDOUT] = 4;
	assert_int_equal(log_recover(w, held, &e), 0);
	assert_log(f, -1, "o:a$|");
	puts_(w, "b\n");
	/* killed after they were taken away: 2 are left */
	assert_int_equal(log_store(w, LOG_STDOUT, "c\nxx", 4, 0, T0, &n, &e), 0);
	log_writer_close(w);
	w = writer(f);
	held[LOG_STDOUT] = 2;
	assert_int_equal(log_recover(w, held, &e), 0);
	assert_log(f, -1, "o:a$|o:b$|o:c$|");
	/* killed in the middle of the write: half a record */
	{
		auto_free char *path = dirs_root(&f->d, "containers/c/json.log");
		int fd = open(path, O_WRONLY | O_APPEND);

		assert_int_equal(write(fd, "{\"log\":\"tor", 11), 11);
		close(fd);
	}
	log_writer_close(w);
	w = writer(f);
	held[LOG_STDOUT] = 2;
	assert_int_equal(log_recover(w, held, &e), 0);
	puts_(w, "d\n");
	assert_log(f, -1, "o:a$|o:b$|o:c$|o:d$|");
	log_writer_close(w);
}
static void driver_none(void **state)
{
	struct fixture *f = *state;
	AUTO(log_writer_close) struct log_writer *w = NULL;

	f->spec.driver = (char *)"none";
	w = writer(f);
	assert_int_equal(puts_(w, "gone\nrest"), 9);
	assert_null(raw(f, "json.log"));
	assert_log(f, -1, "");
}
static void bad_options(void **state)
{
	struct fixture *f = *state;
	struct log_writer *w = NULL;
	AUTO_ERR(e);

	strv_add(&f->spec.options, "max-file=0");
	assert_true(log_writer_open(&f->d, "c", &f->spec, &w, &e) < 0);
	assert_non_null(strstr(err_text(&e), "max-file"));
}
static void foreign_records(void **state)
{
	struct fixture *f = *state;
	auto_free char *path = dirs_root(&f->d, "containers/c/json.log");
	static const char text[] =
		"{\"log\":\"docker\\u003c\\n\",\"stream\":\"stderr\",\"time\":\"2023-11-14T22:13:20.5Z\"}\n"
		"not json\n{\"log\":\"no time\\n\"}\n{\"log\":\"bad \\q\\n\",\"stream\":\"stdout\",\"time\":\"2023-11-14T22:13:20Z\"}\n"
		"{\"log\":\"attrs \\ud83c\\udf89\\n\",\"stream\":\"stdout\",\"attrs\":{\"a\":\"b\"},\"time\":\"2023-11-14T22:13:20Z\"}\n"
		"{\"log\":\"ok \\ud83c\\udf89\\n\",\"stream\":\"stdout\",\"time\":\"2023-11-14T22:13:20Z\"}\n{\"log\":\"half";
	AUTO_ERR(e);

	assert_int_equal(file_replace(path, text, sizeof(text) - 1, 0600, false, &e), 0);
	assert_log(f, -1, "e:docker<$|o:ok \xf0\x9f\x8e\x89$|");
	assert_log(f, 1, "o:ok \xf0\x9f\x8e\x89$|");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(lines_and_rest), T(odd_bytes), T(long_lines_in_pieces), T(tail), T(since_until), T(rotation),
		T(follow_over_rotation), T(recovery), T(driver_none), T(bad_options), T(foreign_records),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
