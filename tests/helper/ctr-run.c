/* SPDX-License-Identifier: MIT
 *
 * tests/helper/ctr-run.c - starts one container without project, monitor and database: ctr-run [-r ROOT] [-l DIR]... [-s JSON] [-x JSON]... [-n] [-t] [-k] ARGV...
 *
 *	-r ROOT  GANTRY_ROOT and below it run/ (default: what the environment says)
 *	-l DIR   a layer (below images/layers), lowest first; without one the root is empty
 *	-s JSON  members of the spec
 *	-j PID   where the spec says ipc, pid or uts "container:ID": those of this process
 *	-n       a network namespace of its own, empty
 *	-x JSON  exec in it {"argv":[…],"user","cwd","env","tty","privileged"}, may be repeated; then the container is killed, and the exit
 *	         code is the last exec's
 *	-t       prints how long start and execs took
 *	-k       leave cgroup and folder
 *
 * Prints what the container prints and ends with its exit code; a failed start prints the error and ends with its code.
 */
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/container/cgroup_of.h"
#include "engine/container/container.h"
#include "engine/container/exec.h"
#include "engine/container/spec.h"
#include "engine/container/start.h"
#include "engine/kernel/ns.h"
#include "engine/kernel/selfexe.h"
#include "engine/kernel/sys.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

struct options {
	const char *root, *spec;
	struct strv layers, execs;
	bool net, time, keep;
	const char *join; /* pid of a process whose ipc, pid and uts namespaces are joined where the spec says container:… */
	char **argv;
};

static int parse(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt(argc, argv, "+r:l:s:x:j:ntk")) != -1)
		switch (c) {
		case 'r':
			o->root = optarg;
			break;
		case 'l':
			strv_add(&o->layers, optarg);
			break;
		case 's':
			o->spec = optarg;
			break;
		case 'x':
			strv_add(&o->execs, optarg);
			break;
		case 'j':
			o->join = optarg;
			break;
		case 'n':
			o->net = true;
			break;
		case 't':
			o->time = true;
			break;
		case 'k':
			o->keep = true;
			break;
		default:
			return -1;
		}
	o->argv = argv + optind;
	return 0;
}

static int make_spec(const struct options *o, struct ctr_spec **ret, struct err *e)
{
	AUTO(json_free) struct cJSON *j = NULL;
	const char *text = o->spec ? o->spec : "{}";
	char id[ID_BUF];
	AUTO_STRV(argv);

	id_new(id);
	TRY(json_parse(text, strlen(text), "spec", &j, e));
	json_add_int(j, "v", 1);
	if (!json_str(j, "id"))
		json_add_str(j, "id", id);
	json_add_str(j, "name", "ctr-run");
	strv_add_all(&argv, o->argv);
	json_add_strv(j, "argv", &argv);
	json_add_strv(j, "layers", &o->layers);
	return ctr_spec_from_json(j, ret, e);
}

static int make_folders(const struct dirs *d, const struct ctr_spec *s, struct err *e)
{
	static const char *const names[] = { "upper", "work", "files" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		auto_free char *path = dirs_root(d, "containers/%s/%s", s->id, names[i]);

		TRY(file_mkdir_p(path, 0755, e));
	}
	return 0;
}

static void pump(int master, int pidfd)
{
	struct pollfd p[] = { { .fd = master, .events = POLLIN }, { .fd = pidfd, .events = POLLIN } };
	char buf[4096];
	ssize_t n;

	while (poll(p, 2, -1) > 0) {
		if (p[0].revents) {
			n = read(master, buf, sizeof(buf));
			if (n <= 0)
				return;
			(void)!write(1, buf, (size_t)n);
		} else if (p[1].revents) {
			return;
		}
	}
}

/* Returns its exit code. */
static int exec_one(const struct dirs *d, const struct ctr_spec *s, const struct proc_id *ctr, const char *text, bool timed,
		    struct err *e)
{
	AUTO(json_free) struct cJSON *j = NULL;
	struct exec_started x;
	AUTO_STRV(argv);
	AUTO_STRV(env);
	int64_t before, after;
	int status;

	TRY(json_parse(text, strlen(text), "exec", &j, e));
	json_strv(j, "argv", &argv);
	json_strv(j, "env", &env);
	before = time_mono_ns();
	TRY(container_exec(d, s, ctr,
			   &(struct exec_opts){ .argv = &argv, .env = &env, .user = json_str(j, "user"), .cwd = json_str(j, "cwd"),
						.privileged = json_bool(j, "privileged", false), .tty = json_bool(j, "tty", false),
						.stdin_fd = -1, .stdout_fd = 1, .stderr_fd = 2 },
			   &x, e));
	after = time_mono_ns();
	if (timed)
		fprintf(stderr, "exec in %lld us\n", (long long)(after - before) / 1000);
	if (x.pty_master >= 0) {
		pump(x.pty_master, x.pidfd);
		close(x.pty_master);
	}
	close(x.pidfd);
	TRY(proc_wait(x.pid, &status, e));
	return status;
}

