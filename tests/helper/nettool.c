/* SPDX-License-Identifier: MIT
 *
 * nettool - the smallest server and clients that network tests need, without NSS
 *
 *   nettool serve PORT TEXT [ADDR]   answers TCP connections and UDP datagrams with "TEXT from PEER"; default address [::] for both families
 *   nettool get ADDR PORT [N]        TCP: prints what comes; N: sends N bytes first and reads as many back (serve echoes after the line)
 *   nettool udp ADDR PORT            UDP: one datagram, one answer
 *   nettool answer ADDR PORT A       a name server (UDP, TCP) that answers every question with the address A
 *   nettool garbage ADDR PORT N      sends N random datagrams
 *   nettool dns SERVER NAME TYPE [tcp]   prints rcode and answers, sorted; TYPE a, aaaa, ptr, mx, txt or a number
 * Exit code 1: refused, unreachable; 2: nothing within 2 s (or $WAIT_MS).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TIMEOUT_MS = 2000 };

static socklen_t address(const char *text, const char *port, struct sockaddr_storage *s)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)s;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)s;

	memset(s, 0, sizeof(*s));
	if (inet_pton(AF_INET, text, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons((uint16_t)strtoul(port, NULL, 10));
		return sizeof(*in4);
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)strtoul(port, NULL, 10));
		return sizeof(*in6);
	}
	fprintf(stderr, "nettool: '%s': not an address\n", text);
	exit(1);
}

static const char *peer(const struct sockaddr_storage *s)
{
	static char buf[64];
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)s;

	if (s->ss_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)s)->sin_addr, buf, sizeof(buf));
	else if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		inet_ntop(AF_INET, (const char *)&in6->sin6_addr + 12, buf, sizeof(buf));
	else
		inet_ntop(AF_INET6, &in6->sin6_addr, buf, sizeof(buf));
	return buf;
}

static void die(const char *what)
{
	fprintf(stderr, "nettool: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void serve_tcp(int fd, const char *text)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	int c = accept(fd, (struct sockaddr *)&from, &len);

	if (c < 0)
		return;
	if (fork() == 0) {
		char buf[65536];
		ssize_t n;

		dprintf(c, "%s from %s\n", text, peer(&from));
		while ((n = read(c, buf, sizeof(buf))) > 0)
			for (ssize_t at = 0, w; at < n; at += w)
				if ((w = write(c, buf + at, (size_t)(n - at))) < 0)
					_exit(0);
		_exit(0);
	}
	close(c);
}

static int serve(const char *port, const char *text, const char *addr)
{
	struct sockaddr_storage s;
	socklen_t len = address(addr, port, &s);
	int one = 1, zero = 0, tcp = socket(s.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), udp = socket(s.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd p[2] = { { tcp, POLLIN, 0 }, { udp, POLLIN, 0 } };

	signal(SIGCHLD, SIG_IGN);
	setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (s.ss_family == AF_INET6) {
		setsockopt(tcp, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
		setsockopt(udp, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	}
	if (bind(tcp, (struct sockaddr *)&s, len) < 0 || listen(tcp, 64) < 0 || bind(udp, (struct sockaddr *)&s, len) < 0)
		die("bind");
	if (write(1, "ready\n", 6) < 0)
		return 1;
	while (poll(p, 2, -1) >= 0) {
		if (p[0].revents)
			serve_tcp(tcp, text);
		if (p[1].revents) {
			struct sockaddr_storage from;
			socklen_t n = sizeof(from);
			char buf[2048], out[256];

			if (recvfrom(udp, buf, sizeof(buf), 0, (struct sockaddr *)&from, &n) >= 0)
				sendto(udp, out, (size_t)snprintf(out, sizeof(out), "%s from %s\n", text, peer(&from)), 0,
				       (struct sockaddr *)&from, n);
		}
	}
	return 0;
}

static int wait_for(int fd, short events)
{
	struct pollfd p = { fd, events, 0 };

	if (poll(&p, 1, getenv("WAIT_MS") ? (int)strtoul(getenv("WAIT_MS"), NULL, 10) : TIMEOUT_MS) == 0) {
		fprintf(stderr, "nettool: time-out\n");
		exit(2);
	}
	return 0;
}

static int open_to(const char *addr, const char *port, int type)
{
	struct sockaddr_storage s;
	socklen_t len = address(addr, port, &s), n = sizeof(int);
	int fd = socket(s.ss_family, type | SOCK_NONBLOCK, 0), code = 0;

	if (connect(fd, (struct sockaddr *)&s, len) < 0 && errno != EINPROGRESS)
		die("connect");
	wait_for(fd, POLLOUT);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &n);
	errno = code;
	if (code)
		die("connect");
	return fd;
}

static size_t fill(int fd, char *buf, size_t max, int until_line)
{
	size_t at = 0;

	for (;;) {
		ssize_t n;

		wait_for(fd, POLLIN);
		n = read(fd, buf + at, max - at);
		if (n < 0)
			die("read");
		at += (size_t)n;
		if (n == 0 || at == max || (until_line && memchr(buf, '\n', at)))
			return at;
	}
}

static int get(const char *addr, const char *port, size_t bytes)
{
	static char buf[1 << 16], line[256];
	int fd = open_to(addr, port, SOCK_STREAM);
	size_t n = fill(fd, line, sizeof(line), 1), sent = 0, got = 0;

	if (!bytes) {
		fwrite(line, 1, n, stdout);
		return n ? 0 : 1;
	}
	while (got < bytes) {
		struct pollfd p = { fd, POLLIN, 0 };

		if (sent < bytes)
			p.events |= POLLOUT;
		if (poll(&p, 1, TIMEOUT_MS) == 0)
			return 2;
		if (p.revents & POLLOUT) {
			ssize_t w = write(fd, buf, bytes - sent < sizeof(buf) ? bytes - sent : sizeof(buf));

			if (w > 0 && (sent += (size_t)w) == bytes)
				shutdown(fd, SHUT_WR);
		}
		if (p.revents & POLLIN) {
			ssize_t r = read(fd, buf, sizeof(buf));

			if (r <= 0)
				break;
			got += (size_t)r;
		}
	}
	printf("%zu bytes back\n", got);
	return got == bytes ? 0 : 1;
}

static int udp(const char *addr, const char *port)
{
	int fd = open_to(addr, port, SOCK_DGRAM);
	char buf[2048];
	ssize_t n;

	if (write(fd, "hi", 2) < 0)
		die("send");
	wait_for(fd, POLLIN);
	n = read(fd, buf, sizeof(buf));
	if (n < 0)
		die("read");
	fwrite(buf, 1, (size_t)n, stdout);
	return 0;
}

/* One name at AT; the text into BUF; returns where it ends. Trusts the server: this is a test's client. */
static size_t name_at(const unsigned char *m, size_t n, size_t at, char *buf, size_t room)
{
	size_t end = 0, len = 0;

	buf[0] = '\0';
	for (int hops = 0; at < n && m[at] && hops < 50; hops++) {
		if (m[at] >= 0xc0) {
			if (!end)
				end = at + 2;
			at = (size_t)(m[at] & 0x3f) << 8 | m[at + 1];
			continue;
		}
		len += (size_t)snprintf(buf + len, room - len, "%.*s.", m[at], (const char *)m + at + 1);
		at += m[at] + 1u;
	}
	return end ? end : at + 1;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int show(const unsigned char *m, size_t n)
{
	static const char *const rcodes[16] = { "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED" };
	char name[300], *lines[512];
	size_t at = 12, count = 0;
	unsigned answers = (unsigned)m[6] << 8 | m[7];

	printf("%s%s%s\n", rcodes[m[3] & 15] ? rcodes[m[3] & 15] : "?", m[2] & 2 ? " tc" : "", m[2] & 4 ? " aa" : "");
	at = name_at(m, n, at, name, sizeof(name)) + 4;
	for (unsigned i = 0; i < answers && at + 10 < n && count < 512; i++) {
		char text[320] = "?";
		unsigned type, len, ttl;

		at = name_at(m, n, at, name, sizeof(name));
		type = (unsigned)m[at] << 8 | m[at + 1];
		ttl = (unsigned)m[at + 6] << 8 | m[at + 7];
		len = (unsigned)m[at + 8] << 8 | m[at + 9];
		at += 10;
		if (type == 1)
			inet_ntop(AF_INET, m + at, text, sizeof(text));
		else if (type == 28)
			inet_ntop(AF_INET6, m + at, text, sizeof(text));
		else if (type == 12 || type == 5)
			name_at(m, n, at, text, sizeof(text));
		at += len;
		if (getenv("TTL"))
			snprintf(text + strlen(text), 20, " %u", ttl);
		lines[count++] = strdup(text);
	}
	qsort(lines, count, sizeof(*lines), by_text);
	for (size_t i = 0; i < count; i++)
		puts(lines[i]);
	return m[3] & 15;
}

static int dns(const char *server, const char *name, const char *type, int tcp)
{
	static const struct { const char *name; unsigned n; } types[] = { { "a", 1 }, { "aaaa", 28 }, { "ptr", 12 }, { "mx", 15 }, { "txt", 16 } };
	unsigned char q[600] = { 0, 0, 0x12, 0x34, 1, 0, 0, 1 }, a[65536];
	size_t at = 2 + 12;
	unsigned t = (unsigned)strtoul(type, NULL, 10);
	const char *port = getenv("PORT") ? getenv("PORT") : "53";
	int fd = open_to(server, port, tcp ? SOCK_STREAM : SOCK_DGRAM);
	size_t n;

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (strcasecmp(types[i].name, type) == 0)
			t = types[i].n;
	for (const char *p = name; *p;) {
		size_t len = strcspn(p, ".");

		q[at++] = (unsigned char)len;
		memcpy(q + at, p, len);
		at += len;
		p += len + (p[len] == '.');
	}
	at++;
	q[at++] = (unsigned char)(t >> 8);
	q[at++] = (unsigned char)t;
	q[at++] = 0;
	q[at++] = 1;
	q[0] = (unsigned char)((at - 2) >> 8);
	q[1] = (unsigned char)(at - 2);
	if (write(fd, tcp ? q : q + 2, tcp ? at : at - 2) < 0)
		die("send");
	if (tcp) {
		if (fill(fd, (char *)a, 2, 0) < 2)
			die("read");
		n = fill(fd, (char *)a, (size_t)a[0] << 8 | a[1], 0);
	} else {
		ssize_t r;

		wait_for(fd, POLLIN);
		r = read(fd, a, sizeof(a));
		if (r < 0)
			die("read");
		n = (size_t)r;
	}
	if (n < 12 || a[0] != 0x12 || a[1] != 0x34)
		die("not an answer");
	return show(a, n);
}

/* The question back, with one A record. */
static size_t answer_to(unsigned char *m, size_t n, const char *a)
{
	static const unsigned char head[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4 };

	if (n < 12)
		return 0;
	m[2] |= 0x80;
	m[3] = 0x80;
	m[7] = 1;
	memcpy(m + n, head, sizeof(head));
	inet_pton(AF_INET, a, m + n + sizeof(head));
	return n + sizeof(head) + 4;
}

static int answer(const char *addr, const char *port, const char *a)
{
	struct sockaddr_storage s;
	socklen_t len = address(addr, port, &s);
	int one = 1, tcp = socket(s.ss_family, SOCK_STREAM, 0), udp = socket(s.ss_family, SOCK_DGRAM, 0);
	struct pollfd p[2] = { { tcp, POLLIN, 0 }, { udp, POLLIN, 0 } };

	setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(tcp, (struct sockaddr *)&s, len) < 0 || listen(tcp, 64) < 0 || bind(udp, (struct sockaddr *)&s, len) < 0)
		die("bind");
	if (write(1, "ready\n", 6) < 0)
		return 1;
	while (poll(p, 2, -1) >= 0) {
		unsigned char m[1024];

		if (p[0].revents) {
			int c = accept(tcp, NULL, NULL);
			size_t n = fill(c, (char *)m, 2, 0) == 2 ? fill(c, (char *)m + 2, (size_t)m[0] << 8 | m[1], 0) : 0;

			n = answer_to(m + 2, n, a);
			m[0] = (unsigned char)(n >> 8);
			m[1] = (unsigned char)n;
			if (write(c, m, n + 2) < 0)
				return 1;
			close(c);
		}
		if (p[1].revents) {
			struct sockaddr_storage from;
			socklen_t flen = sizeof(from);
			ssize_t n = recvfrom(udp, m, 512, 0, (struct sockaddr *)&from, &flen);

			if (n > 0)
				sendto(udp, m, answer_to(m, (size_t)n, a), 0, (struct sockaddr *)&from, flen);
		}
	}
	return 0;
}

