/* SPDX-License-Identifier: MIT
 *
 * The monitor's side of DNS. While nobody asks there is no gantry-dns, and the sandboxes' sockets are watched here: the first packet starts it.
 */
#include "net/dns.h"
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/time.h"
#include "net/dns_lookup.h"
#include "net/dns_proto.h"
#include "net/netns.h"
#include "net/resolv.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { TURN = 32, QUICK_DEATHS = 3 };
static const int64_t SECOND = 1000000000, PAUSE_NS = 5 * SECOND;

struct dns_box {
	struct dns_host *host;
	uint32_t tag;
	char *id;
	int udp, tcp;
	struct watch wudp, wtcp;
	struct dns_where where;        /* links, ndots, project */
	bool inside, internal;
	struct addr servers[DNS_SERVERS];
	unsigned nservers;
	struct dns_box *next;
};
struct dns_host {
	struct loop *loop;
	const struct dirs *dirs;
	char *project;
	struct db *(*db)(void *arg);
	void *arg;
	struct dns_box *boxes;
	uint32_t next_tag;
	int sock;                      /* -1: no gantry-dns */
	int pidfd;
	struct watch wsock, wchild, pause;
	int64_t started_ns;
	unsigned quick;                /* deaths soon after the start, in a row */
};

static void listen_here(struct dns_host *h, bool on)
{
	for (struct dns_box *b = h->boxes; b; b = b->next) {
		(void)watch_events(&b->wudp, on ? EPOLLIN : 0);
		(void)watch_events(&b->wtcp, on ? EPOLLIN : 0);
	}
}

static int on_pause(struct watch *w, uint32_t events)
{
	struct dns_host *h = CONTAINER_OF(w, struct dns_host, pause);

	watch_arm(w, INT64_MAX);
	if (h->sock < 0)
		listen_here(h, true);
	return 0;
}

/* gantry-dns ended, by itself or not. One that keeps dying at once is not started for every packet. */
static void gone(struct dns_host *h)
{
	if (h->sock < 0)
		return;
	watch_done(&h->wsock);
	close(TAKE_FD(h->sock));
	h->quick = time_mono_ns() - h->started_ns < SECOND ? h->quick + 1 : 0;
	if (h->quick < QUICK_DEATHS) {
		listen_here(h, true);
		return;
	}
	log_debug("gantry-dns ended %u times at once, pausing", h->quick);
	watch_arm(&h->pause, PAUSE_NS);
}

static int tell(struct dns_host *h, const struct dns_packet *p, const int *fds, size_t nfds)
{
	AUTO_ERR(t);

	return fd_send(h->sock, p, sizeof(*p), fds, nfds, &t);
}

/* What the host resolves with now: it may have moved to another network since the container started. */
static void host_servers(struct dns_box *b)
{
	AUTO_DONE(resolv_done) struct resolv r = { 0 };

	resolv_read_host(&r);
	b->nservers = 0;
	for (size_t i = 0; i < r.servers.n && b->nservers < DNS_SERVERS; i++) {
		AUTO_ERR(t);

		if (!streq(r.servers.v[i], "127.0.0.11") && addr_parse(r.servers.v[i], &b->servers[b->nservers], &t) >= 0)
			b->nservers++;
	}
}

static int send_add(struct dns_box *b)
{
	struct dns_packet p = { .kind = DNS_K_ADD, .tag = b->tag };
	int fds[2] = { b->udp, b->tcp };

	if (!b->inside)
		host_servers(b);
	/* A sandbox on internal networks only has no way out, by DNS neither (CVE-2024-29018). */
	p.servers = (uint8_t)(b->internal && !b->inside ? 0 : b->nservers);
	return tell(b->host, &p, fds, 2);
}

static struct dns_box *box_by_tag(struct dns_host *h, uint32_t tag)
{
	for (struct dns_box *b = h->boxes; b; b = b->next)
		if (b->tag == tag)
			return b;
	return NULL;
}

static void on_ask(struct dns_host *h, struct dns_packet *p)
{
	struct dns_packet answer = { .kind = DNS_K_ANSWER, .id = p->id, .status = DNS_S_FAIL };
	struct dns_box *b = box_by_tag(h, p->tag);
	struct db *db = b ? h->db(h->arg) : NULL;
	AUTO_ERR(t);

	p->name[DNS_NAME - 1] = '\0';
	if (db && dns_lookup(db, &b->where, p->name, p->type, &answer, &t) < 0)
		log_debug("name '%s': %s", p->name, err_text(&t));
	(void)tell(h, &answer, NULL, 0); /* a full socket: the client asks again */
}

struct opening {
	const struct addr *server;
	bool tcp;
	int fd;
};

