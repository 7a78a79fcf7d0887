/* SPDX-License-Identifier: MIT
 *
 * engine/image/cred.h - who one is at a registry: docker's config.json, DOCKER_AUTH_CONFIG, podman's auth.json, credential helpers
 *
 * Asked in this order: DOCKER_AUTH_CONFIG; $DOCKER_CONFIG/config.json or ~/.docker/config.json with credHelpers, credsStore, auths; $REGISTRY_AUTH_FILE,
 * $XDG_RUNTIME_DIR/containers/auth.json, ~/.config/containers/auth.json. Secrets are never part of a message.
 */
#pragma once
#include "base/auto.h"

struct cJSON;
struct err;
struct credential {
	char *user, *secret;      /* NULL: none */
	char *identity;           /* refresh token of the token service */
	char *registry_token;     /* goes to the registry as it is */
	char *source;             /* where it was found, for messages */
};
void credential_done(struct credential *c);
/* "https://index.docker.io/v1/" for docker.io, the host itself otherwise. */
const char *credential_key(const char *host);
/* In the document CONFIG: 0; 1: nothing; 2: *ret_helper ("gcloud") knows. REPOSITORY ("team/web") may be part of a key, as with podman; NULL. */
int credential_in(const struct cJSON *config, const char *host, const char *repository, struct credential *ret, char **ret_helper, struct err *e);
/* What the helper that docker's config names for HOST says; 1: nothing. 2: none is named, or the environment comes before it. */
int credential_of_helper(const char *host, struct credential *ret, struct err *e);
/* Wherever it is: 1: nowhere. Helpers are run. */
int credential_get(const char *host, const char *repository, struct credential *ret, struct err *e);
/* Writes to config.json, or to the helper that it names. *RET_WHERE (caller frees) is for the user. */
int credential_put(const char *host, const struct credential *c, char **ret_where, struct err *e);
/* 1: it was not there. */
int credential_erase(const char *host, struct err *e);
/* "Basic …" of USER and SECRET. Caller frees. */
char *credential_basic(const char *user, const char *secret);
