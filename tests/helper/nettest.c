/* SPDX-License-Identifier: MIT
 *
 * nettest - drives net/ without the engine: what the CLI, the monitor and K do, from a shell script
 *
 *   nettest network NAME [internal] [ipv6] [subnet=C] [opt=K=V]…     network_create
 *   nettest rm NAME…                                     network_remove
 *   nettest lease ID SERVICE NET[,NET…] [PORT…]          net_sandbox_lease; PORT as in compose; prints addresses
 *   nettest run ID [--dns] CMD…                          prepare, load, up in a child, relay (and DNS) here, CMD inside; then down
 *   nettest release ID…    gc    text
 * GANTRY_ROOT and GANTRY_RUN say where.
 */
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/strv.h"
#include "net/dns.h"
#include "net/firewall.h"
#include "net/netns.h"
#include "net/network.h"
#include "net/port.h"
#include "net/sandbox.h"
#include "state/container_store.h"
#include "state/db.h"
#include "state/project_store.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct dirs dirs;
static struct db *db;

static int cmd_network(int argc, char **argv, struct err *e)
{
	struct network_want w = { .name = argv[0], .project = "proj", .key = argv[0], .ipv4 = true };
	struct subnet_row sub = { 0 };
	AUTO_DONE(network_row_done) struct network_row n = { 0 };
	AUTO(json_free) struct cJSON *opts = json_object();
	auto_free char *text = NULL;
	int r;

	for (int i = 1; i < argc; i++) {
		const char *v;

		w.internal |= streq(argv[i], "internal");
		w.ipv6 |= streq(argv[i], "ipv6");
		if ((v = str_after(argv[i], "driver=")))
			w.driver = v;
		if ((v = str_after(argv[i], "subnet="))) {
			sub.cidr = (char *)v;
			w.subnets = &sub;
			w.nsubnets = 1;
		}
		if ((v = str_after(argv[i], "opt="))) {
			auto_free char *key = xstrndup(v, strcspn(v, "="));

			json_add_str(opts, key, v + strcspn(v, "=") + 1);
		}
	}
	w.options = text = json_text(opts, false);
	r = network_create(db, &w, &n, e);
	TRY(r);
	printf("%s %s\n", r ? "exists" : "made", n.nsubnets ? n.subnets[0].cidr : "-");
	return 0;
}

static int cmd_rm(int argc, char **argv, struct err *e)
{
	int64_t ids[64];
	size_t n = 0;

	for (int i = 0; i < argc && n < 64; i++) {
		AUTO_DONE(network_row_done) struct network_row row = { 0 };
		int r = network_by_name(db, argv[i], &row, e);

		TRY(r);
		if (r == 0)
			ids[n++] = row.id;
	}
	return network_remove(db, ids, n, e);
}

/* A container row, so that names answer: dns_addresses() looks at containers that run. */
static int container(const char *sandbox, const char *service, struct err *e)
{
	struct project_row proj = { .name = (char *)"proj", .working_dir = (char *)"/" };
	struct ctr_row c = { .id = (char *)sandbox, .name = xasprintf("proj-%s-1", service), .project = (char *)"proj", .service = (char *)service,
				   .number = 1, .sandbox = (char *)sandbox, .hash = (char *)"", .config = (char *)"{}", .image_ref = (char *)"", .image_id = (char *)"" };
	int r = project_put(db, &proj, e);

	if (r >= 0)
		r = ctr_insert(db, &c, e);
	free(c.name);
	return r;
}

