/* SPDX-License-Identifier: MIT
 *
 * RUN: mounts, network, then the same container_start() as every container. We are the step's process: its own mount namespace already, the
 * parent of the container's first process, and the one that kills it when gantry has gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/id.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"
#include "engine/build/copy.h"
#include "engine/build/glob.h"
#include "engine/build/hash.h"
#include "engine/build/select.h"
#include "engine/build/step.h"

#include "engine/container/cgroup_of.h"
#include "engine/container/container.h"
#include "engine/container/start.h"
#include "engine/image/store.h"
#include "engine/image/stub.h"
#include "engine/kernel/ns.h"
#include "net/resolv.h"
#include "net/sandbox.h"

#define BUILD_HOST "buildkitsandbox"
enum { TEXT_MAX = 1 << 20 };

struct run {
	struct step_env *s;
	struct ctr_spec *spec;
	struct strv targets;      /* of mounts */
	int *fds;                 /* sources, locks: open until the end */
	size_t nfds, cap;
	struct strv temporary;    /* folders of private caches */
	int ssh;                  /* how many sockets there are */
};

static void keep(struct run *r, int fd)
{
	xgrow(&r->fds, r->nfds, &r->cap, sizeof(*r->fds));
	r->fds[r->nfds++] = fd;
}

static void run_done(struct run *r)
{
	AUTO_ERR(ignored);

	while (r->nfds)
		close(r->fds[--r->nfds]);
	free(r->fds);
	for (size_t i = 0; i < r->temporary.n; i++)
		(void)file_remove_tree_path(r->temporary.v[i], &ignored);
	strv_done(&r->temporary);
	strv_done(&r->targets);
	ctr_spec_free(r->spec);
}

static char *folder(const struct step_env *s, const char *name)
{
	return dirs_root(s->dirs, "containers/%s/%s", s->id, name);
}

static struct mount_spec *bind_mount(struct run *r, char *source_take, const char *target, bool read_only)
{
	struct mount_spec *m = ctr_spec_add_mount(r->spec);

	m->type = MNT_BIND;
	m->source = source_take;
	m->target = xstrdup(target);
	m->read_only = read_only;
	strv_add_unique(&r->targets, target);
	return m;
}

/* ---- bind mounts --------------------------------------------------------------------------------------------------------------------------------- */

struct bound {
	struct select_from from;
	struct selection selection;
	struct ignore *ignore;
	int root;
};

static void bound_done(struct bound *b)
{
	selection_done(&b->selection);
	ignore_free(b->ignore);
	if (b->root >= 0)
		close(b->root);
}

/* The source's root, and with SELECT what the mount shows of it. */
static int bound_open(struct step_env *s, size_t i, bool select, struct bound *b, struct err *e)
{
	const struct step_source *from = &s->mounts[i];
	const char *source = s->t->mounts[i].source;
	char name[32];
	AUTO_STRV(sources);

	snprintf(name, sizeof(name), "bind%zu", i);

	auto_free char *on = folder(s, name);

	b->root = step_source_open(s, from, on, e);
	if (b->root < 0)
		return b->root;
	if (from->ignore)
		TRY(ignore_parse(from->ignore, from->ignore_len, &b->ignore, e));
	b->from = (struct select_from){ .root = b->root, .reset_owner = from->folder, .ignore = b->ignore, .what = from->what };
	if (!select)
		return 0;
	strv_add(&sources, source && *source ? source : "/");
	return select_sources(&b->from, &sources, &b->selection, e);
}

int run_content(struct step_env *s, char **ret, struct err *e)
{
	struct hash h;
	char hex[HASH_TEXT];
	bool any = false;

	hash_init(&h);
	for (size_t i = 0; i < s->t->nmounts; i++) {
		AUTO_DONE(bound_done) struct bound b = { .root = -1 };

		if (s->t->mounts[i].kind != MOUNT_BIND)
			continue;
		any = true;
		TRY(bound_open(s, i, true, &b, e));
		TRY(selection_digest(&b.from, &b.selection, hex, e));
		hash_text(&h, hex);
	}
	hash_end(&h, hex);
	*ret = any ? xstrdup(hex) : NULL;
	return 0;
}

