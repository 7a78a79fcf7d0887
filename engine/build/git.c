/* SPDX-License-Identifier: MIT */
#include "engine/build/git.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "base/strv.h"

enum { NOBODY = 65534, SAID_MAX = 16 << 10, COMMIT_HEX = 40, NOT_FOUND = 127, CAPS = 63 };

/* ---- the program --------------------------------------------------------------------------------------------------------------------------------- */

struct git {
	const struct git_fetch *f;
	const char *seen;         /* the tree, as git sees it */
	bool nobody;
	char *const *env;
	char *said;               /* what the last one said */
};

static bool is_private(const char *remote)
{
	return str_starts(remote, "ssh://") || str_starts(remote, "file://") || (strchr(remote, '@') && !strstr(remote, "://"));
}

/* Between fork and exec: system calls only. */
static _Noreturn void child_git(const struct git *g, char *const *argv, int out)
{
	int null = open("/dev/null", O_RDONLY);

	if (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || close_range(3, ~0u, 0) < 0)
		_exit(NOT_FOUND - 1);
	umask(022);
	/* nobody cannot walk into gantry's root: the folder is its /tmp */
	if (g->nobody && (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
			  mount(g->f->dir, "/tmp", NULL, MS_BIND, NULL) < 0))
		_exit(NOT_FOUND - 1);
	for (int i = 0; i <= CAPS; i++)
		(void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
	if (g->nobody && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0))
		_exit(NOT_FOUND - 1);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		_exit(NOT_FOUND - 1);
	execvpe("git", argv, g->env);
	_exit(NOT_FOUND);
}

