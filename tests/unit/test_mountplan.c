/* SPDX-License-Identifier: MIT
 *
 * spec -> mounts, as text. The default plan is docker's (mountinfo of a default container), in our order.
 */
#include "base/alloc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/container/mountplan.h"
#include "engine/container/spec.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char *const v1[] = { "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory", NULL };
static const struct plan_host host_v1 = { .cgroup_unified = "/sys/fs/cgroup/unified", .cgroup_v1 = v1, .cgroup_path = "g/ID", .etc_dir = "/c" };
static const struct plan_host host_v2 = { .cgroup_v2 = true, .cgroup_unified = "/sys/fs/cgroup", .cgroup_path = "g/ID" };
static const struct plan_host host_hot = { .cgroup_v2 = true, .cgroup_unified = "/sys/fs/cgroup", .cgroup_path = "g/ID", .throttled_cpus = 2 };
static const struct plan_host host_init = { .cgroup_v2 = true, .cgroup_unified = "/sys/fs/cgroup", .cgroup_path = "g/ID", .init = "/i" };

#define DEV                                                                        \
	"/proc fs proc nosuid,nodev,noexec late\n"                                 \
	"/dev dev tmpfs nosuid,strictatime mode=755,size=65536k\n"                 \
	"/dev/pts pts devpts nosuid,noexec newinstance,ptmxmode=0666,mode=0620,gid=5\n"
#define MQUEUE "/dev/mqueue fs mqueue nosuid,nodev,noexec late\n"
#define SHM "/dev/shm fs tmpfs nosuid,nodev,noexec mode=1777,size=67108864\n"
#define SYS "/sys fs sysfs ro,nosuid,nodev,noexec\n"
#define CGROUP2 "/sys/fs/cgroup bind /sys/fs/cgroup/g/ID ro,nosuid,nodev,noexec\n"
#define MASKED                                                                                                                  \
	"mask /proc/acpi\nmask /proc/asound\nmask /proc/interrupts\nmask /proc/kcore\nmask /proc/keys\n"                        \
	"mask /proc/latency_stats\nmask /proc/sched_debug\nmask /proc/scsi\nmask /proc/timer_list\nmask /proc/timer_stats\n"   \
	"mask /sys/devices/virtual/powercap\nmask /sys/firmware\n"
#define PATHS MASKED \
	"readonly /proc/bus\nreadonly /proc/fs\nreadonly /proc/irq\nreadonly /proc/sys\nreadonly /proc/sysrq-trigger\n"