/* A copy, where the mount is written to, or shows less than there is. */
static int bind_copy(struct run *r, size_t i, const struct run_mount *m, struct err *e)
{
	AUTO_DONE(bound_done) struct bound b = { .root = -1 };
	char name[32];
	auto_free char *dir = NULL;

	snprintf(name, sizeof(name), "copy%zu", i);
	dir = folder(r->s, name);
	TRY(bound_open(r->s, i, true, &b, e));
	TRY(file_mkdir_p(dir, 0755, e));

	auto_close int root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct copy_to to = { .root = root, .dest = "/" };
	bool file = b.selection.n == 1 && !b.selection.v[0].is_dir;

	if (root < 0)
		return err_sys(e, "open '%s'", dir);
	TRY(copy_selection(&b.from, &b.selection, &to, e));
	bind_mount(r, file ? xasprintf("%s/%s", dir, b.selection.v[0].name) : xstrdup(dir), m->target, m->read_only);
	return 0;
}

static int mount_bind_from(struct run *r, size_t i, const struct run_mount *m, struct err *e)
{
	AUTO_DONE(bound_done) struct bound b = { .root = -1 };
	const char *source = m->source && *m->source ? m->source : "/";
	int fd;

	if (!m->read_only || r->s->mounts[i].ignore)
		return bind_copy(r, i, m, e);
	TRY(bound_open(r->s, i, false, &b, e));
	fd = path_open_in(b.root, source, O_PATH | O_CLOEXEC, 0, e);
	if (fd < 0)
		return err_wrap(e, "mount '%s' from the %s", m->target, r->s->mounts[i].what);
	keep(r, fd);
	bind_mount(r, xasprintf("/proc/self/fd/%d", fd), m->target, true);
	return 0;
}

/* ---- cache mounts -------------------------------------------------------------------------------------------------------------------------------- */

/* Made with the mount's owner and mode, filled from its source, in one step. */
static int cache_make(struct run *r, size_t i, const struct run_mount *m, const char *path, struct err *e)
{
	char random[17];
	auto_free char *tmp = NULL;

	id_hex(random, 16);
	tmp = dirs_root(r->s->dirs, "images/mounts/.new-%s", random);
	TRY(file_mkdir_p(tmp, 0755, e));
	if (m->has_from) {
		AUTO_DONE(bound_done) struct bound b = { .root = -1 };
		auto_close int root = open(tmp, O_PATH | O_DIRECTORY | O_CLOEXEC);
		const struct copy_to to = { .root = root, .dest = "/" };

		TRY(bound_open(r->s, i, true, &b, e));
		TRY(copy_selection(&b.from, &b.selection, &to, e));
	}
	if (chown(tmp, m->uid, m->gid) < 0 || chmod(tmp, m->mode & 07777) < 0)
		return err_sys(e, "owner of '%s'", tmp);
	if (rename(tmp, path) < 0) {
		AUTO_ERR(ignored);
		int sys = errno;

		(void)file_remove_tree_path(tmp, &ignored);
		if (sys != EEXIST && sys != ENOTEMPTY)
			return err_code(e, sys, "make '%s'", path);
	}
	return 0;
}

static int cache_dir(struct run *r, size_t i, const struct run_mount *m, char **ret, struct err *e)
{
	const char *ns = strv_env_get(&r->s->o->args, "BUILDKIT_CACHE_MOUNT_NS");
	auto_free char *id = xasprintf("%s/%s", str0(ns), m->id);
	auto_free char *lock = NULL, *path = NULL;
	char hex[HASH_TEXT];
	struct hash h;
	int fd = -1, busy;

	hash_init(&h);
	hash_text(&h, id);
	if (m->has_from) {
		const struct strv *l = &r->s->mounts[i].layers;

		hash_text(&h, l->n ? l->v[l->n - 1] : "");
	}
	hash_end(&h, hex);
	path = dirs_root(r->s->dirs, "images/mounts/%s", hex);
	lock = dirs_root(r->s->dirs, "images/mounts/%s.lock", hex);

	auto_free char *parent = path_parent(path);

	TRY(file_mkdir_p(parent, 0700, e));
	busy = file_lock(lock, m->sharing == SHARING_SHARED, m->sharing != SHARING_PRIVATE, &fd, e);
	if (busy < 0)
		return busy;
	if (busy) { /* private, and somebody uses it: an own one for this time */
		char random[17];

		id_hex(random, 16);
		free(path);
		path = dirs_root(r->s->dirs, "images/mounts/.private-%s", random);
		strv_add(&r->temporary, path);
	} else {
		keep(r, fd);
	}
	if (!file_exists(path))
		TRY(cache_make(r, i, m, path, e));
	*ret = TAKE(path);
	return 0;
}