static int lease(char **argv, int argc, struct err *e)
{
	AUTO_STRV(nets);
	AUTO_STRV(aliases);
	struct net_endpoint_want eps[8] = { 0 };
	struct net_port_want ports[64] = { 0 };
	char name[64];
	struct net_want w = { .sandbox_id = argv[0], .project = "proj", .service = argv[1], .container_name = name, .container_id = argv[0],
			      .number = 1, .mode = "private", .endpoints = eps, .ports = ports };

	snprintf(name, sizeof(name), "proj-%s-1", argv[1]);
	strv_add(&aliases, argv[1]);
	if (streq(argv[2], "none") || streq(argv[2], "host"))
		w.mode = argv[2];
	else
		strv_split(&nets, argv[2], ",");
	for (size_t i = 0; i < nets.n && i < 8; i++) {
		char *at = strchr(nets.v[i], '@');

		if (at)
			*at = '\0';
		eps[w.nendpoints++] = (struct net_endpoint_want){ .network = nets.v[i], .aliases = &aliases, .ipv4 = at ? at + 1 : NULL };
	}
	for (int i = 3; i < argc; i++) {
		struct port p;
		static char hosts[64][ADDR_TEXT];

		TRY(port_parse(argv[i], &p, e));
		addr_text(&p.host, hosts[w.nports]);
		ports[w.nports] = (struct net_port_want){ .proto = port_proto_name(p.proto), .host_ip = hosts[w.nports], .ctr_port = p.ctr_first,
							  .host_port = p.host_first, .host_port_last = p.host_last };
		w.nports++;
	}
	return net_sandbox_lease(db, &w, e);
}

static int cmd_lease(int argc, char **argv, struct err *e)
{
	AUTO_DONE(endpoint_rows_done) struct endpoint_rows eps = { 0 };
	AUTO_DONE(port_rows_done) struct port_rows ports = { 0 };
	AUTO_DONE(sandbox_row_done) struct sandbox_row have = { 0 };
	int fresh, r;

	TRY(db_begin(db, e));
	fresh = sandbox_get(db, argv[0], &have, e);
	r = lease(argv, argc, e);
	if (r >= 0 && fresh == 1)
		r = container(argv[0], argv[1], e);
	if (r >= 0)
		r = db_commit(db, e);
	if (r < 0) {
		db_rollback(db);
		return r;
	}
	TRY(endpoint_by_sandbox(db, argv[0], &eps, e));
	for (size_t i = 0; i < eps.n; i++)
		printf("%s %s %s\n", eps.v[i].ifname, str0(eps.v[i].ipv4), str0(eps.v[i].ipv6));
	TRY(port_by_sandbox(db, argv[0], &ports, e));
	for (size_t i = 0; i < ports.n; i++)
		printf("port %s %s:%u -> %u\n", ports.v[i].proto, ports.v[i].host_ip, ports.v[i].host_port, ports.v[i].ctr_port);
	return 0;
}

/* K: brings the sandbox up, hands the descriptors over, becomes the command. */
static _Noreturn void k(const struct net_plan *p, int sock, int host, char **cmd)
{
	struct net_sandbox_fds f = { 0 };
	AUTO_ERR(e);
	int fds[FD_PASS_MAX], n = 0;

	if (net_plan_up(&dirs, p, host, &f, &e) < 0) {
		log_err(&e);
		_exit(125);
	}
	if (f.dns_udp >= 0) {
		fds[n++] = f.dns_udp;
		fds[n++] = f.dns_tcp;
	}
	for (size_t i = 0; i < f.nports && n < FD_PASS_MAX; i++)
		fds[n++] = f.ports[i];
	if (fd_send(sock, f.dns_udp >= 0 ? "d" : "-", 1, fds, (size_t)n, &e) < 0) {
		log_err(&e);
		_exit(125);
	}
	execvp(cmd[0], cmd);
	perror(cmd[0]);
	_exit(127);
}

static int status = -1;
static int on_child(struct watch *w, uint32_t events)
{
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, (id_t)w->fd, &info, WEXITED) == 0)
		status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	loop_quit(w->loop);
	return 0;
}

static struct db *same_db(void *arg)
{
	return db;
}

