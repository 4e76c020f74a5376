/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/foreign-fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/log.h"

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000 /* Linux 6.8 */
#endif

/* Those that ask somebody, by how their types begin. */
static const char *const remote[] = {"fuse", "nfs", "cifs", "smb", "9p", "ceph", "afs", "coda", "lustre", "orangefs", "gfs2", "ocfs2", "virtiofs"};

static bool is_local(const char *type) {
        for (size_t i = 0; i < ELEMENTSOF(remote); i++)
                if (strncmp(type, remote[i], strlen(remote[i])) == 0)
                        return false;
        return true;
}

bool foreign_fd_is_harmless(const struct table *table, int fd) {
        const int flags = AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
        const struct entry *entry = NULL;
        char link[64], name[16];
        struct statx status;
        int opened = fcntl(fd, F_GETFL);

        if (opened < 0 || (opened & O_PATH))
                return true;
        if (statx(fd, "", flags, STATX_TYPE | STATX_MNT_ID_UNIQUE, &status) < 0)
                return false; /* a FUSE of somebody else's, which does not even tell its type */
        if (!(status.stx_mask & STATX_TYPE) || !S_ISREG(status.stx_mode))
                return status.stx_mask & STATX_TYPE;
        if (fcntl(fd, F_GET_SEALS) >= 0)
                return true; /* memory */
        /* Namespaces and pidfds are in no directory; whatever is has a '/' in front. */
        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd); /* fits */
        if (readlink(link, name, sizeof(name)) > 0 && name[0] != '/')
                return true;
        if (status.stx_mask & STATX_MNT_ID_UNIQUE)
                entry = table_get_unique(table, status.stx_mnt_id);
        if (!entry && statx(fd, "", flags, STATX_MNT_ID, &status) == 0 && (status.stx_mask & STATX_MNT_ID))
                entry = table_get(table, (uint32_t) status.stx_mnt_id);
        return entry && is_local(entry->type);
}

static void *close_it(void *userdata) {
        (void) close((int) (intptr_t) userdata);
        return NULL;
}

void foreign_fd_abandon(int fd) {
        pthread_attr_t attributes;
        pthread_t thread;
        int r = pthread_attr_init(&attributes);

        if (r == 0) {
                (void) pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN + 64 * 1024); /* as it is, it would do */
                (void) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
                r = pthread_create(&thread, &attributes, close_it, (void *) (intptr_t) fd);
                (void) pthread_attr_destroy(&attributes);
        }
        if (r != 0) /* better an fd too many than a loop that stands still */
                (void) log_errno(LOG_WARNING, r, "close an fd that a caller sent");
}