static int join(const struct options *o, const char *mode, const char *ns)
{
	auto_free char *path = xasprintf("/proc/%s/ns/%s", o->join ? o->join : "", ns);

	return mode && str_starts(mode, "container:") ? open(path, O_RDONLY | O_CLOEXEC) : -1;
}

/* Waits for its end, after the execs if there are any. Returns the exit code. */
static int live(const struct options *o, const struct dirs *d, const struct ctr_spec *s, struct ctr_started *started, struct err *e)
{
	auto_free char *cgroup = container_cgroup(d, s, s->id);
	int code = 0, status;

	if (started->pty_master >= 0)
		pump(started->pty_master, started->pidfd);
	for (size_t i = 0; i < o->execs.n; i++) {
		code = exec_one(d, s, &started->pid, o->execs.v[i], o->time, e);
		if (code < 0) {
			log_err(e);
			code = e->exit;
			err_clear(e);
		}
	}
	if (o->execs.n)
		TRY(cgroup_kill(cgroup, e));
	TRY(proc_wait(started->pid.pid, &status, e));
	return o->execs.n ? code : status;
}

/* Time on a processor: what is left of a measurement on a machine that others use too. */
static int64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int64_t child_cpu_ns(pid_t pid)
{
	auto_free char *path = xasprintf("/proc/%d/schedstat", (int)pid);
	long long ns = 0;
	FILE *f = fopen(path, "re");

	if (f) {
		if (fscanf(f, "%lld", &ns) != 1)
			ns = 0;
		fclose(f);
	}
	return ns;
}

static int start(const struct options *o, const struct dirs *d, const struct ctr_spec *s, struct err *e)
{
	auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC), host_net = ns_open("net"), netns = -1;
	struct ctr_started started;
	int64_t before, cpu;

	TRY(make_folders(d, s, e));
	TRY(container_seccomp(d, s, e));
	if (o->net) {
		if (ns_unshare(CLONE_NEWNET) < 0)
			return err_sys(e, "network namespace");
		netns = ns_open("net");
	}
	before = time_mono_ns();
	cpu = cpu_ns();
	TRY(container_start(&(struct ctr_start){ .dirs = d, .spec = s, .stdin_fd = s->stdin_open ? 0 : null,
						 .stdout_fd = s->tty ? -1 : 1, .stderr_fd = s->tty ? -1 : 2, .netns = netns,
						 .host_netns = host_net, .join_ipc = join(o, s->ipc, "ipc"),
						 .join_pid = join(o, s->pid, "pid"), .join_uts = join(o, s->uts, "uts"),
						 .join_ipc_mnt = join(o, s->ipc, "mnt") },
			    &started, e));
	if (o->time)
		fprintf(stderr, "started in %lld us (processor: %lld ours, %lld the container's)\n",
			(long long)(time_mono_ns() - before) / 1000, (long long)(cpu_ns() - cpu) / 1000,
			(long long)child_cpu_ns(started.pid.pid) / 1000);
	return live(o, d, s, &started, e);
}

static int clean(const struct dirs *d, const struct ctr_spec *s, struct err *e)
{
	auto_free char *cgroup = container_cgroup(d, s, s->id), *parent = path_parent(cgroup);
	auto_free char *path = dirs_root(d, "containers/%s", s->id);

	TRY(cgroup_remove(cgroup, e));
	cgroup_prune(parent);
	return file_remove_tree_path(path, e);
}

static int run(const struct options *o, struct err *e)
{
	AUTO(ctr_spec_free) struct ctr_spec *s = NULL;
	AUTO_DONE(dirs_done) struct dirs d;
	AUTO_ERR(left);
	int r;

	dirs_init(&d, o->root, NULL);
	TRY(dirs_prepare(&d, e));
	TRY(make_spec(o, &s, e));
	r = start(o, &d, s, e);
	if (!o->keep && clean(&d, s, &left) < 0 && r >= 0)
		r = err_move(e, &left);
	return r;
}

int main(int argc, char **argv)
{
	AUTO_ERR(e);
	struct options o = { 0 };
	int r;

	log_setup("ctr-run", 2, getenv("GANTRY_DEBUG") != NULL);
	if (parse(argc, argv, &o) < 0 || !*o.argv) {
		fprintf(stderr, "usage: ctr-run [-r ROOT] [-l LAYER]... [-s JSON] [-n] [-t] [-k] ARGV...\n");
		return 2;
	}
	if (selfexe_protect(argv, &e) < 0)
		log_err(&e);
	r = run(&o, &e);
	strv_done(&o.layers);
	strv_done(&o.execs);
	if (r < 0) {
		log_err(&e);
		return e.exit ? e.exit : 125;
	}
	return r;
}
