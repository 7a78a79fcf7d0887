/* SPDX-License-Identifier: MIT
 *
 * src/state: the schema and its statements, each store's round trip, transactions of several processes, waking up, rebuilding
 */
#include "base/alloc.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/file.h"
#include "base/id.h"
#include "base/str.h"
#include "base/strv.h"
#include "base/time.h"
#include "state/container_store.h"
#include "state/db.h"
#include "state/stmt.h"
#include "state/event_store.h"
#include "state/image_store.h"
#include "state/lock.h"
#include "state/network_store.h"
#include "state/project_store.h"
#include "state/schema.h"
#include "state/sql.h"
#include "state/volume_store.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

struct fixture {
	char dir[64];
	struct dirs d;
	struct db *db;
	struct err e;
};

/* Fails with the error's text. */
#define OK(call)                                                                                   \
	do {                                                                                       \
		int ok_ = (call);                                                                  \
		if (ok_ < 0)                                                                       \
			fail_msg("%s: %d %s", #call, ok_, err_text(&f->e));                        \
	} while (0)
#define FAILS(call, code)                                                                          \
	do {                                                                                       \
		assert_int_equal(call, -(code));                                                   \
		assert_true(err_is(&f->e, code));                                                  \
	} while (0)

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	auto_free char *root = NULL;
	auto_free char *run = NULL;

	snprintf(f->dir, sizeof f->dir, "/tmp/gantry-state-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	root = xasprintf("%s/root", f->dir);
	run = xasprintf("%s/run", f->dir);
	dirs_init(&f->d, root, run);
	if (dirs_prepare(&f->d, &f->e) < 0 || db_open(&f->d, 0, &f->db, &f->e) < 0) {
		fprintf(stderr, "%s\n", err_text(&f->e));
		return -1;
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;

	db_close(f->db);
	(void)file_remove_tree_path(f->dir, &e);
	err_clear(&e);
	err_clear(&f->e);
	dirs_done(&f->d);
	free(f);
	return 0;
}

static char *state_file(struct fixture *f, const char *suffix)
{
	return dirs_root(&f->d, "state.db%s", suffix);
}

static void reopen(struct fixture *f, unsigned flags)
{
	db_close(f->db);
	f->db = NULL;
	OK(db_open(&f->d, flags, &f->db, &f->e));
}

/* ---- schema ---- */

static void every_statement_prepares(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < SQL_COUNT; i++) {
		assert_non_null(sql_text[i]);
		if (!db_stmt(f->db, i, &f->e))
			fail_msg("%s: %s", sql_text[i], err_text(&f->e));
	}
}

static void files_are_private(void **state)
{
	struct fixture *f = *state;
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		auto_free char *path = state_file(f, suffixes[i]);

		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
}

static int64_t raw_int(const char *path, const char *sql)
{
	sqlite3 *q = NULL;
	sqlite3_stmt *s = NULL;
	int64_t v = -1;

	assert_int_equal(sqlite3_open(path, &q), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(q, sql, -1, &s, NULL), SQLITE_OK);
	if (sqlite3_step(s) == SQLITE_ROW)
		v = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	sqlite3_close(q);
	return v;
}

static void version_is_set_and_newer_refused(void **state)
{
	struct fixture *f = *state;
	auto_free char *path = state_file(f, "");

	db_close(f->db);
	f->db = NULL;
	assert_int_equal(raw_int(path, "PRAGMA user_version"), schema_version);
	raw_int(path, "PRAGMA user_version = 999");
	FAILS(db_open(&f->d, 0, &f->db, &f->e), EPROTO);
	assert_non_null(strstr(err_text(&f->e), "newer gantry (schema 999"));
	err_clear(&f->e);
	OK(db_open(&f->d, DB_READONLY, &f->db, &f->e)); /* ps works */
	raw_int(path, "PRAGMA user_version = 1");
}

/* Each migration alone, from an empty file. */
static void migrations_step_by_step(void **state)
{
	struct fixture *f = *state;
	auto_free char *path = xasprintf("%s/old.db", f->dir);

	for (int i = 0; i < schema_version; i++) {
		sqlite3 *q = NULL;
		char *why = NULL;

		assert_int_equal(sqlite3_open(path, &q), SQLITE_OK);
		if (sqlite3_exec(q, schema_migrations[i], NULL, NULL, &why) != SQLITE_OK)
			fail_msg("migration %d: %s", i, why);
		sqlite3_close(q);
	}
	assert_int_equal(raw_int(path, "PRAGMA foreign_key_check"), -1);
}

/* ---- stores ---- */

static struct ctr_row sample(const char *id_digit, const char *name)
{
	static char ids[16][ID_BUF];
	char *id = ids[*id_digit % 16];

	memset(id, *id_digit, ID_LEN);
	return (struct ctr_row){ .id = id, .name = (char *)name, .project = (char *)"p", .service = (char *)"web", .number = 1,
				 .image_ref = (char *)"nginx", .image_id = (char *)"sha256:1", .hash = (char *)"1:h", .config = (char *)"{}",
				 .created_ns = 5, .desired = DESIRED_RUNNING, .state = CTR_CREATED, .exit_known = true };
}

static void project_round_trip(void **state)
{
	struct fixture *f = *state;
	struct project_row p = { .name = (char *)"p", .working_dir = (char *)"/x", .config_files = (char *)"/x/a,/x/b", .created_ns = 1,
				 .updated_ns = 2 };
	AUTO_DONE(project_row_done) struct project_row got = { 0 };
	AUTO_STRV(names);

	assert_int_equal(project_get(f->db, "p", &got, &f->e), 1);
	OK(project_put(f->db, &p, &f->e));
	p.working_dir = (char *)"/y";
	p.created_ns = 99; /* the first one stays */
	OK(project_put(f->db, &p, &f->e));
	OK(project_get(f->db, "p", &got, &f->e));
	assert_string_equal(got.working_dir, "/y");
	assert_int_equal(got.created_ns, 1);
	assert_null(got.environment);
	OK(project_list(f->db, &names, &f->e));
	assert_int_equal(names.n, 1);
	OK(project_delete(f->db, "p", &f->e));
	strv_clear(&names);
	OK(project_list(f->db, &names, &f->e));
	assert_int_equal(names.n, 0);
}

static void container_round_trip(void **state)
{
	struct fixture *f = *state;
	struct ctr_row a = sample("a", "p-web-1"), b = sample("b", "p-web-1"), got = { 0 };
	const struct proc_id pid = { 77, UINT64_C(1) << 40 }, keeper = { 78, 9 };

	OK(ctr_insert(f->db, &a, &f->e));
	FAILS(ctr_insert(f->db, &b, &f->e), EEXIST);
	assert_non_null(strstr(err_text(&f->e), "'p-web-1' is in use by service 'web' of project 'p'"));
	err_clear(&f->e);
	OK(ctr_set_starting(f->db, a.id, &f->e));
	OK(ctr_set_running(f->db, a.id, &pid, &keeper, "boot", 100, &f->e));
	OK(ctr_set_health(f->db, a.id, HEALTH_HEALTHY, "[1]", &f->e));
	OK(ctr_set_restarts(f->db, a.id, 3, &f->e));
	OK(ctr_set_hash(f->db, a.id, "1:h2", "{\"a\":1}", &f->e));
	OK(ctr_get(f->db, a.id, &got, &f->e));
	assert_int_equal(got.state, CTR_RUNNING);
	assert_int_equal(got.pid.pid, 77);
	assert_true(got.pid.start == pid.start);
	assert_int_equal(got.keeper.pid, 78);
	assert_string_equal(got.boot_id, "boot");
	assert_int_equal(got.health, HEALTH_HEALTHY);
	assert_string_equal(got.health_log, "[1]");
	assert_int_equal(got.restart_count, 3);
	assert_string_equal(got.hash, "1:h2");
	assert_string_equal(got.config, "{\"a\":1}");
	assert_false(ctr_row_alive(&got, "boot2"));
	ctr_row_done(&got);
	OK(ctr_set_exited(f->db, a.id, 137, true, true, 200, &f->e));
	OK(ctr_find(f->db, "aaaa", &got, &f->e));
	assert_int_equal(got.state, CTR_EXITED);
	assert_int_equal(got.exit_code, 137);
	assert_true(got.oom);
	assert_int_equal(got.pid.pid, 0);
	ctr_row_done(&got);
	OK(ctr_set_error(f->db, a.id, "no such file", 127, &f->e));
	OK(ctr_find(f->db, "p-web-1", &got, &f->e));
	assert_string_equal(got.error, "no such file");
	assert_int_equal(got.exit_code, 127);
	ctr_row_done(&got);
	OK(ctr_delete(f->db, a.id, &f->e));
	assert_int_equal(ctr_find(f->db, "p-web-1", &got, &f->e), 1);
	assert_int_equal(ctr_find(f->db, "a' OR 1", &got, &f->e), 1);
}

static void container_lists_and_names(void **state)
{
	struct fixture *f = *state;
	struct ctr_row a = sample("a", "x_p-web-2"), b = sample("b", "p-web-1"), c = sample("c", "q-db-1");
	AUTO_DONE(ctr_rows_done) struct ctr_rows l = CTR_ROWS_INIT;
	struct ctr_row got = { 0 };

	a.number = 2;
	a.id[ID_LEN - 1] = '0';
	c.project = (char *)"q";
	OK(ctr_insert(f->db, &a, &f->e));
	OK(ctr_insert(f->db, &b, &f->e));
	OK(ctr_insert(f->db, &c, &f->e));
	OK(ctr_list(f->db, "p", NULL, &l, &f->e));
	assert_int_equal(l.n, 2);
	assert_string_equal(l.v[0].name, "p-web-1");
	OK(ctr_list(f->db, NULL, NULL, &l, &f->e));
	assert_int_equal(l.n, 5);
	OK(ctr_list(f->db, "p", "db", &l, &f->e));
	assert_int_equal(l.n, 5);
	OK(ctr_by_image(f->db, "sha256:1", &l, &f->e));
	assert_int_equal(l.n, 8);
	FAILS(ctr_rename(f->db, a.id, "p-web-1", &f->e), EEXIST);
	err_clear(&f->e);
	OK(ctr_rename(f->db, a.id, "p-web-2", &f->e));
	OK(ctr_rename(f->db, a.id, "p-web-2", &f->e));
	OK(ctr_find(f->db, "p-web-2", &got, &f->e));
	ctr_row_done(&got);
	a.id[ID_LEN - 1] = 'a';
	a.name = (char *)"other";
	OK(ctr_insert(f->db, &a, &f->e));
	FAILS(ctr_find(f->db, "aaa", &got, &f->e), EINVAL); /* two begin so */
	err_clear(&f->e);
}

static int64_t make_network(struct fixture *f, const char *name)
{
	struct subnet_row sub = { .cidr = (char *)"172.18.0.0/16", .gateway = (char *)"172.18.0.1" };
	struct network_row n = { .name = (char *)name, .project = (char *)"p", .key = (char *)"default", .driver = (char *)"bridge",
				 .ipv4 = true, .created_ns = 7, .subnets = &sub, .nsubnets = 1 };

	OK(network_insert(f->db, &n, &f->e));
	return n.id;
}

static void make_box(struct fixture *f, const char *id, const char *project, const char *service)
{
	struct sandbox_row b = { .id = (char *)id, .project = (char *)project, .service = (char *)service, .number = 1,
				 .mode = (char *)"private" };

	OK(sandbox_insert(f->db, &b, &f->e));
}

static void network_round_trip(void **state)
{
	struct fixture *f = *state;
	int64_t id = make_network(f, "p_default"), again;
	AUTO_DONE(network_row_done) struct network_row n = { 0 };
	AUTO_DONE(network_rows_done) struct network_rows l = { 0 };
	struct network_row dup = { .name = (char *)"p_default", .driver = (char *)"bridge" };

	FAILS(network_insert(f->db, &dup, &f->e), EEXIST);
	err_clear(&f->e);
	OK(network_by_name(f->db, "p_default", &n, &f->e));
	assert_int_equal(n.id, id);
	assert_int_equal(n.nsubnets, 1);
	assert_string_equal(n.subnets[0].gateway, "172.18.0.1");
	assert_null(n.subnets[0].ip_range);
	OK(network_set_deleting(f->db, id, &f->e));
	OK(network_list(f->db, "p", &l, &f->e));
	assert_int_equal(l.n, 1);
	assert_true(l.v[0].deleting);
	OK(network_delete(f->db, id, &f->e));
	again = make_network(f, "p_default");
	assert_true(again > id); /* numbers do not come back */
}

static void endpoints_lease_addresses_once(void **state)
{
	struct fixture *f = *state;
	int64_t net = make_network(f, "p_default");
	struct endpoint_row a = { .sandbox = (char *)"s1", .network = net, .ipv4 = (char *)"172.18.0.2", .mac = (char *)"02:42:ac:12:00:02",
				  .ifname = (char *)"eth0", .names = (char *)"[\"p-web-1\",\"web\"]" };
	struct endpoint_row b = a;
	AUTO_DONE(endpoint_rows_done) struct endpoint_rows l = { 0 };
	int64_t n = -1;

	make_box(f, "s1", "p", "web");
	make_box(f, "s2", "p", "db");
	OK(endpoint_insert(f->db, &a, &f->e));
	b.sandbox = (char *)"s2";
	FAILS(endpoint_insert(f->db, &b, &f->e), EADDRINUSE);
	assert_non_null(strstr(err_text(&f->e), "address 172.18.0.2 is in use by service 'web'"));
	err_clear(&f->e);
	b.ipv4 = (char *)"172.18.0.3";
	FAILS(endpoint_insert(f->db, &b, &f->e), EADDRINUSE);
	assert_non_null(strstr(err_text(&f->e), "MAC address 02:42:ac:12:00:02"));
	err_clear(&f->e);
	b.mac = NULL;
	OK(endpoint_insert(f->db, &b, &f->e));
	OK(endpoint_by_network(f->db, net, &l, &f->e));
	assert_int_equal(l.n, 2);
	FAILS(network_delete(f->db, net, &f->e), EBUSY);
	err_clear(&f->e);
	OK(sandbox_members(f->db, "s1", &n, &f->e));
	assert_int_equal(n, 0);
	OK(sandbox_set_boot(f->db, "s1", "boot", &f->e));
	OK(sandbox_delete(f->db, "s1", &f->e));
	OK(sandbox_delete(f->db, "s2", &f->e));
	OK(network_delete(f->db, net, &f->e)); /* endpoints went with the sandboxes */
}

static void ports_conflict(void **state)
{
	struct fixture *f = *state;
	int64_t net = make_network(f, "p_default");
	struct endpoint_row ep = { .sandbox = (char *)"s1", .network = net };
	static const struct {
		const char *ip, *proto;
		int port;
		bool taken;
	} rows[] = {
		{ "127.0.0.1", "tcp", 80, false }, { "127.0.0.1", "tcp", 80, true }, { "127.0.0.2", "tcp", 80, false },
		{ "0.0.0.0", "tcp", 80, true },    { "", "tcp", 80, true },          { "::", "tcp", 80, false },
		{ "::1", "tcp", 80, true },        { "", "udp", 80, false },         { "10.0.0.1", "udp", 80, true },
		{ "0.0.0.0", "tcp", 81, false },   { "::", "tcp", 81, false },       { "127.0.0.1", "tcp", 81, true },
	};
	AUTO_DONE(port_rows_done) struct port_rows l = { 0 };

	make_box(f, "s1", "p", "web");
	make_box(f, "s2", "p", "db");
	OK(endpoint_insert(f->db, &ep, &f->e));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct port_row p = { .sandbox = (char *)(i == 0 ? "s1" : "s2"), .proto = (char *)rows[i].proto, .host_ip = (char *)rows[i].ip,
				      .host_port = rows[i].port, .ctr_port = 1, .endpoint = ep.id };
		int r = port_insert(f->db, &p, &f->e);

		if (r != (rows[i].taken ? -EADDRINUSE : 0))
			fail_msg("row %zu: %d %s", i, r, err_text(&f->e));
		err_clear(&f->e);
		if (!rows[i].taken) /* the same row again is no conflict */
			OK(port_insert(f->db, &p, &f->e));
	}
	OK(port_by_sandbox(f->db, NULL, &l, &f->e));
	assert_int_equal(l.n, 6);
	OK(port_delete_of(f->db, "s2", &f->e));
	OK(port_by_sandbox(f->db, NULL, &l, &f->e));
	assert_int_equal(l.n, 7);
}

