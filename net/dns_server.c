/* SPDX-License-Identifier: MIT */
#include "net/dns_server.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/time.h"
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>

enum { TURN = 32, CONNS_MAX = 128, QUESTIONS_MAX = 2 * DNS_IN_FLIGHT, QUERY_MAX = 4096 };
static const int64_t SECOND = 1000000000, ASK_NS = 5 * SECOND, CONN_NS = 10 * SECOND, IDLE_NS = 30 * SECOND;

/* A TCP client: one question at a time, the next is read when it is answered. */
struct dns_conn {
	struct dns_sandbox *sandbox;
	struct watch watch;
	int fd;
	uint8_t in[2 + QUERY_MAX];
	size_t len;
	uint8_t *out;
	size_t out_len, out_at;
	int64_t deadline_ns;
	struct dns_conn *next;
};

void dns_random(void *p, size_t n)
{
	if (getrandom(p, n, 0) != (ssize_t)n)
		BUG("getrandom");
}

int dns_tell(struct dns_server *s, const struct dns_packet *p)
{
	ssize_t n;

	do
		n = send(s->fd, p, sizeof(*p), MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

struct question *question_find(struct dns_server *s, uint32_t id)
{
	for (struct question *q = s->questions; q; q = q->next)
		if (q->id == id)
			return q;
	return NULL;
}

static void question_free(struct question *q)
{
	struct dns_server *s = q->server;

	for (struct question **p = &s->questions; *p; p = &(*p)->next)
		if (*p == q) {
			*p = q->next;
			s->n--;
			break;
		}
	if (q->state != Q_ASKING)
		s->forwarded--;
	forward_done(q);
	free(q->msg);
	free(q);
}

static void conn_free(struct dns_conn *c)
{
	struct dns_server *s = c->sandbox->server;

	for (struct question *q = s->questions; q; q = q->next)
		if (q->conn == c)
			q->conn = NULL;
	for (struct dns_conn **p = &s->conns; *p; p = &(*p)->next)
		if (*p == c) {
			*p = c->next;
			s->nconns--;
			break;
		}
	watch_done(&c->watch);
	close(c->fd);
	free(c->out);
	free(c);
}

static int on_conn(struct watch *w, uint32_t events);

static void conn_send(struct dns_conn *c, const uint8_t *m, size_t n)
{
	c->out = xmalloc(n + 2);
	c->out[0] = (uint8_t)(n >> 8);
	c->out[1] = (uint8_t)n;
	memcpy(c->out + 2, m, n);
	c->out_len = n + 2;
	c->out_at = 0;
	(void)watch_events(&c->watch, EPOLLOUT);
}

void question_reply(struct question *q, const uint8_t *m, size_t n)
{
	if (q->tcp && q->conn)
		conn_send(q->conn, m, n);
	else if (!q->tcp)
		(void)sendto(q->sandbox->udp_fd, m, n, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&q->peer, q->peer_len);
	question_free(q);
}

void question_fail(struct question *q, int rcode)
{
	uint8_t buf[DNS_NAME + 64];
	struct dns_answer a;

	dns_answer_begin(&a, buf, sizeof(buf), q->msg, &q->query, rcode);
	question_reply(q, buf, dns_answer_end(&a));
}

/* Fisher and Yates: clients that take the first one spread over the replicas. */
static void shuffle(struct addr *v, unsigned n)
{
	uint32_t r[DNS_ADDRS];

	dns_random(r, sizeof(r));
	for (unsigned i = n; i > 1; i--) {
		unsigned k = r[i - 1] % i;
		struct addr t = v[k];

		v[k] = v[i - 1];
		v[i - 1] = t;
	}
}

/* Names of ours are answered also while all that is forwarded waits for a dead resolver. */
static void question_forward(struct question *q)
{
	struct dns_server *s = q->server;

	if (s->forwarded >= DNS_IN_FLIGHT) {
		question_fail(q, DNS_REFUSED);
		return;
	}
	s->forwarded++;
	q->state = Q_WANTING;
	forward_start(q);
}

static void on_answer(struct dns_server *s, struct dns_packet *p)
{
	struct question *q = question_find(s, p->id);
	static uint8_t buf[DNS_UDP_MAX];
	struct dns_answer a;

	if (!q || q->state != Q_ASKING)
		return;
	if (p->status == DNS_S_FORWARD) {
		question_forward(q);
		return;
	}
	if (p->status != DNS_S_LOCAL) {
		question_fail(q, DNS_SERVFAIL);
		return;
	}
	dns_answer_begin(&a, buf, q->tcp ? sizeof(buf) : q->query.udp_max, q->msg, &q->query, DNS_NOERROR);
	shuffle(p->addr, MIN(p->count, (unsigned)DNS_ADDRS));
	for (unsigned i = 0; i < MIN(p->count, (unsigned)DNS_ADDRS); i++)
		dns_answer_addr(&a, &p->addr[i]);
	p->name[DNS_NAME - 1] = '\0';
	if (q->query.type == DNS_PTR && p->name[0])
		dns_answer_ptr(&a, p->name);
	question_reply(q, buf, dns_answer_end(&a));
}

/* Types whose names we may know: the monitor is asked. All else goes on. */
static bool may_be_ours(const struct dns_query *q)
{
	return q->name[0] && (q->type == DNS_A || q->type == DNS_AAAA || q->type == DNS_PTR || q->type == DNS_MX || q->type == DNS_HTTPS ||
			      q->type == DNS_SVCB);
}

static void question_ask(struct question *q)
{
	struct dns_packet p = { .kind = DNS_K_ASK, .tag = q->sandbox->tag, .id = q->id, .type = q->query.type };

	if (!may_be_ours(&q->query)) {
		question_forward(q);
		return;
	}
	memcpy(p.name, q->query.name, DNS_NAME);
	q->state = Q_ASKING;
	q->deadline_ns = time_mono_ns() + ASK_NS;
	if (dns_tell(q->server, &p) < 0)
		question_fail(q, DNS_SERVFAIL);
}

/* Takes a message; PEER or CONN says who asked. false: nothing will come of it. */
static bool question_new(struct dns_sandbox *b, const uint8_t *m, size_t n, const struct sockaddr_storage *peer, socklen_t peer_len,
			 struct dns_conn *conn)
{
	struct dns_server *s = b->server;
	struct dns_query query;
	int rcode = dns_query_read(m, n, &query);
	struct question *q;

	s->last_ns = time_mono_ns();
	if (rcode == DNS_DROP)
		return false;
	q = xcalloc(1, sizeof(*q));
	*q = (struct question){ .server = s, .sandbox = b, .id = s->next_id++, .query = query, .conn = conn, .tcp = conn != NULL, .fd = -1,
				.len = n, .peer_len = peer_len };
	q->msg = xmemdup(m, n);
	if (peer)
		q->peer = *peer;
	q->next = s->questions;
	s->questions = q;
	s->n++;
	if (rcode)
		question_fail(q, rcode);
	else if (s->n > QUESTIONS_MAX)
		question_fail(q, DNS_REFUSED);
	else
		question_ask(q);
	return true;
}

static int on_udp(struct watch *w, uint32_t events)
{
	struct dns_sandbox *b = CONTAINER_OF(w, struct dns_sandbox, udp);
	static uint8_t buf[QUERY_MAX];

	for (int i = 0; i < TURN; i++) {
		struct sockaddr_storage peer = { 0 };
		socklen_t len = sizeof(peer);
		ssize_t n = recvfrom(b->udp_fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&peer, &len);

		if (n < 0)
			break;
		question_new(b, buf, (size_t)n, &peer, len, NULL);
	}
	return 0;
}

static int on_tcp(struct watch *w, uint32_t events)
{
	struct dns_sandbox *b = CONTAINER_OF(w, struct dns_sandbox, tcp);
	struct dns_server *s = b->server;

	for (int i = 0; i < TURN; i++) {
		int fd = accept4(b->tcp_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct dns_conn *c;
		AUTO_ERR(t);

		if (fd < 0)
			break;
		if (s->nconns >= CONNS_MAX) {
			close(fd);
			continue;
		}
		c = xcalloc(1, sizeof(*c));
		c->sandbox = b;
		c->fd = fd;
		c->deadline_ns = time_mono_ns() + CONN_NS;
		c->next = s->conns;
		s->conns = c;
		s->nconns++;
		if (watch_fd(s->loop, &c->watch, fd, EPOLLIN, on_conn, &t) < 0)
			conn_free(c);
	}
	return 0;
}

/* Reads up to one whole message. < 0: the connection has ended. */
static int conn_read(struct dns_conn *c)
{
	size_t want = c->len < 2 ? 2 : 2 + ((size_t)c->in[0] << 8 | c->in[1]);
	ssize_t n;

	if (want > sizeof(c->in) || (c->len >= 2 && want == 2))
		return -1;
	n = read(c->fd, c->in + c->len, want - c->len);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		return -1;
	if (n > 0)
		c->len += (size_t)n;
	if (c->len < 2 || c->len < 2 + ((size_t)c->in[0] << 8 | c->in[1]))
		return 0;
	(void)watch_events(&c->watch, 0);
	c->deadline_ns = INT64_MAX; /* the question has its own */
	n = (ssize_t)c->len - 2;
	c->len = 0;
	return question_new(c->sandbox, c->in + 2, (size_t)n, NULL, 0, c) ? 0 : -1;
}

static int conn_write(struct dns_conn *c)
{
	ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	c->out_at += (size_t)n;
	if (c->out_at < c->out_len)
		return 0;
	free(TAKE(c->out));
	c->deadline_ns = time_mono_ns() + CONN_NS;
	(void)watch_events(&c->watch, EPOLLIN);
	return 0;
}

static int on_conn(struct watch *w, uint32_t events)
{
	struct dns_conn *c = CONTAINER_OF(w, struct dns_conn, watch);

	if ((c->out ? conn_write(c) : conn_read(c)) < 0)
		conn_free(c);
	return 0;
}

static void sandbox_free(struct dns_sandbox *b)
{
	struct dns_server *s = b->server;

	for (struct question *q = s->questions, *next; q; q = next) {
		next = q->next;
		if (q->sandbox == b)
			question_free(q);
	}
	for (struct dns_conn *c = s->conns, *next; c; c = next) {
		next = c->next;
		if (c->sandbox == b)
			conn_free(c);
	}
	for (struct dns_sandbox **p = &s->sandboxes; *p; p = &(*p)->next)
		if (*p == b) {
			*p = b->next;
			break;
		}
	watch_done(&b->udp);
	watch_done(&b->tcp);
	close(b->udp_fd);
	close(b->tcp_fd);
	for (unsigned i = 0; i < DNS_SERVERS; i++)
		while (b->up[i].nidle)
			close(b->up[i].idle[--b->up[i].nidle]);
	free(b);
}

static struct dns_sandbox *sandbox_find(struct dns_server *s, uint32_t tag)
{
	for (struct dns_sandbox *b = s->sandboxes; b; b = b->next)
		if (b->tag == tag)
			return b;
	return NULL;
}

static int on_add(struct dns_server *s, const struct dns_packet *p, int udp, int tcp)
{
	struct dns_sandbox *b = xcalloc(1, sizeof(*b));
	AUTO_ERR(t);

	*b = (struct dns_sandbox){ .server = s, .tag = p->tag, .udp_fd = udp, .tcp_fd = tcp, .nservers = MIN(p->servers, DNS_SERVERS),
				   .next = s->sandboxes };
	s->sandboxes = b;
	s->last_ns = time_mono_ns();
	if (watch_fd(s->loop, &b->udp, udp, EPOLLIN, on_udp, &t) < 0 || watch_fd(s->loop, &b->tcp, tcp, EPOLLIN, on_tcp, &t) < 0)
		return t.code ? -t.code : -EIO;
	return 0;
}

static int on_packet(struct dns_server *s, struct dns_packet *p, int *fds, size_t nfds)
{
	struct dns_sandbox *b;
	struct question *q;

	switch (p->kind) {
	case DNS_K_ADD:
		return nfds == 2 ? on_add(s, p, TAKE_FD(fds[0]), TAKE_FD(fds[1])) : 0;
	case DNS_K_DEL:
		b = sandbox_find(s, p->tag);
		if (b)
			sandbox_free(b);
		return 0;
	case DNS_K_ANSWER:
		on_answer(s, p);
		return 0;
	case DNS_K_SOCKET:
		q = question_find(s, p->id);
		if (q && q->state == Q_WANTING)
			forward_socket(q, nfds ? TAKE_FD(fds[0]) : -1);
		return 0;
	case DNS_K_QUIT:
		loop_quit(s->loop);
		return 0;
	default:
		return 0;
	}
}

static int on_monitor(struct watch *w, uint32_t events)
{
	struct dns_server *s = CONTAINER_OF(w, struct dns_server, monitor);

	for (int i = 0; i < TURN; i++) {
		struct dns_packet p;
		int fds[FD_PASS_MAX], r;
		size_t nfds = FD_PASS_MAX;
		AUTO_ERR(t);
		ssize_t n = fd_recv(s->fd, &p, sizeof(p), fds, &nfds, &t);

		if (n == -EAGAIN)
			break;
		if (n <= 0) { /* the monitor has ended: a new one starts another of us */
			loop_quit(s->loop);
			return 0;
		}
		if (n != sizeof(p))
			nfds = 0;
		r = on_packet(s, &p, fds, nfds);
		for (size_t k = 0; k < nfds; k++)
			if (fds[k] >= 0)
				close(fds[k]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int on_timer(struct watch *w, uint32_t events)
{
	struct dns_server *s = CONTAINER_OF(w, struct dns_server, timer);
	struct dns_packet idle = { .kind = DNS_K_IDLE };
	int64_t now = time_mono_ns();

	for (struct question *q = s->questions, *next; q; q = next) {
		next = q->next;
		if (q->deadline_ns > now)
			continue;
		if (q->state == Q_ASKING)
			question_fail(q, DNS_SERVFAIL);
		else
			forward_timeout(q);
	}
	for (struct dns_conn *c = s->conns, *next; c; c = next) {
		next = c->next;
		if (c->deadline_ns <= now)
			conn_free(c);
	}
	if (!s->questions && !s->conns && now - s->last_ns > IDLE_NS)
		(void)dns_tell(s, &idle);
	/* Half a second while somebody waits; else only to find out that nobody comes. */
	watch_arm(w, s->questions || s->conns ? SECOND / 2 : IDLE_NS / 2);
	return 0;
}

int dns_server_new(struct loop *l, int monitor, struct dns_server **ret, struct err *e)
{
	struct dns_server *s = xcalloc(1, sizeof(*s));
	int r;

	*s = (struct dns_server){ .loop = l, .fd = monitor, .last_ns = time_mono_ns(), .next_id = 1 };
	r = fd_nonblock(monitor, true, e);
	if (r >= 0)
		r = watch_fd(l, &s->monitor, monitor, EPOLLIN, on_monitor, e);
	if (r >= 0)
		r = watch_timer(l, &s->timer, on_timer, e);
	if (r < 0) {
		dns_server_free(s);
		return r;
	}
	watch_arm(&s->timer, SECOND / 2);
	*ret = s;
	return 0;
}

void dns_server_free(struct dns_server *s)
{
	if (!s)
		return;
	while (s->sandboxes)
		sandbox_free(s->sandboxes);
	watch_done(&s->monitor);
	watch_done(&s->timer);
	close(s->fd);
	free(s);
}
