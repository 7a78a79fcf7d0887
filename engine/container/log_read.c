/* SPDX-License-Identifier: MIT
 *
 * engine/container/log_read.c - the reading half of json-file logs: tail, since, until, follow over rotation
 *
 * A reader holds the file it is in, oldest first. json.log.2 -> json.log.1 -> json.log: at the end of a file its successor is the one
 * that has the next lower number now, found by inode, so rotation in the middle of reading is just a walk. Records that cannot be
 * read (half a record after a power cut, foreign lines) are skipped.
 */
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/time.h"
#include "engine/container/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOG_FILES_MAX = 1000, READ_BUF = LOG_BUF };

struct log_reader {
	char *dir;
	int fd;             /* -1: no file yet */
	struct stat at;     /* which file fd is */
	int watch;
	int64_t since, until;
	bool over;          /* until was passed */
	char *buf;          /* READ_BUF bytes; [pos, len) is unread */
	size_t pos, len;
	bool skip;          /* in a record too long to be ours: skip to its end */
	char *text;         /* the entry's text, unescaped */
};

static char *file_name(const struct log_reader *r, int i)
{
	return i == 0 ? xasprintf("%s/json.log", r->dir) : xasprintf("%s/json.log.%d", r->dir, i);
}
static int open_number(const struct log_reader *r, int i)
{
	auto_free char *path = file_name(r, i);

	return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}
static bool stat_number(const struct log_reader *r, int i, struct stat *st)
{
	auto_free char *path = file_name(r, i);

	return lstat(path, st) == 0;
}
static int oldest(const struct log_reader *r)
{
	struct stat st;
	int i = 0;

	while (i < LOG_FILES_MAX && stat_number(r, i + 1, &st))
		i++;
	return i;
}
static void use_fd(struct log_reader *r, int fd)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = fd;
	r->pos = r->len = 0;
	r->skip = false;
	if (fd >= 0 && fstat(fd, &r->at) < 0)
		memset(&r->at, 0, sizeof(r->at));
}
static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}
/* The file after the present one. False: it is the newest. */
static bool next_file(struct log_reader *r)
{
	struct stat st;
	int n = oldest(r), fd;

	for (int i = 0; i <= n; i++) {
		if (!stat_number(r, i, &st) || !same_file(&st, &r->at))
			continue;
		if (i == 0)
			return false;
		fd = open_number(r, i - 1);
		if (fd < 0)
			return false; /* being rotated just now: its inotify event brings us back */
		use_fd(r, fd);
		return true;
	}
	fd = open_number(r, n); /* ours was rotated away: the oldest that is left follows */
	if (fd < 0)
		return false;
	use_fd(r, fd);
	return true;
}