static int serve(const char *id, const struct net_plan *p, int sock, int pidfd, struct err *e)
{
	AUTO(loop_free) struct loop *loop = loop_new(e);
	AUTO(net_relay_stop) struct net_relay *relay = NULL;
	struct net_sandbox_fds f = { .netns = -1, .dns_udp = -1, .dns_tcp = -1 };
	struct dns_host *dns = NULL;
	struct watch child = { 0 };
	int fds[FD_PASS_MAX];
	size_t n = FD_PASS_MAX, i = 0;
	char kind;
	ssize_t r = fd_recv(sock, &kind, 1, fds, &n, e);

	TRY((int)r);
	if (r == 1) {
		if (kind == 'd') {
			f.dns_udp = fds[i++];
			f.dns_tcp = fds[i++];
		}
		while (i < n)
			f.ports[f.nports++] = fds[i++];
		TRY(net_relay_start(loop, p, &f, &relay, e));
		TRY(ctr_set_state(db, id, CTR_PAUSED, e));
		if (f.dns_udp >= 0) {
			TRY(dns_host_new(loop, &dirs, "proj", same_db, NULL, &dns, e));
			TRY(dns_host_add(dns, id, f.dns_udp, f.dns_tcp, net_plan_resolv(p), e));
		}
	}
	TRY(watch_fd(loop, &child, pidfd, EPOLLIN, on_child, e));
	loop_run(loop);
	watch_done(&child);
	dns_host_free(dns);
	return ctr_set_exited(db, id, 0, true, false, 0, e);
}

static int cmd_run(int argc, char **argv, struct err *e)
{
	AUTO(net_plan_free) struct net_plan *p = NULL;
	AUTO(json_free) struct cJSON *spec = NULL;
	const char *text = getenv("SPEC") ? getenv("SPEC") : "{}", *etc = getenv("ETC");
	int sock[2], pidfd, host = netns_open(e);
	pid_t pid;

	TRY(host);
	TRY(json_parse(text, strlen(text), "SPEC", &spec, e));
	TRY(net_sandbox_prepare(db, argv[0], e));
	TRY(net_plan_load(db, argv[0], spec, &p, e));
	if (etc)
		TRY(net_plan_write_etc(p, etc, e));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock) < 0)
		return err_sys(e, "socketpair");
	pid = fork();
	if (pid == 0) {
		close(sock[0]);
		k(p, sock[1], host, argv + 1);
	}
	close(sock[1]);
	pidfd = (int)syscall(434, pid, 0);
	TRY(serve(argv[0], p, sock[0], pidfd, e));
	TRY(net_plan_down(&dirs, p, e));
	return net_sandbox_cleared(db, argv[0], e);
}

static int cmd_release(int argc, char **argv, struct err *e)
{
	for (int i = 0; i < argc; i++) {
		TRY(ctr_delete(db, argv[i], e));
		TRY(net_sandbox_release(db, argv[i], e));
	}
	return 0;
}

static int cmd_gc(int argc, char **argv, struct err *e)
{
	return network_gc(db, e);
}

static int cmd_text(int argc, char **argv, struct err *e)
{
	AUTO_DONE(nat_elems_done) struct nat_elems l = { 0 };
	AUTO_STR(out, 1 << 20);
	char table[FIREWALL_TABLE];

	TRY(firewall_rows(db, &l, e));
	firewall_table(&dirs, table);
	nat_text(table, &l, &out);
	fputs(out.s, stdout);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv, struct err *e);
		int args;
	} cmds[] = { { "network", cmd_network, 1 }, { "rm", cmd_rm, 1 }, { "lease", cmd_lease, 3 }, { "run", cmd_run, 2 },
		     { "release", cmd_release, 1 }, { "gc", cmd_gc, 0 }, { "text", cmd_text, 0 } };
	AUTO_ERR(e);
	int r = -1;

	log_setup("nettest", 2, getenv("DEBUG") != NULL);
	dirs_init(&dirs, NULL, NULL);
	if (dirs_prepare(&dirs, &e) < 0 || db_open(&dirs, 0, &db, &e) < 0) {
		log_err(&e);
		return 1;
	}
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(cmds); i++)
		if (streq(cmds[i].name, argv[1]) && argc - 2 >= cmds[i].args)
			r = cmds[i].run(argc - 2, argv + 2, &e);
	db_close(db);
	dirs_done(&dirs);
	if (e.code)
		log_err(&e);
	return r < 0 ? 1 : status >= 0 ? status : 0;
}
