/* SPDX-License-Identifier: MIT
 *
 * tests/helper/monitor-ctl.c - containers and a monitor without compose files, images and networks, for tests of engine/monitor
 *
 *	create PROJECT NAME SPEC ARGV…  row, folder and spec.json; prints the id. SPEC: JSON members beside the usual ones
 *	call PROJECT OP [ID [JSON]]     one request (monitor_call); prints the answer
 *	attach PROJECT ID [stdin [tty]] stdin, stdout, stderr are those of the container until it ends; prints the answers to stderr
 *	row NAME                        STATE CODE KNOWN PID KEEPER RESTARTS HEALTH ERROR
 *	logs ID                         its log
 *	events PROJECT                  ACTION SERVICE ATTRIBUTES
 */
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/container/log.h"
#include "engine/container/spec.h"
#include "engine/monitor/control.h"
#include "state/container_store.h"
#include "state/db.h"
#include "state/event_store.h"
#include "state/project_store.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static int cmd_create(const struct dirs *d, char **v, struct err *e)
{
	static const char *const folders[] = { "upper", "work", "files" };
	AUTO(json_free) struct cJSON *j = NULL;
	AUTO(db_close) struct db *db = NULL;
	struct project_row p = { .name = v[0], .working_dir = (char *)"/", .config_files = (char *)"", .environment = (char *)"" };
	char id[ID_BUF];
	auto_free char *path = NULL, *text = NULL;
	AUTO_STRV(argv);

	id_new(id);
	TRY(json_parse(v[2], strlen(v[2]), "spec", &j, e));
	json_add_int(j, "v", 1);
	json_add_str(j, "id", id);
	json_add_str(j, "name", v[1]);
	json_add_str(j, "project", v[0]);
	json_add_str(j, "service", v[1]);
	json_add_str(j, "image_ref", "none");
	json_add_str(j, "seccomp", "unconfined");
	json_add_str(j, "network_mode", "host");
	strv_add_all(&argv, v + 3);
	json_add_strv(j, "argv", &argv);
	TRY(db_open(d, 0, &db, e));
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		auto_free char *dir = dirs_root(d, "containers/%s/%s", id, folders[i]);

		TRY(file_mkdir_p(dir, 0755, e));
	}
	path = dirs_root(d, "containers/%s/spec.json", id);
	text = json_text(j, false);
	TRY(file_replace(path, text, strlen(text), 0600, false, e));
	TRY(project_put(db, &p, e));
	TRY(ctr_insert(db, &(struct ctr_row){ .id = id, .name = v[1], .project = v[0], .service = v[1], .number = 1,
		.image_ref = (char *)"none", .image_id = (char *)"none", .hash = (char *)"none", .config = (char *)"{}", .created_ns = time_now_ns() }, e));
	puts(id);
	return 0;
}
static struct cJSON *request(const char *op, const char *id, const char *more, struct err *e)
{
	struct cJSON *q = NULL;