static char *dns(struct fixture *f, int64_t net, const char *project, const char *name)
{
	AUTO_STRV(l);
	int r = dns_addresses(f->db, net, project, name, 4, &l, &f->e);

	OK(r);
	return r == 1 ? xstrdup("unknown") : strv_join(&l, " ");
}

static void names_resolve(void **state)
{
	struct fixture *f = *state;
	int64_t net = make_network(f, "shared");
	static const struct {
		const char *box, *project, *ip, *names, *digit;
	} rows[] = {
		{ "s1", "p", "10.0.0.1", "[\"p-web-1\",\"web\"]", "a" },
		{ "s2", "p", "10.0.0.2", "[\"p-web-2\",\"web\"]", "b" },
		{ "s3", "q", "10.0.0.3", "[\"q-web-1\",\"web\",\"a.b\"]", "c" },
	};
	static const struct {
		const char *project, *name, *want;
	} asks[] = {
		{ "p", "web", "10.0.0.1 10.0.0.2" }, { "p", "WEB", "10.0.0.1 10.0.0.2" }, { "q", "web", "10.0.0.3" },
		{ "z", "web", "10.0.0.1 10.0.0.2 10.0.0.3" }, { "p", "web.q", "10.0.0.3" }, { "p", "a.b", "10.0.0.3" },
		{ "p", "db", "unknown" }, { "p", "web.z", "unknown" }, { "p", ".", "unknown" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_free char *name = xasprintf("%s-web-%zu", rows[i].project, i);
		struct ctr_row c = sample(rows[i].digit, name);
		struct endpoint_row ep = { .sandbox = (char *)rows[i].box, .network = net, .ipv4 = (char *)rows[i].ip,
					   .names = (char *)rows[i].names };

		make_box(f, rows[i].box, rows[i].project, "web");
		OK(endpoint_insert(f->db, &ep, &f->e));
		c.project = (char *)rows[i].project;
		c.sandbox = (char *)rows[i].box;
		c.state = CTR_RUNNING;
		OK(ctr_insert(f->db, &c, &f->e));
	}
	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		auto_free char *got = dns(f, net, asks[i].project, asks[i].name);

		assert_string_equal(got, asks[i].want);
	}
	OK(ctr_set_exited(f->db, sample("a", "").id, 0, true, false, 1, &f->e));
	auto_free char *left = dns(f, net, "p", "web");

	assert_string_equal(left, "10.0.0.2");
}

