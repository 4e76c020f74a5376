/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* umount2(2), through the parent's fd. The caller has compared the mount's id just before. */

#include "kernel/detach.h"

#include <string.h>

#include "kernel/syscalls.h"
#include "util/log.h"

int detach_enter(int directory) {
        return fchdir(directory) < 0 ? -errno : 0;
}

void detach_leave(void) {
        /* "/" can always be entered by root. */
        if (chdir("/") < 0)
                (void) log_errno(LOG_WARNING, errno, "leave a mount point's directory");
}

int detach_name(const char *name, bool lazy) {
        return umount2(name, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) < 0 ? -errno : 0;
}

int detach_fd(int mount) {
        char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", mount); /* cannot be cut: sized for any int */
        return umount2(path, MNT_DETACH) < 0 ? -errno : 0;
}
