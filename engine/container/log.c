/* SPDX-License-Identifier: MIT
 *
 * engine/container/log.c - the writing half of json-file logs: lines -> records, rotation, the mark
 */
#include "engine/container/log.h"
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/num.h"
#include "base/str.h"
#include "base/time.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOG_FILES_MAX = 1000, RECORD_OVERHEAD = 96, LOG_MODE = 0640 };
static const int64_t max_size_default = 10 << 20, max_size_local = 20 << 20;

enum mark_phase { MARK_IDLE, MARK_WRITING };
struct mark {
	uint32_t phase, stream;
	int64_t base;          /* size of json.log before the record(s) under way */
	uint64_t held, stored; /* bytes that the stream held, and how many of them this write stores */
};
struct log_writer {
	char *dir;
	bool off;              /* driver none: everything counts as stored */
	int64_t max_size;      /* -1: unbounded */
	int64_t max_file;
	int fd, mark;
	int64_t size;
	uint64_t lost;         /* bytes dropped since the last success */
	char *buf;             /* LOG_BUF, only while there is something to write */
	size_t len;
};

static int read_options(struct log_writer *w, const struct log_spec *spec, struct err *e)
{
	const char *driver = spec->driver ? spec->driver : "json-file";
	const char *size = strv_env_get(&spec->options, "max-size"), *files = strv_env_get(&spec->options, "max-file");
	bool local = streq(driver, "local");

	w->off = streq(driver, "none");
	w->max_size = local ? max_size_local : max_size_default;
	w->max_file = local ? 5 : 3;
	if (size && (streq(size, "-1") || streq(size, "0")))
		w->max_size = -1;
	else if (size && num_bytes(size, &w->max_size, e) < 0)
		return err_wrap(e, "log option max-size");
	if (files && num_int(files, 1, LOG_FILES_MAX, &w->max_file, e) < 0)
		return err_wrap(e, "log option max-file");
	return 0;
}
/* A power cut may leave half a record at the end: cut it off, so that the next one begins on a line of its own. */
static int cut_torn_record(struct log_writer *w, struct err *e)
{
	char tail[4096];

	while (w->size > 0) {
		size_t want = w->size < (int64_t)sizeof(tail) ? (size_t)w->size : sizeof(tail);
		ssize_t n = pread(w->fd, tail, want, w->size - (int64_t)want);
		const char *nl;

		if (n != (ssize_t)want)
			return err_sys(e, "read '%s/json.log'", w->dir);
		nl = memrchr(tail, '\n', want);
		if (nl == tail + want - 1)
			return 0;
		w->size -= nl ? tail + want - nl - 1 : (int64_t)want;
		if (ftruncate(w->fd, w->size) < 0)
			return err_sys(e, "truncate '%s/json.log'", w->dir);
	}
	return 0;
}
static int open_log(struct log_writer *w, int flags, struct err *e)
{
	auto_free char *path = xasprintf("%s/json.log", w->dir);
	struct stat st;

	w->fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | flags, LOG_MODE);
	if (w->fd < 0 || fstat(w->fd, &st) < 0)
		return err_sys(e, "open '%s'", path);
	w->size = st.st_size;
	return 0;
}
static int open_mark(struct log_writer *w, const struct dirs *d, const char *id, struct err *e)
{
	auto_free char *folder = dirs_run(d, "c/%s", id), *mark = dirs_run(d, "c/%s/log.mark", id);

	TRY(file_mkdir_p(folder, 0700, e));
	w->mark = open(mark, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return w->mark < 0 ? err_sys(e, "open '%s'", mark) : 0;
}
int log_writer_open(const struct dirs *d, const char *id, const struct log_spec *spec, struct log_writer **ret, struct err *e)
{
	AUTO(log_writer_close) struct log_writer *w = xcalloc(1, sizeof(*w));

	w->fd = w->mark = -1;
	w->dir = dirs_root(d, "containers/%s", id);
	TRY(read_options(w, spec, e));
	if (!w->off) {
		if (open_log(w, 0, e) < 0) { /* made with the first line: many containers never write one */
			if (e->code != ENOENT)
				return -e->code;
			err_clear(e);
		}
		TRY(open_mark(w, d, id, e));
	}
	*ret = TAKE(w);
	return 0;
}
int log_writer_renew(struct log_writer *w, const struct dirs *d, const char *id, struct err *e)
{
	if (w->mark < 0)
		return 0;
	close(TAKE_FD(w->mark));
	return open_mark(w, d, id, e);
}
void log_writer_close(struct log_writer *w)
{
	if (!w)
		return;
	if (w->fd >= 0)
		close(w->fd);
	if (w->mark >= 0)
		close(w->mark);
	free(w->dir);
	free(w->buf);
	free(w);
}

static void put_mark(struct log_writer *w, const struct mark *m)
{
	/* tmpfs; where even that fails, a kill in this very moment could store a chunk twice */
	(void)!pwrite(w->mark, m, sizeof(*m), 0);
}
int log_recover(struct log_writer *w, const size_t held[LOG_STREAMS], struct err *e)
{
	struct mark m = { 0 };

	if (w->off)
		return 0;
	if (w->fd < 0) {
		log_stored(w);
		return 0;
	}
	if (pread(w->mark, &m, sizeof(m), 0) == sizeof(m) && m.phase == MARK_WRITING && m.stream < LOG_STREAMS &&
	    held[m.stream] == m.held && m.base < w->size) {
		if (ftruncate(w->fd, m.base) < 0)
			return err_sys(e, "truncate '%s/json.log'", w->dir);
		w->size = m.base;
	}
	log_stored(w);
	return cut_torn_record(w, e);
}
void log_stored(struct log_writer *w)
{
	if (!w->off)
		put_mark(w, &(struct mark){ .phase = MARK_IDLE });
}

/* Length of a valid UTF-8 sequence at P, 0: invalid, -1: cut off by the end. */
static int utf8_len(const unsigned char *p, size_t n)
{
	unsigned need = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3 :
			p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;

	if (need <= 1)
		return (int)need;
	if (n > 1 && ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
		      (p[0] == 0xf4 && p[1] > 0x8f)))
		return 0;
	for (unsigned i = 1; i < need; i++) {
		if (i >= n)
			return -1;
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return (int)need;
}
/* As encoding/json does it, without HTML escapes. Writes at most 6 bytes for each byte of TEXT. */
static size_t put_json_string(char *to, const char *text, size_t n)
{
	static const char short_for[32] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r' };
	static const char hex[] = "0123456789abcdef";
	const unsigned char *p = (const unsigned char *)text, *end = p + n;
	char *q = to;

	while (p < end) {
		int len = utf8_len(p, (size_t)(end - p));

		if (len > 1) {
			memcpy(q, p, (size_t)len);
			q += len;
			p += len;
		} else if (len <= 0) {
			memcpy(q, "\\ufffd", 6);
			q += 6;
			p++;
		} else {
			unsigned char c = *p++;

			if (c == '"' || c == '\\') {
				*q++ = '\\';
				*q++ = (char)c;
			} else if (c < 32 && short_for[c]) {
				*q++ = '\\';
				*q++ = short_for[c];
			} else if (c < 32 || c == 127) {
				memcpy(q, "\\u00", 4);
				q[4] = hex[c >> 4];
				q[5] = hex[c & 15];
				q += 6;
			} else {
				*q++ = (char)c;
			}
		}
	}
	return (size_t)(q - to);
}
static void put_record(struct log_writer *w, enum log_stream s, const char *text, size_t n, const char *time)
{
	char *q = w->buf + w->len;

	q = mempcpy(q, "{\"log\":\"", 8);
	q += put_json_string(q, text, n);
	q += snprintf(q, RECORD_OVERHEAD - 8, "\",\"stream\":\"%s\",\"time\":\"%s\"}\n", s == LOG_STDERR ? "stderr" : "stdout", time);
	w->len = (size_t)(q - w->buf);
}
/* How much of P is the next piece: a line with its \n, LOG_LINE bytes of a longer one, or (FLUSH) what there is. 0: wait for more. */
static size_t next_piece(const char *p, size_t n, unsigned flags)
{
	const char *nl = memchr(p, '\n', MIN(n, (size_t)LOG_LINE));
	size_t len = MIN(n, (size_t)LOG_LINE), back = 1;

	if (nl)
		return (size_t)(nl - p) + 1;
	if (n < LOG_LINE && !(flags & LOG_FLUSH))
		return 0;
	if (flags == LOG_END && n <= LOG_LINE)
		return n;
	/* do not cut a character in two */
	while (back < 4 && back < len && ((unsigned char)p[len - back] & 0xc0) == 0x80)
		back++;
	if (back <= len && utf8_len((const unsigned char *)p + len - back, back) < 0)
		len -= back;
	return len;
}
static size_t encode(struct log_writer *w, enum log_stream s, const char *p, size_t n, unsigned flags, const char *time)
{
	size_t done = 0;

	while (done < n) {
		size_t len = next_piece(p + done, n - done, flags);

		if (len == 0 || w->len + len * 6 + RECORD_OVERHEAD > LOG_BUF)
			break;
		put_record(w, s, p + done, len, time);
		done += len;
	}
	return done;
}

static int rotate(struct log_writer *w, struct err *e)
{
	auto_free char *from = NULL, *to = NULL;
	int old = w->fd;

	FP("log.rotate", e);
	for (int64_t i = w->max_file - 1; i >= 1; i--) {
		free(from);
		free(to);
		from = i == 1 ? xasprintf("%s/json.log", w->dir) : xasprintf("%s/json.log.%d", w->dir, (int)i - 1);
		to = xasprintf("%s/json.log.%d", w->dir, (int)i);
		if (rename(from, to) < 0 && errno != ENOENT)
			return err_sys(e, "rename '%s'", from);
	}
	if (w->max_file == 1) {
		from = xasprintf("%s/json.log", w->dir);
		(void)unlink(from);
	}
	if (open_log(w, O_CREAT, e) < 0) {
		w->fd = old;
		return e->code ? -e->code : -EIO;
	}
	close(old);
	return 0;
}
/* One record that tells of what was lost goes before what can be stored again. */
static void put_lost(struct log_writer *w, const char *time)
{
	char text[128];
	int n = snprintf(text, sizeof(text), "[gantry: %llu bytes of output are missing here: the log could not be written]\n",
			 (unsigned long long)w->lost);

	put_record(w, LOG_STDERR, text, (size_t)n, time);
}
static int write_out(struct log_writer *w, const struct mark *m, struct err *e)
{
	ssize_t n;

	put_mark(w, m);
	FP("log.write", e);
	n = write(w->fd, w->buf, w->len);
	if (n == (ssize_t)w->len) {
		w->size += n;
		return 0;
	}
	if (n >= 0)
		errno = ENOSPC;
	(void)err_sys(e, "write '%s/json.log'", w->dir);
	if (n > 0)
		(void)!ftruncate(w->fd, w->size);
	return -e->code;
}
int log_store(struct log_writer *w, enum log_stream s, const char *p, size_t len, unsigned flags, int64_t now_ns, size_t *ret_n,
	      struct err *e)
{
	char time[TIME_TEXT];
	size_t n;
	int r = 0;

	*ret_n = len;
	if (w->off)
		return 0;
	if (!w->buf)
		w->buf = xmalloc(LOG_BUF);
	w->len = 0;
	time_rfc3339(now_ns, time);
	if (w->lost)
		put_lost(w, time);
	n = encode(w, s, p, len, flags, time);
	if (n > 0) {
		if (w->fd < 0)
			r = open_log(w, O_CREAT, e);
		if (r >= 0 && w->max_size > 0 && w->size > 0 && w->size + (int64_t)w->len > w->max_size)
			r = rotate(w, e);
		if (r >= 0)
			r = write_out(w, &(struct mark){ MARK_WRITING, s, w->size, len, n }, e);
	}
	if (w->len <= LOG_BUF / 8) { /* a busy writer keeps its buffer, an idle one has none */
		free(w->buf);
		w->buf = NULL;
	}
	*ret_n = n;
	if (n == 0)
		return 0;
	if (r >= 0) {
		w->lost = 0;
		return 0;
	}
	w->lost += n;
	if (w->lost == n)
		return r; /* the first of a run of failures */
	err_clear(e);
	return 0;
}
