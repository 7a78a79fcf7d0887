/* SPDX-License-Identifier: MIT
 *
 * net/resolver.h - the sockets behind 127.0.0.11:53 of a sandbox
 *
 * They are bound to a high port, and two rules per protocol in the sandbox's namespace rewrite port 53 to it and back, in the output hook before
 * connection tracking. So a program in the container may bind 0.0.0.0:53 itself, and other packets pay (almost) nothing.
 */
#pragma once
struct err;
enum { RESOLVER_PORT = 65353 };
/* In the sandbox's namespace. On a kernel without nftables the sockets are bound to port 53 itself. */
int resolver_open(int *ret_udp, int *ret_tcp, struct err *e);
