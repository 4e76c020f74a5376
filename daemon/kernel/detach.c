/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* umount2(2), through the parent's fd. The caller has compared the mount's id just before. */

#include "kernel/detach.h"

#include <string.h>

#include "kernel/syscalls.h"
#include "kernel/visit.h"
#include "util/log.h"

int detach_enter(int directory) {
        return fchdir(directory) < 0 ? -errno : 0;
}

void detach_leave(void) {
        /* "/" can always be entered by root. */
        if (chdir("/") < 0)
                (void) log_errno(LOG_WARNING, errno, "leave a mount point's directory");
}

static int unmount_here(const char *name, int flags) {
        return umount2(name, flags) < 0 ? -errno : 0;
}

/* The working directory, in which the name is, may well be held open for as long. */
static int unmount_away(const char *name, int flags, int r) {
        _cleanup_visit_ struct visit visit = VISIT_INIT;

        if (!away_enter(&visit))
                return r;
        return fchdir(visit.directory) < 0 ? -errno : unmount_here(name, flags);
}

int detach_name(const char *name, bool lazy) {
        const int flags = UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0);
        int r = unmount_here(name, flags);

        return r == -EINVAL ? unmount_away(name, flags, r) : r;
}

int detach_fd(int mount) {
        char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
        _cleanup_visit_ struct visit visit = VISIT_INIT;
        int r;

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", mount); /* cannot be cut: sized for any int */
        r = unmount_here(path, MNT_DETACH);
        return r == -EINVAL && away_enter(&visit) ? visit_detach(&visit, mount) : r;
}