static void volume_round_trip(void **state)
{
	struct fixture *f = *state;
	struct volume_row v = { .name = (char *)"p_data", .project = (char *)"p", .key = (char *)"data", .labels = (char *)"{\"a\":\"b\"}",
				.created_ns = 3 };
	AUTO_DONE(volume_row_done) struct volume_row got = { 0 };
	struct ctr_row c = sample("a", "p-web-1");
	int64_t n = -1;

	assert_int_equal(volume_insert(f->db, &v, &f->e), 0);
	assert_int_equal(volume_insert(f->db, &v, &f->e), 1);
	OK(ctr_insert(f->db, &c, &f->e));
	OK(volume_use(f->db, "p_data", c.id, &f->e));
	OK(volume_use(f->db, "p_data", c.id, &f->e));
	FAILS(volume_use(f->db, "nothing", c.id, &f->e), ENOENT);
	err_clear(&f->e);
	OK(volume_users(f->db, "p_data", &n, &f->e));
	assert_int_equal(n, 1);
	FAILS(volume_delete(f->db, "p_data", &f->e), EBUSY);
	err_clear(&f->e);
	OK(ctr_delete(f->db, c.id, &f->e));
	OK(volume_get(f->db, "p_data", &got, &f->e));
	assert_string_equal(got.driver, "local");
	assert_string_equal(got.labels, "{\"a\":\"b\"}");
	OK(volume_set_deleting(f->db, "p_data", &f->e));
	OK(volume_delete(f->db, "p_data", &f->e));
}

