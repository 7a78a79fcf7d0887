/* SPDX-License-Identifier: MIT
 *
 * The steps of all needed stages of all builds: whatever waits for nothing runs, each in a process of its own, up to a bound. What two of them
 * would make alike (the same key) is made once:
 *
 *   begin ─ key known ─┬─ cached: its layer, the next step        the content's digest comes from the process: the same, when it asks
 *                      ├─ another worker makes it: waits ──────┐
 *                      └─ process ─ layer ─ those that wait ◄──┘ take it too
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fail.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/build/build_priv.h"
#include "engine/build/cache.h"
#include "engine/image/wire.h"
#include "state/build_store.h"
#include "state/db.h"

enum { TAIL_KEPT = 4 << 10, READ_BLOCK = 16 << 10 };

/* ---- what people see ----------------------------------------------------------------------------------------------------------------------------- */

/* "[service stage 2/5] TEXT": the service where there may be several, the stage where there are; WIDTH: of the number. */
static char *vertex_name(const struct build *b, const char *stage, int width, int number, size_t total, const char *text)
{
	const char *service = b->item->service;

	return xasprintf("[%s%s%s%s%*d/%zu] %s", str0(service), service ? " " : "", str0(stage), stage ? " " : "", width, number, total, text);
}

static char *step_name(const struct build *b, const struct step *t)
{
	const struct stage *st = &b->stages.v[t->stage];
	auto_free char *stage = st->name ? xstrdup(st->name) : xasprintf("stage-%d", st->index), *total = xasprintf("%zu", st->total);
	auto_free char *text = str_visible_line(t->label, MIN(strlen(t->label), (size_t)4000));

	return vertex_name(b, b->stages.n > 1 ? stage : NULL, (int)strlen(total), t->number, st->total, text);
}

static int begin(struct build *b, const char *name)
{
	int n = ++b->all->vertices;

	if (b->o->events.begin)
		b->o->events.begin(b->o->events.arg, n, name);
	return n;
}

static void end(struct build *b, int vertex, bool cached, int64_t ns, const char *failure)
{
	if (b->o->events.end && vertex > 0) /* 0: it failed before anyone saw it */
		b->o->events.end(b->o->events.arg, vertex, cached, ns, failure);
}

/* ---- sources ------------------------------------------------------------------------------------------------------------------------------------- */

static int resolve_source(struct build *b, const struct source *from, struct step_source *ret, struct err *e)
{
	*ret = (struct step_source){ .what = "build context" };
	if (from->kind == SOURCE_CONTEXT) {
		ret->folder = true;
		ret->path = b->files;
		ret->ignore = b->ignore;
		ret->ignore_len = b->ignore_len;
	} else if (from->kind == SOURCE_FOLDER) {
		const struct context *c;

		TRY(build_named_context(b, from->name, &c, e));
		ret->folder = true;
		ret->path = c->folder;
		ret->ignore = c->ignore;
		ret->ignore_len = c->ignore_len;
		ret->what = from->name;
	} else if (from->kind == SOURCE_STAGE) {
		strv_copy(&ret->layers, &b->stages.v[from->stage].layers);
		ret->what = "stage";
	} else if (from->kind == SOURCE_IMAGE) {
		AUTO_DONE(image_row_done) struct image_row row = { 0 };

		TRY(build_image_row(b, from->name, b->o->platform, &row, e));
		TRY(image_driver_fits(b->db, b->all->load.driver, row.id, e));
		strv_copy(&ret->layers, &row.layers);
		ret->what = from->name;
	}
	return 0;
}

static void env_done(struct worker *w)
{
	strv_done(&w->env.from.layers);
	for (size_t i = 0; w->env.mounts && i < w->step->nmounts; i++)
		strv_done(&w->env.mounts[i].layers);
	free(w->env.mounts);
	free(w->id);
	str_done(&w->tail);
}

