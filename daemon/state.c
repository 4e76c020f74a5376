/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes the state directory what state.h says, on fds alone. */

#include "state.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "kernel/tree.h"
#include "util/event.h"
#include "util/log.h"
#include "util/text.h"

/* Why there are no layers. 1, for "no failure, but no state either". */
static int give_up(struct state *state, int error, const char *what) {
        state->layers_fd = close_fd(state->layers_fd);
        state->records_fd = close_fd(state->records_fd);
        state->lock_fd = close_fd(state->lock_fd);
        state->mount_fd = close_fd(state->mount_fd);
        state->reason = error ? text_format("%s (%s)", what, strerror(error)) : strdup(what);
        if (!state->reason)
                return log_oom();
        event_log(EVENT_LAYERS_UNAVAILABLE, NULL, "there are no layers, for %s: %s", state->path, state->reason);
        return 1;
}

static int open_directory(struct state *state, const char *path, int *ret_fd) {
        _cleanup_free_ char *real = NULL;
        _cleanup_close_ int fd = -1;
        struct stat st;

        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return give_up(state, errno, "it cannot be made; make the directory above it, or name another with --state-dir");
        real = realpath(path, NULL);
        if (!real)
                return give_up(state, errno, "it cannot be resolved");
        free(state->path);
        state->path = TAKE_PTR(real);
        fd = open(state->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return give_up(state, errno, "it cannot be opened");
        if (st.st_uid != 0)
                return give_up(state, 0, "it is not root's; chown it, or name another with --state-dir");
        if (fchmod(fd, 0700) < 0)
                return give_up(state, errno, "its mode cannot be set");
        *ret_fd = TAKE_FD(fd);
        return 0;
}

static int take_lock(struct state *state, int fd) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

        state->lock_fd = openat(fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (state->lock_fd < 0)
                return give_up(state, errno, "its lock cannot be opened");
        if (fcntl(state->lock_fd, F_SETLK, &lock) >= 0)
                return 0;
        if (errno != EAGAIN && errno != EACCES)
                return give_up(state, errno, "it cannot be locked");
        return give_up(state, 0, "another podmountd has it; name another with --state-dir");
}

/* A clone that nobody else has: what is mounted below the directory is not in it. */
int state_clone(int fd, uint64_t attributes, const struct features *features) {
        _cleanup_close_ int mount = -1;
        int r;

        if (!features->detached_layers) {
                r = fcntl(fd, F_DUPFD_CLOEXEC, 3);
                return r < 0 ? -errno : r;
        }
        mount = tree_clone(fd, false);
        if (mount < 0) {
                r = mount;
                mount = -1;
                return r;
        }
        r = tree_set(mount, false, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | attributes, 0, MS_PRIVATE);
        return r < 0 ? r : TAKE_FD(mount);
}

static int own_directory(int fd, const char *name, uid_t uid, gid_t gid) {
        _cleanup_close_ int directory = -1;

        if (mkdirat(fd, name, 0700) < 0 && errno != EEXIST)
                return -errno;
        directory = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (directory < 0 || fchown(directory, uid, gid) < 0 || fchmod(directory, 0700) < 0)
                return -errno;
        return TAKE_FD(directory);
}

static int fill(struct state *state, int fd, uid_t uid, gid_t gid, const struct features *features) {
        int r = state_clone(fd, 0, features);

        if (r < 0)
                return give_up(state, -r, "no mount of its own can be made");
        state->mount_fd = r;
        r = own_directory(state->mount_fd, "layers", 0, 0);
        if (r < 0)
                return give_up(state, -r, "layers/ in it cannot be made");
        state->layers_fd = r;
        r = own_directory(state->mount_fd, "records", uid, gid);
        if (r < 0)
                return give_up(state, -r, "records/ in it cannot be made");
        state->records_fd = r;
        r = backing_probe(state->layers_fd, features, &state->backing);
        return r < 0 ? give_up(state, -r, "its file system cannot be tried out") : 0;
}

int state_prepare(const char *path, uid_t uid, gid_t gid, const struct features *features, struct state *ret) {
        _cleanup_state_ struct state state = STATE_INIT;
        _cleanup_close_ int fd = -1;
        int r;

        state.path = strdup(path);
        if (!state.path)
                return log_oom();
        r = open_directory(&state, path, &fd);
        if (r == 0)
                r = take_lock(&state, fd);
        if (r == 0)
                r = fill(&state, fd, uid, gid, features);
        if (r < 0)
                return r;
        *ret = state;
        state = STATE_INIT;
        return 0;
}

void state_done(struct state *state) {
        free(state->path);
        (void) close_fd(state->lock_fd);
        (void) close_fd(state->layers_fd);
        (void) close_fd(state->records_fd);
        (void) close_fd(state->mount_fd);
        backing_done(&state->backing);
        free(state->reason);
        *state = STATE_INIT;
}