static void image_round_trip(void **state)
{
	struct fixture *f = *state;
	struct layer_row base = { .chain_id = (char *)"sha256:11", .diff_id = (char *)"sha256:d1", .size = 5, .driver = (char *)"overlay" };
	struct layer_row top = { .chain_id = (char *)"sha256:22", .diff_id = (char *)"sha256:d2", .parent = (char *)"sha256:11",
				 .size = 6, .driver = (char *)"overlay" };
	struct image_row i = { .id = (char *)"sha256:abc", .config = (char *)"{}", .size = 11, .created_ns = 4 };
	AUTO_DONE(image_row_done) struct image_row got = { 0 };
	AUTO_DONE(image_names_done) struct image_names names = { 0 };
	AUTO_STRV(l);
	auto_free char *id = NULL;

	FAILS(layer_insert(f->db, &top, &f->e), ENOENT);
	err_clear(&f->e);
	OK(layer_insert(f->db, &base, &f->e));
	assert_int_equal(layer_insert(f->db, &base, &f->e), 1);
	OK(layer_insert(f->db, &top, &f->e));
	strv_add(&i.layers, "sha256:11");
	strv_add(&i.layers, "sha256:22");
	OK(image_insert(f->db, &i, &f->e));
	assert_int_equal(image_insert(f->db, &i, &f->e), 1);
	OK(image_get(f->db, i.id, &got, &f->e));
	assert_int_equal(got.layers.n, 2);
	assert_string_equal(got.layers.v[1], "sha256:22");
	OK(image_name_set(f->db, "docker.io/library/x:1", i.id, &f->e));
	FAILS(image_name_set(f->db, "y", "sha256:none", &f->e), ENOENT);
	err_clear(&f->e);
	OK(image_name_get(f->db, "docker.io/library/x:1", &id, &f->e));
	assert_string_equal(id, i.id);
	OK(image_find_prefix(f->db, "ab", &l, &f->e));
	assert_int_equal(l.n, 1);
	OK(image_name_list(f->db, &names, &f->e));
	assert_int_equal(names.n, 1);
	strv_clear(&l);
	OK(layer_unused(f->db, &l, &f->e));
	assert_int_equal(l.n, 0);
	FAILS(layer_delete(f->db, "sha256:22", &f->e), EBUSY);
	err_clear(&f->e);
	OK(image_delete(f->db, i.id, &f->e));
	OK(layer_unused(f->db, &l, &f->e));
	assert_int_equal(l.n, 2);
	for (size_t k = 0; k < l.n; k++)
		OK(layer_delete(f->db, l.v[k], &f->e)); /* children first */
	assert_int_equal(image_name_delete(f->db, "docker.io/library/x:1", &f->e), 1);
	strv_done(&i.layers);
}

