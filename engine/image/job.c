/* SPDX-License-Identifier: MIT */
#include "engine/image/job.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"
#include "engine/image/archive.h"
#include "engine/image/digest.h"
#include "engine/image/jail.h"
#include "engine/image/job_priv.h"
#include "engine/image/layer.h"
#include "engine/image/manifest.h"
#include "engine/image/pack.h"
#include "engine/image/pull.h"
#include "engine/image/push.h"
#include "engine/image/resolve.h"
#include "engine/image/save.h"
#include "engine/image/tar.h"
#include "engine/image/tree.h"
#include "engine/image/wire.h"
#include "engine/image/worker.h"

/* ---- the children's side ------------------------------------------------------------------------------------------------------------------------- */

static void child_say(int sock, char kind, const void *p, size_t n, int fd)
{
	auto_free char *message = xmalloc(n + 1);
	AUTO_ERR(lost);

	message[0] = kind;
	memcpy(message + 1, p, n);
	(void)fd_send(sock, message, n + 1, &fd, fd >= 0, &lost);
}

/* Reports and ends. */
_Noreturn void child_end(int sock, int r, const struct cJSON *result, const struct err *e)
{
	if (r < 0) {
		size_t n;
		auto_free char *text = err_encode(e, &n);

		child_say(sock, 'E', text, n, -1);
		_exit(1);
	}
	auto_free char *text = result ? json_text(result, false) : xstrdup("{}");

	child_say(sock, 'R', text, strlen(text), -1);
	_exit(0);
}

static int send_opaque(void *arg, int fd, struct err *e)
{
	int sock = *(int *)arg;

	return fd_send(sock, "O", 1, &fd, 1, e);
}

static int unpack_here(struct boss *b, const struct job *j, int in, int sock, struct cJSON *result, struct err *e)
{
	const int keep[] = { in, sock, j->sums ? j->sums : sock };
	const struct jail jail = { b->tmp, j->dir, false, JAIL_UNPACK, keep, ARRAY_LEN(keep) };
	AUTO_DONE(tree_known_done) struct tree_known known = { 0 };
	struct layer_unpack u = b->unpack;
	struct layer_unpacked done;
	struct file_bytes file;
	struct digest_bytes sum;
	char diff[DIGEST_STR];
	int r;

	TRY(jail_enter(&jail, e));
	u.rootfd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (u.rootfd < 0)
		return err_sys(e, "open the layer's folder");
	u.opaque = send_opaque;
	u.arg = &sock;
	if (j->sums)
		u.known = &known;

	AUTO(digest_free) struct digest *digest = digest_new(NULL);

	file_bytes_init(&file, in, -1, "the layer");
	digest_bytes_init(&sum, &file.b, digest, 0);
	r = layer_unpack(&sum.b, &u, &done, e);
	file_bytes_done(&file);
	if (r < 0)
		return r;
	if (known.n)
		TRY(fd_write_all(j->sums, known.v, known.n * sizeof(*known.v), e));
	digest_end(digest, diff);
	json_add_str(result, "diff", diff);
	json_add_int(result, "size", (int64_t)done.size);
	json_add_int(result, "left_out", (int64_t)done.left_out);
	json_add_bool(result, "opaque_root", done.opaque_root);
	return 0;
}

/* The bytes of a tar that is imported, uncompressed. */
static int feed_tar(struct boss *b, int out, const struct layer_keep *k, struct err *e)
{
	struct file_bytes in;
	int r;

	file_bytes_init(&in, b->input, -1, b->what);
	r = layer_pass(&in.b, NULL, out, k, e);
	file_bytes_done(&in);
	return r;
}

static int feed_here(struct boss *b, const struct job *j, int out, int sock, struct err *e)
{
	const struct layer_keep k = { j->keep, j->said };
	const int keep[] = { b->input, b->spool, out, sock, j->keep ? j->keep : sock };
	const struct jail jail = { b->tmp, "empty", true, b->archive.is_dir ? JAIL_READ : JAIL_NOTHING, keep, ARRAY_LEN(keep) };

	TRY(jail_enter(&jail, e));
	if (!b->import)
		return archive_layer(&b->archive, b->spooled, j->plan, out, &k, e);
	return b->archive.is_dir ? pack_tree(b->input, out, e) : feed_tar(b, out, &k, e);
}

