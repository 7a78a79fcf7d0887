/* SPDX-License-Identifier: MIT
 *
 * engine/image/proxy.h - which proxy stands before a host, as docker (that is Go) reads the environment. Pure.
 *
 * HTTPS_PROXY and HTTP_PROXY by the scheme, else ALL_PROXY; upper case before lower case. NO_PROXY is a list with commas:
 *
 *   *                  everything               10.0.0.0/8, 192.0.2.1, [::1]:5000   addresses, not names that resolve to them
 *   example.com        it and what is below it  .example.com, *.example.com         only what is below it
 *   example.com:5000   that port only
 */
#pragma once
#include <stdbool.h>

/* Is HOST (lower case, without brackets) with PORT ("443") on the list? Loopback always is. */
bool proxy_is_passed_by(const char *no_proxy, const char *host, const char *port);
/* Of a URL whose scheme is http or https. GET: getenv(3) or what stands for it. NULL: none. Borrowed from GET. */
const char *proxy_for(bool https, const char *host, const char *port, char *(*get)(const char *name));