static void events_are_bounded(void **state)
{
	struct fixture *f = *state;
	const struct event_row ev = { .type = (char *)"container", .action = (char *)"start", .project = (char *)"p" };
	AUTO_DONE(event_rows_done) struct event_rows l = { 0 };

	OK(db_begin(f->db, &f->e));
	for (int i = 0; i < 10300; i++)
		OK(event_add(f->db, &ev, &f->e));
	OK(db_commit(f->db, &f->e));
	OK(event_since(f->db, "p", 0, &l, &f->e));
	assert_in_range(l.n, 10000, 10300);
	assert_int_equal(l.v[l.n - 1].seq, 10300);
	OK(event_since(f->db, "q", 0, &l, &f->e));
	OK(event_since(f->db, NULL, 10299, &l, &f->e));
	assert_int_equal(l.v[l.n - 1].seq, 10300);
}

/* ---- transactions ---- */

static void levels_and_rollback(void **state)
{
	struct fixture *f = *state;
	struct ctr_row a = sample("a", "n1"), b = sample("b", "n1"), got = { 0 };

	OK(db_begin(f->db, &f->e));
	OK(ctr_insert(f->db, &a, &f->e));
	FAILS(ctr_insert(f->db, &b, &f->e), EEXIST); /* an inner level's failure leaves the outer one usable */
	err_clear(&f->e);
	assert_true(db_in_transaction(f->db));
	OK(ctr_get(f->db, a.id, &got, &f->e));
	ctr_row_done(&got);
	db_rollback(f->db);
	assert_false(db_in_transaction(f->db));
	assert_int_equal(ctr_get(f->db, a.id, &got, &f->e), 1);
}

