/* SPDX-License-Identifier: MIT */
#include "net/relay.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "net/plan.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { PIPE_ROOM = 65536, ACCEPT_TURN = 16 };

/* One direction: from -> pipe -> to. */
struct way {
	int pipe[2];
	size_t held;     /* bytes in the pipe */
	bool ended;      /* nothing more comes */
	bool closed;     /* and that was passed on */
};
struct side {
	struct conn *conn;
	struct watch watch;
	int fd;
	uint32_t events;
};
struct conn {
	struct net_relay *relay;
	struct side client, ctr;
	struct way in, out; /* client -> container, container -> client */
	bool connecting;
	struct conn *next, **at;
};
struct door {
	struct net_relay *relay;
	struct watch watch;
	int fd;
	struct relay_target to;
	struct relay_udp *udp;
};
struct net_relay {
	struct loop *loop;
	struct door *doors;
	size_t ndoors;
	struct conn *conns;
	unsigned n;
};

static void way_done(struct way *w)
{
	for (int i = 0; i < 2; i++)
		if (w->pipe[i] >= 0)
			close(w->pipe[i]);
}

static void doors_listen(struct net_relay *r, bool on)
{
	for (size_t i = 0; i < r->ndoors; i++)
		if (!r->doors[i].udp)
			(void)watch_events(&r->doors[i].watch, on ? EPOLLIN : 0);
}

static void conn_free(struct conn *c)
{
	struct net_relay *r = c->relay;

	watch_done(&c->client.watch);
	watch_done(&c->ctr.watch);
	close(c->client.fd);
	if (c->ctr.fd >= 0)
		close(c->ctr.fd);
	way_done(&c->in);
	way_done(&c->out);
	if (c->at) {
		*c->at = c->next;
		if (c->next)
			c->next->at = c->at;
		if (r->n-- == RELAY_MAX)
			doors_listen(r, true);
	}
	free(c);
}

