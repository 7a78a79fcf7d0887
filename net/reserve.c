/* SPDX-License-Identifier: MIT */
#include "net/reserve.h"
#include "base/err.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/str.h"
#include "net/port.h"
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum { BACKLOG = 128, UNDO_MS = 2000, UNDO_TRIES = 3 };

/* 0, or what bind or listen said. */
static int open_one(int proto, unsigned family, const struct addr *host, uint16_t port, int *ret)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int type = proto == IPPROTO_UDP ? SOCK_DGRAM : proto == IPPROTO_SCTP ? SOCK_STREAM : SOCK_STREAM;
	int one = 1, only = host->family == 6;
	auto_close int fd = socket(family == 4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, proto);

	if (fd < 0)
		return errno;
	if (family == 6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	/* Connections of a former owner in TIME_WAIT are no obstacle (TCP only: for UDP it would let others in). */
	if (type == SOCK_STREAM)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* An address that the host will only have later is reserved as well. */
	(void)setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one));
	if (host->family == 4)
		memcpy(&in4.sin_addr, host->b, 4);
	if (host->family == 6)
		memcpy(&in6.sin6_addr, host->b, 16);
	if (bind(fd, family == 4 ? (struct sockaddr *)&in4 : (struct sockaddr *)&in6, family == 4 ? sizeof(in4) : sizeof(in6)) < 0)
		return errno;
	if (type == SOCK_STREAM && listen(fd, BACKLOG) < 0)
		return errno;
	*ret = TAKE_FD(fd);
	return 0;
}

/* Both families in one socket; a host without IPv6 has IPv4 only. */
static int open_any(int proto, const struct addr *host, uint16_t port, int *ret)
{
	int r = open_one(proto, host->family ? host->family : 6, host, port, ret);

	if (!host->family && (r == EAFNOSUPPORT || r == EADDRNOTAVAIL || r == EPROTONOSUPPORT))
		r = open_one(proto, 4, host, port, ret);
	return r;
}

/* A start (K) whose monitor was killed undoes itself, and may still hold what the next one wants (rows give a port to one container only, so
 * nobody else of this root can): its end is waited for. HOLDER: "gantry-k (pid 123)". */
static bool wait_for_undo(const char *holder)
{
	const char *monitor = str_after(holder, "gantry-monitor (pid "), *rest = monitor ? monitor : str_after(holder, "gantry-k (pid ");
	auto_close int fd = rest ? (int)syscall(SYS_pidfd_open, (pid_t)strtol(rest, NULL, 10), 0) : -1;
	struct pollfd p = { fd, POLLIN, 0 };

	return fd >= 0 && poll(&p, 1, UNDO_MS) > 0;
}

static int open_free(int proto, const struct addr *host, uint16_t port, int *ret, char **ret_holder)
{
	for (int try = 0;; try++) {
		int r = open_any(proto, host, port, ret);

		if (r != EADDRINUSE)
			return r;
		free(*ret_holder);
		*ret_holder = proc_find_listener(port_proto_name(proto), port);
		if (try == UNDO_TRIES || !*ret_holder || !wait_for_undo(*ret_holder))
			return r;
	}
}

int reserve_port(int proto, const struct addr *host, uint16_t port, struct err *e)
{
	char text[ADDR_TEXT];
	const char *name = port_proto_name(proto), *where = host->family ? addr_text(host, text) : "0.0.0.0";
	auto_free char *holder = NULL;
	int fd = -1, r = open_free(proto, host, port, &fd, &holder);

	if (r == 0)
		return fd;
	if (r == EPROTONOSUPPORT || r == ESOCKTNOSUPPORT) /* no SCTP sockets here: rewriting works without */
		return -1;
	if (r != EADDRINUSE)
		return err_code(e, r, "bind host port %s:%u/%s", where, port, name);
	if (holder)
		err_set(e, EADDRINUSE, "port %s:%u/%s is already in use by %s", where, port, name, holder);
	else
		err_set(e, EADDRINUSE, "port %s:%u/%s is already in use", where, port, name);
	err_hint(e, "stop what uses it, or publish another host port");
	return -EADDRINUSE;
}

bool reserve_free(int proto, const char *host_ip, uint16_t port)
{
	struct addr host = { 0 };
	int fd = -1;
	AUTO_ERR(t);

	if (*host_ip && addr_parse(host_ip, &host, &t) < 0)
		return false;
	if (open_any(proto, &host, port, &fd) == EADDRINUSE)
		return false;
	if (fd >= 0)
		close(fd);
	return true;
}

void reserve_ephemeral(unsigned *ret_first, unsigned *ret_last)
{
	auto_free char *text = NULL;
	unsigned a, b;
	AUTO_ERR(t);

	*ret_first = 32768;
	*ret_last = 60999;
	if (file_read("/proc/sys/net/ipv4/ip_local_port_range", 64, &text, NULL, &t) >= 0 && sscanf(text, "%u %u", &a, &b) == 2 && a > 0 &&
	    a <= b && b < 65536) {
		*ret_first = a;
		*ret_last = b;
	}
}