enum { PROCESSES = 8, ROUNDS = 50 };

/* Reads, then writes what it read plus one: without the lock before the read, rounds would be lost. */
static int count_up(const struct dirs *d)
{
	AUTO(db_close) struct db *db = NULL;
	struct err e = ERR_INIT;

	if (db_open(d, 0, &db, &e) < 0)
		return 1;
	for (int i = 0; i < ROUNDS; i++) {
		AUTO_DONE(ctr_row_done) struct ctr_row c = { 0 };

		if (db_begin(db, &e) < 0 || ctr_find(db, "n1", &c, &e) != 0 ||
		    ctr_set_restarts(db, c.id, c.restart_count + 1, &e) < 0 || db_commit(db, &e) < 0) {
			fprintf(stderr, "%s\n", err_text(&e));
			return 1;
		}
	}
	return db_sync(db, &e) < 0;
}

static void processes_take_turns(void **state)
{
	struct fixture *f = *state;
	struct ctr_row a = sample("a", "n1"), got = { 0 };

	OK(ctr_insert(f->db, &a, &f->e));
	db_close(f->db); /* a connection never crosses fork */
	f->db = NULL;
	for (int i = 0; i < PROCESSES; i++)
		if (fork() == 0)
			_exit(count_up(&f->d));
	for (int i = 0; i < PROCESSES; i++) {
		int status = -1;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	OK(db_open(&f->d, 0, &f->db, &f->e));
	OK(ctr_get(f->db, a.id, &got, &f->e));
	assert_int_equal(got.restart_count, PROCESSES * ROUNDS);
	ctr_row_done(&got);
}

static int open_new(const struct dirs *d)
{
	AUTO(db_close) struct db *db = NULL;
	struct err e = ERR_INIT;
	struct project_row p = { .name = (char *)"p" };

	if (db_open(d, 0, &db, &e) < 0 || project_put(db, &p, &e) < 0) {
		fprintf(stderr, "%s\n", err_text(&e));
		return 1;
	}
	return 0;
}

/* Many processes find no database at the same time. */
static void processes_make_it_together(void **state)
{
	struct fixture *f = *state;
	static const char *const suffixes[] = { "", "-wal", "-shm" };

	db_close(f->db);
	f->db = NULL;
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		auto_free char *path = state_file(f, suffixes[i]);

		(void)unlink(path);
	}
	for (int i = 0; i < PROCESSES; i++)
		if (fork() == 0)
			_exit(open_new(&f->d));
	for (int i = 0; i < PROCESSES; i++) {
		int status = -1;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
}

static void ticket_times_out_naming_the_holder(void **state)
{
	struct fixture *f = *state;
	auto_free char *path = dirs_run(&f->d, "ticket.lock");
	auto_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	auto_free char *want = NULL;
	int ready[2], status;
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		int mine = open(path, O_RDWR);

		if (flock(mine, LOCK_EX) == 0)
			(void)!write(ready[1], "x", 1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	want = xasprintf("locked by process %d", pid);
	FAILS(lock_ticket(fd, 150, &f->e), EBUSY);
	assert_non_null(strstr(err_text(&f->e), want));
	err_clear(&f->e);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	OK(lock_ticket(fd, 150, &f->e));
	close(ready[0]);
	close(ready[1]);
}

/* ---- waking up, locks ---- */

static int readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0);
}

