/* SPDX-License-Identifier: MIT */
#include "state/sql.h"

#define CTR_COLUMNS                                                                                \
	"id, name, project, service, number, oneoff, image_ref, image_id, hash, config, sandbox, created_ns, desired, "         \
	"state, pid, pid_start, boot_id, keeper, keeper_start, started_ns, finished_ns, exit_code, exit_known, oom, error, "    \
	"restart_count, health, health_log"
#define CTR_SELECT "SELECT " CTR_COLUMNS " FROM container "
#define NET_SELECT                                                                                 \
	"SELECT id, name, project, key, driver, options, labels, hash, internal, attachable, ipv6, ipv4, deleting, created_ns " \
	"FROM network "
#define EP_SELECT                                                                                  \
	"SELECT id, sandbox, network, ifname, ipv4, ipv6, mac, names, options, priority, gw_priority FROM endpoint "
#define PORT_SELECT "SELECT sandbox, proto, host_ip, host_port, ctr_port, endpoint FROM port "
#define VOL_SELECT "SELECT name, project, key, driver, options, labels, hash, anonymous, deleting, created_ns FROM volume "
/* What a container's own update returns: whose gen file to touch. */
#define RETURNING_PROJECT " RETURNING project"

const char *const sql_text[SQL_COUNT] = {
	[SQL_PROJECT_PUT] = "INSERT INTO project (name, working_dir, config_files, environment, created_ns, updated_ns) "
			    "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (name) DO UPDATE SET working_dir = ?2, config_files = ?3, "
			    "environment = ?4, updated_ns = ?6",
	[SQL_PROJECT_GET] = "SELECT name, working_dir, config_files, environment, created_ns, updated_ns FROM project "
			    "WHERE name = ?1",
	[SQL_PROJECT_LIST] = "SELECT name FROM project ORDER BY name",
	[SQL_PROJECT_DELETE] = "DELETE FROM project WHERE name = ?1",

	[SQL_CTR_INSERT] = "INSERT INTO container (" CTR_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, "
			   "?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28)",
	[SQL_CTR_NAME_OWNER] = "SELECT id, project, service FROM container WHERE name = ?1",
	[SQL_CTR_GET] = CTR_SELECT "WHERE id = ?1",
	[SQL_CTR_BY_NAME] = CTR_SELECT "WHERE name = ?1",
	[SQL_CTR_BY_PREFIX] = CTR_SELECT "WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2",
	[SQL_CTR_ALL] = CTR_SELECT "ORDER BY project, service, oneoff, number, created_ns",
	[SQL_CTR_BY_PROJECT] = CTR_SELECT "WHERE project = ?1 ORDER BY service, oneoff, number, created_ns",
	[SQL_CTR_BY_SERVICE] = CTR_SELECT "WHERE project = ?1 AND service = ?2 ORDER BY oneoff, number, created_ns",
	[SQL_CTR_BY_IMAGE] = CTR_SELECT "WHERE image_id = ?1 ORDER BY project, service, oneoff, number, created_ns",
	[SQL_CTR_SET_DESIRED] = "UPDATE container SET desired = ?2 WHERE id = ?1 AND desired <> ?2" RETURNING_PROJECT,
	[SQL_CTR_SET_HASH] = "UPDATE container SET hash = ?2, config = ?3 WHERE id = ?1" RETURNING_PROJECT,
	[SQL_CTR_RENAME] = "UPDATE container SET name = ?2 WHERE id = ?1" RETURNING_PROJECT,
	[SQL_CTR_SET_NUMBER] = "UPDATE container SET number = ?2 WHERE id = ?1" RETURNING_PROJECT,
	[SQL_CTR_SET_STARTING] = "UPDATE container SET state = 'starting', pid = 0, pid_start = 0, error = NULL, exit_code = 0, "
				 "exit_known = 1, oom = 0, health = '', health_log = NULL WHERE id = ?1" RETURNING_PROJECT,
	[SQL_CTR_SET_RUNNING] = "UPDATE container SET state = 'running', pid = ?2, pid_start = ?3, keeper = ?4, keeper_start = ?5, "
				"boot_id = ?6, started_ns = ?7, error = NULL WHERE id = ?1" RETURNING_PROJECT,
	[SQL_CTR_SET_KEEPER] = "UPDATE container SET keeper = ?2, keeper_start = ?3 WHERE id = ?1" RETURNING_PROJECT,
	[SQL_CTR_SET_STATE] = "UPDATE container SET state = ?2 WHERE id = ?1 AND state <> ?2" RETURNING_PROJECT,
	[SQL_CTR_SET_EXITED] = "UPDATE container SET state = 'exited', pid = 0, pid_start = 0, keeper = 0, keeper_start = 0, exit_code = ?2, "
			       "exit_known = ?3, oom = ?4, finished_ns = ?5 WHERE id = ?1" RETURNING_PROJECT,
	[SQL_CTR_SET_ERROR] = "UPDATE container SET state = 'exited', pid = 0, pid_start = 0, keeper = 0, keeper_start = 0, exit_known = 1, "
			      "error = ?2, exit_code = ?3, finished_ns = ?4 WHERE id = ?1" RETURNING_PROJECT,
	[SQL_CTR_SET_RESTARTS] = "UPDATE container SET restart_count = ?2 WHERE id = ?1 AND restart_count <> ?2" RETURNING_PROJECT,
	[SQL_CTR_SET_HEALTH] = "UPDATE container SET health = ?2, health_log = ?3 WHERE id = ?1 AND (health <> ?2 OR health_log IS NOT ?3)"
			       RETURNING_PROJECT,
	[SQL_CTR_DELETE] = "DELETE FROM container WHERE id = ?1" RETURNING_PROJECT,

	[SQL_NET_INSERT] = "INSERT INTO network (name, project, key, driver, options, labels, hash, internal, attachable, ipv6, ipv4, "
			   "deleting, created_ns) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
	[SQL_NET_GET] = NET_SELECT "WHERE id = ?1",
	[SQL_NET_BY_NAME] = NET_SELECT "WHERE name = ?1",
	[SQL_NET_ALL] = NET_SELECT "ORDER BY id",
	[SQL_NET_BY_PROJECT] = NET_SELECT "WHERE project = ?1 ORDER BY id",
	[SQL_NET_SET_DELETING] = "UPDATE network SET deleting = 1 WHERE id = ?1" RETURNING_PROJECT,
	[SQL_NET_DELETE] = "DELETE FROM network WHERE id = ?1" RETURNING_PROJECT,
	[SQL_SUBNET_INSERT] = "INSERT INTO subnet (network, position, cidr, gateway, ip_range, aux) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[SQL_SUBNET_LIST] = "SELECT cidr, gateway, ip_range, aux FROM subnet WHERE network = ?1 ORDER BY position",

	[SQL_BOX_INSERT] = "INSERT INTO sandbox (id, project, service, number, mode, boot_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[SQL_BOX_GET] = "SELECT id, project, service, number, mode, boot_id FROM sandbox WHERE id = ?1",
	[SQL_BOX_SET_BOOT] = "UPDATE sandbox SET boot_id = ?2 WHERE id = ?1" RETURNING_PROJECT,
	[SQL_BOX_MEMBERS] = "SELECT count(*) FROM container WHERE sandbox = ?1",
	[SQL_BOX_LEFT] = "SELECT id FROM sandbox s WHERE project IS ?1 AND NOT EXISTS (SELECT 1 FROM container c WHERE c.sandbox = s.id)",
	[SQL_BOX_DELETE] = "DELETE FROM sandbox WHERE id = ?1" RETURNING_PROJECT,

	[SQL_EP_INSERT] = "INSERT INTO endpoint (sandbox, network, ifname, ipv4, ipv6, mac, names, options, priority, gw_priority) "
			  "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
	[SQL_EP_UPDATE] = "UPDATE endpoint SET ifname = ?2, ipv4 = ?3, ipv6 = ?4, mac = ?5, names = ?6, options = ?7, priority = ?8, "
			  "gw_priority = ?9 WHERE id = ?1",
	[SQL_EP_DELETE] = "DELETE FROM endpoint WHERE id = ?1",
	[SQL_EP_BY_SANDBOX] = EP_SELECT "WHERE sandbox = ?1 ORDER BY id",
	[SQL_EP_BY_NETWORK] = EP_SELECT "WHERE network = ?1 ORDER BY id",
	[SQL_EP_BY_PROJECT] = "SELECT e.id, e.sandbox, e.network, e.ifname, e.ipv4, e.ipv6, e.mac, e.names, e.options, e.priority, e.gw_priority "
			      "FROM sandbox s JOIN endpoint e ON e.sandbox = s.id WHERE s.project = ?1 ORDER BY e.id",
	[SQL_EP_NAMES_ADD] = "INSERT OR IGNORE INTO endpoint_name (network, name, endpoint) SELECT ?1, value, ?2 FROM json_each(?3) "
			     "WHERE type = 'text'",
	[SQL_EP_NAMES_CLEAR] = "DELETE FROM endpoint_name WHERE endpoint = ?1",
	[SQL_EP_HOLDER] = "SELECT e.ipv4 IS ?2, e.ipv6 IS ?3, s.project, s.service FROM endpoint e JOIN sandbox s ON s.id = e.sandbox "
			  "WHERE e.network = ?1 AND (e.ipv4 = ?2 OR e.ipv6 = ?3 OR e.mac = ?4) AND e.id IS NOT ?5 LIMIT 1",
	[SQL_EP_PROJECT] = "SELECT project FROM sandbox WHERE id = ?1",

	/* An address conflicts with the wildcard of its family and with "" (all of both). */
	[SQL_PORT_CONFLICT] = "SELECT p.sandbox = ?1 AND p.host_ip = ?4 AND p.ctr_port = ?5 AND p.endpoint = ?6, p.host_ip, s.project, "
			      "s.service, (SELECT c.name FROM container c WHERE c.sandbox = s.id ORDER BY c.created_ns LIMIT 1) "
			      "FROM port p JOIN sandbox s ON s.id = p.sandbox WHERE p.proto = ?2 AND p.host_port = ?3 AND "
			      "(p.host_ip = ?4 OR p.host_ip = '' OR ?4 = '' OR (instr(p.host_ip, ':') > 0) = (instr(?4, ':') > 0) AND "
			      "(p.host_ip IN ('0.0.0.0', '::') OR ?4 IN ('0.0.0.0', '::'))) LIMIT 1",
	[SQL_PORT_INSERT] = "INSERT INTO port (sandbox, proto, host_ip, host_port, ctr_port, endpoint) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[SQL_PORT_ALL] = PORT_SELECT "ORDER BY proto, host_port, host_ip",
	[SQL_PORT_BY_SANDBOX] = PORT_SELECT "WHERE sandbox = ?1 ORDER BY ctr_port, proto, host_ip, host_port",
	[SQL_PORT_DELETE_OF] = "DELETE FROM port WHERE sandbox = ?1",

	/* A sandbox answers while one of its members runs or is just starting or stopping. */
	[SQL_DNS_FIND] = "SELECT e.ipv4, e.ipv6, s.project IS ?3 FROM endpoint_name n JOIN endpoint e ON e.id = n.endpoint "
			 "JOIN sandbox s ON s.id = e.sandbox WHERE n.network = ?1 AND n.name = ?2 AND EXISTS (SELECT 1 FROM container c "
			 "WHERE c.sandbox = s.id AND c.state IN ('starting', 'running', 'paused', 'stopping')) ORDER BY 3 DESC, e.id",
	[SQL_SEED_SEQUENCE] = "INSERT INTO sqlite_sequence (name, seq) SELECT column1, ?1 FROM (VALUES ('network'), ('endpoint')) "
			      "WHERE column1 NOT IN (SELECT name FROM sqlite_sequence)",

	[SQL_VOL_INSERT] = "INSERT OR IGNORE INTO volume (name, project, key, driver, options, labels, hash, anonymous, deleting, created_ns) "
			   "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
	[SQL_VOL_GET] = VOL_SELECT "WHERE name = ?1",
	[SQL_VOL_ALL] = VOL_SELECT "ORDER BY name",
	[SQL_VOL_BY_PROJECT] = VOL_SELECT "WHERE project = ?1 ORDER BY name",
	[SQL_VOL_SET_DELETING] = "UPDATE volume SET deleting = 1 WHERE name = ?1" RETURNING_PROJECT,
	[SQL_VOL_DELETE] = "DELETE FROM volume WHERE name = ?1" RETURNING_PROJECT,
	[SQL_VOL_USE] = "INSERT OR IGNORE INTO volume_use (volume, container) VALUES (?1, ?2)",
	[SQL_VOL_USER_NAMES] = "SELECT c.name FROM volume_use u JOIN container c ON c.id = u.container WHERE u.volume = ?1 ORDER BY c.name LIMIT 10",
	[SQL_VOL_USERS] = "SELECT count(*) FROM volume_use WHERE volume = ?1",
	[SQL_VOL_USES_OF_PROJECT] = "SELECT u.volume, u.container FROM container c JOIN volume_use u ON u.container = c.id "
				    "WHERE c.project = ?1 ORDER BY u.container, u.volume",

	[SQL_LAYER_INSERT] = "INSERT OR IGNORE INTO layer (chain_id, diff_id, parent, tree_digest, size, driver) "
			     "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[SQL_LAYER_GET] = "SELECT chain_id, diff_id, parent, tree_digest, size, driver FROM layer WHERE chain_id = ?1",
	/* A layer comes after its parent, so the highest numbers are the children. */
	[SQL_LAYER_UNUSED] = "SELECT chain_id FROM layer l WHERE NOT EXISTS (SELECT 1 FROM image_layer i WHERE i.chain_id = l.chain_id) "
			     "AND NOT EXISTS (SELECT 1 FROM build_cache b WHERE b.chain_id = l.chain_id) ORDER BY seq DESC",
	[SQL_LAYER_LIST] = "SELECT chain_id FROM layer ORDER BY seq",
	[SQL_LAYER_SET_DRIVER] = "UPDATE layer SET driver = ?2, size = ?3 WHERE chain_id = ?1",
	[SQL_LAYER_SET_TREE] = "UPDATE layer SET tree_digest = ?2 WHERE chain_id = ?1",
	[SQL_LAYER_OTHER_DRIVER] = "SELECT l.driver FROM image_layer i JOIN layer l ON l.chain_id = i.chain_id WHERE i.image = ?1 AND l.driver <> ?2 LIMIT 1",
	/* A copy needs no layers below it. */
	[SQL_CTR_OTHER_DRIVER] = "SELECT c.name, l.driver FROM container c JOIN image_layer i ON i.image = c.image_id JOIN layer l ON l.chain_id = i.chain_id "
				 "WHERE l.driver <> ?1 AND l.driver NOT IN ('copy', 'btrfs') LIMIT 1",
	[SQL_LAYER_DELETE] = "DELETE FROM layer WHERE chain_id = ?1",
	[SQL_IMG_INSERT] = "INSERT OR IGNORE INTO image (id, config, manifest, os, architecture, variant, size, created_ns) "
			   "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[SQL_IMG_LAYER_INSERT] = "INSERT INTO image_layer (image, position, chain_id) VALUES (?1, ?2, ?3)",
	[SQL_IMG_GET] = "SELECT id, config, manifest, os, architecture, variant, size, created_ns FROM image WHERE id = ?1",
	[SQL_IMG_LAYERS] = "SELECT chain_id FROM image_layer WHERE image = ?1 ORDER BY position",
	[SQL_IMG_PREFIX] = "SELECT id FROM image WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT 100",
	[SQL_IMG_LIST] = "SELECT id FROM image ORDER BY created_ns DESC, id",
	[SQL_IMG_DELETE] = "DELETE FROM image WHERE id = ?1",
	[SQL_IMG_NAME_SET] = "INSERT INTO image_name (ref, id) VALUES (?1, ?2) ON CONFLICT (ref) DO UPDATE SET id = ?2",
	[SQL_IMG_NAME_GET] = "SELECT id FROM image_name WHERE ref = ?1",
	[SQL_IMG_NAMES_OF] = "SELECT ref FROM image_name WHERE id = ?1 ORDER BY ref",
	[SQL_IMG_NAME_DELETE] = "DELETE FROM image_name WHERE ref = ?1",
	[SQL_IMG_NAME_LIST] = "SELECT ref, id FROM image_name ORDER BY ref",
	[SQL_IMG_REMOTE_SET] = "INSERT OR REPLACE INTO image_remote (ref, id, digest, manifest, checked_ns) VALUES (?1, ?2, ?3, ?4, ?5)",
	[SQL_IMG_REMOTE_GET] = "SELECT ref, id, digest, manifest, checked_ns FROM image_remote WHERE ref = ?1",
	[SQL_IMG_REMOTE_OF] = "SELECT ref, id, digest, manifest, checked_ns FROM image_remote WHERE id = ?1 ORDER BY ref",

	[SQL_BLOB_SET] = "INSERT OR REPLACE INTO layer_blob (chain_id, digest, type, size, origin) VALUES (?1, ?2, ?3, ?4, ?5)",
	[SQL_BLOB_GET] = "SELECT chain_id, digest, type, size, origin FROM layer_blob WHERE chain_id = ?1",
	[SQL_BLOB_LIST] = "SELECT chain_id, digest, type, size, origin FROM layer_blob ORDER BY chain_id",

	[SQL_BUILD_GET] = "SELECT chain_id, created_ns FROM build_cache WHERE key = ?1",
	[SQL_BUILD_PUT] = "INSERT INTO build_cache (key, chain_id, created_ns, used_ns) VALUES (?1, ?2, ?3, ?4) "
			  "ON CONFLICT (key) DO UPDATE SET chain_id = ?2, created_ns = ?3, used_ns = ?4",
	[SQL_BUILD_TOUCH] = "UPDATE build_cache SET used_ns = ?2 WHERE key = ?1 AND used_ns < ?2 - 3600000000000",
	[SQL_BUILD_PRUNE] = "DELETE FROM build_cache WHERE used_ns < ?1",
	/* Of layers that no image needs. */
	[SQL_BUILD_USAGE] = "SELECT (SELECT count(*) FROM build_cache), count(*), coalesce(sum(size), 0) FROM layer l WHERE "
			    "EXISTS (SELECT 1 FROM build_cache b WHERE b.chain_id = l.chain_id) AND "
			    "NOT EXISTS (SELECT 1 FROM image_layer i WHERE i.chain_id = l.chain_id)",
	[SQL_BUILD_DROP_OLDEST] = "DELETE FROM build_cache WHERE chain_id = (SELECT b.chain_id FROM build_cache b WHERE NOT EXISTS "
				  "(SELECT 1 FROM image_layer i WHERE i.chain_id = b.chain_id) AND (SELECT size FROM layer l WHERE "
				  "l.chain_id = b.chain_id) > 0 GROUP BY b.chain_id ORDER BY max(b.used_ns), b.chain_id LIMIT 1)",

	[SQL_CHECK_PAGES] = "SELECT integrity_check FROM pragma_integrity_check(100)",
	[SQL_CHECK_REFERENCES] = "SELECT 'a row of ' || \"table\" || ' refers to a row of ' || parent || ' that is not there' FROM "
				 "pragma_foreign_key_check LIMIT 100",

	[SQL_EVENT_ADD] = "INSERT INTO event (time_ns, type, action, project, service, actor, attributes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[SQL_EVENT_TRIM] = "DELETE FROM event WHERE seq <= ?1",
	[SQL_EVENT_SINCE] = "SELECT seq, time_ns, type, action, project, service, actor, attributes FROM event "
			    "WHERE seq > ?2 AND (?1 IS NULL OR project = ?1) ORDER BY seq",
};
