/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers to two questions of the executor: would a clone of this directory show what a mount hides, and is this mount
 * still anywhere. Paths are compared as this process sees them: those of a directory and of what is mounted below it
 * on the same mount are written by the same kernel function. */

#include "kernel/submounts.h"

#include <limits.h>
#include <string.h>

#include "kernel/identity.h"
#include "kernel/mountinfo.h"
#include "kernel/resolve.h"
#include "kernel/syscalls.h"
#include "kernel/visit.h"
#include "util/log.h"
#include "util/path.h"

enum { LIST_BATCH = 512, STATUS_SIZE = sizeof(struct mount_status) + 2 * PATH_MAX };

struct scan {
        const char *path;
        uint64_t key; /* of the mount that `path` lies on */
        struct submounts found;
};

static void scan_take(struct scan *scan, uint64_t key, uint64_t parent, const char *point, bool unbindable,
        bool nosymfollow) {
        if (key == scan->key)
                scan->found.attached = true;
        if (!path_is_below(point, scan->path) || (strcmp(point, scan->path) == 0 && strcmp(point, "/") != 0))
                return;
        if (key == scan->key)
                return;
        scan->found.n++;
        if (parent == scan->key)
                scan->found.children = true;
        if (nosymfollow)
                scan->found.nosymfollow = true;
        if (unbindable)
                scan->found.unbindable = true;
}

/* -EOVERFLOW also for a mount point that does not end in the buffer. */
static int status_of(uint64_t id, struct mount_status *status) {
        memset(status, 0, sizeof(*status) + 1); /* the text is "" where the kernel writes none */
        if (sys_statmount(id, MOUNT_STATUS_BASIC | MOUNT_STATUS_POINT, status, STATUS_SIZE) < 0)
                return -errno;
        return mount_status_text(status, STATUS_SIZE, status->point) ? 0 : -EOVERFLOW;
}

static int scan_list(struct scan *scan) {
        _cleanup_free_ struct mount_status *status = malloc(STATUS_SIZE);
        uint64_t last = 0;
        int r;

        if (!status)
                return log_oom();
        r = status_of(scan->key, status);
        if (r == -ENOENT || r == -EPERM)
                return 0; /* not attached here: nothing of this namespace is below it */
        if (r < 0)
                return log_errno(LOG_ERR, r, "statmount");
        scan->found.attached = true;
        for (;;) {
                uint64_t ids[LIST_BATCH];
                ssize_t n = sys_listmount(scan->key, last, ids, LIST_BATCH);

                if (n < 0 && errno == ENOENT)
                        return 0; /* unmounted meanwhile: cloning it fails next */
                if (n < 0)
                        return log_errno(LOG_ERR, errno, "listmount");
                for (ssize_t i = 0; i < n; i++) {
                        r = status_of(ids[i], status);
                        if (r == -ENOENT)
                                continue; /* gone since the list was made */
                        if (r < 0)
                                return log_errno(LOG_ERR, r, "statmount");
                        scan_take(scan, status->id, status->parent_id, status->text + status->point,
                                status->propagation & MS_UNBINDABLE, status->attributes & MOUNT_ATTR_NOSYMFOLLOW);
                }
                if (n < LIST_BATCH)
                        return 0;
                last = ids[n - 1];
        }
}

static int scan_line(const struct mountinfo_line *line, void *userdata) {
        scan_take(userdata, line->id, line->parent_id, line->point,
                line->optional && strstr(line->optional, "unbindable"),
                line->options_mount && strstr(line->options_mount, "nosymfollow"));
        return 0;
}

static int mountinfo_each(mountinfo_fn fn, void *userdata) {
        _cleanup_close_ int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        size_t skipped;

        if (fd < 0)
                return log_errno(LOG_ERR, errno, "open /proc/self/mountinfo");
        return mountinfo_read(fd, fn, userdata, &skipped);
}

/* On a visit, so that the paths lead where they say. Nothing when there is nowhere to go. */
static int mountinfo_each_away(mountinfo_fn fn, void *userdata) {
        _cleanup_visit_ struct visit visit = VISIT_INIT;
        _cleanup_close_ int fd = -1;
        size_t skipped;

        if (!away_enter(&visit))
                return 0;
        fd = visit_mountinfo(&visit);
        return fd < 0 ? log_errno(LOG_ERR, fd, "open the mount table of another namespace") : mountinfo_read(fd, fn, userdata, &skipped);
}

/* Whether statmount(2) and listmount(2) are as good as the text away, too: not from Linux 6.8 to 6.10. */
static bool can_name_away(bool statmount) {
        return statmount && away_id() != 0;
}

int submounts_read(int fd, bool statmount, struct submounts *ret) {
        _cleanup_free_ char *path = NULL;
        struct scan scan = {};
        struct identity identity;
        int r = resolve_where(fd, &path);

        if (r < 0)
                return r;
        r = identity_read(fd, "", statmount, &identity);
        if (r < 0)
                return log_errno(LOG_ERR, r, "statx a source");
        scan.path = path;
        scan.key = identity.key;
        r = statmount ? scan_list(&scan) : mountinfo_each(scan_line, &scan);
        if (r == 0 && !scan.found.attached && !can_name_away(statmount)) {
                r = identity_read(fd, "", false, &identity);
                scan.key = identity.key;
                r = r < 0 ? log_errno(LOG_ERR, r, "statx a source") : mountinfo_each_away(scan_line, &scan);
        }
        if (r < 0)
                return r;
        *ret = scan.found;
        return 0;
}

struct search {
        uint64_t id;
        uint32_t mount_id;
        uint64_t device;
        const char *below;
        bool found;
};

/* Whether the topmost mount at the line's place has got this recycled id after the one that is looked for. */
static bool is_successor(const struct search *search, const char *point) {
        struct identity recycled, unique;

        if (identity_read(AT_FDCWD, point, false, &recycled) < 0 || recycled.key != search->mount_id)
                return false;
        if (search->id != 0)
                return identity_read(AT_FDCWD, point, true, &unique) == 0 && unique.key != search->id;
        return search->device != 0 && search->device != recycled.device;
}

static int search_line(const struct mountinfo_line *line, void *userdata) {
        struct search *search = userdata;

        if (line->id == search->mount_id && path_is_below(line->point, search->below) &&
                !is_successor(search, line->point))
                search->found = true;
        return 0;
}

int submounts_find(uint64_t id, uint32_t mount_id, uint64_t device, const char *below, bool statmount) {
        struct search search = {.id = id, .mount_id = mount_id, .device = device, .below = below};
        int r;

        if (id != 0 && statmount) {
                _cleanup_free_ struct mount_status *status = malloc(STATUS_SIZE);

                if (!status)
                        return log_oom();
                r = status_of(id, status);
                if (r == -ENOENT && can_name_away(statmount))
                        return 0;
                if (r == -ENOENT) {
                        r = mountinfo_each_away(search_line, &search);
                        return r < 0 ? r : search.found;
                }
                return r < 0 ? log_errno(LOG_ERR, r, "statmount") : 1;
        }
        r = mountinfo_each(search_line, &search);
        if (r == 0 && !search.found)
                r = mountinfo_each_away(search_line, &search);
        return r < 0 ? r : search.found;
}

int submounts_list(uint64_t id, uint64_t after, uint64_t *ids, size_t n) {
        ssize_t found = sys_listmount(id, after, ids, n);

        return found < 0 ? -errno : (int) found;
}