static int make_env(struct build *b, struct worker *w, struct step *t, struct err *e)
{
	struct stage *st = &b->stages.v[t->stage];
	static const char *const proxies[] = { "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy" };
	const char *network = t->network ? t->network : b->o->network && !streq(b->o->network, "default") ? b->o->network : NULL;

	*w = (struct worker){ .b = b, .step = t, .sock = -1, .out = -1, .place = { t->line, t->last }, .tail = STR_INIT(TAIL_KEPT * 2) };
	w->id = xasprintf("build-%s-%d", b->all->tmp_name, ++b->all->serial);
	w->env = (struct step_env){ .dirs = b->dirs, .driver = b->all->load.driver, .o = b->o, .t = t, .id = w->id, .layers = &st->layers, .epoch = b->epoch,
				    .network = network, .net_none = network && streq(network, "none"), .out = -1, .sock = -1 };
	for (size_t i = 0; i < ARRAY_LEN(proxies); i++)
		w->env.declared_proxies |= strv_has(&st->args, proxies[i]);
	if (t->kind == STEP_COPY && t->sources.n)
		TRY(resolve_source(b, &t->from, &w->env.from, e));
	w->env.mounts = xcalloc(t->nmounts + 1, sizeof(*w->env.mounts));
	for (size_t i = 0; i < t->nmounts; i++)
		if (t->mounts[i].kind == MOUNT_BIND || t->mounts[i].has_from)
			TRY(resolve_source(b, &t->mounts[i].from, &w->env.mounts[i], e));
	return 0;
}

/* ---- the cache ----------------------------------------------------------------------------------------------------------------------------------- */

static bool may_use_cache(const struct build *b, const struct step *t)
{
	const struct stage *st = &b->stages.v[t->stage];

	if (b->o->no_cache)
		return false;
	for (size_t i = 0; st->name && i < b->o->no_cache_filter.n; i++)
		if (strcasecmp(b->o->no_cache_filter.v[i], st->name) == 0)
			return false;
	return true;
}

/* What a step of this command has made is as new as one that does not use the cache would make it. */
static bool take_made(struct worker *w)
{
	const struct builds *a = w->b->all;

	for (size_t i = 0; i < a->nmade; i++)
		if (streq(a->made[i].key, w->key)) {
			build_step_done(w->b, w->step, a->made[i].chain, a->made[i].created_ns);
			return true;
		}
	return false;
}

/* 1: W's key has an answer, which the stage has now. */
static int look_up(struct worker *w, struct err *e)
{
	AUTO_DONE(build_row_done) struct build_row row = { 0 };
	struct build *b = w->b;
	int r;

	if (take_made(w))
		return 1;
	if (!may_use_cache(b, w->step))
		return 0;
	TRY(r = build_cache_get(b->db, w->key, &row, e));
	if (r == 1 || !load_layer_is_there(&b->all->load, row.chain_id))
		return 0;
	strv_add(&b->all->hits, w->key);
	build_step_done(b, w->step, row.chain_id, row.created_ns);
	return 1;
}

static bool is_being_made(const struct worker *w)
{
	const struct builds *a = w->b->all;

	for (size_t i = 0; i < a->nworkers; i++) {
		const struct worker *o = a->workers[i];

		if (o != w && o->step && o->asked && !o->waiting && !o->cached && streq(o->key, w->key))
			return true;
	}
	return false;
}

void build_step_done(struct build *b, const struct step *t, const char *chain, int64_t created_ns)
{
	struct stage *st = &b->stages.v[t->stage];

	strv_add(&st->layers, chain);
	b->created[t->stage][t->history] = created_ns;
	st->done++;
	st->running = false;
}

/* ---- one step ------------------------------------------------------------------------------------------------------------------------------------ */

static int make_folders(struct worker *w, struct err *e)
{
	static const char *const names[] = { "upper", "work", "merged", "files" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		auto_free char *path = dirs_root(w->b->dirs, "containers/%s/%s", w->id, names[i]);

		TRY(file_mkdir_p(path, 0755, e));
		if (chmod(path, 0755) < 0)
			return err_sys(e, "'%s'", path);
	}
	return 0;
}

