/* SPDX-License-Identifier: MIT */
#include "net/netlink.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/str.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <string.h>
#include <sys/socket.h>

enum {
	MSG_ROOM = 16384,              /* of one message */
	NESTS = 12,
	BATCH_MAX = 64 << 20,          /* a table of a million elements */
	ANSWER_ROOM = 65536,
	RCVBUF = 8 << 20,
	DUMP_TRIES = 8,
};

struct step {
	uint32_t seq;
	int fine;
	bool quiet, answered;
	char *what;
};

struct netlink {
	struct nl_sock *sk;
	enum netlink_bus bus;
	struct nl_msg *msg;            /* under way */
	struct nlattr *nest[NESTS];
	unsigned nests;
	char *batch;
	size_t len, cap;
	struct step *steps;
	size_t nsteps, steps_cap;
	uint32_t seq;
	char *answer;
};

int netlink_open(enum netlink_bus bus, struct netlink **ret, struct err *e)
{
	static const int protocols[] = { [NETLINK_BUS_ROUTE] = NETLINK_ROUTE, [NETLINK_BUS_FILTER] = NETLINK_NETFILTER };
	AUTO(netlink_close) struct netlink *nl = xcalloc(1, sizeof(*nl));
	int one = 1, room = RCVBUF, r, fd;

	nl->bus = bus;
	nl->seq = 1;
	nl->sk = nl_socket_alloc();
	if (!nl->sk)
		return err_set(e, ENOMEM, "netlink socket: out of memory");
	r = nl_connect(nl->sk, protocols[bus]);
	if (r < 0) {
		int code = errno;

		return err_set(e, code ? code : EPROTO, "netlink socket: %s", nl_geterror(r));
	}
	fd = nl_socket_get_fd(nl->sk);
	/* Best effort: without the first two only the words of an error are missing; the buffers are a matter of size. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	*ret = TAKE(nl);
	return 0;
}

void netlink_drop(struct netlink *nl)
{
	for (size_t i = 0; i < nl->nsteps; i++)
		free(nl->steps[i].what);
	nl->nsteps = 0;
	nl->len = 0;
	nl->nests = 0;
	nlmsg_free(nl->msg);
	nl->msg = NULL;
}

void netlink_close(struct netlink *nl)
{
	if (!nl)
		return;
	netlink_drop(nl);
	nl_socket_free(nl->sk);
	free(nl->steps);
	free(nl->batch);
	free(nl->answer);
	free(nl);
}

int netlink_fd(const struct netlink *nl)
{
	return nl_socket_get_fd(nl->sk);
}

/* Moves the finished message into the batch. */
static void finish(struct netlink *nl)
{
	struct nlmsghdr *h;
	size_t n;

	if (!nl->msg)
		return;
	BUG_ON(nl->nests != 0);
	h = nlmsg_hdr(nl->msg);
	n = NLMSG_ALIGN(h->nlmsg_len);
	BUG_ON(nl->len + n > BATCH_MAX);
	while (nl->len + n > nl->cap) {
		nl->cap = nl->cap ? 2 * nl->cap : 8192;
		nl->batch = xrealloc(nl->batch, nl->cap);
	}
	memset(nl->batch + nl->len, 0, n);
	memcpy(nl->batch + nl->len, h, h->nlmsg_len);
	nl->len += n;
	nlmsg_free(nl->msg);
	nl->msg = NULL;
}

static void begin(struct netlink *nl, uint16_t type, uint16_t flags, const void *hdr, size_t n, struct step step)
{
	struct nlmsghdr *h;

	finish(nl);
	nl->msg = nlmsg_alloc_size(MSG_ROOM);
	h = nl->msg ? nlmsg_put(nl->msg, 0, nl->seq, type, (int)n, NLM_F_REQUEST | flags) : NULL;
	if (!h)
		BUG("netlink message: out of memory");
	memcpy(nlmsg_data(h), hdr, n);
	step.seq = nl->seq++;
	xgrow(&nl->steps, nl->nsteps, &nl->steps_cap, sizeof(*nl->steps));
	nl->steps[nl->nsteps++] = step;
}

void netlink_begin(struct netlink *nl, uint16_t type, uint16_t flags, const void *hdr, size_t n, int fine, const char *fmt, ...)
{
	struct step step = { .fine = fine };
	va_list ap;

	va_start(ap, fmt);
	step.what = xvasprintf(fmt, ap);
	va_end(ap);
	begin(nl, type, flags | NLM_F_ACK, hdr, n, step);
}

void netlink_begin_quiet(struct netlink *nl, uint16_t type, const void *hdr, size_t n)
{
	begin(nl, type, 0, hdr, n, (struct step){ .quiet = true, .what = xstrdup("nftables") });
}

/* Callers bound what they put (names, addresses, elements up to a page), so an overflow is ours. */
void netlink_put(struct netlink *nl, uint16_t attr, const void *p, size_t n)
{
	if (nla_put(nl->msg, attr, (int)n, p) < 0)
		BUG("netlink message of more than %d bytes", MSG_ROOM);
}

void netlink_put_str(struct netlink *nl, uint16_t attr, const char *s)
{
	netlink_put(nl, attr, s, strlen(s) + 1);
}

void netlink_put_u8(struct netlink *nl, uint16_t attr, uint8_t v)
{
	netlink_put(nl, attr, &v, sizeof(v));
}

void netlink_put_u16(struct netlink *nl, uint16_t attr, uint16_t v)
{
	netlink_put(nl, attr, &v, sizeof(v));
}

void netlink_put_u32(struct netlink *nl, uint16_t attr, uint32_t v)
{
	netlink_put(nl, attr, &v, sizeof(v));
}

void netlink_put_be32(struct netlink *nl, uint16_t attr, uint32_t v)
{
	netlink_put_u32(nl, attr, htonl(v));
}

void netlink_put_raw(struct netlink *nl, const void *p, size_t n)
{
	if (nlmsg_append(nl->msg, (void *)p, n, NLMSG_ALIGNTO) < 0)
		BUG("netlink message of more than %d bytes", MSG_ROOM);
}

void netlink_nest(struct netlink *nl, uint16_t attr)
{
	BUG_ON(nl->nests == NESTS);
	nl->nest[nl->nests] = nla_nest_start(nl->msg, attr | NLA_F_NESTED);
	BUG_ON(!nl->nest[nl->nests]);
	nl->nests++;
}

/* nla_nest_end() of libnl takes an empty nest away, which some messages (an empty IFLA_INFO_DATA) must keep. */
void netlink_nest_end(struct netlink *nl)
{
	BUG_ON(nl->nests == 0);
	nla_nest_end_keep_empty(nl->msg, nl->nest[--nl->nests]);
}

size_t netlink_size(const struct netlink *nl)
{
	return nl->msg ? nlmsg_hdr(nl->msg)->nlmsg_len : 0;
}

const void *netlink_attr(const void *attrs, size_t len, uint16_t type, size_t *ret_len)
{
	const struct nlattr *a = attrs;
	int left = (int)len;

	for (; nla_ok(a, left); a = nla_next(a, &left)) {
		if (nla_type(a) != type)
			continue;
		if (ret_len)
			*ret_len = (size_t)nla_len(a);
		return nla_data(a);
	}
	return NULL;
}

bool netlink_attr_u32(const void *attrs, size_t len, uint16_t type, uint32_t *ret)
{
	size_t n;
	const void *p = netlink_attr(attrs, len, type, &n);

	if (!p || n < sizeof(*ret))
		return false;
	memcpy(ret, p, sizeof(*ret));
	return true;
}

bool netlink_attr_be32(const void *attrs, size_t len, uint16_t type, uint32_t *ret)
{
	if (!netlink_attr_u32(attrs, len, type, ret))
		return false;
	*ret = ntohl(*ret);
	return true;
}

const char *netlink_attr_str(const void *attrs, size_t len, uint16_t type)
{
	size_t n;
	const char *p = netlink_attr(attrs, len, type, &n);

	return p && n && memchr(p, '\0', n) ? p : NULL;
}

static int send_batch(struct netlink *nl, struct err *e)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int room = (int)(2 * nl->len + 65536);
	ssize_t n;

	/* A batch is one datagram: the send buffer must hold all of it. */
	if (nl->len > 65536)
		(void)setsockopt(netlink_fd(nl), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	do
		n = sendto(netlink_fd(nl), nl->batch, nl->len, 0, (struct sockaddr *)&kernel, sizeof(kernel));
	while (n < 0 && errno == EINTR);
	return n < 0 ? err_sys(e, "netlink: send") : 0;
}

/* One datagram of answers. 0: there is none now (DONTWAIT). */
static ssize_t receive(struct netlink *nl, int flags, struct err *e)
{
	ssize_t n;

	if (!nl->answer)
		nl->answer = xmalloc(ANSWER_ROOM);
	do
		n = recv(netlink_fd(nl), nl->answer, ANSWER_ROOM, flags | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		return err_sys(e, "netlink: receive");
	if (n > ANSWER_ROOM)
		return err_set(e, EMSGSIZE, "netlink: an answer of %zd bytes", n);
	return n;
}

static const char *extack(const struct nlmsghdr *h)
{
	const struct nlmsgerr *m = NLMSG_DATA(h);
	size_t off = sizeof(*m), n = NLMSG_PAYLOAD(h, 0);

	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	if (!(h->nlmsg_flags & NLM_F_CAPPED))
		off += NLMSG_ALIGN(m->msg.nlmsg_len) - sizeof(m->msg);
	return off < n ? netlink_attr_str((const char *)m + off, n - off, NLMSGERR_ATTR_MSG) : NULL;
}

static int raise(const struct nlmsghdr *h, const char *what, struct err *e)
{
	const struct nlmsgerr *m = NLMSG_DATA(h);
	const char *words = extack(h);

	if (words)
		return err_code(e, -m->error, "%s: %s", what, words);
	return err_code(e, -m->error, "%s", what);
}

/* 1: was already so. */
static int answered(struct netlink *nl, const struct nlmsghdr *h, struct err *e)
{
	const struct nlmsgerr *m = NLMSG_DATA(h);
	uint32_t i = h->nlmsg_seq - nl->steps[0].seq;

	if (h->nlmsg_type != NLMSG_ERROR || NLMSG_PAYLOAD(h, 0) < sizeof(*m) || i >= nl->nsteps)
		return 0;
	nl->steps[i].answered = true;
	if (!m->error)
		return 0;
	if (nl->steps[i].fine && -m->error == nl->steps[i].fine)
		return 1;
	return raise(h, nl->steps[i].what, e);
}

/* The kernel handles a datagram before sendto() returns, so what is not there then never comes. */
static int read_answers(struct netlink *nl, bool *ret_already, struct err *e)
{
	AUTO_ERR(first);

	for (;;) {
		AUTO_ERR(t);
		ssize_t n = receive(nl, MSG_DONTWAIT, &t);
		int left = (int)n;

		if (n < 0)
			return first.code ? err_move(e, &first) : err_move(e, &t);
		if (n == 0)
			break;
		for (struct nlmsghdr *h = (void *)nl->answer; nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
			AUTO_ERR(one);
			int r = answered(nl, h, &one);

			if (r == 1)
				*ret_already = true;
			if (r < 0 && !first.code)
				err_move(&first, &one);
		}
	}
	if (first.code)
		return err_move(e, &first);
	for (size_t i = 0; i < nl->nsteps; i++)
		if (!nl->steps[i].quiet && !nl->steps[i].answered)
			return err_set(e, EPROTO, "%s: no answer from the kernel", nl->steps[i].what);
	return 0;
}

int netlink_flush(struct netlink *nl, struct err *e)
{
	bool already = false;
	int r;

	finish(nl);
	if (!nl->len)
		return 0;
	r = send_batch(nl, e);
	if (r >= 0)
		r = read_answers(nl, &already, e);
	netlink_drop(nl);
	return r < 0 ? r : already;
}

static void query_send(struct netlink *nl, const struct netlink_query *q, const char *what)
{
	netlink_begin(nl, q->type, q->dump ? NLM_F_DUMP : 0, q->hdr, q->hdr_len, 0, "%s", what);
	if (!q->dump)
		nlmsg_hdr(nl->msg)->nlmsg_flags &= (uint16_t)~NLM_F_ACK;
	if (q->name)
		netlink_put_str(nl, q->name_attr, q->name);
	if (q->name2)
		netlink_put_str(nl, q->name2_attr, q->name2);
	finish(nl);
}

/* Answers of one query: 1 complete, 0 more to come; interrupted when the dump must be repeated. */
static int query_part(struct netlink *nl, const struct netlink_query *q, uint32_t seq, ssize_t n, const char *what, bool *interrupted,
		      struct err *e)
{
	int left = (int)n, done = 0;
	AUTO_ERR(first);

	for (struct nlmsghdr *h = (void *)nl->answer; nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
		size_t hdr = NLMSG_ALIGN(q->hdr_len);

		if (h->nlmsg_seq != seq)
			continue;
		if (h->nlmsg_flags & NLM_F_DUMP_INTR)
			*interrupted = true;
		if (h->nlmsg_type == NLMSG_DONE) {
			done = 1;
		} else if (h->nlmsg_type == NLMSG_ERROR) {
			const struct nlmsgerr *m = NLMSG_DATA(h);

			done = 1;
			if (m->error && !first.code)
				raise(h, what, &first);
		} else if (NLMSG_PAYLOAD(h, 0) >= hdr) {
			if (!q->dump)
				done = 1;
			if (!first.code)
				(void)q->fn(q->arg, h->nlmsg_type, NLMSG_DATA(h), (char *)NLMSG_DATA(h) + hdr, NLMSG_PAYLOAD(h, 0) - hdr,
					    &first);
		}
	}
	if (first.code)
		return err_move(e, &first);
	return done;
}

int netlink_query(struct netlink *nl, const struct netlink_query *q, const char *what, struct err *e)
{
	BUG_ON(nl->nsteps || nl->msg);
	for (int try = 0; try < DUMP_TRIES; try++) {
		bool interrupted = false;
		uint32_t seq = nl->seq;
		int r;

		if (try && q->restart)
			q->restart(q->arg);
		query_send(nl, q, what);
		r = send_batch(nl, e);
		netlink_drop(nl);
		TRY(r);
		do {
			AUTO_ERR(t);
			ssize_t n = receive(nl, 0, &t);

			r = n < 0 ? (int)n : query_part(nl, q, seq, n, what, &interrupted, &t);
			if (r == -ENOENT || r == -ENODEV)
				return 1;
			if (r < 0)
				return err_move(e, &t);
		} while (r == 0);
		if (!interrupted)
			return 0;
	}
	return err_set(e, EAGAIN, "%s: the kernel's list keeps changing", what);
}

int netlink_join(struct netlink *nl, int group, struct err *e)
{
	return setsockopt(netlink_fd(nl), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0 ?
		err_sys(e, "listen to the kernel's messages") : 0;
}

int netlink_events(struct netlink *nl, size_t hdr_len, netlink_fn *fn, void *arg, struct err *e)
{
	bool lost = false;

	for (;;) {
		AUTO_ERR(t);
		ssize_t n = receive(nl, MSG_DONTWAIT, &t);
		int left = (int)n;

		if (n == 0) {
			free(TAKE(nl->answer)); /* a listener lives long and hears little */
			return lost;
		}
		if (n < 0 && t.code != ENOBUFS && t.code != EMSGSIZE)
			return err_move(e, &t);
		lost |= n < 0;
		for (struct nlmsghdr *h = (void *)nl->answer; n > 0 && nlmsg_ok(h, left); h = nlmsg_next(h, &left)) {
			size_t hdr = NLMSG_ALIGN(hdr_len);

			if (NLMSG_PAYLOAD(h, 0) >= hdr)
				TRY(fn(arg, h->nlmsg_type, NLMSG_DATA(h), (char *)NLMSG_DATA(h) + hdr, NLMSG_PAYLOAD(h, 0) - hdr, e));
		}
	}
}