static int mount_cache(struct run *r, size_t i, const struct run_mount *m, struct err *e)
{
	const char *source = m->source && *m->source && !m->has_from ? m->source : NULL;
	char *path = NULL;
	struct mount_spec *b;

	TRY(cache_dir(r, i, m, &path, e));
	b = bind_mount(r, path, m->target, m->read_only);
	if (source)
		b->subpath = xstrdup(source);
	return 0;
}

/* ---- secrets, agents, tmpfs ---------------------------------------------------------------------------------------------------------------------- */

static const struct build_secret *find_secret(const struct build_options *o, const char *id)
{
	for (size_t i = 0; i < o->nsecrets; i++)
		if (streq(o->secrets[i].id, id))
			return &o->secrets[i];
	return NULL;
}

/* In memory only, and only in this mount namespace. */
static int secrets_folder(struct run *r, char **ret, struct err *e)
{
	auto_free char *dir = folder(r->s, "secrets");

	if (!file_exists(dir)) {
		TRY(file_mkdir_p(dir, 0700, e));
		if (mount("tmpfs", dir, "tmpfs", MS_NODEV | MS_NOSUID, "mode=700,size=64m") < 0)
			return err_sys(e, "mount a tmpfs for secrets");
	}
	*ret = TAKE(dir);
	return 0;
}

static int secret_file(struct run *r, size_t i, const struct run_mount *m, const struct build_secret *secret, struct err *e)
{
	auto_free char *dir = NULL, *path = NULL;
	struct mount_spec *b;

	TRY(secrets_folder(r, &dir, e));
	path = xasprintf("%s/%zu", dir, i);

	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);

	if (fd < 0)
		return err_sys(e, "write secret '%s'", m->id);
	TRY(fd_write_all(fd, secret->value, secret->len, e));
	if (fchown(fd, m->uid, m->gid) < 0 || fchmod(fd, m->mode & 07777) < 0)
		return err_sys(e, "owner of secret '%s'", m->id);
	b = bind_mount(r, TAKE(path), m->target, true);
	strv_add(&b->options, "nodev");
	strv_add(&b->options, "nosuid");
	if (!(m->mode & 0111))
		strv_add(&b->options, "noexec");
	return 0;
}

static int mount_secret(struct run *r, size_t i, const struct run_mount *m, struct err *e)
{
	const struct build_secret *secret = find_secret(r->s->o, m->id);

	if (!secret && m->required) {
		err_set(e, ENOENT, "secret %s: not found", m->id);
		err_hint(e, "give it: --secret id=%s,src=FILE, or 'secrets' in the build section", m->id);
		return -ENOENT;
	}
	if (!secret)
		return 0;
	if (m->env)
		strv_env_set(&r->spec->env, m->env, secret->value);
	return m->target ? secret_file(r, i, m, secret, e) : 0;
}

static int mount_ssh(struct run *r, size_t i, const struct run_mount *m, struct err *e)
{
	const char *sock = strv_env_get(&r->s->o->ssh, m->id);
	auto_free char *target = NULL;

	(void)i;
	if (!sock) {
		if (!m->required)
			return 0;
		err_set(e, ENOENT, "no SSH key \"%s\" forwarded from the client", m->id);
		err_hint(e, "give the agent's socket: --ssh %s", m->id);
		return -ENOENT;
	}
	target = m->target ? xstrdup(m->target) : xasprintf("/run/buildkit/ssh_agent.%d", r->ssh);
	bind_mount(r, xstrdup(sock), target, true);
	if (!r->ssh++ && !strv_env_get(&r->spec->env, "SSH_AUTH_SOCK"))
		strv_env_set(&r->spec->env, "SSH_AUTH_SOCK", target);
	return 0;
}

static int mount_tmpfs(struct run *r, size_t i, const struct run_mount *m, struct err *e)
{
	struct mount_spec *t = ctr_spec_add_mount(r->spec);

	(void)i;
	(void)e;
	t->type = MNT_TMPFS;
	t->target = xstrdup(m->target);
	t->tmpfs_size = m->size > 0 ? m->size : -1;
	t->tmpfs_mode = 01777;
	t->read_only = m->read_only;
	strv_add(&t->options, "exec");
	strv_add_unique(&r->targets, m->target);
	return 0;
}

static int add_mounts(struct run *r, struct err *e)
{
	static int (*const kinds[MOUNT_KINDS])(struct run *, size_t, const struct run_mount *, struct err *) = {
		[MOUNT_BIND] = mount_bind_from, [MOUNT_CACHE] = mount_cache, [MOUNT_TMPFS] = mount_tmpfs, [MOUNT_SECRET] = mount_secret,
		[MOUNT_SSH] = mount_ssh,
	};

	for (size_t i = 0; i < r->s->t->nmounts; i++)
		TRY(kinds[r->s->t->mounts[i].kind](r, i, &r->s->t->mounts[i], e));
	return 0;
}