	if (!more)
		return monitor_request(op, id);
	if (json_parse(more, strlen(more), "request", &q, e) < 0)
		return NULL;
	json_add_int(q, "v", CONTROL_VERSION);
	json_add_str(q, "op", op);
	json_add_str(q, "id", id);
	return q;
}
static int cmd_call(const struct dirs *d, char **v, struct err *e)
{
	AUTO(json_free) struct cJSON *q = request(v[1], v[2], v[2] ? v[3] : NULL, e), *r = NULL;
	auto_free char *text = NULL;

	if (!q)
		return -e->code;
	TRY(monitor_call(d, v[0], q, &r, e));
	text = json_text(r, false);
	puts(text);
	return 0;
}
/* A process per stream: FROM to TO until the end. */
static pid_t copy(int from, int to, const int *others, size_t n)
{
	pid_t pid = fork();
	char buf[65536];
	ssize_t len;
	AUTO_ERR(e);

	if (pid != 0)
		return pid;
	for (size_t i = 0; i < n; i++)
		if (others[i] != from && others[i] != to)
			close(others[i]);
	while ((len = read(from, buf, sizeof(buf))) > 0)
		if (fd_write_all(to, buf, (size_t)len, &e) < 0)
			break;
	_exit(0);
}
static int cmd_attach(const struct dirs *d, char **v, struct err *e)
{
	bool with_stdin = v[2] != NULL, tty = with_stdin && v[3];
	AUTO(json_free) struct cJSON *q = monitor_request("attach", v[1]), *r = NULL;
	int sock, in[2], out[2][2], all[7], theirs[3];
	pid_t pids[2];
	size_t n = 0;

	TRY(monitor_connect(d, v[0], true, &sock, e));
	TRY(fd_pipe(in, e));
	TRY(fd_pipe(out[0], e));
	TRY(fd_pipe(out[1], e));
	memcpy(all, in, sizeof(in));
	memcpy(all + 2, out, sizeof(out));
	all[6] = sock;
	json_add_bool(q, "stdin", with_stdin);
	if (with_stdin)
		theirs[n++] = in[0];
	theirs[n++] = out[0][1];
	if (!tty)
		theirs[n++] = out[1][1];
	TRY(monitor_send(sock, q, theirs, n, e));
	TRY(monitor_recv(sock, &r, e));
	fprintf(stderr, "%s\n", str0(json_str(r, "event")));
	for (int i = 0; i < 2; i++)
		pids[i] = copy(out[i][0], i + 1, all, ARRAY_LEN(all));
	if (with_stdin)
		copy(0, in[1], all, ARRAY_LEN(all));
	for (size_t i = 0; i < 6; i++)
		close(all[i]);
	json_free(TAKE(r));
	TRY(monitor_recv(sock, &r, e));
	for (int i = 0; i < 2; i++)
		(void)waitpid(pids[i], NULL, 0);
	fprintf(stderr, "code %d\n", (int)json_int(r, "code", -1));
	return 0;
}
static int cmd_row(const struct dirs *d, char **v, struct err *e)
{
	AUTO(db_close) struct db *db = NULL;
	AUTO_DONE(ctr_row_done) struct ctr_row r = { 0 };

	TRY(db_open(d, 0, &db, e));
	if (ctr_find(db, v[0], &r, e) != 0)
		return e->code ? -e->code : err_set(e, ENOENT, "no container '%s'", v[0]);
	printf("%s %d %d %d %d %d %s %s\n", ctr_state_name(r.state), (int)r.exit_code, r.exit_known, r.pid.pid, r.keeper.pid,
	       (int)r.restart_count, *ctr_health_name(r.health) ? ctr_health_name(r.health) : "-", str0(r.error));
	return 0;
}
static int cmd_logs(const struct dirs *d, char **v, struct err *e)
{
	AUTO(log_reader_close) struct log_reader *r = NULL;
	struct log_entry en;
	int n;

	TRY(log_reader_open(d, v[0], -1, 0, 0, &r, e));
	while ((n = log_reader_next(r, &en, e)) == 1)
		printf("%.*s%s", (int)en.len, en.text, en.complete ? "\n" : "");
	return n;
}
static int cmd_events(const struct dirs *d, char **v, struct err *e)
{
	AUTO(db_close) struct db *db = NULL;
	struct event_rows l = { 0 };

	TRY(db_open(d, 0, &db, e));
	TRY(event_since(db, v[0], 0, &l, e));
	for (size_t i = 0; i < l.n; i++)
		printf("%s %s %s\n", l.v[i].action, str0(l.v[i].service), str0(l.v[i].attributes));
	event_rows_done(&l);
	return 0;
}
static const struct {
	const char *name;
	int (*fn)(const struct dirs *d, char **v, struct err *e);
	int args;
} commands[] = {
	{ "create", cmd_create, 4 }, { "call", cmd_call, 2 }, { "attach", cmd_attach, 2 },
	{ "row", cmd_row, 1 },	     { "logs", cmd_logs, 1 }, { "events", cmd_events, 1 },
};
int main(int argc, char **argv)
{
	AUTO_DONE(dirs_done) struct dirs d = { 0 };
	AUTO_ERR(e);

	log_setup("monitor-ctl", 2, false);
	dirs_init(&d, NULL, NULL);
	if (dirs_prepare(&d, &e) < 0) {
		log_err(&e);
		return 1;
	}
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(commands); i++)
		if (streq(commands[i].name, argv[1]) && argc - 2 >= commands[i].args) {
			if (commands[i].fn(&d, argv + 2, &e) >= 0)
				return 0;
			log_err(&e);
			return e.exit ? e.exit : 1;
		}
	fprintf(stderr, "usage: see tests/helper/monitor-ctl.c\n");
	return 2;
}