static int open_socket(void *arg, struct err *e)
{
	struct opening *o = arg;
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(53) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(53) };
	bool v4 = o->server->family == 4;
	auto_close int fd = socket(v4 ? AF_INET : AF_INET6, (o->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_sys(e, "resolver socket");
	memcpy(v4 ? (void *)&in4.sin_addr : (void *)&in6.sin6_addr, o->server->b, addr_size(o->server));
	if (connect(fd, v4 ? (struct sockaddr *)&in4 : (struct sockaddr *)&in6, v4 ? sizeof(in4) : sizeof(in6)) < 0 && errno != EINPROGRESS)
		return err_sys(e, "resolver socket");
	o->fd = TAKE_FD(fd);
	return 0;
}

static void on_want(struct dns_host *h, const struct dns_packet *p)
{
	struct dns_packet answer = { .kind = DNS_K_SOCKET, .id = p->id };
	struct dns_box *b = box_by_tag(h, p->tag);
	struct opening o = { .tcp = p->tcp, .fd = -1 };
	AUTO_ERR(t);

	if (b && p->server < b->nservers && (b->inside || !b->internal)) {
		o.server = &b->servers[p->server];
		if (!b->inside) {
			(void)open_socket(&o, &t);
		} else { /* `dns:` servers are asked from where the container is */
			auto_close int ns = netns_of_socket(b->udp, &t);

			if (ns >= 0)
				(void)netns_run(ns, open_socket, &o, &t);
		}
	}
	(void)tell(h, &answer, &o.fd, o.fd >= 0);
	if (o.fd >= 0)
		close(o.fd);
}

static int on_sock(struct watch *w, uint32_t events)
{
	struct dns_host *h = CONTAINER_OF(w, struct dns_host, wsock);

	for (int i = 0; i < TURN && h->sock >= 0; i++) {
		struct dns_packet p, quit = { .kind = DNS_K_QUIT };
		size_t nfds = 0; /* it has nothing to give us */
		AUTO_ERR(t);
		ssize_t n = fd_recv(h->sock, &p, sizeof(p), NULL, &nfds, &t);

		if (n == -EAGAIN)
			break;
		if (n != sizeof(p)) {
			gone(h);
			break;
		}
		if (p.kind == DNS_K_ASK)
			on_ask(h, &p);
		else if (p.kind == DNS_K_WANT)
			on_want(h, &p);
		else if (p.kind == DNS_K_IDLE)
			(void)tell(h, &quit, NULL, 0);
	}
	return 0;
}

static int on_child(struct watch *w, uint32_t events)
{
	struct dns_host *h = CONTAINER_OF(w, struct dns_host, wchild);
	siginfo_t info = { 0 };

	(void)waitid(P_PIDFD, (id_t)h->pidfd, &info, WEXITED | WNOHANG);
	watch_done(&h->wchild);
	close(TAKE_FD(h->pidfd));
	gone(h);
	return 0;
}

static int spawn(struct dns_host *h, int theirs, struct err *e)
{
	auto_free char *path = NULL, *number = xasprintf("%d", theirs);
	char name[] = "gantry-dns", *argv[] = { name, number, NULL };
	const int keep[] = { theirs, -1 };
	struct proc_spawn s = { .argv = argv, .fds = keep, .setsid = true };
	pid_t pid;

	TRY(dirs_program("gantry-dns", &path, e));
	s.path = path;
	TRY(proc_spawn(&s, &pid, &h->pidfd, e));
	return watch_fd(h->loop, &h->wchild, h->pidfd, EPOLLIN, on_child, e);
}

static int start(struct dns_host *h, struct err *e)
{
	int pair[2], room = 4 << 20;
	auto_close int ours = -1, theirs = -1;

	FP("net.dns.start", e);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "socket for gantry-dns");
	ours = pair[0];
	theirs = pair[1];
	TRY(fd_nonblock(ours, true, e));
	/* A thousand sandboxes are told of at once, before it reads the first. */
	(void)setsockopt(ours, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	h->started_ns = time_mono_ns();
	TRY(spawn(h, theirs, e));
	TRY(watch_fd(h->loop, &h->wsock, ours, EPOLLIN, on_sock, e));
	h->sock = TAKE_FD(ours);
	listen_here(h, false);
	for (struct dns_box *b = h->boxes; b; b = b->next)
		if (send_add(b) < 0)
			return err_set(e, EAGAIN, "gantry-dns does not take its sockets");
	return 0;
}

static int first_packet(struct dns_host *h)
{
	AUTO_ERR(t);

	if (h->sock >= 0)
		return 0;
	if (h->pidfd >= 0) { /* the last one is just ending */
		listen_here(h, false);
		return 0;
	}
	if (start(h, &t) < 0) {
		log_warning("names of services cannot be resolved: %s", err_text(&t));
		h->quick = QUICK_DEATHS;
		listen_here(h, false);
		watch_arm(&h->pause, PAUSE_NS);
	}
	return 0;
}

static int on_udp(struct watch *w, uint32_t events)
{
	return first_packet(CONTAINER_OF(w, struct dns_box, wudp)->host);
}

static int on_tcp(struct watch *w, uint32_t events)
{
	return first_packet(CONTAINER_OF(w, struct dns_box, wtcp)->host);
}

static void box_free(struct dns_box *b)
{
	watch_done(&b->wudp);
	watch_done(&b->wtcp);
	if (b->udp >= 0)
		close(b->udp);
	if (b->tcp >= 0)
		close(b->tcp);
	dns_where_done(&b->where);
	free(b->id);
	free(b);
}

static int read_resolv(struct dns_box *b, const char *text, struct err *e)
{
	AUTO(json_free) struct cJSON *j = NULL;
	AUTO_STRV(servers);

	TRY(json_parse(text, strlen(text), "resolver of a sandbox", &j, e));
	b->inside = json_bool(j, "inside", false);
	b->internal = json_bool(j, "internal", false);
	b->where.ndots = json_bool(j, "ndots", false);
	json_map_strv(j, "links", &b->where.links);
	json_strv(j, "servers", &servers);
	for (size_t i = 0; i < servers.n && b->nservers < DNS_SERVERS; i++)
		if (!streq(servers.v[i], "127.0.0.11")) {
			TRY(addr_parse(servers.v[i], &b->servers[b->nservers], e));
			b->nservers++;
		}
	return 0;
}

static int box_open(struct dns_box *b, int udp, int tcp, struct err *e)
{
	b->udp = fcntl(udp, F_DUPFD_CLOEXEC, 3);
	b->tcp = fcntl(tcp, F_DUPFD_CLOEXEC, 3);
	if (b->udp < 0 || b->tcp < 0)
		return err_sys(e, "DNS sockets of a sandbox");
	TRY(watch_fd(b->host->loop, &b->wudp, b->udp, b->host->sock < 0 ? EPOLLIN : 0, on_udp, e));
	return watch_fd(b->host->loop, &b->wtcp, b->tcp, b->host->sock < 0 ? EPOLLIN : 0, on_tcp, e);
}

int dns_host_add(struct dns_host *h, const char *sandbox, int udp, int tcp, const char *resolv_json, struct err *e)
{
	struct dns_box *b = xcalloc(1, sizeof(*b));
	int r;

	dns_host_remove(h, sandbox);
	*b = (struct dns_box){ .host = h, .tag = h->next_tag++, .id = xstrdup(sandbox), .udp = -1, .tcp = -1 };
	b->where.sandbox = b->id;
	b->where.project = h->project;
	r = read_resolv(b, resolv_json, e);
	if (r >= 0)
		r = box_open(b, udp, tcp, e);
	if (r < 0) {
		box_free(b);
		return r;
	}
	b->next = h->boxes;
	h->boxes = b;
	if (h->sock >= 0 && send_add(b) < 0)
		gone(h); /* a new one gets them all */
	return 0;
}

void dns_host_remove(struct dns_host *h, const char *sandbox)
{
	for (struct dns_box **p = &h->boxes; *p; p = &(*p)->next) {
		struct dns_box *b = *p;
		struct dns_packet del = { .kind = DNS_K_DEL, .tag = b->tag };

		if (!streq(b->id, sandbox))
			continue;
		*p = b->next;
		if (h->sock >= 0 && tell(h, &del, NULL, 0) < 0)
			gone(h);
		box_free(b);
		return;
	}
}

int dns_host_new(struct loop *l, const struct dirs *d, const char *project, struct db *(*db_open_fn)(void *arg), void *arg, struct dns_host **ret,
		 struct err *e)
{
	struct dns_host *h = xcalloc(1, sizeof(*h));
	int r;

	*h = (struct dns_host){ .loop = l, .dirs = d, .project = xstrdup0(project), .db = db_open_fn, .arg = arg, .next_tag = 1, .sock = -1,
				.pidfd = -1 };
	r = watch_timer(l, &h->pause, on_pause, e);
	if (r < 0) {
		dns_host_free(h);
		return r;
	}
	*ret = h;
	return 0;
}

void dns_host_free(struct dns_host *h)
{
	if (!h)
		return;
	while (h->boxes) {
		struct dns_box *b = h->boxes;

		h->boxes = b->next;
		box_free(b);
	}
	watch_done(&h->wsock);
	watch_done(&h->wchild);
	watch_done(&h->pause);
	if (h->sock >= 0)
		close(h->sock);
	if (h->pidfd >= 0) { /* it has nothing to lose, and would be a zombie of whoever gets our children */
		siginfo_t info = { 0 };
		AUTO_ERR(t);

		(void)proc_kill_fd(h->pidfd, SIGKILL, &t);
		(void)waitid(P_PIDFD, (id_t)h->pidfd, &info, WEXITED);
		close(h->pidfd);
	}
	free(h->project);
	free(h);
}
