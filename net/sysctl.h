/* SPDX-License-Identifier: MIT
 *
 * net/sysctl.h - network sysctls of the namespace that the calling process is in (/proc/sys/net follows the reader)
 */
#pragma once
struct err;
/* net/ipv4 or net/ipv6/conf/LINK/KEY. A file that does not exist (IPv6 not in the kernel) is fine: returns 1. */
int sysctl_link(unsigned family, const char *link, const char *key, const char *value, struct err *e);
/* Below /proc/sys/net. */
int sysctl_net(const char *path, const char *value, struct err *e);
/* Turns IPv4 (6: and IPv6) forwarding on where it is off. */
int sysctl_forwarding(unsigned family, struct err *e);
