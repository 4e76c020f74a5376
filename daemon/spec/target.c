/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The rule for targets below /proc and /sys: their own types, and the few files of /proc that container runtimes let be
 * covered (runc's list: what lxcfs and its like provide).
 */

#include <stdbool.h>
#include <string.h>

#include "spec/target.h"
#include "util/path.h"

static bool in_list(const char *const *list, const char *word) {
        for (; *list; list++)
                if (strcmp(*list, word) == 0)
                        return true;
        return false;
}

static const char *proc_refusal(const char *target, const char *type) {
        static const char *const files[] = {
                "/proc/cpuinfo",
                "/proc/diskstats",
                "/proc/loadavg",
                "/proc/meminfo",
                "/proc/net/dev",
                "/proc/slabinfo",
                "/proc/stat",
                "/proc/swaps",
                "/proc/sys/crypto/fips_enabled",
                "/proc/sys/kernel/ns_last_pid",
                "/proc/uptime",
                NULL,
        };

        if (strcmp(target, "/proc") == 0)
                return strcmp(type, "proc") == 0
                               ? NULL
                               : "only a mount of type proc goes to /proc; choose another destination";
        if (strcmp(type, "bind") == 0 && in_list(files, target))
                return NULL;
        return "below /proc only a bind may go, and only to the files that podmount-spec(5) lists; choose another "
               "destination";
}

static const char *sys_refusal(const char *target, const char *type) {
        static const char *const types[] = {"cgroup", "cgroup2", "tmpfs", "bind", NULL};

        if (strcmp(target, "/sys") == 0)
                return strcmp(type, "sysfs") == 0
                               ? NULL
                               : "only a mount of type sysfs goes to /sys; choose another destination";
        if (path_is_below(target, "/sys/fs/cgroup") && in_list(types, type))
                return NULL;
        return "below /sys only cgroup, cgroup2, tmpfs and bind may go, and only to /sys/fs/cgroup and below; choose "
               "another "
               "destination";
}

const char *target_refusal(const char *target, const char *type) {
        if (path_is_below(target, "/proc"))
                return proc_refusal(target, type);
        if (path_is_below(target, "/sys"))
                return sys_refusal(target, type);
        return NULL;
}
