/* SPDX-License-Identifier: MIT
 *
 * gantry-dns FD - answers the names of a project's containers; started by its monitor, which passes the sockets over FD
 */
#include "base/auto.h"
#include "base/err.h"
#include "base/log.h"
#include "base/num.h"
#include "net/dns_main.h"
#include <stdio.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
	int type = 0;
	socklen_t len = sizeof(type);
	int64_t fd;
	AUTO_ERR(e);

	log_setup("gantry-dns", 2, false);
	if (argc != 2 || num_int(argv[1], 3, 1 << 20, &fd, &e) < 0 || getsockopt((int)fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    type != SOCK_SEQPACKET) {
		fputs("gantry-dns is started by gantry-monitor, not by hand\n", stderr);
		return 2;
	}
	return dns_main((int)fd);
}
