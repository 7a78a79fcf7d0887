/* SPDX-License-Identifier: MIT
 *
 * engine/container/log.h - json-file logs: {"log":"line\n","stream":"stdout","time":"RFC3339Nano"} per line
 *
 * Written by the monitor only, read by anybody without it. Rotation: json.log -> json.log.1 -> …, max-size (default 10m) and max-file
 * (default 3); "max-size=-1" is unbounded. Lines longer than 16 KiB are stored in pieces of which only the last ends in \n (as docker does).
 */
#pragma once
#include "base/auto.h"
#include "engine/container/spec.h"
#include <stdbool.h>
#include <stdint.h>

struct dirs;
struct err;
enum log_stream { LOG_STDOUT, LOG_STDERR };

/* Writing. Bytes go in as they come; the writer keeps the unfinished line of each stream (bounded). */
struct log_writer;
int log_writer_open(const struct dirs *d, const struct ctr_spec *spec, struct log_writer **ret, struct err *e);
void log_writer_close(struct log_writer *w); /* flushes unfinished lines */
/* -ENOSPC and the like: the bytes are counted as dropped, the container is not blocked; the next success writes a line that says so. */
int log_write(struct log_writer *w, enum log_stream s, const char *p, size_t n, int64_t now_ns, struct err *e);
/* Does the last stored chunk of the stream end with these bytes? (a new monitor asks before storing a chunk that a dead one may have stored) */
bool log_ends_with(struct log_writer *w, enum log_stream s, const char *p, size_t n);

/* Reading: entries in order, over rotated files. */
struct log_entry {
	int64_t time_ns;
	enum log_stream stream;
	const char *text; /* borrowed until the next call; without the \n of the line when COMPLETE */
	size_t len;
	bool complete;    /* the line ended with \n */
};
struct log_reader;
/* TAIL < 0: all. SINCE/UNTIL 0: none. */
int log_reader_open(const struct dirs *d, const char *id, int64_t tail, int64_t since_ns, int64_t until_ns, struct log_reader **ret, struct err *e);
void log_reader_close(struct log_reader *r);
/* 1: an entry; 0: nothing more now (follow: call again after the fd below became readable). */
int log_reader_next(struct log_reader *r, struct log_entry *ret, struct err *e);
int log_reader_watch_fd(struct log_reader *r, struct err *e); /* inotify fd, owned by the reader; handles rotation */
void log_reader_drain(struct log_reader *r);