static void remove_folders(struct worker *w)
{
	AUTO_ERR(ignored);

	(void)file_remove_tree(w->b->all->load.tmp, w->id, &ignored);
}

/* In the child of W: the others' ends would stay open here. */
static void close_others(const struct worker *w)
{
	const struct builds *a = w->b->all;

	for (size_t i = 0; i < a->nworkers; i++) {
		const struct worker *o = a->workers[i];

		if (o == w || !o->step)
			continue;
		if (o->sock >= 0)
			close(o->sock);
		if (o->out >= 0)
			close(o->out);
	}
}

static int spawn(struct worker *w, struct err *e)
{
	int pair[2], out[2];
	sigset_t none;

	FP("build.step", e);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "socketpair");
	if (fd_pipe(out, e) < 0) {
		close(pair[0]);
		close(pair[1]);
		return -e->code;
	}
	fflush(NULL);
	w->pid = fork();
	if (w->pid == 0) {
		close(pair[0]);
		close(out[0]);
		close_others(w);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGINT, SIG_IGN); /* the terminal's Ctrl-C is gantry's matter, which ends us in order */
		signal(SIGTERM, SIG_DFL);
		w->env.sock = pair[1];
		w->env.out = out[1];
		step_main(&w->env);
	}
	close(pair[1]);
	close(out[1]);
	w->sock = pair[0];
	w->out = out[0];
	if (w->pid < 0) {
		int r = err_sys(e, "fork");

		close(TAKE_FD(w->sock));
		close(TAKE_FD(w->out));
		return r;
	}
	(void)fd_nonblock(w->out, true, e);
	return 0;
}

/* One that nobody uses; NULL: as many run as may. Those that wait for another's layer do not count. */
static struct worker *free_worker(struct builds *a)
{
	size_t most = a->set->parallel > 0 ? (size_t)a->set->parallel : STEPS_DEFAULT, running = 0;
	struct worker *found = NULL;

	for (size_t i = 0; i < a->nworkers; i++) {
		running += a->workers[i]->step && !a->workers[i]->waiting && !a->workers[i]->cached;
		if (!a->workers[i]->step)
			found = a->workers[i];
	}
	if (running >= most || found)
		return running >= most ? NULL : found;
	xgrow(&a->workers, a->nworkers, &a->workers_cap, sizeof(*a->workers));
	found = a->workers[a->nworkers++] = xcalloc(1, sizeof(*found));
	*found = (struct worker){ .sock = -1, .out = -1 };
	return found;
}

static void worker_close(struct worker *w)
{
	if (w->sock >= 0)
		close(w->sock);
	if (w->out >= 0)
		close(w->out);
	remove_folders(w);
	env_done(w);
	*w = (struct worker){ .sock = -1, .out = -1 };
}

/* Begins ST's next step. 1: it was in the cache, the one after it may begin. */
static int step_begin(struct build *b, struct stage *st, struct worker *w, struct err *e)
{
	struct step *t = st->steps[st->done];
	auto_free char *name = step_name(b, t);
	char content[SELECTION_DIGEST];
	bool here;
	int r;

	if (make_env(b, w, t, e) < 0) {
		if (t->kind == STEP_RUN) /* BuildKit tells the line of COPY's image, and not that of a mount's */
			w->place = (struct df_place){ 0, 0 };
		return -e->code;
	}
	w->started_ns = time_mono_ns();
	w->vertex = begin(b, name);
	here = step_content_here(&w->env, content);
	if (here || !step_needs_content(&w->env)) {
		step_key(&w->env, here ? content : NULL, w->key);
		TRY(r = look_up(w, e));
		if (r) {
			end(b, w->vertex, true, 0, NULL);
			worker_close(w);
			return 1;
		}
		w->asked = w->env.keyed = true;
		w->waiting = is_being_made(w);
	}
	st->running = true;
	if (w->waiting)
		return 0;
	if (t->kind == STEP_RUN && !w->env.network)
		TRY(build_net(b, t->stage, &w->env.net, e));
	TRY(make_folders(w, e));
	return spawn(w, e);
}