/* ---- /etc, scripts ------------------------------------------------------------------------------------------------------------------------------- */

static int bind_text(struct run *r, const char *name, const char *text, mode_t mode, const char *target, struct err *e)
{
	auto_free char *path = folder(r->s, name);

	TRY(file_replace(path, text, strlen(text), mode, false, e));
	if (chmod(path, mode) < 0)
		return err_sys(e, "'%s'", path);
	bind_mount(r, TAKE(path), target, true);
	return 0;
}

static int make_hosts(struct run *r, struct err *e)
{
	AUTO_STR(text, TEXT_MAX);
	const struct strv *extra = &r->s->o->extra_hosts;

	str_addf(&text, "127.0.0.1\tlocalhost %s\n::1\tlocalhost ip6-localhost ip6-loopback\n", r->spec->hostname);
	for (size_t i = 0; i < extra->n; i++) {
		const char *eq = strpbrk(extra->v[i], "=:");

		if (!eq)
			return err_set(e, EINVAL, "extra host '%s' is not NAME=IP", extra->v[i]);
		str_addf(&text, "%s\t%.*s\n", eq + 1, (int)(eq - extra->v[i]), extra->v[i]);
	}
	TRY(str_check(&text, "hosts", e));
	return bind_text(r, "hosts", text.s, 0644, "/etc/hosts", e);
}

/* The host's resolvers; those on loopback cannot be reached from another network namespace. */
static int make_resolv(struct run *r, struct err *e)
{
	AUTO_DONE(resolv_done) struct resolv host = { 0 };
	AUTO_STR(text, TEXT_MAX);
	auto_free char *upstream = NULL;
	AUTO_ERR(none);
	bool own = !r->s->network || !streq(r->s->network, "host");

	resolv_read_host(&host);
	if (own && host.servers.n == 1 && streq(host.servers.v[0], "127.0.0.53") &&
	    file_read("/run/systemd/resolve/resolv.conf", TEXT_MAX, &upstream, NULL, &none) >= 0) {
		resolv_done(&host);
		resolv_parse(upstream, &host);
	}
	for (size_t i = host.servers.n; own && i-- > 0;)
		if (str_starts(host.servers.v[i], "127.") || streq(host.servers.v[i], "::1"))
			strv_remove(&host.servers, i);
	for (size_t i = 0; i < host.servers.n; i++)
		str_addf(&text, "nameserver %s\n", host.servers.v[i]);

	auto_free char *search = strv_join(&host.search, " "), *options = strv_join(&host.options, " ");

	if (*search)
		str_addf(&text, "search %s\n", search);
	if (*options)
		str_addf(&text, "options %s\n", options);
	return bind_text(r, "resolv.conf", text.s, 0644, "/etc/resolv.conf", e);
}

static int make_spec(struct run *r, struct err *e)
{
	const struct step_env *s = r->s;
	const struct step *t = s->t;
	struct ctr_spec *c = r->spec = ctr_spec_new();
	const char *host = strv_env_get(&s->o->args, "BUILDKIT_SANDBOX_HOSTNAME");

	c->id = xstrdup(s->id);
	c->name = xstrdup(s->id);
	strv_copy(&c->layers, s->layers);
	c->layers_driver = xstrdup(s->driver);
	strv_copy(&c->argv, &t->argv);
	strv_copy(&c->env, &t->env);
	c->build_step = true;
	c->cwd = xstrdup(t->cwd);
	c->user = xstrdup0(t->user);
	c->hostname = xstrdup(host ? host : BUILD_HOST);
	c->network_mode = xstrdup("private");
	c->privileged = t->insecure;
	c->shm_size = s->o->shm_size > 0 ? s->o->shm_size : -1;
	for (size_t i = 0; i < s->o->nulimits; i++) {
		struct ulimit_spec *u = ctr_spec_add_ulimit(c);

		*u = (struct ulimit_spec){ xstrdup(s->o->ulimits[i].name), s->o->ulimits[i].soft, s->o->ulimits[i].hard };
	}
	TRY(make_hosts(r, e));
	TRY(make_resolv(r, e));
	if (t->script) {
		auto_free char *target = xasprintf("/dev/pipes/%s", t->script_name);

		TRY(bind_text(r, "script", t->script, 0755, target, e));
	}
	return add_mounts(r, e);
}

/* ---- run ----------------------------------------------------------------------------------------------------------------------------------------- */