static const struct {
	const char *name, *spec;
	const struct plan_host *host;
	const char *want;
} rows[] = {
	{ "default, v2", "{}", &host_v2, DEV MQUEUE SHM SYS CGROUP2 PATHS },
	{ "default, hybrid", "{}", &host_v1,
	  DEV MQUEUE SHM SYS "/sys/fs/cgroup fs tmpfs ro,nosuid,nodev,noexec mode=755,size=64k\n"
	  "/sys/fs/cgroup/cpu,cpuacct bind /sys/fs/cgroup/cpu,cpuacct/g/ID ro,nosuid,nodev,noexec\n"
	  "/sys/fs/cgroup/memory bind /sys/fs/cgroup/memory/g/ID ro,nosuid,nodev,noexec\n"
	  "/sys/fs/cgroup/unified bind /sys/fs/cgroup/unified/g/ID ro,nosuid,nodev,noexec\n"
	  "/etc/resolv.conf bind /c/resolv.conf rw file\n/etc/hostname bind /c/hostname rw file\n/etc/hosts bind /c/hosts rw file\n" PATHS },
	{ "thermal", "{\"readonly_paths\":[\"/x\"]}", &host_hot, DEV MQUEUE SHM SYS CGROUP2 MASKED
	  "mask /sys/devices/system/cpu/cpu0/thermal_throttle\nmask /sys/devices/system/cpu/cpu1/thermal_throttle\nreadonly /x\n" },
	{ "privileged", "{\"privileged\":true}", &host_v2,
	  DEV MQUEUE SHM "/sys fs sysfs nosuid,nodev,noexec\n/sys/fs/cgroup bind /sys/fs/cgroup/g/ID nosuid,nodev,noexec\n" },
	{ "ipc none, cgroup host, paths", "{\"ipc\":\"none\",\"cgroupns\":\"host\",\"unconfined_paths\":true}", &host_v2,
	  DEV MQUEUE SYS "/sys/fs/cgroup bind /sys/fs/cgroup ro,nosuid,nodev,noexec\n" },
	{ "init, read-only root", "{\"init\":true,\"read_only\":true,\"unconfined_paths\":true}", &host_init,
	  DEV MQUEUE SHM SYS CGROUP2 "/sbin/docker-init bind /i ro file\nroot ro\n" },
	{ "by depth, whatever the order", "{\"unconfined_paths\":true,\"mounts\":["
	  "{\"type\":\"volume\",\"source\":\"v\",\"target\":\"/a/b/c\"},{\"type\":\"bind\",\"source\":\"/s\",\"target\":\"/a\"},"
	  "{\"type\":\"bind\",\"source\":\"/t\",\"target\":\"/z\",\"read_only\":true,\"propagation\":\"rslave\"}]}", &host_v2,
	  DEV MQUEUE SHM SYS CGROUP2 "/a bind /s rw rbind\n/z bind /t ro rbind rro slave\n/a/b/c volume v rw\n" },
	{ "a mount on /dev replaces all of it", "{\"unconfined_paths\":true,\"mounts\":["
	  "{\"type\":\"bind\",\"source\":\"/dev\",\"target\":\"/dev\"}]}", &host_v2,
	  "/proc fs proc nosuid,nodev,noexec late\n" SYS CGROUP2 "/dev bind /dev rw rbind\n" },
	{ "tmpfs", "{\"unconfined_paths\":true,\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/t\"},"
	  "{\"type\":\"tmpfs\",\"target\":\"/u\",\"tmpfs_size\":1048576,\"tmpfs_mode\":448,\"options\":[\"exec\",\"uid=5\"]},"
	  "{\"type\":\"tmpfs\",\"target\":\"/w\",\"options\":[\"mode=700\",\"size=1m\",\"ro\"]}]}", &host_v2,
	  DEV MQUEUE SHM SYS CGROUP2 "/t fs tmpfs nosuid,nodev,noexec mode=1777\n"
	  "/u fs tmpfs nosuid,nodev size=1048576,uid=5,mode=700\n/w fs tmpfs ro,nosuid,nodev,noexec mode=700,size=1m\n" },
	{ "below /proc waits for it", "{\"unconfined_paths\":true,\"mounts\":["
	  "{\"type\":\"bind\",\"source\":\"/l\",\"target\":\"/proc/cpuinfo\"},{\"type\":\"file\",\"source\":\"/f\",\"target\":\"/run/secrets/x\"}]}",
	  &host_v2, DEV MQUEUE SHM SYS CGROUP2 "/proc/cpuinfo bind /l rw rbind late\n/run/secrets/x bind /f rw file\n" },
	{ "/proc itself", "{\"mounts\":[{\"type\":\"bind\",\"source\":\"/l\",\"target\":\"/proc\"}]}", &host_v2, "!'/proc' cannot be replaced" },
	{ "tmpfs option", "{\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/t\",\"options\":[\"bogus\"]}]}", &host_v2, "!unknown option 'bogus'" },
	{ "tmpfs injection", "{\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/t\",\"options\":[\"size=1,uid=0\"]}]}", &host_v2, "!unknown option" },
};

static void test_plans(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_DONE(mountplan_done) struct mountplan p = MOUNTPLAN_INIT;
		AUTO(ctr_spec_free) struct ctr_spec *s = NULL;
		AUTO(json_free) struct cJSON *j = NULL;
		auto_free char *got = NULL;
		AUTO_ERR(e);

		assert_int_equal(json_parse(rows[i].spec, strlen(rows[i].spec), "spec", &j, &e), 0);
		json_add_int(j, "v", 1);
		if (ctr_spec_from_json(j, &s, &e) < 0)
			fail_msg("%s: %s", rows[i].name, err_text(&e));
		if (mountplan_make(s, rows[i].host, &p, &e) < 0)
			got = xasprintf("!%s", err_text(&e));
		else
			got = mountplan_text(&p);
		if (*rows[i].want == '!' ? *got != '!' || !strstr(got, rows[i].want + 1) : !streq(got, rows[i].want))
			fail_msg("%s: got\n%s\nwant\n%s", rows[i].name, got, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_plans) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