/* ---- what the processes say ---------------------------------------------------------------------------------------------------------------------- */

static void keep_tail(struct worker *w, const char *p, size_t n)
{
	str_addn(&w->tail, p, MIN(n, (size_t)TAIL_KEPT));
	if (w->tail.len > TAIL_KEPT) {
		auto_free char *last = xstrdup(w->tail.s + w->tail.len - TAIL_KEPT);

		str_reset(&w->tail);
		str_add(&w->tail, last);
	}
}

/* False: no more comes. */
static bool read_output(struct worker *w)
{
	const struct build_events *on = &w->b->o->events;
	char buf[READ_BLOCK];
	ssize_t n;

	while ((n = read(w->out, buf, sizeof(buf))) > 0) {
		if (on->output)
			on->output(on->arg, w->vertex, buf, (size_t)n);
		keep_tail(w, buf, (size_t)n);
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static void reap(struct worker *w)
{
	while (w->pid > 0 && waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
		;
	w->pid = 0;
}

static int answer(struct worker *w, bool go, struct err *e)
{
	AUTO(json_free) struct cJSON *j = json_object();

	json_add_bool(j, "go", go);
	return wire_send(w->sock, j, e);
}

/* What a step printed, line by line: nothing in it moves the cursor. */
static char *visible_lines(const char *text)
{
	AUTO_STR(out, TAIL_KEPT * 8);
	AUTO_STRV(lines);

	strv_split(&lines, text, "\n");
	for (size_t i = 0; i < lines.n; i++) {
		auto_free char *line = str_visible_line(lines.v[i], strlen(lines.v[i]));

		if (*line || i + 1 < lines.n)
			str_addf(&out, "%s\n", line);
	}
	return str_take(&out);
}

static void fail(struct worker *w, const struct err *e)
{
	struct build *b = w->b;
	struct build_failure *f = b->all->failure;

	if (e->code != ECANCELED) {
		/* what a server said is no mistake of the line (BuildKit shows none either) */
		if (w->asked || !(w->step->urls.n + w->step->gits.n))
			b->place = w->place;
		f->step = step_name(b, w->step);
		f->output = visible_lines(w->tail.s);
	}
	end(b, w->vertex, false, time_mono_ns() - w->started_ns, e->code == ECANCELED ? "CANCELED" : err_text(e));
}

/* W's key is in the cache now: its process need not go on. */
static int worker_is_cached(struct worker *w, struct err *e)
{
	w->waiting = false;
	w->cached = true;
	if (w->pid)
		return answer(w, false, e);
	end(w->b, w->vertex, true, 0, NULL);
	worker_close(w);
	return 0;
}

/* The layer of KEY is there: those that waited for it have it too. */
static int wake(struct builds *a, const char *key, struct err *e)
{
	for (size_t i = 0; i < a->nworkers; i++) {
		struct worker *w = a->workers[i];

		if (w->step && w->waiting && streq(w->key, key) && take_made(w))
			TRY(worker_is_cached(w, e));
	}
	return 0;
}

/* W's process has digested what its key needs, and asks whether to go on. */
static int worker_asks(struct worker *w, const char *content, struct err *e)
{
	int r;

	step_key(&w->env, content, w->key);
	TRY(r = look_up(w, e));
	w->asked = true;
	if (r == 1)
		return worker_is_cached(w, e);
	w->waiting = is_being_made(w);
	return w->waiting ? 0 : answer(w, true, e);
}

/* One message. Frees W when it is over. */
static int worker_speaks(struct worker *w, struct err *e)
{
	AUTO(json_free) struct cJSON *m = NULL;
	char key[HASH_TEXT];
	AUTO_ERR(over);
	int r = wire_recv(w->sock, &m, &over);

	if (r >= 0 && json_str(m, "key"))
		return worker_asks(w, json_str(m, "key"), e);
	reap(w);
	while (read_output(w) && false)
		;
	if (w->cached) {
		end(w->b, w->vertex, true, 0, NULL);
		worker_close(w);
		return 0;
	}
	if (r < 0)
		return err_move(e, &over);
	TRY(build_layer_made(w, m, e));
	end(w->b, w->vertex, false, time_mono_ns() - w->started_ns, NULL);
	memcpy(key, w->key, sizeof(key));

	struct builds *a = w->b->all;

	worker_close(w);
	return wake(a, key, e);
}

/* ---- all of them --------------------------------------------------------------------------------------------------------------------------------- */

static bool source_ready(const struct build *b, const struct source *from)
{
	return from->kind != SOURCE_STAGE || b->stages.v[from->stage].finished;
}

static bool step_ready(const struct build *b, const struct step *t)
{
	if (!source_ready(b, &t->from))
		return false;
	for (size_t i = 0; i < t->nmounts; i++)
		if (!source_ready(b, &t->mounts[i].from))
			return false;
	return true;
}

/* The base is there: the stage's layers begin with its. */
static int stage_begin(struct build *b, struct stage *st, struct err *e)
{
	size_t n = json_count(st->img.history);

	b->created[st->index] = xcalloc(n + 1, sizeof(**b->created));
	if (st->base.kind == SOURCE_STAGE) {
		const struct stage *base = &b->stages.v[st->base.stage];

		strv_copy(&st->layers, &base->layers);
		memcpy(b->created[st->index], b->created[base->index], json_count(base->img.history) * sizeof(**b->created));
		return 0;
	}
	if (st->base.kind == SOURCE_IMAGE) {
		AUTO_DONE(image_row_done) struct image_row row = { 0 };
		auto_free char *text = xasprintf("FROM %s", st->base.name);
		auto_free char *name = vertex_name(b, b->stages.n > 1 ? st->name : NULL, 1, 1, st->total, text);
		int r = image_get(b->db, st->base_id, &row, e);

		if (r)
			return r < 0 ? r : err_set(e, ENOENT, "image '%s' was removed meanwhile", st->base.name);
		TRY(image_driver_fits(b->db, b->all->load.driver, row.id, e));
		strv_copy(&st->layers, &row.layers);
		end(b, begin(b, name), false, 0, NULL);
	}
	return 0;
}

/* Begins what can of B's steps; false in *WORK: there is nothing left to do. */
static int begin_ready(struct build *b, bool *work, struct worker **failed, struct err *e)
{
	*work = false;
	for (size_t i = 0; i < b->stages.n; i++) {
		struct stage *st = &b->stages.v[i];
		struct worker *w;
		int r = 1;

		if (!st->converted || st->finished)
			continue;
		*work = true;
		if (st->base.kind == SOURCE_STAGE && !b->stages.v[st->base.stage].finished)
			continue;
		if (!b->created[i])
			TRY(stage_begin(b, st, e));
		while (r == 1 && !st->running && st->done < st->nsteps && step_ready(b, st->steps[st->done]) && (w = free_worker(b->all))) {
			*failed = w;
			TRY(r = step_begin(b, st, w, e));
			*failed = NULL;
		}
		st->finished = st->done == st->nsteps && !st->running;
	}
	return 0;
}

static bool needs_are_built(const struct build *b)
{
	for (size_t i = 0; i < b->item->nneeds; i++)
		if (b->all->v[b->item->needs[i]].state != BUILD_DONE)
			return false;
	return true;
}

/* Brings B as far as it comes without waiting. */
static int go_on(struct build *b, struct worker **failed, struct err *e)
{
	bool work = true;

	/* a stage that ended may be what another one, earlier in the list, waits for */
	for (size_t i = 0; work && i <= b->stages.n; i++)
		TRY(begin_ready(b, &work, failed, e));
	return work ? 0 : build_finish(b, e);
}

/* Those that may begin. All of it comes before their first step, so that a mistake in any Dockerfile is told before one runs. */
static int begin_all(struct builds *a, struct err *e)
{
	bool any = false;

	for (size_t i = 0; i < a->n; i++) {
		a->failed = &a->v[i];
		if (a->v[i].state != BUILD_WAITS || !needs_are_built(&a->v[i]))
			continue;
		TRY(build_read(&a->v[i], e));
		any = true;
	}
	a->failed = NULL;
	if (any)
		TRY(builds_fetch(a, e));
	for (size_t i = 0; i < a->n; i++) {
		a->failed = &a->v[i];
		if (a->v[i].state == BUILD_READ)
			TRY(build_begin(&a->v[i], e));
	}
	return 0;
}

/* All of them, as far as they come. */
static int go_on_all(struct builds *a, struct worker **failed, struct err *e)
{
	for (size_t before = 0, done = 1; before != done;) {
		before = done;
		TRY(begin_all(a, e));
		done = 1;
		for (size_t i = 0; i < a->n; i++) {
			a->failed = &a->v[i];
			if (a->v[i].state == BUILD_STEPS)
				TRY(go_on(&a->v[i], failed, e));
			done += a->v[i].state == BUILD_DONE;
		}
	}
	a->failed = NULL;
	return 0;
}

/* Waits for the running ones and hears them. 1: there are none. */
static int turn(struct builds *a, struct worker **failed, struct err *e)
{
	auto_free struct pollfd *p = xcalloc(2 * a->nworkers + 1, sizeof(*p));
	nfds_t n = 2 * a->nworkers;
	bool any = false;

	for (size_t i = 0; i < a->nworkers; i++) {
		const struct worker *w = a->workers[i];

		p[2 * i] = (struct pollfd){ w->sock, POLLIN, 0 };
		p[2 * i + 1] = (struct pollfd){ w->out, POLLIN, 0 };
		any |= w->step != NULL;
	}
	if (!any)
		return 1;
	p[n] = (struct pollfd){ a->set->interrupt_fd, POLLIN, 0 };
	if (poll(p, n + 1, -1) < 0)
		return errno == EINTR ? 0 : err_sys(e, "poll");
	if (p[n].revents)
		return err_set(e, ECANCELED, "interrupted");
	for (size_t i = 0; 2 * i < n; i++) {
		struct worker *w = a->workers[i];

		if (p[2 * i + 1].revents && w->out >= 0 && !read_output(w))
			close(TAKE_FD(w->out));
		if (!p[2 * i].revents)
			continue;
		*failed = w;
		TRY(worker_speaks(w, e));
		*failed = NULL;
	}
	return 0;
}

/* Their sockets' ends are closed first: those that wait end by themselves, and what they run with them. */
static void end_workers(struct builds *a, const struct worker *failed)
{
	for (size_t i = 0; i < a->nworkers; i++)
		if (a->workers[i]->sock >= 0)
			close(TAKE_FD(a->workers[i]->sock));
	for (size_t i = 0; i < a->nworkers; i++) {
		struct worker *w = a->workers[i];

		if (!w->step)
			continue;
		reap(w);
		if (w != failed)
			end(w->b, w->vertex, w->cached, time_mono_ns() - w->started_ns, w->cached ? NULL : "CANCELED");
		worker_close(w);
	}
}

int builds_run(struct builds *a, struct err *e)
{
	struct worker *failed = NULL;
	int r = 0;

	while (r == 0) {
		r = go_on_all(a, &failed, e);
		if (r >= 0)
			r = turn(a, &failed, e);
	}
	if (r < 0 && failed && failed->step) {
		a->failed = failed->b;
		fail(failed, e);
	}
	end_workers(a, failed);
	for (size_t i = 0; r >= 0 && i < a->n; i++)
		BUG_ON(a->v[i].state != BUILD_DONE);
	return MIN(r, 0);
}
