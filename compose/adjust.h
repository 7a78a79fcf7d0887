/* SPDX-License-Identifier: MIT
 *
 * compose/adjust.h - a service changed by options of the command line (run -p, -v, -e, --entrypoint), in the short forms of the file
 *
 * Everything goes into the project's arena. Errors name the text that is wrong.
 */
#pragma once
#include "base/strv.h"
#include "compose/project.h"

struct err;
/* Only these ports are published: "8080:80", "127.0.0.1:53:53/udp", … */
int service_set_ports(struct project *p, struct service *s, const struct strv *texts, struct err *e);
/* "DIR:/x:ro", "VOLUME:/x", "/x"; one on a target of the service replaces that. Relative folders start from CWD, not from the project's folder. */
int service_add_volumes(struct project *p, struct service *s, const struct strv *texts, const char *cwd, struct err *e);
/* TEXT is split as the file's `entrypoint: TEXT` is. */
int service_set_entrypoint(struct project *p, struct service *s, const char *text, struct err *e);
void service_set_command(struct project *p, struct service *s, char *const *argv, size_t n);
/* "KEY=VALUE", or KEY with the value that the project's environment has. */
void service_add_env(struct project *p, struct service *s, const struct strv *texts);
int service_add_env_file(struct project *p, struct service *s, const char *path, struct err *e);
/* "KEY=VALUE" or KEY with an empty value */
void service_add_labels(struct project *p, struct service *s, const struct strv *texts);