static void commit_wakes(void **state)
{
	struct fixture *f = *state;
	auto_close int p = gen_watch(&f->d, "p", &f->e);
	auto_close int q = gen_watch(&f->d, "q", &f->e);
	struct ctr_row a = sample("a", "n1");

	OK(p);
	OK(q);
	assert_int_equal(readable(p), 0);
	OK(db_begin(f->db, &f->e));
	OK(ctr_insert(f->db, &a, &f->e));
	assert_int_equal(readable(p), 0); /* not before the commit */
	db_rollback(f->db);
	assert_int_equal(readable(p), 0);
	OK(ctr_insert(f->db, &a, &f->e));
	assert_int_equal(readable(p), 1);
	assert_int_equal(readable(q), 0);
	gen_drain(p);
	assert_int_equal(readable(p), 0);
	OK(ctr_set_state(f->db, a.id, CTR_PAUSED, &f->e));
	assert_int_equal(readable(p), 1);
	gen_drain(p);
	OK(ctr_set_state(f->db, a.id, CTR_PAUSED, &f->e)); /* nothing changed, nobody wakes */
	assert_int_equal(readable(p), 0);
	FAILS(gen_watch(&f->d, "../x", &f->e), EINVAL);
	err_clear(&f->e);
}

struct waiter {
	int by, tell;
};

static void on_waiting(int pid, void *arg)
{
	struct waiter *w = arg;

	w->by = pid;
	(void)!write(w->tell, "w", 1);
}

static void project_lock_waits(void **state)
{
	struct fixture *f = *state;
	int held = -1, got = -1, status, told[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(told), 0);
	OK(lock_project(&f->d, "p", NULL, NULL, &held, &f->e));
	pid = fork();
	if (pid == 0) {
		struct waiter w = { .tell = told[1] };
		struct err e = ERR_INIT;
		int mine = -1;

		close(held);
		_exit(lock_project(&f->d, "p", on_waiting, &w, &mine, &e) < 0 || w.by != getppid());
	}
	assert_int_equal(read(told[0], &c, 1), 1);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	close(held);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	OK(lock_project(&f->d, "p", NULL, NULL, &got, &f->e));
	close(got);
	close(told[0]);
	close(told[1]);
}

static void monitor_lock_is_asked_without_taking(void **state)
{
	struct fixture *f = *state;
	int a = -1, b = -1;

	assert_false(lock_monitor_held(&f->d, "p"));
	assert_int_equal(lock_monitor(&f->d, "p", &a, &f->e), 0);
	assert_true(lock_monitor_held(&f->d, "p"));
	assert_int_equal(lock_monitor(&f->d, "p", &b, &f->e), 1);
	close(a);
	assert_false(lock_monitor_held(&f->d, "p"));
}

/* ---- rebuilding ---- */

static void put_file(struct fixture *f, const char *path, const char *text)
{
	auto_free char *p = dirs_root(&f->d, "%s", path);
	char *slash = strrchr(p, '/');

	*slash = '\0';
	OK(file_mkdir_p(p, 0755, &f->e));
	*slash = '/';
	OK(file_replace(p, text, strlen(text), 0600, false, &f->e));
}

/* A root with a volume, an image and a container, in files and rows. */
static void fill(struct fixture *f)
{
	struct volume_row v = { .name = (char *)"p_data", .project = (char *)"p", .key = (char *)"data", .driver = (char *)"local" };
	struct layer_row l = { .chain_id = (char *)"sha256:11", .diff_id = (char *)"sha256:d1", .driver = (char *)"overlay" };
	struct image_row i = { .id = (char *)"sha256:abc", .config = (char *)"{\"a\":1}" };
	struct ctr_row c = sample("a", "p-web-1");
	auto_free char *volume = volume_row_json(&v);
	auto_free char *path = xasprintf("containers/%s/spec.json", c.id);
	auto_free char *spec = xasprintf("{\"v\":1,\"id\":\"%s\",\"name\":\"p-web-1\",\"project\":\"p\",\"service\":\"web\",\"number\":1,"
					 "\"mounts\":[{\"type\":\"volume\",\"source\":\"p_data\",\"target\":\"/d\"}]}", c.id);

	put_file(f, "volumes/p_data/volume.json", volume);
	put_file(f, "images/layers/11/x", "");
	put_file(f, path, spec);
	OK(volume_insert(f->db, &v, &f->e));
	OK(layer_insert(f->db, &l, &f->e));
	strv_add(&i.layers, "sha256:11");
	OK(image_insert(f->db, &i, &f->e));
	OK(image_name_set(f->db, "x:1", i.id, &f->e));
	OK(ctr_insert(f->db, &c, &f->e));
	make_network(f, "p_default");
	strv_done(&i.layers);
}

