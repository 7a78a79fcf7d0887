/* SPDX-License-Identifier: MIT
 *
 * engine/monitor/cleanup.c - what a start made and an end takes away: cgroup and sandbox
 *
 * The slow part (kill what is left, wait, remove cgroups, undo rules) runs in a child. Its last member takes the sandbox along; the leases in
 * the rows stay.
 */
#include "engine/monitor/monitor.h"
#include "base/log.h"
#include "engine/container/cgroup_of.h"
#include "net/dns.h"
#include <sys/prctl.h>

bool sandbox_used(const struct monitor *m, const struct sandbox *s, const struct mctr *but)
{
	for (const struct mctr *c = m->ctrs; c; c = c->next)
		if (c != but && c->sandbox == s && (c->state != M_DOWN && (c->state != M_ENDING || c->again)))
			return true;
	return false;
}
void sandbox_up(struct mctr *c)
{
	struct monitor *m = c->m;
	struct sandbox *s = c->sandbox;
	AUTO(net_plan_free) struct net_plan *plan = TAKE(c->plan); /* of this start; adopted: none yet */
	AUTO_ERR(e);

	s->phase = SANDBOX_UP;
	launch_waiting(m, s);
	if (s->fds.dns_udp < 0 && s->fds.nports == 0)
		return;
	if (!plan && launch_plan(c, &plan, &e) < 0) {
		monitor_report(m, "network", &e);
		return;
	}
	if (net_relay_start(m->loop, plan, &s->fds, &s->relay, &e) < 0)
		monitor_report(m, "published ports", &e);
	err_clear(&e);
	if (s->fds.dns_udp >= 0) {
		if (monitor_dns(m, &e) < 0 ||
		    dns_host_add(m->dns, s->id, s->fds.dns_udp, s->fds.dns_tcp, net_plan_resolv(plan), &e) < 0)
			monitor_report(m, "names", &e);
		else
			s->dns_added = true;
	}
	err_clear(&e);
	if (monitor_guard(m, &e) < 0)
		monitor_report(m, "firewall guard", &e);
}
static void sandbox_close(struct monitor *m, struct sandbox *s)
{
	int *const fds[] = { &s->fds.netns, &s->fds.dns_udp, &s->fds.dns_tcp };

	net_relay_stop(TAKE(s->relay));
	if (s->dns_added)
		dns_host_remove(m->dns, s->id);
	s->dns_added = false;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (*fds[i] >= 0)
			close(TAKE_FD(*fds[i]));
	for (size_t i = 0; i < s->fds.nports; i++)
		close(s->fds.ports[i]);
	s->fds.nports = 0;
}
enum { CLEANUP_OOM = 1, CLEANUP_FAILED = 2 };
static void sandbox_ended(struct mctr *c)
{
	struct sandbox *s = c->sandbox;
	AUTO_ERR(e);
	struct db *db;

	if (!s || s->phase != SANDBOX_ENDING)
		return;
	s->phase = SANDBOX_DOWN;
	db = monitor_db(c->m, &e);
	if (!db || net_sandbox_cleared(db, s->id, &e) < 0)
		monitor_report(c->m, "network of an ended container", &e);
	launch_waiting(c->m, s);
}
static void cleanup_ended(struct child *k, int status)
{
	struct mctr *c = CONTAINER_OF(k, struct mctr, cleanup);
	int code = proc_exit_code(status);

	k->pid = 0;
	if (code < 128 && (code & CLEANUP_OOM)) {
		c->oom = true;
		monitor_event(c, "oom", NULL, NULL);
	}
	sandbox_ended(c);
	ctr_event(c, EV_CLEAN);
}
static _Noreturn void cleanup_main(struct mctr *c, struct net_plan *plan)
{
	const struct dirs *d = &c->m->dirs;
	auto_free char *cgroup = container_cgroup(d, c->spec, c->id);
	uint64_t kills = 0;
	AUTO_ERR(e);
	int code = 0;

	prctl(PR_SET_NAME, "gantry-cleanup");
	if (cgroup_oom_kills(cgroup, &kills, &e) >= 0 && kills > 0) /* before it is removed */
		code |= CLEANUP_OOM;
	err_clear(&e);
	if (cgroup_remove(cgroup, &e) < 0) { /* container_cleanup without the run folder, which the keeper may still need */
		log_err(&e);
		err_clear(&e);
		code |= CLEANUP_FAILED;
	}
	if (plan && net_plan_down(d, plan, &e) < 0) {
		log_err(&e);
		code |= CLEANUP_FAILED;
	}
	_exit(code);
}
void cleanup_begin(struct mctr *c, bool net)
{
	struct sandbox *s = c->sandbox;
	struct net_plan *plan = NULL;
	auto_free char *cgroup = NULL;
	AUTO_ERR(e);
	pid_t pid;

	if (s && net && (s->phase == SANDBOX_UP || (s->phase == SANDBOX_MAKING && c->netup)) && !sandbox_used(c->m, s, c)) {
		if (launch_plan(c, &plan, &e) < 0)
			monitor_report(c->m, "network of an ended container", &e);
		err_clear(&e);
		sandbox_close(c->m, s);
		s->phase = SANDBOX_ENDING;
	} else if (s && s->phase == SANDBOX_MAKING && c->netup) {
		s->phase = SANDBOX_DOWN; /* K has undone it; another that waits for it makes it */
		launch_waiting(c->m, s);
	}
	c->netup = false;
	pid = monitor_fork(c->m, NULL, 0, &e);
	if (pid == 0)
		cleanup_main(c, plan);
	net_plan_free(plan);
	if (pid < 0) {
		/* No process to be had: then here, the loop waits. */
		cgroup = container_cgroup(&c->m->dirs, c->spec, c->id);
		monitor_report(c->m, "cleanup", &e);
		err_clear(&e);
		if (cgroup_remove(cgroup, &e) < 0)
			monitor_report(c->m, "cleanup", &e);
		sandbox_ended(c);
		ctr_event(c, EV_CLEAN);
		return;
	}
	monitor_watch_child(c->m, &c->cleanup, pid, cleanup_ended);
}