static int loopback_up(struct err *e)
{
	auto_close int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	return sock < 0 || ioctl(sock, SIOCSIFFLAGS, &r) < 0 ? err_sys(e, "bring the loopback device up") : 0;
}

/* Descriptors of the network; we are inside it then. */
static int enter_net(struct run *r, int host_netns, struct net_sandbox_fds *net, struct err *e)
{
	*net = (struct net_sandbox_fds){ .netns = -1, .dns_udp = -1, .dns_tcp = -1 };
	if (r->s->net)
		return net_plan_up(r->s->dirs, r->s->net, host_netns, net, e);
	if (!r->s->net_none)
		return 0;
	if (ns_unshare(CLONE_NEWNET) < 0)
		return err_sys(e, "make a network namespace");
	net->netns = ns_open("net");
	return loopback_up(e);
}

/* Kills what runs when gantry ends. */
static int wait_for(struct run *r, const struct ctr_started *c, const char *cgroup, struct err *e)
{
	struct pollfd p[2] = { { c->pidfd, POLLIN, 0 }, { r->s->sock, POLLIN, 0 } };
	int status;

	while (poll(p, 2, -1) < 0 && errno == EINTR)
		;
	if (!p[0].revents) {
		AUTO_ERR(ignored);

		(void)cgroup_kill(cgroup, &ignored);
		(void)proc_wait(c->pid.pid, &status, &ignored);
		return err_set(e, ECANCELED, "interrupted");
	}
	TRY(proc_wait(c->pid.pid, &status, e));
	return status;
}

static int start(struct run *r, const char *cgroup, int netns, int host_netns, struct err *e)
{
	auto_close int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct ctr_started started;
	int status;

	TRY(container_seccomp(r->s->dirs, r->spec, e));
	TRY(container_start(&(struct ctr_start){ .dirs = r->s->dirs, .spec = r->spec, .stdin_fd = null, .stdout_fd = r->s->out,
						 .stderr_fd = r->s->out, .netns = netns, .host_netns = host_netns, .join_ipc = -1, .join_pid = -1,
						 .join_uts = -1, .join_ipc_mnt = -1 },
			    &started, e));
	status = wait_for(r, &started, cgroup, e);
	close(started.pidfd);
	return status;
}

static void after(struct run *r, const char *cgroup)
{
	auto_free char *parent = path_parent(cgroup), *run = dirs_run(r->s->dirs, "c/%s", r->s->id);
	AUTO_ERR(ignored);

	(void)cgroup_remove(cgroup, &ignored);
	err_clear(&ignored);
	cgroup_prune(parent);
	(void)file_remove_tree_path(run, &ignored);
}

static int failed(const struct run *r, int status, struct err *e)
{
	auto_free char *words = strv_join(&r->s->t->argv, " ");

	if (status < 0 && e->code == ECANCELED)
		return status;
	if (status < 0)
		return err_wrap(e, "process \"%s\" did not complete successfully", words);
	return err_set(e, ECHILD, "process \"%s\" did not complete successfully: exit code: %d", words, status);
}

static int run_it(struct run *r, struct err *e)
{
	auto_free char *cgroup = NULL, *upper = folder(r->s, "upper");
	auto_close int host_netns = ns_open("net"), layer = -1;
	struct net_sandbox_fds net;
	AUTO_ERR(down);
	int status;

	TRY(make_spec(r, e));
	if (image_driver_copies(r->s->driver))
		TRY(step_root_make(r->s, e));
	cgroup = container_cgroup(r->s->dirs, r->spec, r->spec->id);
	TRY(enter_net(r, host_netns, &net, e));
	status = start(r, cgroup, net.netns, host_netns, e);
	after(r, cgroup);
	if (net.netns >= 0)
		(void)ns_enter(host_netns, CLONE_NEWNET);
	if (r->s->net)
		(void)net_plan_down(r->s->dirs, r->s->net, &down);
	if (status != 0)
		return failed(r, status, e);
	TRY(step_layer_take(r->s, e));
	layer = open(upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (layer < 0)
		return err_sys(e, "open '%s'", upper);
	stubs_remove(&r->targets, r->s->dirs, r->s->layers, layer);
	return 0;
}

int step_run(struct step_env *s, struct err *e)
{
	AUTO_DONE(run_done) struct run r = { .s = s };
	auto_free char *content = NULL;

	TRY(step_private_mounts(e));
	if (run_content(s, &content, e) < 0)
		return err_wrap(e, "failed to compute cache key");
	if (content)
		TRY(step_ask(s, content, e));
	return run_it(&r, e);
}