static void expect_rebuilt(struct fixture *f)
{
	AUTO_DONE(ctr_row_done) struct ctr_row c = { 0 };
	AUTO_DONE(image_row_done) struct image_row i = { 0 };
	auto_free char *id = NULL;
	int64_t users = 0;

	assert_int_equal(ctr_find(f->db, "p-web-1", &c, &f->e), 0);
	assert_string_equal(c.service, "web");
	assert_null(c.hash);
	assert_int_equal(c.state, CTR_EXITED);
	assert_int_equal(volume_users(f->db, "p_data", &users, &f->e), 0);
	assert_int_equal(users, 1);
	assert_int_equal(image_name_get(f->db, "x:1", &id, &f->e), 0);
	assert_int_equal(image_get(f->db, id, &i, &f->e), 0);
	assert_string_equal(i.config, "{\"a\":1}");
	assert_true(make_network(f, "p_default") > 1000); /* kernel objects of the lost rows keep their names */
	assert_non_null(db_notice(f->db));
}

static void lost_database(struct fixture *f, void (*lose)(const char *path))
{
	static const char *const suffixes[] = { "-wal", "-shm" };
	auto_free char *path = state_file(f, "");

	fill(f);
	db_close(f->db);
	f->db = NULL;
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		auto_free char *p = state_file(f, suffixes[i]);

		(void)unlink(p);
	}
	lose(path);
	OK(db_open(&f->d, 0, &f->db, &f->e));
	expect_rebuilt(f);
}

static void lose_all(const char *path)
{
	assert_int_equal(unlink(path), 0);
}

static void lose_content(const char *path)
{
	assert_int_equal(truncate(path, 0), 0);
}

static void lose_wal(const char *path)
{
	(void)path;
}

static void lose_sense(const char *path)
{
	auto_close int fd = open(path, O_WRONLY);

	assert_true(write(fd, "garbage, not a database header", 30) == 30);
}

static void missing_is_rebuilt(void **state)
{
	lost_database(*state, lose_all);
}

static void empty_is_rebuilt(void **state)
{
	lost_database(*state, lose_content);
}

static void without_wal_is_rebuilt(void **state)
{
	lost_database(*state, lose_wal);
}

static void damaged_is_set_aside(void **state)
{
	struct fixture *f = *state;

	lost_database(f, lose_sense);
	assert_non_null(strstr(db_notice(f->db), "state.db.corrupt-"));
}

static void half_a_wal_is_read_silently(void **state)
{
	struct fixture *f = *state;
	auto_free char *wal = state_file(f, "-wal");
	AUTO_DONE(ctr_rows_done) struct ctr_rows l = CTR_ROWS_INIT;
	struct stat st;

	fill(f);
	db_close(f->db);
	f->db = NULL;
	assert_int_equal(stat(wal, &st), 0);
	assert_int_equal(truncate(wal, st.st_size / 2 + 100), 0);
	OK(db_open(&f->d, 0, &f->db, &f->e));
	OK(ctr_list(f->db, NULL, NULL, &l, &f->e));
}

static void after_a_boot_rows_are_compared(void **state)
{
	struct fixture *f = *state;
	auto_free char *mark = dirs_run(&f->d, "rows.seen");
	struct ctr_row c = sample("a", "p-web-1");

	fill(f);
	OK(ctr_delete(f->db, c.id, &f->e)); /* as if the last commits had not reached the disk */
	reopen(f, 0);
	assert_int_equal(ctr_get(f->db, c.id, &c, &f->e), 1);
	assert_int_equal(unlink(mark), 0);
	reopen(f, 0);
	assert_int_equal(ctr_get(f->db, sample("a", "").id, &c, &f->e), 0);
	ctr_row_done(&c);
}

static void readonly_reads(void **state)
{
	struct fixture *f = *state;
	AUTO_DONE(ctr_rows_done) struct ctr_rows l = CTR_ROWS_INIT;

	fill(f);
	reopen(f, DB_READONLY);
	OK(ctr_list(f->db, "p", NULL, &l, &f->e));
	assert_int_equal(l.n, 1);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_statement_prepares), T(files_are_private), T(version_is_set_and_newer_refused), T(migrations_step_by_step),
		T(project_round_trip), T(container_round_trip), T(container_lists_and_names), T(network_round_trip),
		T(endpoints_lease_addresses_once), T(ports_conflict), T(names_resolve), T(volume_round_trip), T(image_round_trip),
		T(events_are_bounded), T(levels_and_rollback), T(processes_take_turns), T(processes_make_it_together),
		T(ticket_times_out_naming_the_holder), T(commit_wakes), T(project_lock_waits), T(monitor_lock_is_asked_without_taking),
		T(missing_is_rebuilt), T(empty_is_rebuilt), T(without_wal_is_rebuilt), T(damaged_is_set_aside),
		T(half_a_wal_is_read_silently), T(after_a_boot_rows_are_compared), T(readonly_reads),
	};

	return cmocka_run_group_tests_name("state", tests, NULL, NULL);
}
