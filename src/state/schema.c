/* SPDX-License-Identifier: MIT
 *
 * Tables as docs/STATE.md shows them. Times are nanoseconds since the epoch (0: never), booleans 0 and 1, structured values JSON text.
 * Ids of networks and endpoints are AUTOINCREMENT: kernel objects are named after them, so a number must not come back.
 */
#include "state/schema.h"
#include "base/auto.h"

const char *const schema_migrations[] = {
	/* 0 -> 1 */
	"CREATE TABLE project (\n"
	"	name TEXT PRIMARY KEY, working_dir TEXT, config_files TEXT, environment TEXT,\n"
	"	stopped_by_host INTEGER NOT NULL DEFAULT 0, created_ns INTEGER NOT NULL, updated_ns INTEGER NOT NULL\n"
	") WITHOUT ROWID;\n"

	"CREATE TABLE sandbox (\n"
	"	id TEXT PRIMARY KEY, project TEXT, service TEXT, number INTEGER NOT NULL DEFAULT 0,\n"
	"	mode TEXT NOT NULL, boot_id TEXT\n"
	") WITHOUT ROWID;\n"

	"CREATE TABLE container (\n"
	"	id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL UNIQUE, project TEXT, service TEXT,\n"
	"	number INTEGER NOT NULL DEFAULT 1, oneoff INTEGER NOT NULL DEFAULT 0,\n"
	"	image_ref TEXT, image_id TEXT, hash TEXT, config TEXT, sandbox TEXT REFERENCES sandbox(id),\n"
	"	created_ns INTEGER NOT NULL, desired TEXT NOT NULL,\n"
	"	state TEXT NOT NULL, pid INTEGER NOT NULL DEFAULT 0, pid_start INTEGER NOT NULL DEFAULT 0, boot_id TEXT,\n"
	"	keeper INTEGER NOT NULL DEFAULT 0, keeper_start INTEGER NOT NULL DEFAULT 0,\n"
	"	started_ns INTEGER NOT NULL DEFAULT 0, finished_ns INTEGER NOT NULL DEFAULT 0,\n"
	"	exit_code INTEGER NOT NULL DEFAULT 0, exit_known INTEGER NOT NULL DEFAULT 1, oom INTEGER NOT NULL DEFAULT 0,\n"
	"	error TEXT, restart_count INTEGER NOT NULL DEFAULT 0, health TEXT NOT NULL DEFAULT '', health_log TEXT\n"
	");\n"
	"CREATE INDEX container_project ON container(project, service, oneoff, number);\n"
	"CREATE INDEX container_sandbox ON container(sandbox);\n"

	"CREATE TABLE network (\n"
	"	id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, project TEXT, key TEXT,\n"
	"	driver TEXT NOT NULL, options TEXT, labels TEXT, hash TEXT,\n"
	"	internal INTEGER NOT NULL DEFAULT 0, attachable INTEGER NOT NULL DEFAULT 0,\n"
	"	ipv6 INTEGER NOT NULL DEFAULT 0, ipv4 INTEGER NOT NULL DEFAULT 1,\n"
	"	deleting INTEGER NOT NULL DEFAULT 0, created_ns INTEGER NOT NULL\n"
	");\n"
	"CREATE TABLE subnet (\n"
	"	network INTEGER NOT NULL REFERENCES network(id) ON DELETE CASCADE, position INTEGER NOT NULL,\n"
	"	cidr TEXT NOT NULL, gateway TEXT, ip_range TEXT, aux TEXT, PRIMARY KEY (network, position)\n"
	") WITHOUT ROWID;\n"

	"CREATE TABLE endpoint (\n"
	"	id INTEGER PRIMARY KEY AUTOINCREMENT, sandbox TEXT NOT NULL REFERENCES sandbox(id) ON DELETE CASCADE,\n"
	"	network INTEGER NOT NULL REFERENCES network(id), ifname TEXT, ipv4 TEXT, ipv6 TEXT, mac TEXT,\n"
	"	names TEXT, options TEXT, priority INTEGER NOT NULL DEFAULT 0, gw_priority INTEGER NOT NULL DEFAULT 0\n"
	");\n"
	"CREATE INDEX endpoint_sandbox ON endpoint(sandbox);\n"
	"CREATE UNIQUE INDEX endpoint_ipv4 ON endpoint(network, ipv4);\n"
	"CREATE UNIQUE INDEX endpoint_ipv6 ON endpoint(network, ipv6);\n"
	"CREATE UNIQUE INDEX endpoint_mac ON endpoint(network, mac);\n"
	"CREATE TABLE endpoint_name (\n"
	"	network INTEGER NOT NULL, name TEXT NOT NULL COLLATE NOCASE,\n"
	"	endpoint INTEGER NOT NULL REFERENCES endpoint(id) ON DELETE CASCADE, PRIMARY KEY (network, name, endpoint)\n"
	") WITHOUT ROWID;\n"
	"CREATE INDEX endpoint_name_endpoint ON endpoint_name(endpoint);\n"

	"CREATE TABLE port (\n"
	"	proto TEXT NOT NULL, host_port INTEGER NOT NULL, host_ip TEXT NOT NULL, ctr_port INTEGER NOT NULL,\n"
	"	sandbox TEXT NOT NULL REFERENCES sandbox(id) ON DELETE CASCADE,\n"
	"	endpoint INTEGER NOT NULL REFERENCES endpoint(id) ON DELETE CASCADE, PRIMARY KEY (proto, host_port, host_ip)\n"
	") WITHOUT ROWID;\n"
	"CREATE INDEX port_sandbox ON port(sandbox);\n"
	"CREATE INDEX port_endpoint ON port(endpoint);\n"

	"CREATE TABLE volume (\n"
	"	name TEXT PRIMARY KEY, project TEXT, key TEXT, driver TEXT NOT NULL, options TEXT, labels TEXT, hash TEXT,\n"
	"	anonymous INTEGER NOT NULL DEFAULT 0, deleting INTEGER NOT NULL DEFAULT 0, created_ns INTEGER NOT NULL\n"
	") WITHOUT ROWID;\n"
	"CREATE INDEX volume_project ON volume(project);\n"
	"CREATE TABLE volume_use (\n"
	"	volume TEXT NOT NULL REFERENCES volume(name),\n"
	"	container TEXT NOT NULL REFERENCES container(id) ON DELETE CASCADE, PRIMARY KEY (volume, container)\n"
	") WITHOUT ROWID;\n"
	"CREATE INDEX volume_use_container ON volume_use(container);\n"

	"CREATE TABLE layer (\n"
	"	seq INTEGER PRIMARY KEY, chain_id TEXT NOT NULL UNIQUE, diff_id TEXT NOT NULL,\n"
	"	parent TEXT REFERENCES layer(chain_id), tree_digest TEXT, size INTEGER NOT NULL, driver TEXT NOT NULL\n"
	");\n"
	"CREATE INDEX layer_parent ON layer(parent);\n"
	"CREATE TABLE image (\n"
	"	id TEXT NOT NULL PRIMARY KEY, config TEXT NOT NULL, manifest TEXT, os TEXT, architecture TEXT, variant TEXT,\n"
	"	size INTEGER NOT NULL, created_ns INTEGER NOT NULL\n"
	");\n"
	"CREATE TABLE image_layer (\n"
	"	image TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE, position INTEGER NOT NULL,\n"
	"	chain_id TEXT NOT NULL REFERENCES layer(chain_id), PRIMARY KEY (image, position)\n"
	") WITHOUT ROWID;\n"
	"CREATE INDEX image_layer_chain ON image_layer(chain_id);\n"
	"CREATE TABLE image_name (\n"
	"	ref TEXT PRIMARY KEY, id TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE\n"
	") WITHOUT ROWID;\n"
	"CREATE INDEX image_name_id ON image_name(id);\n"

	"CREATE TABLE event (\n"
	"	seq INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, type TEXT NOT NULL, action TEXT NOT NULL,\n"
	"	project TEXT, service TEXT, actor TEXT, attributes TEXT\n"
	");\n",

	/* 2: what a registry said about a name, and when */
	"CREATE TABLE image_remote (\n"
	"	ref TEXT PRIMARY KEY, id TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE, digest TEXT NOT NULL, manifest TEXT NOT NULL,\n"
	"	checked_ns INTEGER NOT NULL\n"
	") WITHOUT ROWID;\n"
	"CREATE INDEX image_remote_id ON image_remote(id);\n",

	/* 3: what steps of builds gave */
	"CREATE TABLE build_cache (\n"
	"	key TEXT NOT NULL PRIMARY KEY, chain_id TEXT NOT NULL REFERENCES layer(chain_id) ON DELETE CASCADE,\n"
	"	created_ns INTEGER NOT NULL, used_ns INTEGER NOT NULL\n"
	") WITHOUT ROWID;\n"
	"CREATE INDEX build_cache_chain ON build_cache(chain_id);\n",

	/* 4: the blob that gives a layer again */
	"CREATE TABLE layer_blob (\n"
	"	chain_id TEXT PRIMARY KEY REFERENCES layer(chain_id) ON DELETE CASCADE, digest TEXT NOT NULL, type TEXT NOT NULL,\n"
	"	size INTEGER NOT NULL, origin TEXT NOT NULL\n"
	") WITHOUT ROWID;\n",

	/* 5: the end of the host leaves what is wanted as it is; the restart policies say what comes back */
	"UPDATE container SET desired = 'running' WHERE desired = 'after-boot';\n"
	"ALTER TABLE project DROP COLUMN stopped_by_host;\n",
};
const int schema_version = ARRAY_LEN(schema_migrations);
