/* SPDX-License-Identifier: MIT
 *
 * engine/monitor/launch.c - K: the slow steps of a start, in a process of its own beside the loop
 *
 *   monitor                              K (fork)                              container
 *     row `starting`, commit
 *     rows -> net_plan, joins
 *     fork ───────────────────────────►  listen on run/c/ID/keep.sock
 *                                        pipes; netns, links, rules  (net_plan_up)
 *                                        hosts, resolv.conf
 *                                        cgroup, clone, mounts …     (container_start) ────► exec
 *                                        monitor gone? undo, end
 *                                        exec gantry-keep: same pid, still the parent
 *     READY  ◄── HELLO with descriptors ─┘
 *     or the failing step ◄── KEEP_FAILED + err_encode text, all undone
 *     or EOF: K was killed: cgroup_remove and net_plan_down in another child
 */
#include "engine/monitor/monitor.h"
#include "base/alloc.h"
#include "base/fail.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "engine/container/cgroup_of.h"
#include "engine/container/start.h"
#include "state/network_store.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* ---- decide: all that K needs, from rows, before the fork ---- */
enum join { JOIN_IPC, JOIN_PID, JOIN_UTS, JOIN_NET, JOINS };
static const char *const join_files[JOINS] = { "ipc", "pid", "uts", "net" };
struct launch {
	struct mctr *c;
	const struct net_plan *plan;    /* NULL: the host's network */
	bool make_net;                  /* else NETNS or joins[JOIN_NET] */
	struct proc_id joins[JOINS];    /* first processes of other containers, pid 0: none */
	char *monitor, *keep;           /* programs */
	int sock;                       /* to the monitor */
};
static void launch_done(struct launch *l)
{
	free(l->monitor);
	free(l->keep);
}

/* The process behind "container:ID". */
static int other_process(struct monitor *m, const char *mode, struct proc_id *ret, struct err *e)
{
	const char *id = mode ? str_after(mode, "container:") : NULL;
	AUTO_DONE(ctr_row_done) struct ctr_row row = { 0 };
	struct db *db;
	int r;

	if (!id)
		return 0;
	for (struct mctr *o = m->ctrs; o; o = o->next)
		if (streq(o->id, id) && o->pid.pid) {
			*ret = o->pid;
			return 0;
		}
	db = monitor_db(m, e);
	if (!db)
		return -e->code;
	r = ctr_find(db, id, &row, e);
	if (r < 0)
		return r;
	if (r == 1)
		return err_set(e, ENOENT, "container '%.12s', whose namespace it joins, does not exist", id);
	if (!ctr_row_alive(&row, m->dirs.boot_id))
		return err_set(e, ESRCH, "container '%s', whose namespace it joins, is not running", row.name);
	*ret = row.pid;
	return 0;
}
/* A sandbox of another project is held by that project's monitor; its namespace is found through one of its members. */
static int foreign_sandbox(struct monitor *m, const char *id, struct proc_id *ret, struct err *e)
{
	AUTO_DONE(ctr_rows_done) struct ctr_rows rows = CTR_ROWS_INIT;
	struct db *db = monitor_db(m, e);

	if (!db)
		return -e->code;
	TRY(ctr_list(db, NULL, NULL, &rows, e));
	for (size_t i = 0; i < rows.n; i++)
		if (streq0(rows.v[i].sandbox, id) && !streq0(rows.v[i].project, m->project) && ctr_row_alive(&rows.v[i], m->dirs.boot_id)) {
			*ret = rows.v[i].pid;
			return 0;
		}
	return err_set(e, ESRCH, "the container of another project, whose network it joins, is not running");
}
int launch_plan(struct mctr *c, struct net_plan **ret, struct err *e)
{
	AUTO(json_free) struct cJSON *spec = ctr_spec_to_json(c->spec);
	struct db *db = monitor_db(c->m, e);

	return db ? net_plan_load(db, c->sandbox_id, spec, ret, e) : -e->code;
}
static int prepare_net(struct launch *l, struct err *e)
{
	struct mctr *c = l->c;
	AUTO_DONE(sandbox_row_done) struct sandbox_row row = { 0 };
	struct db *db;
	int r;

	if (!c->sandbox_id)
		return 0;
	db = monitor_db(c->m, e);
	if (!db)
		return -e->code;
	r = sandbox_get(db, c->sandbox_id, &row, e);
	if (r < 0)
		return r;
	if (r == 1)
		return err_set(e, ENOENT, "sandbox '%.12s' has no row", c->sandbox_id);
	if (c->sandbox->phase == SANDBOX_DOWN) {
		if (row.project && !streq(row.project, c->m->project))
			return foreign_sandbox(c->m, c->sandbox_id, &l->joins[JOIN_NET], e);
		TRY(net_sandbox_prepare(db, c->sandbox_id, e));
		l->make_net = true;
	}
	TRY(launch_plan(c, &c->plan, e));
	l->plan = c->plan;
	return 0;
}
static int prepare(struct launch *l, struct err *e)
{
	const struct ctr_spec *s = l->c->spec;
	struct monitor *m = l->c->m;

	TRY(dirs_program("gantry-monitor", &l->monitor, e));
	TRY(dirs_program("gantry-keep", &l->keep, e));
	TRY(other_process(m, s->ipc, &l->joins[JOIN_IPC], e));
	TRY(other_process(m, s->pid, &l->joins[JOIN_PID], e));
	TRY(other_process(m, s->uts, &l->joins[JOIN_UTS], e));
	return prepare_net(l, e);
}

