/* SPDX-License-Identifier: MIT
 *
 * Forwarding. Resolvers are asked in order, the next one after a time-out, an error, SERVFAIL or REFUSED; NXDOMAIN and an empty answer are
 * answers. By the transport that the client used. Each question has an id of ours from getrandom; a UDP socket, connected and so deaf to other
 * hosts, serves a few dozen questions and is replaced, so its port changes too.
 */
#include "net/dns_server.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/time.h"
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

enum { SOCKET_USES = 50, TURN = 8 };
/* A client of glibc gives up after 5 s: three seconds leave room for the second resolver within its first try. */
static const int64_t TRY_NS = INT64_C(3000000000), BAD_NS = INT64_C(30000000000);

static void next_server(struct question *q);

void forward_done(struct question *q)
{
	watch_done(&q->watch);
	if (q->fd >= 0)
		close(q->fd);
	q->fd = -1;
	free(TAKE(q->stream));
	q->stream_len = 0;
	q->sent = 0;
}

/* The first that was not asked yet; those that were silent lately come last. -1: none is left. */
static int choose(const struct question *q)
{
	int64_t now = time_mono_ns();
	int bad = -1;

	for (unsigned i = 0; i < q->sandbox->nservers; i++) {
		if (q->tried & 1u << i)
			continue;
		if (q->sandbox->up[i].bad_until_ns <= now)
			return (int)i;
		if (bad < 0)
			bad = (int)i;
	}
	return bad;
}

static void next_server(struct question *q)
{
	struct dns_packet p = { .kind = DNS_K_WANT, .tag = q->sandbox->tag, .id = q->id, .tcp = q->tcp };
	int i = choose(q);
	struct dns_upstream *up;

	forward_done(q);
	if (i < 0) {
		question_fail(q, DNS_SERVFAIL);
		return;
	}
	q->current = (unsigned)i;
	q->tried |= 1u << i;
	q->state = Q_WANTING;
	q->deadline_ns = time_mono_ns() + TRY_NS;
	up = &q->sandbox->up[i];
	if (!q->tcp && up->nidle) {
		forward_socket(q, up->idle[--up->nidle]);
		return;
	}
	p.server = (uint8_t)i;
	up->uses[up->nidle] = 0;
	if (dns_tell(q->server, &p) < 0)
		question_fail(q, DNS_SERVFAIL);
}

void forward_start(struct question *q)
{
	q->tried = 0;
	next_server(q);
}

void forward_timeout(struct question *q)
{
	q->sandbox->up[q->current].bad_until_ns = time_mono_ns() + BAD_NS;
	next_server(q);
}

/* Keeps a socket that has just served well. */
static void give_back(struct question *q)
{
	struct dns_upstream *up = &q->sandbox->up[q->current];

	watch_done(&q->watch);
	if (q->tcp || up->nidle == ARRAY_LEN(up->idle) || ++up->uses[up->nidle] > SOCKET_USES)
		return;
	up->idle[up->nidle++] = TAKE_FD(q->fd);
}

/* A whole reply. false: not to this question, wait on. */
static bool on_reply(struct question *q, uint8_t *m, size_t n)
{
	uint8_t asked[DNS_NAME + 64];
	size_t len = MIN(q->len, sizeof(asked));

	memcpy(asked, q->msg, len);
	memcpy(asked, q->wire_id, 2);
	if (!dns_reply_matches(m, n, asked, len))
		return false;
	q->sandbox->up[q->current].bad_until_ns = 0;
	if (dns_rcode(m) == DNS_SERVFAIL || dns_rcode(m) == DNS_REFUSED) {
		give_back(q);
		next_server(q);
		return true;
	}
	give_back(q);
	memcpy(m, q->msg, 2);
	question_reply(q, m, n);
	return true;
}

static int on_udp(struct watch *w, uint32_t events)
{
	struct question *q = CONTAINER_OF(w, struct question, watch);
	static uint8_t buf[DNS_MAX];

	for (int i = 0; i < TURN; i++) {
		ssize_t n = recv(q->fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n < 0) { /* ECONNREFUSED: nobody there */
			next_server(q);
			return 0;
		}
		if (on_reply(q, buf, (size_t)n))
			return 0;
	}
	return 0;
}

static int tcp_send(struct question *q)
{
	uint8_t head[4] = { (uint8_t)(q->len >> 8), (uint8_t)q->len, q->wire_id[0], q->wire_id[1] };
	size_t total = q->len + 2;

	while (q->sent < total) {
		bool in_head = q->sent < sizeof(head);
		ssize_t n = send(q->fd, in_head ? head + q->sent : q->msg + q->sent - 2, (in_head ? sizeof(head) : total) - q->sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL | (in_head ? MSG_MORE : 0));

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		q->sent += (size_t)n;
	}
	q->stream = xmalloc(DNS_MAX + 2);
	return watch_events(&q->watch, EPOLLIN);
}

static int tcp_read(struct question *q)
{
	size_t want = q->stream_len < 2 ? 2 : 2 + ((size_t)q->stream[0] << 8 | q->stream[1]);
	ssize_t n = recv(q->fd, q->stream + q->stream_len, want - q->stream_len, MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		return -1;
	if (n > 0)
		q->stream_len += (size_t)n;
	if (q->stream_len < 2)
		return 0;
	want = 2 + ((size_t)q->stream[0] << 8 | q->stream[1]);
	if (q->stream_len < want)
		return 0;
	if (want == 2)
		return -1;
	return on_reply(q, q->stream + 2, want - 2) ? 0 : -1;
}

static int on_tcp(struct watch *w, uint32_t events)
{
	struct question *q = CONTAINER_OF(w, struct question, watch);

	if ((q->stream ? tcp_read(q) : tcp_send(q)) < 0)
		next_server(q);
	return 0;
}

static int udp_send(struct question *q)
{
	uint8_t *m = xmemdup(q->msg, q->len);
	ssize_t n;

	memcpy(m, q->wire_id, 2);
	n = send(q->fd, m, q->len, MSG_DONTWAIT | MSG_NOSIGNAL);
	free(m);
	return n < 0 ? -1 : 0;
}

void forward_socket(struct question *q, int fd)
{
	AUTO_ERR(t);

	q->fd = fd;
	q->state = Q_FORWARDED;
	dns_random(q->wire_id, sizeof(q->wire_id));
	if (fd < 0 || watch_fd(q->server->loop, &q->watch, fd, q->tcp ? EPOLLOUT : EPOLLIN, q->tcp ? on_tcp : on_udp, &t) < 0 ||
	    (!q->tcp && udp_send(q) < 0))
		next_server(q);
}
