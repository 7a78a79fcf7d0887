/* SPDX-License-Identifier: MIT
 *
 * floor: what the kernel alone costs to run N isolated processes.
 *
 * usage: floor N ROOTFS [--no-net] [--no-cgroup]
 *
 * Each of the N gets its own mount, pid, ipc, uts, cgroup and network namespace, an overlay root over
 * ROOTFS with /proc, /dev and /sys, one directory in every cgroup hierarchy, and a veth pair into one
 * bridge; then it execs /bin/sleep. Nothing else is done: no images, no state, no logs, no DNS. The time
 * until the last of them runs is the floor that an orchestrator can approach, not beat. Down ends when
 * every process, cgroup, veth and the bridge are gone.
 *
 * The way into the cgroups matters: a write of a pid to cgroup.procs waits for an RCU grace period (7 ms
 * and more), CLONE_INTO_CGROUP and a single-threaded child that writes 0 to a v1 tasks file do not. The
 * cgroup namespace is unshared after joining, so that the container's cgroup is its root.
 *
 * build: cc -O2 floor.c -o floor $(pkg-config --cflags --libs libnl-3.0 libnl-route-3.0)
 * needs: root, a ROOTFS with /bin/sleep, proc, sys and dev directories.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <netlink/socket.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *hierarchies[] = {"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids"};
#define NHIER (sizeof hierarchies / sizeof *hierarchies)

static int v1;
static char bridge_name[16], tag[8]; /* our own, so that two runs do not meet */

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void die(const char *what)
{
	perror(what);
	_exit(1);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

static void become_container(const char *work, const char *rootfs, int i)
{
	char base[256], opts[1024], path[300];
	snprintf(base, sizeof base, "%s/%d", work, i);
	mkdir(base, 0755);
	for (const char **d = (const char *[]){"upper", "work", "root", NULL}; *d; d++) {
		snprintf(path, sizeof path, "%s/%s", base, *d);
		mkdir(path, 0755);
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		die("private /");
	snprintf(opts, sizeof opts, "lowerdir=%s,upperdir=%s/upper,workdir=%s/work", rootfs, base, base);
	snprintf(path, sizeof path, "%s/root", base);
	if (mount("overlay", path, "overlay", 0, opts) || chdir(path))
		die("overlay");
	mkdir("old", 0755);
	if (mount("proc", "proc", "proc", 0, NULL) || mount("tmpfs", "dev", "tmpfs", 0, "mode=755,size=65536k") ||
	    mount("sysfs", "sys", "sysfs", MS_RDONLY, NULL))
		die("proc, dev, sys");
	if (syscall(SYS_pivot_root, ".", "old") || chdir("/") || umount2("/old", MNT_DETACH))
		die("pivot_root");
	sethostname("floor", 5);
	execl("/bin/sleep", "sleep", "100000", (char *)NULL);
	die("exec /bin/sleep");
}


/* Makes the directories; returns the v2 one, opened, or -1 on v1. */
static int make_cgroups(int i)
{
	char dir[200], path[300];
	if (!v1) {
		snprintf(dir, sizeof dir, "/sys/fs/cgroup/floor%s.%d", tag, i);
		mkdir(dir, 0755);
		return open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	for (size_t h = 0; h < NHIER; h++) {
		snprintf(dir, sizeof dir, "/sys/fs/cgroup/%s/floor%s.%d", hierarchies[h], tag, i);
		mkdir(dir, 0755);
		if (strcmp(hierarchies[h], "cpuset"))
			continue;
		for (const char **k = (const char *[]){"cpuset.cpus", "cpuset.mems", NULL}; *k; k++) {
			char v[64] = "";
			snprintf(path, sizeof path, "/sys/fs/cgroup/cpuset/%s", *k);
			int fd = open(path, O_RDONLY | O_CLOEXEC);
			ssize_t n = read(fd, v, sizeof v - 1);
			close(fd);
			v[n > 0 ? n : 0] = 0;
			snprintf(path, sizeof path, "%s/%s", dir, *k);
			put(path, v);
		}
	}
	return -1;
}

/* In the child, before its root changes. */
static void join_cgroups(int i)
{
	char path[300];
	for (size_t h = 0; v1 && h < NHIER; h++) {
		snprintf(path, sizeof path, "/sys/fs/cgroup/%s/floor%s.%d/tasks", hierarchies[h], tag, i);
		put(path, "0");
	}
}

static void remove_cgroups(int i)
{
	char dir[200];
	for (size_t h = 0; h < NHIER; h++) {
		snprintf(dir, sizeof dir, "/sys/fs/cgroup/%s/floor%s.%d", hierarchies[h], tag, i);
		rmdir(dir);
	}
	snprintf(dir, sizeof dir, "/sys/fs/cgroup/floor%s.%d", tag, i);
	rmdir(dir);
}

static void add_veth(struct nl_sock *nl, int bridge, pid_t pid, int i)
{
	char name[16];
	snprintf(name, sizeof name, "fl%s.%u", tag, (unsigned)i % 10000);
	struct rtnl_link *veth = rtnl_link_veth_alloc(), *peer = rtnl_link_veth_get_peer(veth);
	rtnl_link_set_name(veth, name);
	rtnl_link_set_master(veth, bridge);
	rtnl_link_set_flags(veth, rtnl_link_str2flags("up"));
	rtnl_link_set_name(peer, "eth0");
	rtnl_link_set_ns_pid(peer, pid);
	int err = rtnl_link_add(nl, veth, NLM_F_CREATE | NLM_F_EXCL);
	if (err)
		fprintf(stderr, "veth %s: %s\n", name, nl_geterror(err));
	rtnl_link_put(peer);
	rtnl_link_put(veth);
}

static int runs_sleep(pid_t pid)
{
	char path[64], comm[32] = "";
	snprintf(path, sizeof path, "/proc/%d/comm", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 1;
	if (read(fd, comm, sizeof comm - 1) < 0)
		comm[0] = 0;
	close(fd);
	return !strncmp(comm, "sleep", 5) || !strncmp(comm, "busybox", 7);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return fprintf(stderr, "usage: floor N ROOTFS [--no-net] [--no-cgroup]\n"), 2;
	int n = atoi(argv[1]), net = 1, cgroup = 1;
	for (int i = 3; i < argc; i++) {
		net &= strcmp(argv[i], "--no-net") != 0;
		cgroup &= strcmp(argv[i], "--no-cgroup") != 0;
	}
	char work[] = "/tmp/floor.XXXXXX", cmd[128];
	if (!mkdtemp(work))
		die("mkdtemp");
	struct nl_sock *nl = nl_socket_alloc();
	nl_connect(nl, NETLINK_ROUTE);
	snprintf(tag, sizeof tag, "%d", getpid() % 100000);
	snprintf(bridge_name, sizeof bridge_name, "flbr%s", tag);
	snprintf(cmd, sizeof cmd, "ip link add %s type bridge && ip link set %s up", bridge_name, bridge_name);
	if (system(cmd))
		die("bridge");
	struct nl_cache *links;
	rtnl_link_alloc_cache(nl, AF_UNSPEC, &links);
	int bridge = rtnl_link_name2i(links, bridge_name);
	pid_t *pids = calloc(n, sizeof *pids);
	v1 = access("/sys/fs/cgroup/memory/tasks", F_OK) == 0;

	double start = now();
	for (int i = 0; i < n; i++) {
		int go[2];
		if (pipe2(go, O_CLOEXEC))
			die("pipe");
		int into = cgroup ? make_cgroups(i) : -1;
		struct clone_args args = {.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
						   (net ? CLONE_NEWNET : 0) | (into >= 0 ? CLONE_INTO_CGROUP : 0),
					  .exit_signal = SIGCHLD,
					  .cgroup = into >= 0 ? into : 0};
		pids[i] = syscall(SYS_clone3, &args, sizeof args);
		if (pids[i] < 0)
			die("clone3");
		if (pids[i] == 0) {
			char b;
			if (cgroup)
				join_cgroups(i);
			if (unshare(CLONE_NEWCGROUP))
				die("unshare cgroup");
			if (read(go[0], &b, 1) == 1)
				become_container(work, argv[2], i);
			_exit(1);
		}
		if (into >= 0)
			close(into);
		if (net)
			add_veth(nl, bridge, pids[i], i);
		if (write(go[1], "x", 1) != 1)
			die("go");
		close(go[0]);
		close(go[1]);
	}
	for (int i = 0; i < n; i++)
		while (!runs_sleep(pids[i]))
			usleep(200);
	double up = now();
	for (int i = 0; i < n; i++)
		kill(pids[i], SIGKILL);
	for (int i = 0; i < n; i++)
		waitpid(pids[i], NULL, 0);
	if (cgroup)
		for (int i = 0; i < n; i++)
			remove_cgroups(i);
	struct rtnl_link *br = rtnl_link_alloc();
	rtnl_link_set_name(br, bridge_name);
	rtnl_link_delete(nl, br);
	for (int i = 0; net && i < n; i++) { /* the veths go with their namespaces */
		char name[16];
		snprintf(name, sizeof name, "fl%s.%u", tag, (unsigned)i % 10000);
		while (if_nametoindex(name))
			usleep(500);
	}
	double down = now();
	printf("floor n=%d up_ms=%.1f down_ms=%.1f\n", n, (up - start) * 1e3, (down - up) * 1e3);
	snprintf(cmd, sizeof cmd, "rm -rf %s", work);
	return system(cmd) != 0;
}
