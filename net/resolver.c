/* SPDX-License-Identifier: MIT */
#include "net/resolver.h"
#include "base/auto.h"
#include "base/err.h"
#include "base/fail.h"
#include "net/netlink.h"
#include "net/nft.h"
#include "net/sysctl.h"
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum { BACKLOG = 64, UDP_CSUM = 6, TCP_CSUM = 16 };
#define PORT53 0x00, 0x35
#define OURS (RESOLVER_PORT >> 8), (RESOLVER_PORT & 0xff)
#define ELEVEN 127, 0, 0, 11
#define IPV4_TO X_META(NFPROTO, 0), X_IS(0, 1, NFPROTO_IPV4), X_LOAD(NETWORK, 16, 4, 0), X_IS(0, 4, ELEVEN)
#define IPV4_FROM X_META(NFPROTO, 0), X_IS(0, 1, NFPROTO_IPV4), X_LOAD(NETWORK, 12, 4, 0), X_IS(0, 4, ELEVEN)
#define PROTO(p) X_META(L4PROTO, 0), X_IS(0, 1, p)

/* clang-format off */
static const struct nft_chain chains[] = {
	{ "dns", "filter", NF_INET_LOCAL_OUT, -300 },
	{ NULL, NULL, 0, 0 },
};
/* What is not for or from 127.0.0.11 leaves after one comparison: the first rule. */
static const struct nft_rule rules[] = {
	{ "dns", "oif != lo return", { X_META(OIF, 0), X_IS_NOT(0, 4, HOST32(1)), X_VERDICT(NFT_RETURN) } },
	{ "dns", "ip daddr 127.0.0.11 udp dport 53 udp dport set OURS",
	  { IPV4_TO, PROTO(IPPROTO_UDP), X_LOAD(TRANSPORT, 2, 2, 0), X_IS(0, 2, PORT53), X_PUT(0, 2, OURS), X_STORE(TRANSPORT, 2, 2, 0, UDP_CSUM) } },
	{ "dns", "ip daddr 127.0.0.11 tcp dport 53 tcp dport set OURS",
	  { IPV4_TO, PROTO(IPPROTO_TCP), X_LOAD(TRANSPORT, 2, 2, 0), X_IS(0, 2, PORT53), X_PUT(0, 2, OURS), X_STORE(TRANSPORT, 2, 2, 0, TCP_CSUM) } },
	{ "dns", "ip saddr 127.0.0.11 udp sport OURS udp sport set 53",
	  { IPV4_FROM, PROTO(IPPROTO_UDP), X_LOAD(TRANSPORT, 0, 2, 0), X_IS(0, 2, OURS), X_PUT(0, 2, PORT53), X_STORE(TRANSPORT, 0, 2, 0, UDP_CSUM) } },
	{ "dns", "ip saddr 127.0.0.11 tcp sport OURS tcp sport set 53",
	  { IPV4_FROM, PROTO(IPPROTO_TCP), X_LOAD(TRANSPORT, 0, 2, 0), X_IS(0, 2, OURS), X_PUT(0, 2, PORT53), X_STORE(TRANSPORT, 0, 2, 0, TCP_CSUM) } },
	{ NULL, NULL, { { 0 } } },
};
/* clang-format on */

static int open_socket(int type, uint16_t port, struct err *e)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(0x7f00000b) } };
	auto_close int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;

	if (fd < 0)
		return err_sys(e, "resolver's socket");
	if (type == SOCK_STREAM)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return err_sys(e, "bind 127.0.0.11:%u", port);
	if (type == SOCK_STREAM && listen(fd, BACKLOG) < 0)
		return err_sys(e, "listen at 127.0.0.11:%u", port);
	return TAKE_FD(fd);
}

int resolver_open(int *ret_udp, int *ret_tcp, struct err *e)
{
	AUTO(netlink_close) struct netlink *nf = NULL;
	auto_close int udp = -1, tcp = -1;
	uint16_t port = RESOLVER_PORT;
	AUTO_ERR(t);

	if (netlink_open(NETLINK_BUS_FILTER, &nf, &t) < 0 || nft_write_rules(nf, "gantry-dns", chains, rules, &t) < 0)
		port = 53;
	else /* never chosen for a program that binds port 0 */
		TRY(sysctl_net("ipv4/ip_local_reserved_ports", "65353", e));
	FP("net.dns.socket", e);
	udp = open_socket(SOCK_DGRAM, port, e);
	TRY(udp);
	tcp = open_socket(SOCK_STREAM, port, e);
	TRY(tcp);
	*ret_udp = TAKE_FD(udp);
	*ret_tcp = TAKE_FD(tcp);
	return 0;
}