/* ---- the boss's side ----------------------------------------------------------------------------------------------------------------------------- */

/* Forks; 0 in the child, whose socket is in *ret_sock. */
int child_start(struct child *c, const char *role, int *ret_sock, struct err *e)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "socketpair");
	*c = (struct child){ .role = role, .sock = pair[0] };
	c->pid = fork();
	if (c->pid < 0) {
		int r = err_sys(e, "fork the %s", role);

		close(pair[0]);
		close(pair[1]);
		*c = (struct child){ 0 };
		return r;
	}
	if (c->pid == 0)
		*ret_sock = pair[1];
	else
		close(pair[1]);
	return 0;
}

static void child_reap(struct child *c)
{
	int status = 0;

	if (c->sock >= 0)
		close(TAKE_FD(c->sock));
	if (c->pid > 0 && waitpid(c->pid, &status, 0) == c->pid && !c->good && !c->failure.code)
		err_set(&c->failure, EPIPE, "the %s ended unexpectedly (%s %d)", c->role, WIFSIGNALED(status) ? "signal" : "exit code",
			WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	c->pid = 0;
	c->ended = true;
}

void child_kill(struct child *c)
{
	if (!c->role)
		return;
	if (!c->ended) {
		kill(c->pid, SIGKILL);
		child_reap(c);
	}
	err_clear(&c->failure);
}

/* One message of a child. RESULT takes what 'R' brings. */
void child_hear(struct boss *b, struct child *c, struct cJSON **result)
{
	auto_free char *p = xmalloc(MESSAGE_MAX);
	int fds[1];
	size_t nfds = 1;
	AUTO_ERR(broken);
	ssize_t n = fd_recv(c->sock, p, MESSAGE_MAX, fds, &nfds, &broken);
	auto_close int fd = n > 0 && nfds == 1 ? fds[0] : -1;

	if (n <= 0) {
		child_reap(c);
		return;
	}
	if (p[0] == 'E' && !c->failure.code) {
		err_decode(&c->failure, p + 1, (size_t)n - 1);
	} else if (p[0] == 'R') {
		struct cJSON *j = NULL;

		c->good = json_parse(p + 1, (size_t)n - 1, "result", &j, &broken) >= 0;
		if (result && !*result)
			*result = j;
		else
			json_free(j);
	} else if (p[0] == 'O' && fd >= 0 && !c->failure.code && b->unpack.form == WHITEOUT_DEVICE) {
		(void)layer_set_opaque(fd, &c->failure);
	}
}

/* A file that both of us have open. */
static int open_sums(struct boss *b, struct job *j, struct err *e)
{
	auto_free char *name = xasprintf("sums-%s", j->dir);

	j->sums = openat(b->tmp, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (j->sums < 0) {
		j->sums = 0;
		return err_sys(e, "make a temporary file");
	}
	(void)unlinkat(b->tmp, name, 0);
	return 0;
}

int job_start(struct boss *b, struct job *j, struct err *e)
{
	int pipe_fds[2], sock = -1;

	if (!b->unpack.plain)
		TRY(open_sums(b, j, e));
	if (mkdirat(b->tmp, j->dir, 0755) < 0)
		return err_sys(e, "make a folder for the layer");
	TRY(fd_pipe(pipe_fds, e));

	auto_close int in = pipe_fds[0], out = pipe_fds[1];

	(void)fcntl(in, F_SETPIPE_SZ, PIPE_BYTES);
	TRY(child_start(&j->unpacker, "unpacker", &sock, e));
	if (sock >= 0) {
		AUTO(json_free) struct cJSON *result = json_object();
		AUTO_ERR(failure);
		int r;

		close(TAKE_FD(out));
		r = unpack_here(b, j, in, sock, result, &failure);
		child_end(sock, r, result, &failure);
	}
	TRY(child_start(&j->feeder, "reader", &sock, e));
	if (sock >= 0) {
		AUTO_ERR(failure);
		int r;

		j->said = json_object();
		r = b->feed(b, j, out, sock, &failure);
		child_end(sock, r, j->said, &failure);
	}
	b->running++;
	return 0;
}

/* What failed first in the order of the bytes: the reader's error explains the unpacker's, except that its pipe broke. */
static int job_failure(struct job *j, struct err *e)
{
	struct err *feeder = &j->feeder.failure, *unpacker = &j->unpacker.failure;

	if (feeder->code && !(feeder->code == EPIPE && unpacker->code))
		err_move(e, feeder);
	else
		err_move(e, unpacker);
	if (!j->plan)
		return -e->code;
	return err_wrap(e, "layer %d of %d (%.19s)", j->layer + 1, j->nlayers, str0(json_str(j->plan, "diff")));
}

static int sums_read(int fd, struct tree_known *k, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "read checksums");
	k->n = k->cap = (size_t)st.st_size / sizeof(*k->v);
	k->v = xcalloc(k->n + 1, sizeof(*k->v));
	for (size_t done = 0; done < k->n * sizeof(*k->v);) {
		ssize_t n = pread(fd, (char *)k->v + done, k->n * sizeof(*k->v) - done, (off_t)done);

		if (n <= 0)
			return err_sys(e, "read checksums");
		done += (size_t)n;
	}
	return 0;
}

/* The list of the layer's files: "tree-DIR" in the folder. */
static int job_list(struct boss *b, struct job *j, struct err *e)
{
	auto_free char *name = xasprintf("tree-%s", j->dir);
	AUTO_DONE(tree_known_done) struct tree_known known = { 0 };
	auto_close int dir = openat(b->tmp, j->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	auto_close int fd = openat(b->tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	AUTO_STR(list, TREE_LIST_MAX);

	if (dir < 0 || fd < 0)
		return err_sys(e, "list the layer's files");
	TRY(sums_read(j->sums, &known, e));
	TRY(tree_list(dir, &known, TREE_FULL, &list, e));
	return fd_write_all(fd, list.s, list.len, e);
}

int job_result(struct boss *b, struct job *j, struct err *e)
{
	b->running--;
	if (!j->feeder.good || !j->unpacker.good || j->unpacker.failure.code)
		return job_failure(j, e);
	if (j->plan && digest_compare(str0(json_str(j->result, "diff")), str0(json_str(j->plan, "diff")), e) < 0)
		return err_wrap(e, "layer %d of %d", j->layer + 1, j->nlayers);
	return j->sums ? job_list(b, j, e) : 0;
}

void job_done(struct job *j)
{
	if (j->sums)
		close(j->sums);
	j->sums = 0;
	child_kill(&j->feeder);
	child_kill(&j->unpacker);
	json_free(j->result);
	json_free(j->said);
	j->result = j->said = NULL;
}

static int job_finish(struct boss *b, struct job *j, struct err *e)
{
	struct cJSON *place;

	TRY(job_result(b, j, e));
	place = json_add_array(j->result, "layer");
	json_add_int(place, NULL, j->image);
	json_add_int(place, NULL, j->layer);
	json_add_str(j->result, "dir", j->dir);
	if (json_str(j->said, "blob")) {
		json_add_str(j->result, "blob", json_str(j->said, "blob"));
		json_add_int(j->result, "blob_size", json_int(j->said, "blob_size", 0));
		json_add_str(j->result, "kind", json_str(j->said, "kind"));
	}
	return wire_send(b->sock, j->result, e);
}

static int gantry_ended(struct err *e)
{
	return err_set(e, EPIPE, "gantry ended");
}

/* Waits for messages of the running jobs and hears them. */
static int jobs_turn(struct boss *b, struct err *e)
{
	struct pollfd p[2 * JOBS_MAX + 1];
	struct child *who[2 * JOBS_MAX];
	struct job *whose[2 * JOBS_MAX];
	nfds_t n = 0;

	for (struct job *j = b->jobs; j < b->jobs + b->next; j++)
		for (struct child *c = &j->feeder; c; c = c == &j->feeder ? &j->unpacker : NULL) {
			if (!c->role || c->ended)
				continue;
			p[n] = (struct pollfd){ c->sock, POLLIN, 0 };
			who[n] = c;
			whose[n++] = j;
		}
	p[n] = (struct pollfd){ b->sock, 0, 0 };
	if (poll(p, n + 1, -1) < 0)
		return errno == EINTR ? 0 : err_sys(e, "poll");
	if (p[n].revents)
		return gantry_ended(e);
	for (nfds_t i = 0; i < n; i++) {
		if (!p[i].revents)
			continue;
		child_hear(b, who[i], who[i] == &whose[i]->unpacker ? &whose[i]->result : &whose[i]->said);
		if (whose[i]->feeder.ended && whose[i]->unpacker.ended)
			TRY(job_finish(b, whose[i], e));
	}
	return 0;
}

static int job_next(struct boss *b, struct err *e)
{
	struct job *j = &b->jobs[b->next];

	auto_free char *keep = xasprintf("keep-%u", (unsigned)b->next);
	auto_close int fd = -1;
	int r;

	snprintf(j->dir, sizeof(j->dir), "%u", (unsigned)b->next++);
	/* A folder that is imported gives the same archive again. */
	if (!(b->import && b->archive.is_dir)) {
		fd = openat(b->tmp, keep, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return err_sys(e, "make a file for the blob");
		j->keep = fd;
	}
	r = job_start(b, j, e);
	j->keep = 0;
	return r;
}

static int jobs_run(struct boss *b, struct err *e)
{
	while (b->next < b->njobs || b->running) {
		FP("image.unpack", e);
		while (b->next < b->njobs && b->running < b->most)
			TRY(job_next(b, e));
		TRY(jobs_turn(b, e));
	}
	return 0;
}

static void jobs_done(struct boss *b)
{
	for (struct job *j = b->jobs; j < b->jobs + b->njobs; j++)
		job_done(j);
	free(b->jobs);
}

/* The scanner's answer may be long, so it goes through a socket as ours with gantry does. */
static int scan(struct boss *b, struct cJSON **ret_plan, struct err *e)
{
	struct worker w;
	int sock = -1, r;

	TRY(worker_fork(&w, "scanner", &sock, e));
	if (w.pid == 0) {
		const int keep[] = { b->input, b->spool, sock };
		const struct jail jail = { b->tmp, "empty", true, b->archive.is_dir ? JAIL_READ : JAIL_NOTHING, keep, ARRAY_LEN(keep) };
		struct cJSON *plan = NULL;
		AUTO_ERR(failure);
		AUTO_ERR(lost);

		r = jail_enter(&jail, &failure);
		if (r >= 0)
			r = archive_scan(&b->archive, &plan, &failure);
		r = r < 0 ? wire_send_err(sock, &failure, &lost) : wire_send(sock, plan, &lost);
		_exit(r < 0);
	}
	struct pollfd p[2] = { { w.sock, POLLIN, 0 }, { b->sock, 0, 0 } };

	while (poll(p, 2, -1) < 0 && errno == EINTR)
		;
	r = p[1].revents ? gantry_ended(e) : wire_recv(w.sock, ret_plan, e);
	worker_end(&w);
	return r;
}

static struct cJSON *nth(const struct cJSON *list, int64_t i)
{
	struct cJSON *c = json_first(list);

	while (c && i-- > 0)
		c = json_next(c);
	return c;
}

/* gantry's answer: [[image, layer], …] */
static int jobs_plan(struct boss *b, const struct cJSON *plan, const struct cJSON *want, struct err *e)
{
	b->jobs = xcalloc(json_count(want) + 1, sizeof(*b->jobs));
	for (const struct cJSON *c = json_first(want); c; c = json_next(c)) {
		int64_t image = -1, layer = -1;
		const struct cJSON *layers;
		struct job *j = &b->jobs[b->njobs];

		json_value_int(nth(c, 0), &image);
		json_value_int(nth(c, 1), &layer);
		layers = json_get(nth(json_get(plan, "images"), image), "layers");
		j->plan = nth(layers, layer);
		if (image < 0 || layer < 0 || !j->plan)
			return err_set(e, EPROTO, "a layer was asked for that is not in the archive");
		j->image = (int)image;
		j->layer = (int)layer;
		j->nlayers = (int)json_count(layers);
		b->njobs++;
	}
	return 0;
}

static int open_spool(int tmp, struct err *e)
{
	int fd = openat(tmp, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	fd = openat(tmp, "spool", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_sys(e, "make a temporary file");
	(void)unlinkat(tmp, "spool", 0);
	return fd;
}

static int run_load(struct boss *b, struct err *e)
{
	AUTO(json_free) struct cJSON *plan = NULL, *answer = NULL;

	b->spool = open_spool(b->tmp, e);
	if (b->spool < 0)
		return b->spool;
	b->archive.spool = b->spool;
	TRY(scan(b, &plan, e));
	b->spooled = json_bool(plan, "spooled", false);
	TRY(wire_send(b->sock, plan, e));
	TRY(wire_recv(b->sock, &answer, e));
	TRY(jobs_plan(b, plan, json_get(answer, "want"), e));
	return jobs_run(b, e);
}

static int run_import(struct boss *b, struct err *e)
{
	b->jobs = xcalloc(1, sizeof(*b->jobs));
	b->njobs = 1;
	return jobs_run(b, e);
}

static int boss_run(struct boss *b, struct err *e)
{
	AUTO(json_free) struct cJSON *request = NULL, *done = json_object();
	int64_t form, jobs;

	TRY(digest_prepare(e));
	TRY(tar_prepare(e));
	TRY(wire_recv(b->sock, &request, e));
	form = json_int(request, "form", 0);
	jobs = json_int(request, "jobs", 2);
	b->import = streq(str0(json_str(request, "op")), "import");
	b->what = xstrdup(str0(json_str(request, "what")));
	b->unpack.form = form == WHITEOUT_FILE ? WHITEOUT_FILE : WHITEOUT_DEVICE;
	b->unpack.max_bytes = (uint64_t)json_int(request, "max_bytes", 0);
	b->unpack.max_entries = (uint64_t)json_int(request, "max_entries", 0);
	b->most = (size_t)MAX(1, MIN(jobs, JOBS_MAX));
	b->archive = (struct archive){ b->input, json_bool(request, "is_dir", false), -1, b->unpack.max_bytes, b->what };
	if (streq(str0(json_str(request, "op")), "login"))
		return login_boss(b, request, e);
	if (streq(str0(json_str(request, "op")), "digests"))
		return resolve_boss(b, request, e);
	if (mkdirat(b->tmp, "empty", 0555) < 0)
		return err_sys(e, "make a temporary folder");
	if (streq(str0(json_str(request, "op")), "pull"))
		return pull_boss(b, request, e);
	if (streq(str0(json_str(request, "op")), "push"))
		return push_boss(b, request, e);
	if (streq(str0(json_str(request, "op")), "save"))
		return save_boss(b, request, e);
	TRY(b->import ? run_import(b, e) : run_load(b, e));
	json_add_bool(done, "done", true);
	return wire_send(b->sock, done, e);
}

/* Nobody is there to do it: what was unpacked, and the folder, goes now instead of with the next load. */
static void clean_up(struct boss *b)
{
	auto_free char *path = path_of_fd(b->tmp);
	AUTO_ERR(left);

	if (path)
		(void)file_remove_tree_path(path, &left);
}

int image_boss(int sock, int tmp, int input, struct err *e)
{
	struct boss b = { .sock = sock, .tmp = tmp, .input = input, .spool = -1, .feed = feed_here };
	int r;

	signal(SIGPIPE, SIG_IGN);
	/* So that no time function of the children opens /etc/localtime, which would be the image's. */
	setenv("TZ", "UTC0", 1);
	tzset();
	r = boss_run(&b, e);
	jobs_done(&b);
	if (b.spool >= 0)
		close(b.spool);
	free(b.what);
	if (r < 0) {
		AUTO_ERR(lost);

		if (wire_send_err(sock, e, &lost) < 0)
			clean_up(&b);
	}
	return r;
}
