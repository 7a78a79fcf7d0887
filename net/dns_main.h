/* SPDX-License-Identifier: MIT
 *
 * net/dns_main.h - the gantry-dns role
 */
#pragma once
/* Drops everything and serves. FD: the socket to the monitor. Returns the exit code. */
int dns_main(int fd);