/* Moves what can be moved. < 0: the connection is broken. */
static int pump(struct way *w, int from, int to)
{
	for (bool moved = true; moved;) {
		moved = false;
		if (!w->ended && w->held < PIPE_ROOM) {
			ssize_t n = splice(from, NULL, w->pipe[1], NULL, PIPE_ROOM - w->held, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

			if (n == 0)
				w->ended = true;
			else if (n > 0)
				w->held += (size_t)n;
			else if (errno != EAGAIN && errno != EINTR)
				return -errno;
			moved |= n > 0;
		}
		if (w->held) {
			ssize_t n = splice(w->pipe[0], NULL, to, NULL, w->held, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

			if (n > 0)
				w->held -= (size_t)n;
			else if (n < 0 && errno != EAGAIN && errno != EINTR)
				return -errno;
			moved |= n > 0;
		}
	}
	if (w->ended && !w->held && !w->closed) {
		(void)shutdown(to, SHUT_WR);
		w->closed = true;
	}
	return 0;
}

static void want(struct side *s, const struct way *from, const struct way *to, bool connecting)
{
	uint32_t events = 0;

	/* A full pipe may be full in segments before it is in bytes, so nothing is read while there is something to write. */
	if (!connecting && !from->ended && !from->held)
		events |= EPOLLIN;
	if (connecting || to->held)
		events |= EPOLLOUT;
	if (events != s->events)
		(void)watch_events(&s->watch, events);
	s->events = events;
}

static int conn_step(struct conn *c)
{
	if (c->connecting) {
		int code = 0;
		socklen_t len = sizeof(code);

		if (getsockopt(c->ctr.fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0 || code)
			return -1;
		c->connecting = false;
	}
	if (pump(&c->in, c->client.fd, c->ctr.fd) < 0 || pump(&c->out, c->ctr.fd, c->client.fd) < 0)
		return -1;
	if (c->in.closed && c->out.closed)
		return -1;
	want(&c->client, &c->in, &c->out, false);
	want(&c->ctr, &c->out, &c->in, false);
	return 0;
}

/* A client whose container refuses hears a reset, as it would without a relay. */
static void conn_refuse(struct conn *c)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(c->client.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	conn_free(c);
}

static int on_conn(struct watch *w, uint32_t events)
{
	struct side *s = CONTAINER_OF(w, struct side, watch);
	struct conn *c = s->conn;
	bool was_connecting = c->connecting;

	if (was_connecting && s == &c->client) { /* gone before the container answered */
		if (events & (EPOLLHUP | EPOLLERR))
			conn_free(c);
		return 0;
	}
	/* Level-triggered HUP with nothing to move would spin: a side that is dead for both ways ends the connection. */
	if (conn_step(c) < 0) {
		if (c->connecting)
			conn_refuse(c);
		else
			conn_free(c);
	} else if ((events & EPOLLERR) || ((events & EPOLLHUP) && !s->events)) {
		conn_free(c);
	}
	return 0;
}

static int conn_open(struct conn *c, const struct relay_target *to, struct err *e)
{
	c->ctr.fd = socket(to->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->ctr.fd < 0)
		return err_sys(e, "relay's socket");
	if (connect(c->ctr.fd, (const struct sockaddr *)&to->addr, to->len) < 0 && errno != EINPROGRESS)
		return err_sys(e, "connect to the container");
	c->connecting = true;
	if (pipe2(c->in.pipe, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(c->out.pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(e, "relay's pipe");
	c->client.events = 0;
	c->ctr.events = EPOLLOUT;
	TRY(watch_fd(c->relay->loop, &c->client.watch, c->client.fd, 0, on_conn, e));
	return watch_fd(c->relay->loop, &c->ctr.watch, c->ctr.fd, EPOLLOUT, on_conn, e);
}

static void conn_new(struct net_relay *r, const struct door *d, int fd)
{
	struct conn *c = xcalloc(1, sizeof(*c));
	AUTO_ERR(t);

	*c = (struct conn){ .relay = r, .client = { .conn = c, .fd = fd }, .ctr = { .conn = c, .fd = -1 }, .in = { .pipe = { -1, -1 } },
			    .out = { .pipe = { -1, -1 } } };
	if (conn_open(c, &d->to, &t) < 0) {
		log_debug("relay: %s", err_text(&t));
		conn_refuse(c);
		return;
	}
	c->next = r->conns;
	c->at = &r->conns;
	if (c->next)
		c->next->at = &c->next;
	r->conns = c;
	if (++r->n == RELAY_MAX)
		doors_listen(r, false);
}

static int on_door(struct watch *w, uint32_t events)
{
	struct door *d = CONTAINER_OF(w, struct door, watch);

	for (int i = 0; i < ACCEPT_TURN && d->relay->n < RELAY_MAX; i++) {
		int fd = accept4(d->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0) /* ECONNABORTED, EMFILE …: the next event asks again */
			break;
		conn_new(d->relay, d, fd);
	}
	return 0;
}

static void set_target(struct relay_target *t, const struct addr *a, uint16_t port)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)&t->addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&t->addr;

	if (a->family == 4) {
		*in4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
		memcpy(&in4->sin_addr, a->b, 4);
		t->len = sizeof(*in4);
	} else {
		*in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
		memcpy(&in6->sin6_addr, a->b, 16);
		t->len = sizeof(*in6);
	}
}

/* Which published port does this socket keep? */
static const struct plan_port *port_of(const struct net_plan *p, int fd, int *ret_proto)
{
	struct sockaddr_storage s = { 0 };
	struct addr a = { 0 };
	socklen_t len = sizeof(s), n = sizeof(*ret_proto);
	uint16_t port;

	if (getsockname(fd, (struct sockaddr *)&s, &len) < 0 || getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, ret_proto, &n) < 0)
		return NULL;
	if (s.ss_family == AF_INET) {
		a.family = 4;
		memcpy(a.b, &((struct sockaddr_in *)&s)->sin_addr, 4);
		port = ntohs(((struct sockaddr_in *)&s)->sin_port);
	} else {
		a.family = 6;
		memcpy(a.b, &((struct sockaddr_in6 *)&s)->sin6_addr, 16);
		port = ntohs(((struct sockaddr_in6 *)&s)->sin6_port);
	}
	for (size_t i = 0; i < p->nports; i++) {
		const struct plan_port *pp = &p->ports[i];

		if (pp->host_port == port && pp->proto == *ret_proto &&
		    (pp->host.family ? addr_eq(&pp->host, &a) : addr_is_any(&a)))
			return pp;
	}
	return NULL;
}

static int door_open(struct net_relay *r, const struct net_plan *p, int fd, struct err *e)
{
	struct door *d = &r->doors[r->ndoors];
	const struct addr *a;
	const struct plan_port *pp;
	int proto = 0;

	pp = port_of(p, fd, &proto);
	if (!pp || (proto != IPPROTO_TCP && proto != IPPROTO_UDP))
		return 0;
	a = plan_leg_addr(&p->legs[pp->leg], 4);
	if (!a)
		a = plan_leg_addr(&p->legs[pp->leg], 6);
	if (!a)
		return 0;
	*d = (struct door){ .relay = r, .fd = fcntl(fd, F_DUPFD_CLOEXEC, 3) };
	if (d->fd < 0)
		return err_sys(e, "relay's door");
	r->ndoors++;
	set_target(&d->to, a, pp->ctr_port);
	if (proto == IPPROTO_UDP)
		return relay_udp_new(r->loop, d->fd, &d->to, &d->udp, e);
	return watch_fd(r->loop, &d->watch, d->fd, EPOLLIN, on_door, e);
}

int net_relay_start(struct loop *l, const struct net_plan *p, const struct net_sandbox_fds *fds, struct net_relay **ret, struct err *e)
{
	AUTO(net_relay_stop) struct net_relay *r = NULL;

	if (!fds->nports) {
		*ret = NULL;
		return 0;
	}
	r = xcalloc(1, sizeof(*r));
	r->loop = l;
	r->doors = xcalloc(fds->nports, sizeof(*r->doors)); /* never moves: watches live in it */
	for (size_t i = 0; i < fds->nports; i++)
		TRY(door_open(r, p, fds->ports[i], e));
	*ret = TAKE(r);
	return 0;
}

void net_relay_stop(struct net_relay *r)
{
	if (!r)
		return;
	while (r->conns)
		conn_free(r->conns);
	for (size_t i = 0; i < r->ndoors; i++) {
		watch_done(&r->doors[i].watch);
		relay_udp_free(r->doors[i].udp);
		close(r->doors[i].fd);
	}
	free(r->doors);
	free(r);
}