static int hear(struct git *g, int in, struct err *e)
{
	AUTO_STR(said, SAID_MAX);
	char buf[4096];
	ssize_t n;

	while ((n = read(in, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "read what git says");
		if (g->f->out >= 0)
			(void)!write(g->f->out, buf, (size_t)n);
		if (said.len + (size_t)n < SAID_MAX)
			str_addn(&said, buf, (size_t)n);
	}
	free(g->said);
	g->said = str_take(&said);
	return 0;
}

/* 1: git failed, and said why. */
static int git_run(struct git *g, const struct strv *args, struct err *e)
{
	int out[2], status, r;
	pid_t pid;

	TRY(fd_pipe(out, e));
	pid = fork();
	if (pid == 0)
		child_git(g, args->v, out[1]);
	close(out[1]);
	if (pid < 0) {
		close(out[0]);
		return err_sys(e, "fork");
	}
	r = hear(g, out[0], e);
	close(out[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return r;
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_FOUND) {
		err_set(e, ENOENT, "git is not installed");
		err_hint(e, "install it (apt install git), or clone '%s' into a folder and use that", g->f->url->remote);
		return -ENOENT;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

/* git with these words; a failure is an error that tells git's own last lines. */
static int git_must(struct git *g, const char *const *words, bool *failed, struct err *e)
{
	static const char *const always[] = { "git", "-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false", "-c", "safe.directory=*",
					      "-c", "core.fsmonitor=false", "-c", "gc.auto=0" };
	AUTO_STRV(args);
	int r;

	for (size_t i = 0; i < ARRAY_LEN(always); i++)
		strv_add(&args, always[i]);
	strv_add(&args, "-C");
	strv_add(&args, g->seen);
	for (; *words; words++)
		strv_add(&args, *words);
	r = git_run(g, &args, e);
	if (failed)
		*failed = r == 1;
	if (r <= 0 || failed)
		return MIN(r, 0);

	/* its first line says what, those that follow what one might do */
	auto_free char *said = str_visible(g->said, strcspn(g->said, "\n"));

	return err_set(e, EIO, "git %s '%s' failed: %s", args.v[ARRAY_LEN(always) + 2], g->f->url->remote, said);
}

/* ---- one commit ---------------------------------------------------------------------------------------------------------------------------------- */

/* The one commit; servers that do not give a commit by its id give all of them. */
static int get_commit(struct git *g, struct err *e)
{
	const struct git_url *u = g->f->url;
	const char *ref = u->ref ? u->ref : u->commit && strlen(u->commit) == COMMIT_HEX ? u->commit : "HEAD";
	bool failed;

	TRY(git_must(g, (const char *const[]){ "init", "-q", NULL }, NULL, e));
	TRY(git_must(g, (const char *const[]){ "remote", "add", "origin", u->remote, NULL }, NULL, e));
	TRY(git_must(g, (const char *const[]){ "fetch", "-q", "--depth=1", "--no-tags", "origin", ref, NULL }, &failed, e));
	if (!failed)
		return git_must(g, (const char *const[]){ "checkout", "-q", "--force", "FETCH_HEAD", NULL }, NULL, e);
	TRY(git_must(g, (const char *const[]){ "fetch", "-q", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*", NULL }, NULL, e));
	if (streq(ref, "HEAD")) {
		TRY(git_must(g, (const char *const[]){ "remote", "set-head", "origin", "-a", NULL }, NULL, e));
		ref = "origin/HEAD";
	}
	TRY(git_must(g, (const char *const[]){ "checkout", "-q", "--force", ref, "--", NULL }, &failed, e));
	if (!failed)
		return 0;
	err_set(e, ENOENT, "repository '%s' has no branch, tag or commit '%s'", u->remote, ref);
	return -ENOENT;
}

static int commit_of(struct git *g, char **ret, struct err *e)
{
	const struct git_url *u = g->f->url;
	auto_free char *hex = NULL;

	TRY(git_must(g, (const char *const[]){ "rev-parse", "HEAD", NULL }, NULL, e));
	hex = xstrndup(g->said, strcspn(g->said, "\r\n"));
	if (u->commit && !str_starts(hex, u->commit))
		return err_set(e, EBADMSG, "expected checksum to match %s, got %s", u->commit, hex);
	*ret = TAKE(hex);
	return 0;
}

static char **make_env(const struct git_fetch *f, const char *home, bool nobody, struct strv *env)
{
	static const char *const kept[] = { "PATH", "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE",
					    "SSL_CERT_DIR", "GIT_SSL_CAINFO" };
	const char *sock = f->ssh_sock ? f->ssh_sock : getenv("SSH_AUTH_SOCK"), *own = getenv("HOME");
	const char *remote = f->url->remote;

	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (getenv(kept[i]))
			strv_env_set(env, kept[i], getenv(kept[i]));
	strv_env_set(env, "HOME", nobody || !own ? home : own);
	strv_env_set(env, "GIT_TERMINAL_PROMPT", "0");
	strv_env_set(env, "GIT_CONFIG_NOSYSTEM", "1");
	strv_env_set(env, "GIT_ALLOW_PROTOCOL", str_starts(remote, "file://") ? "file" : is_private(remote) ? "ssh" : "git:http:https");
	strv_env_set(env, "GIT_SSH_COMMAND", "ssh -o BatchMode=yes");
	strv_env_set(env, "LC_ALL", "C.UTF-8");
	if (sock && !nobody)
		strv_env_set(env, "SSH_AUTH_SOCK", sock);
	return env->v;
}

int git_fetch(const struct git_fetch *f, char **ret_commit, struct err *e)
{
	auto_free char *tree = path_join(f->dir, "tree"), *home = path_join(f->dir, "home"), *dot_git = path_join(tree, ".git");
	struct git g = { .f = f, .seen = tree, .nobody = geteuid() == 0 && !is_private(f->url->remote) };
	auto_free char *commit = NULL;
	AUTO_STRV(env);
	int r;

	TRY(file_mkdir_p(tree, 0755, e));
	TRY(file_mkdir_p(home, 0755, e));
	if (g.nobody) {
		if (chmod(f->dir, 0711) < 0 || chown(tree, NOBODY, NOBODY) < 0 || chown(home, NOBODY, NOBODY) < 0)
			return err_sys(e, "owner of '%s'", tree);
		g.seen = "/tmp/tree";
	}
	g.env = make_env(f, g.nobody ? "/tmp/home" : home, g.nobody, &env);
	r = get_commit(&g, e);
	if (r >= 0)
		r = commit_of(&g, &commit, e);
	if (r >= 0 && !f->url->no_submodules)
		r = git_must(&g, (const char *const[]){ "submodule", "update", "-q", "--init", "--recursive", "--depth=1", NULL }, NULL, e);
	free(g.said);
	if (r >= 0 && !f->url->keep_git_dir)
		r = file_remove_tree_path(dot_git, e);
	if (r < 0)
		return r;
	*ret_commit = TAKE(commit);
	return 0;
}
