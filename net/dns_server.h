/* SPDX-License-Identifier: MIT
 *
 * net/dns_server.h - gantry-dns' work: questions from sandboxes, answered by the monitor's word or by a resolver
 *
 * dns_server.c has the clients (UDP, TCP) and the monitor; dns_forward.c has the resolvers. Everything is bounded: DNS_IN_FLIGHT questions,
 * CONNS_MAX connections.
 */
#pragma once
#include "base/loop.h"
#include "net/dns_proto.h"
#include <sys/socket.h>

struct err;
struct dns_server;
/* MONITOR: the socket, owned from now on. Ends the loop when the monitor says so or is gone. */
int dns_server_new(struct loop *l, int monitor, struct dns_server **ret, struct err *e);
void dns_server_free(struct dns_server *s);

/* Inside. */
struct dns_conn;
struct dns_sandbox;
enum question_state { Q_ASKING /* the monitor */, Q_WANTING /* a socket */, Q_FORWARDED };
struct question {
	struct dns_server *server;
	struct dns_sandbox *sandbox;
	uint32_t id;
	enum question_state state;
	struct dns_query query;
	uint8_t *msg;                  /* as it came */
	size_t len;
	struct sockaddr_storage peer;  /* UDP */
	socklen_t peer_len;
	struct dns_conn *conn;         /* TCP; NULL: UDP, or the client is gone */
	bool tcp;
	int64_t deadline_ns;
	/* forwarding */
	unsigned tried;                /* servers, as bits */
	unsigned current;
	struct watch watch;
	int fd;
	uint8_t wire_id[2];            /* ours, random */
	uint8_t *stream;               /* TCP: what came so far, with its length */
	size_t stream_len, sent;
	struct question *next;
};
struct dns_upstream {
	int64_t bad_until_ns;          /* it did not answer: asked last until then */
	int idle[8];                   /* connected UDP sockets */
	unsigned nidle, uses[8];
};
struct dns_sandbox {
	struct dns_server *server;
	uint32_t tag;
	struct watch udp, tcp;
	int udp_fd, tcp_fd;
	unsigned nservers;
	struct dns_upstream up[DNS_SERVERS];
	struct dns_sandbox *next;
};
struct dns_server {
	struct loop *loop;
	struct watch monitor, timer;
	int fd;
	struct dns_sandbox *sandboxes;
	struct question *questions;
	unsigned n, forwarded;
	struct dns_conn *conns;
	unsigned nconns;
	uint32_t next_id;
	int64_t last_ns;               /* of the last question */
};
/* Sends RCODE, or a whole message, to whoever asked; and forgets the question. */
void question_fail(struct question *q, int rcode);
void question_reply(struct question *q, const uint8_t *m, size_t n);
struct question *question_find(struct dns_server *s, uint32_t id);
int dns_tell(struct dns_server *s, const struct dns_packet *p);
void dns_random(void *p, size_t n);
/* dns_forward.c */
void forward_start(struct question *q);
void forward_socket(struct question *q, int fd);  /* -1: there is none */
void forward_timeout(struct question *q);
void forward_done(struct question *q);            /* releases what forwarding holds */
