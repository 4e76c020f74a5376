/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asks the kernel about a socket. */

#include "api/credentials.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>

enum { GROUPS_MAX = 65536 /* NGROUPS_MAX of the kernel */ };

#ifndef SO_PEERPIDFD /* Linux 6.5, asm-generic/socket.h */
#define SO_PEERPIDFD 77
#endif

static int read_groups(int fd, struct caller *caller) {
        _cleanup_free_ gid_t *groups = NULL;
        socklen_t size = 32 * sizeof(gid_t);

        for (;;) {
                gid_t *larger = realloc(groups, size);

                if (!larger)
                        return -ENOMEM;
                groups = larger;
                if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) >= 0)
                        break;
                if (errno != ERANGE || size > GROUPS_MAX * sizeof(gid_t)) /* else `size` says how much is needed */
                        return -errno;
        }
        caller->n_groups = size / sizeof(gid_t);
        caller->groups = TAKE_PTR(groups);
        return 0;
}

int credentials_read(int fd, struct peer *peer) {
        struct ucred ucred;
        socklen_t size = sizeof(ucred);
        int pidfd, r;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &ucred, &size) < 0)
                return -errno;
        peer->caller.uid = ucred.uid;
        peer->caller.gid = ucred.gid;
        peer->caller.pid = ucred.pid;
        r = read_groups(fd, &peer->caller);
        if (r < 0)
                return r;
        size = sizeof(pidfd);
        peer->pidfd_of_kernel = getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) >= 0;
        if (!peer->pidfd_of_kernel)
                pidfd = ucred.pid > 0 ? (int) syscall(SYS_pidfd_open, ucred.pid, 0) : -1;
        peer->pidfd = pidfd;
        return 0;
}