static int garbage(const char *addr, const char *port, unsigned long n)
{
	int fd = open_to(addr, port, SOCK_DGRAM);
	unsigned char m[600];

	srand(1);
	while (n--) {
		size_t len = (size_t)rand() % sizeof(m);

		for (size_t i = 0; i < len; i++)
			m[i] = (unsigned char)rand();
		if (len > 12 && n % 2) /* half of them look like queries at first */
			memcpy(m + 2, "\1\0\0\1\0\0\0\0\0\0", 10);
		if (write(fd, m, len) < 0 && errno != EAGAIN && errno != ECONNREFUSED)
			die("send");
		if (n % 50 == 0)
			usleep(1000);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "answer") == 0)
		return answer(argv[2], argv[3], argv[4]);
	if (argc == 5 && strcmp(argv[1], "garbage") == 0)
		return garbage(argv[2], argv[3], strtoul(argv[4], NULL, 10));
	if (argc >= 4 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2], argv[3], argc > 4 ? argv[4] : "::");
	if (argc >= 4 && strcmp(argv[1], "get") == 0)
		return get(argv[2], argv[3], argc > 4 ? strtoul(argv[4], NULL, 10) : 0);
	if (argc == 4 && strcmp(argv[1], "udp") == 0)
		return udp(argv[2], argv[3]);
	if (argc >= 5 && strcmp(argv[1], "dns") == 0)
		return dns(argv[2], argv[3], argv[4], argc > 5);
	fprintf(stderr, "usage: see the top of nettool.c\n");
	return 1;
}
