/* SPDX-License-Identifier: MIT
 *
 * login, logout: credentials of registries, kept where docker keeps them
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "base/tty.h"
#include "cli/commands.h"
#include "engine/image/cred.h"
#include "engine/image/remote.h"
#include <errno.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

enum { SECRET_MAX = 64 << 10 };
static const char hub[] = "docker.io";

struct login_opts {
	const char *user, *password;
	bool from_stdin;
};
static const struct opt login_rows[] = {
	OPT('u', "username", OPT_STR, struct login_opts, user, "NAME", "Who you are there"),
	OPT('p', "password", OPT_STR, struct login_opts, password, "SECRET", "Password or token; others may see it: better --password-stdin"),
	OPT(0, "password-stdin", OPT_BOOL, struct login_opts, from_stdin, NULL, "Read the password from standard input"),
	OPT_END
};

/* "https://registry.example/v2/" is what people paste. */
static char *server_name(const char *arg)
{
	const char *p = arg ? strstr(arg, "://") : NULL;

	p = p ? p + 3 : arg;
	if (!p || streq(p, "index.docker.io/v1/") || streq(p, "index.docker.io") || streq(p, "registry-1.docker.io"))
		return xstrdup(hub);
	return xstrndup(p, strcspn(p, "/"));
}

static char *take_line(const char *prompt, bool echo)
{
	struct termios saved, quiet;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	bool changed = false;

	fprintf(stderr, "%s: ", prompt);
	if (!echo && tcgetattr(0, &saved) == 0) {
		quiet = saved;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		changed = tcsetattr(0, TCSAFLUSH, &quiet) == 0;
	}
	n = getline(&line, &cap, stdin);
	if (changed) {
		(void)tcsetattr(0, TCSAFLUSH, &saved);
		fputc('\n', stderr);
	}
	if (n < 0) {
		free(line);
		return xstrdup("");
	}
	line[strcspn(line, "\r\n")] = '\0';
	return line;
}

static int read_secret(const struct login_opts *o, char **ret, struct err *e)
{
	if (o->password && o->from_stdin)
		return err_set(e, EINVAL, "--password and --password-stdin are mutually exclusive");
	if (o->from_stdin) {
		size_t n;

		if (!o->user)
			return err_set(e, EINVAL, "Must provide --username with --password-stdin");
		TRY(fd_read_all(0, SECRET_MAX, ret, &n, e));
		while (n && ((*ret)[n - 1] == '\n' || (*ret)[n - 1] == '\r'))
			(*ret)[--n] = '\0';
		return 0;
	}
	if (o->password) {
		log_warning("a password on the command line can be seen by others: use --password-stdin");
		*ret = xstrdup(o->password);
		return 0;
	}
	if (!tty_is(0))
		return err_set(e, EINVAL, "standard input is no terminal: use --username and --password-stdin");
	*ret = take_line("Password", false);
	return 0;
}

static int login_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	const struct login_opts *o = opts;
	auto_free char *host = server_name(args->n ? args->v[0] : NULL), *user = NULL, *secret = NULL, *where = NULL, *identity = NULL;
	struct credential c = { 0 };
	int r;

	if (!o->user && !tty_is(0))
		return err_set(e, EINVAL, "standard input is no terminal: use --username and --password-stdin");
	user = o->user ? xstrdup(o->user) : take_line("Username", true);
	TRY(read_secret(o, &secret, e));
	if (!*user || strchr(user, ':'))
		return err_set(e, EINVAL, "a user name is not empty and has no ':'");
	if (!*secret)
		return err_set(e, EINVAL, "the password is empty");
	r = image_login(app->dirs.root, host, user, secret, &identity, e);
	if (r >= 0) {
		c.user = user;
		c.secret = secret;
		c.identity = identity;
		r = credential_put(host, &c, &where, e);
	}
	explicit_bzero(secret, strlen(secret));
	if (identity)
		explicit_bzero(identity, strlen(identity));
	if (r < 0)
		return err_wrap(e, "login at '%s'", host);
	if (!str_starts(where, "docker-credential-"))
		log_warning("the %s is kept unencrypted in '%s'; a credential helper (\"credsStore\") keeps it better", identity ? "login's token" : "password",
			where);
	printf("Login Succeeded\n");
	return 0;
}

const struct cmd cmd_login = { "login", login_run, 0, login_rows, sizeof(struct login_opts), "[OPTIONS] [SERVER]", "Log in to a registry", 0, 1 };

static int logout_run(struct app *app, void *opts, const struct strv *args, struct err *e)
{
	auto_free char *host = server_name(args->n ? args->v[0] : NULL);
	int r = credential_erase(host, e);

	(void)app;
	(void)opts;
	if (r < 0)
		return r;
	printf(r > 0 ? "Not logged in to %s\n" : "Removing login credentials for %s\n", host);
	return 0;
}

const struct cmd cmd_logout = { "logout", logout_run, 0, NULL, 0, "[SERVER]", "Log out from a registry", 0, 1 };
