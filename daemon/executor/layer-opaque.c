/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Directories in what a worker has made, by names that are a stranger's: nothing leads out. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "executor/layer.h"
#include "util/log.h"

#define OPAQUE "trusted.overlay.opaque"

int layer_walk(int root, char *name, int *ret_fd) {
        _cleanup_close_ int fd = fcntl(root, F_DUPFD_CLOEXEC, 0);

        if (fd < 0)
                return -errno;
        for (char *at = name; *at;) {
                char *end = strchrnul(at, '/'), saved = *end;
                int next = fd;

                *end = '\0';
                if (*at && strcmp(at, ".") != 0)
                        next = strcmp(at, "..") == 0 ? (errno = ENOENT, -1) : openat(fd, at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                *end = saved;
                if (next < 0)
                        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? -ENOENT : -errno;
                if (next != fd)
                        (void) close_fd(fd);
                fd = next;
                at = end + (saved != '\0');
        }
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* One that was replaced later has no business with it. */
static int mark_one(int root, char *name, bool opaque) {
        _cleanup_close_ int fd = -1;
        int r = layer_walk(root, name, &fd);

        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (opaque)
                return fsetxattr(fd, OPAQUE, "y", 1, 0) < 0 ? -errno : 0;
        return fremovexattr(fd, OPAQUE) < 0 && errno != ENODATA ? -errno : 0;
}

int layer_mark_opaque(int root, int names, bool opaque, bool *ret_some) {
        _cleanup_fclose_ FILE *file = NULL;
        _cleanup_free_ char *name = NULL;
        int fd = fcntl(names, F_DUPFD_CLOEXEC, 0), r = 0;
        size_t room = 0;

        file = fd < 0 || lseek(fd, 0, SEEK_SET) < 0 ? NULL : fdopen(fd, "re");
        if (!file) {
                r = -errno;
                (void) close_fd(fd);
                return r;
        }
        while (r == 0 && getdelim(&name, &room, '\0', file) > 0) {
                r = mark_one(root, name, opaque);
                if (ret_some)
                        *ret_some = true;
        }
        return r == 0 && !feof(file) ? -errno : r;
}
