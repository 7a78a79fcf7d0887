/* SPDX-License-Identifier: MIT
 *
 * base/fd.h - descriptors: whole reads and writes, passing them over sockets
 */
#pragma once
#include "base/auto.h"
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <sys/types.h>

struct err;
/* Everything up to EOF, terminated; more than MAX bytes is -EFBIG. Caller frees. *ret_len may be NULL. */
int fd_read_all(int fd, size_t max, char **ret_text, size_t *ret_len, struct err *e);
int fd_write_all(int fd, const void *p, size_t n, struct err *e);
int fd_pipe(int ret[2], struct err *e); /* O_CLOEXEC */
int fd_nonblock(int fd, bool on, struct err *e);
int fd_cloexec(int fd, bool on);
/* One SEQPACKET (or stream) message with up to FD_PASS_MAX descriptors. */
enum { FD_PASS_MAX = 16 };
int fd_send(int sock, const void *p, size_t n, const int *fds, size_t nfds, struct err *e);
/* Returns bytes read (0: closed); fds are born CLOEXEC; *nfds in: room, out: number. -EMSGSIZE: message cut. */
ssize_t fd_recv(int sock, void *p, size_t n, int *fds, size_t *nfds, struct err *e);
/* UNIX SEQPACKET sockets at PATH (longer than sun_path: goes through /proc/self/fd of the folder). */
/* Replaces a stale file; mode 0600; returns fd, nonblocking. -EADDRINUSE: somebody listens there, who sees a connection come
 * and go. */
int fd_listen(const char *path, struct err *e);
int fd_connect(const char *path, struct err *e); /* -ENOENT, -ECONNREFUSED: nobody there */
