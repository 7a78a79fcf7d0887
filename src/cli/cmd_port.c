/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/err.h"
#include "base/num.h"
#include "base/str.h"
#include "cli/commands.h"
#include "cli/ctr_view.h"
#include "state/container_store.h"
#include "state/network_store.h"
#include <errno.h>

struct port_opts {
	int64_t index;
	const char *protocol;
};
static const char *const protocols[] = { "tcp", "udp", "sctp", NULL };
static const struct opt port_rows_[] = {
	OPT(0, "index", OPT_INT, struct port_opts, index, "N", "Which replica (the lowest)"),
	OPT_CHOICE(0, "protocol", struct port_opts, protocol, "PROTO", "tcp or udp", protocols),
	OPT_END
};

static void port_init(void *opts)
{
	((struct port_opts *)opts)->protocol = "tcp";
}

/* "80" or "80/udp" */
static int parse_port(const char *text, struct port_opts *o, uint64_t *ret, struct err *e)
{
	size_t n = strcspn(text, "/");
	auto_free char *number = strndup(text, n);

	if (text[n] == '/')
		o->protocol = text + n + 1;
	if (num_uint(number, 65535, ret, e) < 0)
		return err_wrap(e, "port '%s'", text);
	return 0;
}

/* "no port 81/tcp for container web-1: 80/tcp, 53/udp" */
static void not_published(const struct port_rows *ports, uint64_t port, const char *protocol, const char *name, struct err *e)
{
	AUTO_STRV(all);

	for (size_t i = 0; i < ports->n; i++) {
		auto_free char *one = xasprintf("%u/%s", ports->v[i].ctr_port, ports->v[i].proto);

		strv_add_unique(&all, one);
	}
	auto_free char *list = strv_join(&all, ", ");

	err_set(e, ENOENT, "no port %u/%s for container %s: %s", (unsigned)port, protocol, name, all.n ? list : "it publishes none");
}

static int port_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	struct port_opts *o = opts;
	struct ctr_row c = { 0 };
	struct port_rows ports = { 0 };
	bool found = false;
	uint64_t port;

	TRY(parse_port(args->v[1], o, &port, e));
	TRY(app_replica(app, args->v[0], o->index, false, &c, e));
	TRY(ctr_view_ports(app->db, &c, &ports, e));
	for (size_t i = 0; i < ports.n && !found; i++) {
		const struct port_row *p = &ports.v[i];

		found = p->ctr_port == port && streq(p->proto, o->protocol);
		if (found && strchr(p->host_ip, ':'))
			printf("[%s]:%u\n", p->host_ip, p->host_port);
		else if (found)
			printf("%s:%u\n", *p->host_ip ? p->host_ip : "0.0.0.0", p->host_port);
	}
	if (!found && ctr_state_runs(c.state))
		not_published(&ports, port, o->protocol, c.name, e);
	else if (!found)
		err_set(e, ESRCH, "no port %s for container %s: it does not run", args->v[1], c.name);
	port_rows_done(&ports);
	ctr_row_done(&c);
	return found ? 0 : -ENOENT;
}

const struct cmd cmd_port = { "port", port_run, CMD_PROJECT_NAME | CMD_STATE_READ | CMD_ALL_PROFILES, port_rows_, sizeof(struct port_opts),
			      "[OPTIONS] SERVICE PRIVATE_PORT", "Print the host's address and port of a published port", 2, 2, NULL, NULL,
			      port_init };
