/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Targets below /proc and /sys. */

#include "spec/target.h"
#include "tests/unit/spec/spec-cases.h"

static const struct {
        const char *target, *type;
        bool allowed;
} cases[] = {
        {"/a", "tmpfs", true},
        {"/process", "bind", true},
        {"/system", "bind", true},
        {"/a/proc", "bind", true},
        {"/proc", "proc", true},
        {"/proc", "bind", false},
        {"/proc", "tmpfs", false},
        {"/proc/cpuinfo", "bind", true},
        {"/proc/cpuinfo", "tmpfs", false},
        {"/proc/cpuinfo/x", "bind", false},
        {"/proc/meminfo", "bind", true},
        {"/proc/uptime", "bind", true},
        {"/proc/diskstats", "bind", true},
        {"/proc/loadavg", "bind", true},
        {"/proc/net/dev", "bind", true},
        {"/proc/net", "bind", false},
        {"/proc/slabinfo", "bind", true},
        {"/proc/stat", "bind", true},
        {"/proc/swaps", "bind", true},
        {"/proc/sys/crypto/fips_enabled", "bind", true},
        {"/proc/sys/kernel/ns_last_pid", "bind", true},
        {"/proc/sys/kernel", "bind", false},
        {"/proc/self/attr", "bind", false},
        {"/proc/a", "proc", false},
        {"/sys", "sysfs", true},
        {"/sys", "bind", false},
        {"/sys/fs/cgroup", "cgroup2", true},
        {"/sys/fs/cgroup", "cgroup", true},
        {"/sys/fs/cgroup", "tmpfs", true},
        {"/sys/fs/cgroup/memory", "cgroup", true},
        {"/sys/fs/cgroup/memory", "bind", true},
        {"/sys/fs/cgroup", "proc", false},
        {"/sys/fs/cgroups", "bind", false},
        {"/sys/fs", "tmpfs", false},
        {"/sys/kernel/debug", "bind", false},
};

START_TEST(test_targets) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *refusal = target_refusal(cases[i].target, cases[i].type);

                ck_assert_msg((refusal == NULL) == cases[i].allowed, "%s at %s: %s", cases[i].type, cases[i].target,
                        refusal ? refusal : "allowed");
        }
}
END_TEST

UNIT_MAIN("target", test_targets)