/* ---- records ---- */
static size_t put_utf8(char *q, unsigned c)
{
	if (c < 0x80) {
		q[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		q[0] = (char)(0xc0 | c >> 6);
		q[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		q[0] = (char)(0xe0 | c >> 12);
		q[1] = (char)(0x80 | (c >> 6 & 63));
		q[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	q[0] = (char)(0xf0 | c >> 18);
	q[1] = (char)(0x80 | (c >> 12 & 63));
	q[2] = (char)(0x80 | (c >> 6 & 63));
	q[3] = (char)(0x80 | (c & 63));
	return 4;
}
static bool hex4(const char *p, const char *end, unsigned *ret)
{
	unsigned v = 0;

	if (end - p < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		unsigned d = c >= '0' && c <= '9' ? (unsigned)(c - '0') : (c | 32) >= 'a' && (c | 32) <= 'f' ? (unsigned)((c | 32) - 'a' + 10) : 16;

		if (d > 15)
			return false;
		v = v << 4 | d;
	}
	*ret = v;
	return true;
}
/* Unescapes the JSON string that begins after the quote at P into TO (never longer than the source); returns the place behind its
 * closing quote, or NULL. */
static const char *get_string(const char *p, const char *end, char *to, size_t *ret_len)
{
	static const char plain[128] = { ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t' };
	char *q = to;

	while (p < end && *p != '"') {
		unsigned c, low;

		if (*p != '\\') {
			*q++ = *p++;
			continue;
		}
		if (++p >= end)
			return NULL;
		if (*p != 'u') {
			if ((unsigned char)*p >= 128 || !plain[(unsigned char)*p])
				return NULL;
			*q++ = plain[(unsigned char)*p++];
			continue;
		}
		if (!hex4(p + 1, end, &c))
			return NULL;
		p += 5;
		if (c >= 0xd800 && c < 0xdc00 && end - p > 6 && p[0] == '\\' && p[1] == 'u' && hex4(p + 2, end, &low) && low >= 0xdc00 && low < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			p += 6;
		} else if (c >= 0xd800 && c < 0xe000) {
			c = 0xfffd;
		}
		q += put_utf8(q, c);
	}
	*ret_len = (size_t)(q - to);
	return p < end ? p + 1 : NULL;
}
/* One record of [P, END). Keys in any order, values strings; others (docker's "attrs") end it. */
static bool parse_record(struct log_reader *r, const char *p, const char *end, struct log_entry *ret)
{
	char key[16], value[64];
	bool have_log = false, have_time = false;

	*ret = (struct log_entry){ .text = r->text };
	if (p >= end || *p++ != '{')
		return false;
	while (p < end && *p == '"') {
		const char *k = p + 1, *kend = memchr(k, '"', (size_t)(end - k));
		size_t n;

		if (!kend || kend - k >= (ptrdiff_t)sizeof(key) || end - kend < 3 || kend[1] != ':' || kend[2] != '"')
			break;
		*(char *)mempcpy(key, k, (size_t)(kend - k)) = 0;
		p = kend + 3;
		if (strcmp(key, "log") == 0) {
			p = get_string(p, end, r->text, &ret->len);
			if (!p)
				return false;
			have_log = true;
		} else {
			const char *q = memchr(p, '"', (size_t)(end - p));
			AUTO_ERR(ignored);

			if (!q || q - p >= (ptrdiff_t)sizeof(value))
				break;
			*(char *)mempcpy(value, p, (size_t)(q - p)) = 0;
			p = q + 1;
			if (strcmp(key, "stream") == 0)
				ret->stream = strcmp(value, "stderr") == 0 ? LOG_STDERR : LOG_STDOUT;
			else if (strcmp(key, "time") == 0)
				have_time = time_parse(value, 0, &ret->time_ns, &ignored) >= 0;
		}
		n = p < end && *p == ',';
		p += n;
	}
	if (!have_log || !have_time)
		return false;
	if (ret->len > 0 && r->text[ret->len - 1] == '\n') {
		ret->complete = true;
		ret->len--;
	}
	return true;
}
/* Is the record that ends before END (without its newline) one that ends a line? Looks only at its tail. */
static bool ends_line(const char *start, const char *end)
{
	static const char mark[] = "\\n\",\"stream\":\"";
	const size_t n = sizeof(mark) - 1;

	for (const char *p = end - n; p >= start && p > end - 96; p--)
		if (memcmp(p, mark, n) == 0) {
			size_t slashes = 0;

			while (p - slashes > start && p[-1 - (ptrdiff_t)slashes] == '\\')
				slashes++;
			return slashes % 2 == 0;
		}
	return false;
}

/* Places the reader at the last TAIL lines: walks blocks backward from the end, over files. */
struct back {
	int64_t left;     /* lines still wanted, and one more: the end of the line before them */
	int64_t offset;   /* result in the file */
	bool found;
};
static int walk_back(struct log_reader *r, int fd, struct back *b, struct err *e)
{
	auto_free char *block = xmalloc(READ_BUF);
	struct stat st;
	int64_t end; /* of what is not looked at: a record boundary */

	if (fstat(fd, &st) < 0)
		return err_sys(e, "stat '%s/json.log'", r->dir);
	end = st.st_size;
	while (end > 0 && !b->found) {
		size_t want = end < READ_BUF ? (size_t)end : READ_BUF;
		ssize_t n = pread(fd, block, want, end - (int64_t)want);
		const char *stop;

		if (n != (ssize_t)want)
			return n < 0 ? err_sys(e, "read '%s/json.log'", r->dir) : 0;
		stop = block + want;
		if (stop[-1] != '\n') { /* half a record, being written */
			const char *nl = memrchr(block, '\n', want);

			if (!nl)
				return 0;
			stop = nl + 1;
		}
		while (stop > block) {
			const char *nl = memrchr(block, '\n', (size_t)(stop - 1 - block));
			const char *start = nl ? nl + 1 : block;

			if (!nl && end > (int64_t)want && start == block && stop != block + want)
				break; /* begins before this block: look at it again with the next one */
			if (ends_line(start, stop - 1) && --b->left == 0) {
				b->offset = end - (int64_t)want + (stop - block);
				b->found = true;
				return 0;
			}
			stop = start;
		}
		end -= (int64_t)want - (stop - block);
	}
	return 0;
}
static int seek_tail(struct log_reader *r, int64_t tail, struct err *e)
{
	struct back b = { .left = tail + 1 };
	struct stat st;
	int n = oldest(r), fd = -1;

	for (int i = 0; i <= (tail == 0 ? 0 : n) && !b.found; i++) {
		int older = open_number(r, i);

		if (older < 0)
			continue;
		if (fd >= 0)
			close(fd);
		fd = older;
		/* an unfinished last line counts as a line */
		if (i == 0 && tail > 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
			char last[128];
			size_t len = MIN((size_t)st.st_size, sizeof(last));

			if (pread(fd, last, len, st.st_size - (off_t)len) == (ssize_t)len && last[len - 1] == '\n' &&
			    !ends_line(last, last + len - 1))
				b.left--;
		}
		if (tail > 0 && walk_back(r, fd, &b, e) < 0) {
			close(fd);
			return -e->code;
		}
	}
	use_fd(r, fd);
	if (fd >= 0 && lseek(fd, b.found ? b.offset : 0, tail == 0 ? SEEK_END : SEEK_SET) < 0)
		return err_sys(e, "seek in '%s/json.log'", r->dir);
	return 0;
}

int log_reader_open(const struct dirs *d, const char *id, int64_t tail, int64_t since_ns, int64_t until_ns, struct log_reader **ret, struct err *e)
{
	AUTO(log_reader_close) struct log_reader *r = xcalloc(1, sizeof(*r));

	r->fd = r->watch = -1;
	r->since = since_ns;
	r->until = until_ns;
	r->dir = dirs_root(d, "containers/%s", id);
	r->buf = xmalloc(READ_BUF);
	r->text = xmalloc(READ_BUF);
	if (tail >= 0)
		TRY(seek_tail(r, tail, e));
	else
		use_fd(r, open_number(r, oldest(r)));
	*ret = TAKE(r);
	return 0;
}
void log_reader_close(struct log_reader *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	if (r->watch >= 0)
		close(r->watch);
	free(r->dir);
	free(r->buf);
	free(r->text);
	free(r);
}

/* More bytes of the present file: 1, or 0 at its end. */
static int fill(struct log_reader *r, struct err *e)
{
	ssize_t n;

	if (r->pos > 0) {
		memmove(r->buf, r->buf + r->pos, r->len - r->pos);
		r->len -= r->pos;
		r->pos = 0;
	}
	if (r->len == READ_BUF) {
		r->skip = true;
		r->len = 0;
	}
	n = read(r->fd, r->buf + r->len, READ_BUF - r->len);
	if (n < 0)
		return err_sys(e, "read '%s/json.log'", r->dir);
	r->len += (size_t)n;
	return n > 0;
}
/* A writer that recovers cuts what it will write again, byte by byte as long; should the file end before our place, begin at its end. */
static void check_shrunk(struct log_reader *r)
{
	struct stat st;
	off_t at = lseek(r->fd, 0, SEEK_CUR);

	if (fstat(r->fd, &st) == 0 && st.st_size < at - (off_t)(r->len - r->pos))
		r->pos = r->len; /* what is buffered was cut; reading goes on where it will have grown back */
}
int log_reader_next(struct log_reader *r, struct log_entry *ret, struct err *e)
{
	bool last_look = false;

	for (;;) {
		char *start = r->buf + r->pos, *nl = memchr(start, '\n', r->len - r->pos);

		if (r->over)
			return 0;
		if (nl) {
			bool skip = r->skip;

			r->pos = (size_t)(nl + 1 - r->buf);
			r->skip = false;
			if (skip || !parse_record(r, start, nl, ret) || (r->since && ret->time_ns < r->since))
				continue;
			if (r->until && ret->time_ns > r->until) {
				r->over = true;
				return 0;
			}
			return 1;
		}
		if (r->fd >= 0) {
			int n = fill(r, e);

			if (n != 0) {
				if (n < 0)
					return n;
				continue;
			}
			check_shrunk(r);
		}
		if (r->fd < 0) {
			int fd = open_number(r, oldest(r));

			if (fd < 0)
				return 0;
			use_fd(r, fd);
			continue;
		}
		/* The end of this file. When it is not the newest any more, what came between our read and the rename is read first. */
		if (!last_look) {
			struct stat st;

			if (stat_number(r, 0, &st) && same_file(&st, &r->at))
				return 0;
			last_look = true;
			continue;
		}
		if (!next_file(r))
			return 0;
		last_look = false;
	}
}
int log_reader_watch_fd(struct log_reader *r, struct err *e)
{
	if (r->watch >= 0)
		return r->watch;
	r->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (r->watch < 0)
		return err_sys(e, "watch '%s'", r->dir);
	if (inotify_add_watch(r->watch, r->dir, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR) < 0) {
		int code = err_sys(e, "watch '%s'", r->dir);

		close(r->watch);
		r->watch = -1;
		return code;
	}
	return r->watch;
}
void log_reader_drain(struct log_reader *r)
{
	char buf[4096];

	while (r->watch >= 0 && read(r->watch, buf, sizeof(buf)) > 0)
		;
}
