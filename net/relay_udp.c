/* SPDX-License-Identifier: MIT
 *
 * UDP: a socket per client, connected to the container, forgotten after RELAY_IDLE_S without a datagram. Answers leave from the address that the
 * client wrote to.
 */
#include "net/relay.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/time.h"
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>

enum { DATAGRAM_MAX = 65536, TURN = 32 };

struct flow {
	struct relay_udp *u;
	struct watch watch;
	int fd;
	struct sockaddr_storage client;
	socklen_t client_len;
	struct in6_pktinfo local;     /* where the client wrote to */
	bool has_local;
	int64_t last_ns;
	struct flow *next;
};
struct relay_udp {
	struct loop *loop;
	struct watch door, timer;
	int fd;
	struct relay_target to;
	struct flow *flows;
	unsigned n;
	char *buf;
};

static void flow_free(struct flow *f)
{
	watch_done(&f->watch);
	if (f->fd >= 0)
		close(f->fd);
	free(f);
}

static int on_timer(struct watch *w, uint32_t events)
{
	struct relay_udp *u = CONTAINER_OF(w, struct relay_udp, timer);
	int64_t now = time_mono_ns();

	for (struct flow **p = &u->flows; *p;) {
		struct flow *f = *p;

		if (now - f->last_ns < RELAY_IDLE_S * INT64_C(1000000000)) {
			p = &f->next;
			continue;
		}
		*p = f->next;
		u->n--;
		flow_free(f);
	}
	watch_arm(w, u->n ? RELAY_IDLE_S * INT64_C(500000000) : INT64_MAX); /* no flows, no wake-ups */
	return 0;
}

static void answer(struct flow *f, size_t n)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control = { 0 };
	struct iovec io = { f->u->buf, n };
	struct msghdr m = { .msg_name = &f->client, .msg_namelen = f->client_len, .msg_iov = &io, .msg_iovlen = 1 };

	if (f->has_local) {
		struct cmsghdr *c;

		m.msg_control = control.room;
		m.msg_controllen = sizeof(control.room);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(f->local));
		memcpy(CMSG_DATA(c), &f->local, sizeof(f->local));
	}
	(void)sendmsg(f->u->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL); /* a datagram may get lost */
}

static int on_container(struct watch *w, uint32_t events)
{
	struct flow *f = CONTAINER_OF(w, struct flow, watch);

	for (int i = 0; i < TURN; i++) {
		ssize_t n = recv(f->fd, f->u->buf, DATAGRAM_MAX, MSG_DONTWAIT);

		if (n < 0) /* also ECONNREFUSED of an earlier datagram: the client hears nothing, as with a closed port behind NAT */
			break;
		f->last_ns = time_mono_ns();
		answer(f, (size_t)n);
	}
	return 0;
}

static struct flow *flow_find(struct relay_udp *u, const struct sockaddr_storage *client, socklen_t len, const struct in6_pktinfo *local, bool has)
{
	for (struct flow *f = u->flows; f; f = f->next)
		if (f->client_len == len && memcmp(&f->client, client, len) == 0 && f->has_local == has &&
		    (!has || memcmp(&f->local.ipi6_addr, &local->ipi6_addr, sizeof(local->ipi6_addr)) == 0))
			return f;
	return NULL;
}

static struct flow *flow_new(struct relay_udp *u)
{
	struct flow *f;
	AUTO_ERR(t);

	if (u->n >= RELAY_MAX)
		return NULL;
	f = xcalloc(1, sizeof(*f));
	f->u = u;
	f->fd = socket(u->to.addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (f->fd < 0 || connect(f->fd, (struct sockaddr *)&u->to.addr, u->to.len) < 0 ||
	    watch_fd(u->loop, &f->watch, f->fd, EPOLLIN, on_container, &t) < 0) {
		flow_free(f);
		return NULL;
	}
	f->next = u->flows;
	u->flows = f;
	if (!u->n++)
		watch_arm(&u->timer, RELAY_IDLE_S * INT64_C(500000000));
	return f;
}

static int on_door(struct watch *w, uint32_t events)
{
	struct relay_udp *u = CONTAINER_OF(w, struct relay_udp, door);

	for (int i = 0; i < TURN; i++) {
		union {
			struct cmsghdr align;
			char room[256];
		} control;
		struct sockaddr_storage client = { 0 };
		struct iovec io = { u->buf, DATAGRAM_MAX };
		struct msghdr m = { .msg_name = &client, .msg_namelen = sizeof(client), .msg_iov = &io, .msg_iovlen = 1,
				    .msg_control = control.room, .msg_controllen = sizeof(control.room) };
		struct in6_pktinfo local = { 0 };
		bool has = false;
		ssize_t n = recvmsg(u->fd, &m, MSG_DONTWAIT);
		struct flow *f;

		if (n < 0)
			break;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
			if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
				memcpy(&local, CMSG_DATA(c), sizeof(local));
				has = true;
			}
		f = flow_find(u, &client, m.msg_namelen, &local, has);
		if (!f)
			f = flow_new(u);
		if (!f)
			continue;
		f->client = client;
		f->client_len = m.msg_namelen;
		f->local = local;
		f->has_local = has;
		f->last_ns = time_mono_ns();
		(void)send(f->fd, u->buf, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	return 0;
}

int relay_udp_new(struct loop *l, int door, const struct relay_target *to, struct relay_udp **ret, struct err *e)
{
	struct relay_udp *u = xcalloc(1, sizeof(*u));
	int one = 1, r;

	*u = (struct relay_udp){ .loop = l, .fd = door, .to = *to };
	u->buf = xmalloc(DATAGRAM_MAX);
	(void)setsockopt(door, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one)); /* an IPv4 socket has one address anyway */
	r = watch_timer(l, &u->timer, on_timer, e);
	if (r >= 0)
		r = watch_fd(l, &u->door, door, EPOLLIN, on_door, e);
	if (r < 0) {
		relay_udp_free(u);
		return r;
	}
	*ret = u;
	return 0;
}

void relay_udp_free(struct relay_udp *u)
{
	if (!u)
		return;
	watch_done(&u->door);
	watch_done(&u->timer);
	while (u->flows) {
		struct flow *f = u->flows;

		u->flows = f->next;
		flow_free(f);
	}
	free(u->buf);
	free(u);
}