/* ---- do: in K ---- */
struct k {
	const struct launch *l;
	struct mctr *c;
	int host_netns, netns, lock, listen, dir;
	int stdio[3];              /* the container's ends */
	int keep[KEEP_TAGS];       /* ours, by tag */
	struct net_sandbox_fds net;
	bool net_made;
	struct ctr_started started;
};

static int set_pipe(struct k *k, enum keep_tag r, enum keep_tag w, struct err *e)
{
	int p[2];

	TRY(fd_pipe(p, e));
	k->keep[r] = p[0];
	k->keep[w] = p[1];
	return 0;
}
static int make_stdio(struct k *k, struct err *e)
{
	const struct ctr_spec *s = k->c->spec;
	int p[2];

	TRY(set_pipe(k, KEEP_HOLD_OUT_R, KEEP_HOLD_OUT_W, e));
	if (s->tty)
		return 0;
	TRY(set_pipe(k, KEEP_HOLD_ERR_R, KEEP_HOLD_ERR_W, e));
	if (s->stdin_open) {
		TRY(fd_pipe(p, e));
		k->stdio[0] = p[0];
		k->keep[KEEP_STDIN] = p[1];
	} else {
		k->stdio[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (k->stdio[0] < 0)
			return err_sys(e, "open '/dev/null'");
	}
	for (int i = 1; i <= 2; i++) {
		TRY(fd_pipe(p, e));
		k->stdio[i] = p[1];
		k->keep[i == 1 ? KEEP_STDOUT : KEEP_STDERR] = p[0];
	}
	return 0;
}
static int open_ns(const struct proc_id *p, const char *file, struct err *e)
{
	auto_free char *path = xasprintf("/proc/%d/ns/%s", p->pid, file);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "open '%s'", path);
	if (!proc_alive(p)) /* looked up before: the pid was still its own when the namespace was opened */
		return err_set(e, ESRCH, "the container whose %s namespace it joins has ended", file);
	return TAKE_FD(fd);
}
static int enter_net(struct k *k, struct err *e)
{
	const struct launch *l = k->l;
	const struct sandbox *s = k->c->sandbox;

	k->netns = -1;
	if (!s)
		return 0;
	if (l->make_net) {
		FP("launch.net", e);
		TRY(net_plan_up(&k->c->m->dirs, l->plan, k->host_netns, &k->net, e));
		k->net_made = true;
		k->netns = k->net.netns;
		return 0;
	}
	if (l->joins[JOIN_NET].pid) {
		k->netns = open_ns(&l->joins[JOIN_NET], "net", e);
		if (k->netns < 0)
			return k->netns;
	} else {
		k->net = s->fds;
		k->netns = s->fds.netns;
	}
	if (k->netns < 0)
		return 0;
	if (setns(k->netns, CLONE_NEWNET) < 0)
		return err_sys(e, "enter the network namespace");
	return 0;
}
static int start_process(struct k *k, struct err *e)
{
	struct mctr *c = k->c;
	const struct dirs *d = &c->m->dirs;
	auto_free char *etc = dirs_root(d, "containers/%s", c->id);
	int joins[JOINS] = { -1, -1, -1, -1 };
	struct ctr_start a = {
		.dirs = d, .spec = c->spec, .stdin_fd = k->stdio[0], .stdout_fd = k->stdio[1], .stderr_fd = k->stdio[2],
		.netns = k->netns, .host_netns = k->host_netns, .etc_dir = k->l->plan ? etc : NULL,
		.rows = c->rows, .cols = c->cols,
	};

	if (k->l->plan)
		TRY(net_plan_write_etc(k->l->plan, etc, e));
	for (int i = 0; i < JOIN_NET; i++)
		if (k->l->joins[i].pid) {
			joins[i] = open_ns(&k->l->joins[i], join_files[i], e);
			if (joins[i] < 0)
				return joins[i];
		}
	a.join_ipc = joins[JOIN_IPC];
	a.join_pid = joins[JOIN_PID];
	a.join_uts = joins[JOIN_UTS];
	if (a.join_ipc >= 0) {
		a.join_ipc_mnt = open_ns(&k->l->joins[JOIN_IPC], "mnt", e);
		if (a.join_ipc_mnt < 0)
			return a.join_ipc_mnt;
	}
	FP("launch.start", e);
	TRY(container_start(&a, &k->started, e));
	for (int i = 0; i < 3; i++)
		if (k->stdio[i] >= 0)
			close(TAKE_FD(k->stdio[i]));
	return 0;
}
static bool monitor_gone(const struct k *k)
{
	struct pollfd p = { .fd = k->l->sock, .events = 0 };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR));
}
static int become_keeper(struct k *k, struct err *e)
{
	AUTO_STRV(argv);
	struct mctr *c = k->c;

	if (setns(k->host_netns, CLONE_NEWNET) < 0) /* a monitor that the keeper starts belongs into the host's */
		return err_sys(e, "go back to the host's network namespace");
	keeper_argv(&argv, c, &k->started.pid, k->l->monitor);
	k->keep[KEEP_PIDFD] = k->started.pidfd;
	k->keep[KEEP_PTY] = k->started.pty_master;
	k->keep[KEEP_NETNS] = k->netns;
	k->keep[KEEP_DNS_UDP] = k->net.dns_udp;
	k->keep[KEEP_DNS_TCP] = k->net.dns_tcp;
	for (int tag = KEEP_STDIN; tag < KEEP_PORT; tag++)
		keeper_arg(&argv, (enum keep_tag)tag, k->keep[tag]);
	for (size_t i = 0; i < k->net.nports; i++)
		keeper_arg(&argv, KEEP_PORT, k->net.ports[i]);
	keeper_arg(&argv, KEEP_OWN_LISTEN, k->listen);
	keeper_arg(&argv, KEEP_OWN_DIR, k->dir);
	keeper_arg(&argv, KEEP_OWN_LOCK, k->lock);
	keeper_arg(&argv, KEEP_OWN_CONN, k->l->sock);
	FP("launch.exec", e);
	if (monitor_gone(k))
		return err_set(e, EPIPE, "the monitor has gone");
	execv(k->l->keep, argv.v);
	return err_sys(e, "run '%s'", k->l->keep);
}
static int run_steps(struct k *k, struct err *e)
{
	struct mctr *c = k->c;
	auto_free char *dir = dirs_run(&c->m->dirs, "c/%s", c->id);
	auto_free char *sock = dirs_run(&c->m->dirs, "c/%s/keep.sock", c->id);

	FP("launch.begin", e);
	k->host_netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (k->host_netns < 0)
		return err_sys(e, "open '/proc/self/ns/net'");
	k->lock = keeper_lock(c, e);
	if (k->lock < 0)
		return k->lock;
	if (monitor_gone(k))
		return err_set(e, EPIPE, "the monitor has gone");
	k->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->dir < 0)
		return err_sys(e, "open '%s'", dir);
	k->listen = fd_listen(sock, e);
	if (k->listen < 0)
		return k->listen;
	TRY(make_stdio(k, e));
	TRY(enter_net(k, e));
	TRY(start_process(k, e));
	return become_keeper(k, e);
}
static void undo(struct k *k)
{
	const struct dirs *d = &k->c->m->dirs;
	auto_free char *cgroup = container_cgroup(d, k->c->spec, k->c->id);
	AUTO_ERR(e);

	if (k->started.pid.pid && cgroup_remove(cgroup, &e) < 0)
		log_err(&e);
	err_clear(&e);
	if (k->net_made && net_plan_down(d, k->l->plan, &e) < 0)
		log_err(&e);
}
static _Noreturn void k_main(const struct launch *l)
{
	struct k k = { .l = l, .c = l->c, .host_netns = -1, .netns = -1, .lock = -1, .listen = -1, .dir = -1, .stdio = { -1, -1, -1 },
		       .net = { .netns = -1, .dns_udp = -1, .dns_tcp = -1 }, .started = { .pidfd = -1, .pty_master = -1 } };
	struct keep_msg head = { .version = KEEP_VERSION, .type = KEEP_FAILED };
	AUTO_ERR(e);
	AUTO_STR(msg, 64 << 10);
	auto_free char *text = NULL;
	size_t len;

	memset(k.keep, -1, sizeof(k.keep));
	prctl(PR_SET_NAME, "gantry-k");
	keeper_signals();
	(void)run_steps(&k, &e);
	undo(&k);
	text = err_encode(&e, &len);
	str_addn(&msg, (const char *)&head, sizeof(head));
	str_addn(&msg, text, len);
	(void)!send(l->sock, msg.s, msg.len, MSG_NOSIGNAL);
	_exit(1);
}

