/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The staging directory is private, because a mount cannot be moved away from below a shared one, and of root alone. */

#include "executor/staging.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "kernel/detach.h"
#include "kernel/fscontext.h"
#include "kernel/identity.h"
#include "kernel/resolve.h"
#include "kernel/tree.h"
#include "util/log.h"

enum { STAGING_SIZE = 64 * 1024 };

static int slot_path(const struct executor *executor, const char *name, char **ret) {
        if (asprintf(ret, "staging/%u%s%s", executor->slot, *name ? "/" : "", name) < 0)
                return log_oom();
        return 0;
}

static int make_directory(int directory, const char *path) {
        if (mkdirat(directory, path, 0700) < 0 && errno != EEXIST)
                return log_errno(LOG_ERR, errno, "make %s", path);
        return 0;
}

static int staging_mount(const struct executor *executor, const char *path) {
        _cleanup_close_ int mount = -1, directory = -1;
        int r;

        mount = fscontext_tmpfs(STAGING_SIZE, 0, 0700, 0, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        if (mount < 0)
                return log_errno(LOG_ERR, mount, "make the staging tmpfs");
        r = make_directory(mount, "tree");
        if (r == 0)
                r = make_directory(mount, "layer");
        if (r == 0)
                r = make_directory(mount, "mapped");
        if (r < 0)
                return r;
        directory = resolve_beneath(executor->runtime_fd, path, false);
        if (directory < 0)
                return log_errno(LOG_ERR, directory, "open %s", path);
        r = tree_attach(mount, directory, "");
        /* Attaching it below a shared mount has made it shared. */
        if (r == 0)
                r = tree_set(mount, false, 0, 0, MS_PRIVATE);
        return r < 0 ? log_errno(LOG_ERR, r, "attach the staging tmpfs") : 0;
}

static int staging_ready(const struct executor *executor) {
        _cleanup_free_ char *path = NULL;
        struct identity identity;
        int r = make_directory(executor->runtime_fd, "staging");

        if (r == 0)
                r = slot_path(executor, "", &path);
        if (r == 0)
                r = make_directory(executor->runtime_fd, path);
        if (r < 0)
                return r;
        r = identity_read(executor->runtime_fd, path, executor->features.unique_id, &identity);
        if (r < 0)
                return log_errno(LOG_ERR, r, "look at %s", path);
        return identity.mount_root ? 0 : staging_mount(executor, path);
}

int staging_attach(struct run *run, int mount, const char *name) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int directory = -1;
        int r = staging_ready(run->executor);

        if (r == 0)
                r = slot_path(run->executor, name, &path);
        if (r < 0)
                return r;
        directory = resolve_beneath(run->executor->runtime_fd, path, false);
        if (directory < 0)
                return log_errno(LOG_ERR, directory, "open %s", path);
        r = tree_attach(mount, directory, "");
        return r < 0 ? log_errno(LOG_ERR, r, "attach at %s", path) : 0;
}

void staging_leave(int mount) {
        int r = detach_fd(mount);

        if (r < 0 && r != -EINVAL) /* EINVAL: somebody else unmounted it already */
                r = detach_fd(mount);
        if (r < 0 && r != -EINVAL)
                (void) log_errno(LOG_WARNING, r, "detach a mount from the staging directory; it stays until this executor ends");
}

void staging_clean(const struct executor *executor) {
        _cleanup_free_ char *name = NULL;
        _cleanup_close_ int parent = resolve_beneath(executor->runtime_fd, "staging", true);
        int r;

        if (parent < 0 || asprintf(&name, "%u", executor->slot) < 0) {
                name = parent < 0 ? NULL : name;
                return;
        }
        r = detach_enter(parent);
        if (r == 0)
                r = detach_name(name, true);
        detach_leave();
        if (r < 0 && r != -EINVAL && r != -ENOENT)
                (void) log_errno(LOG_WARNING, r, "clean staging/%s", name);
}
