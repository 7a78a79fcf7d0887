/* SPDX-License-Identifier: MIT
 *
 * engine/container/log.h - json-file logs: {"log":"line\n","stream":"stdout","time":"RFC3339Nano"} per line
 *
 * Written by the monitor only, read by anybody without it. Rotation: json.log -> json.log.1 -> …, max-size (default 10m) and max-file
 * (default 3); "max-size=-1" is unbounded. Lines longer than 16 KiB are stored in pieces of which only the last ends in \n (as docker does);
 * a line that stays unfinished for a while is stored in pieces too, so that a prompt shows.
 */
#pragma once
#include "base/auto.h"
#include "engine/container/spec.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct dirs;
struct err;
enum log_stream { LOG_STDOUT, LOG_STDERR, LOG_STREAMS };
enum { LOG_LINE = 16 << 10, LOG_BUF = 128 << 10 };

/* Writing, so that a writer that is killed at any instruction loses nothing and stores nothing twice. The caller holds the bytes in
 * a place that survives it (a pipe) and takes them out after they are stored:
 *
 *   log_store(w, s, p, len, …, &n)     encodes whole lines, rotates, notes {base, stream, len, n} in the mark file, writes
 *   caller consumes n bytes            in one step
 *   log_stored(w)                      mark: nothing under way
 *
 * After a kill, log_recover compares the mark with how much each stream still holds: when the n bytes of the last log_store were
 * not consumed, the log is cut back to its base, and they are stored again. Records have the same length each time, so
 * a reader that already saw them goes on behind them.
 */
struct log_writer;
/* The folders containers/ID and run/c/ID exist. The mark is run/c/ID/log.mark. */
int log_writer_open(const struct dirs *d, const char *id, const struct log_spec *spec, struct log_writer **ret, struct err *e);
void log_writer_close(struct log_writer *w); /* NULL is fine */
/* The run folder was wiped: its mark anew. */
int log_writer_renew(struct log_writer *w, const struct dirs *d, const char *id, struct err *e);
DEFINE_AUTO(struct log_writer *, log_writer_close)
/* HELD: bytes that each stream holds now. Call once, after open, before the first log_store. */
int log_recover(struct log_writer *w, const size_t held[LOG_STREAMS], struct err *e);
/* *RET_N (always set): how many of the LEN bytes were stored; an unfinished last line is not, unless FLUSH (then all but a UTF-8
 * sequence cut in two, and with END even that) or it is longer than LOG_LINE. 0: more is needed. When the file cannot be written (-ENOSPC
 * and the like) the bytes count as stored and dropped, the container is not blocked, and the next success says how many were
 * lost; only the first of a run of failures is returned as one. */
enum { LOG_FLUSH = 1, LOG_END = 3 };
int log_store(struct log_writer *w, enum log_stream s, const char *p, size_t len, unsigned flags, int64_t now_ns, size_t *ret_n,
	      struct err *e);
void log_stored(struct log_writer *w);

/* Reading: entries in order, over rotated files. */
struct log_entry {
	int64_t time_ns;
	enum log_stream stream;
	const char *text; /* borrowed until the next call; without the \n of the line when COMPLETE */
	size_t len;
	bool complete;    /* the line ended with \n */
};
struct log_reader;
/* TAIL < 0: all, else the last TAIL lines. SINCE/UNTIL 0: none. A container that never wrote has no file: nothing to read yet. */
int log_reader_open(const struct dirs *d, const char *id, int64_t tail, int64_t since_ns, int64_t until_ns, struct log_reader **ret, struct err *e);
void log_reader_close(struct log_reader *r); /* NULL is fine */
DEFINE_AUTO(struct log_reader *, log_reader_close)
/* 1: an entry; 0: nothing more now (follow: call again after the fd below became readable). */
int log_reader_next(struct log_reader *r, struct log_entry *ret, struct err *e);
int log_reader_watch_fd(struct log_reader *r, struct err *e); /* inotify fd, owned by the reader; handles rotation */
void log_reader_drain(struct log_reader *r);