/* ---- in the monitor ---- */
static int fork_k(struct launch *l, struct err *e)
{
	struct mctr *c = l->c;
	const struct sandbox *s = c->sandbox;
	int keep[ARRAY_LEN(s->fds.ports) + 4], pair[2];
	size_t n = 0;
	pid_t pid;

	_Static_assert(KEEP_MAX >= ARRAY_LEN(s->fds.ports) + KEEP_TAGS, "the keeper holds all");
	FP("monitor.fork", e);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "make a socket pair");
	l->sock = keep[n++] = pair[1];
	if (s && s->phase == SANDBOX_UP) {
		keep[n++] = s->fds.netns;
		keep[n++] = s->fds.dns_udp;
		keep[n++] = s->fds.dns_tcp;
		for (size_t i = 0; i < s->fds.nports; i++)
			keep[n++] = s->fds.ports[i];
	}
	pid = monitor_fork(c->m, keep, n, e);
	if (pid == 0)
		k_main(l);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return (int)pid;
	}
	c->launched = true;
	(void)fd_nonblock(pair[0], true, e);
	c->keep_sock = pair[0];
	return watch_fd(c->m->loop, &c->keep, pair[0], EPOLLIN, keeper_readable, e);
}
static int make_run_dir(struct mctr *c, struct err *e)
{
	auto_free char *dir = dirs_run(&c->m->dirs, "c/%s", c->id);
	static const char *const old[] = { "exit", "keep.sock" }; /* of the run before; its keeper may just be ending */

	TRY(file_mkdir_p(dir, 0700, e));
	for (size_t i = 0; i < ARRAY_LEN(old); i++) {
		auto_free char *path = path_join(dir, old[i]);

		if (unlink(path) < 0 && errno != ENOENT)
			return err_sys(e, "remove '%s'", path);
	}
	return 0;
}
static void launch_one(struct mctr *c)
{
	AUTO_DONE(launch_done) struct launch l = { .c = c, .sock = -1 };

	if (c->sandbox && (c->sandbox->phase == SANDBOX_MAKING || c->sandbox->phase == SANDBOX_ENDING))
		return; /* still marked: launch_waiting */
	c->launch = false;
	keeper_bye(c); /* that of the run before, kept until now so that somebody watches over a backoff */
	if (make_run_dir(c, &c->failed) < 0 || prepare(&l, &c->failed) < 0 || fork_k(&l, &c->failed) < 0) {
		ctr_event(c, EV_FAILED);
		return;
	}
	c->netup = l.make_net;
	if (l.make_net)
		c->sandbox->phase = SANDBOX_MAKING;
}
void launch_all(struct monitor *m)
{
	for (struct mctr *c = m->ctrs; c; c = c->next)
		if (c->launch)
			launch_one(c);
}
void launch_waiting(struct monitor *m, struct sandbox *s)
{
	for (struct mctr *c = m->ctrs; c; c = c->next)
		if (c->launch && c->sandbox == s)
			m->dirty = true; /* the turn's end launches it */
}
