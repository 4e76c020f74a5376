/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A hierarchy may be mounted in many places, in pods, too, and as a part of itself. Of its mounts the one counts that shows most of
 * it, and of those the first that can be reached: an fd that is of another file system than mountinfo says is not it. */

#include "kernel/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "kernel/mountinfo.h"
#include "kernel/resolve.h"
#include "util/array.h"
#include "util/log.h"

struct candidate {
        dev_t device;
        char *name, *point;
        size_t root_size; /* of its root's path in the hierarchy */
        bool unified;
};

struct candidates {
        struct candidate *list;
        size_t n;
};

static void candidates_done(struct candidates *candidates) {
        for (size_t i = 0; i < candidates->n; i++) {
                free(candidates->list[i].name);
                free(candidates->list[i].point);
        }
        free(candidates->list);
}

/* Of the options of a file system those that are no controllers, cgroup_show_options() in the kernel. */
static bool is_controller(const char *word, size_t size) {
        static const char *const others[] = {"rw", "ro", "xattr", "noprefix", "clone_children", "none", "seclabel", "cpuset_v2_mode", "favordynmods"};

        for (size_t i = 0; i < ELEMENTSOF(others); i++)
                if (strlen(others[i]) == size && strncmp(others[i], word, size) == 0)
                        return false;
        return size > 0 && !(size >= strlen("release_agent=") && strncmp(word, "release_agent=", strlen("release_agent=")) == 0);
}

static char *name_of(const char *options) {
        char *name = calloc(1, strlen(options) + 1);
        size_t n = 0;

        for (const char *word = options; name && *word;) {
                size_t size = strcspn(word, ",");

                if (is_controller(word, size)) {
                        if (n > 0)
                                name[n++] = ',';
                        memcpy(name + n, word, size);
                        n += size;
                }
                word += size;
                word += *word == ',';
        }
        return name;
}

static int take_line(const struct mountinfo_line *line, void *userdata) {
        const bool unified = strcmp(line->type, "cgroup2") == 0;
        struct candidates *candidates = userdata;
        struct candidate *candidate;

        if (!unified && strcmp(line->type, "cgroup") != 0)
                return 0;
        if (strncmp(line->root, "/..", 3) == 0) /* of another cgroup namespace, above the root of ours */
                return 0;
        candidate = array_append(&candidates->list, &candidates->n);
        if (!candidate)
                return log_oom();
        *candidate = (struct candidate) {.device = line->device, .root_size = strlen(line->root), .unified = unified};
        candidate->name = unified ? strdup("unified") : name_of(line->options_super);
        candidate->point = strdup(line->point);
        return candidate->name && candidate->point ? 0 : log_oom();
}

static int open_candidate(const struct candidate *candidate) {
        _cleanup_close_ int fd = resolve_source(candidate->point);
        struct statfs system;
        struct stat status;

        if (fd < 0)
                return fd;
        if (fstat(fd, &status) < 0 || fstatfs(fd, &system) < 0)
                return -errno;
        if (status.st_dev != candidate->device || !S_ISDIR(status.st_mode) ||
            (unsigned long) system.f_type != (candidate->unified ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC))
                return -ESTALE;
        return TAKE_FD(fd);
}

/* Want of something that is no sign of the place. */
static bool is_want(int r) {
        return r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -EIO;
}

/* The best one of the hierarchy that candidate `first` is of; *ret is -1 when none can be reached. */
static int open_best(const struct candidates *candidates, size_t first, int *ret) {
        const struct candidate *list = candidates->list;
        int best = -1;
        size_t best_size = SIZE_MAX;

        for (size_t i = first; i < candidates->n; i++) {
                int fd;

                if (list[i].device != list[first].device || list[i].root_size >= best_size)
                        continue;
                fd = open_candidate(&list[i]);
                if (is_want(fd)) {
                        (void) close_fd(best);
                        return log_errno(LOG_ERR, fd, "open a cgroup hierarchy");
                }
                if (fd < 0)
                        continue;
                (void) close_fd(best);
                best = fd;
                best_size = list[i].root_size;
        }
        *ret = best;
        return 0;
}

static bool is_first(const struct candidates *candidates, size_t i) {
        for (size_t j = 0; j < i; j++)
                if (candidates->list[j].device == candidates->list[i].device)
                        return false;
        return true;
}

/* The lines that are about cgroups, in a file of their own: a whole table of mounts can be larger than all that an executor has. */
static int pick_lines(int *ret) {
        _cleanup_fclose_ FILE *from = fopen("/proc/self/mountinfo", "re");
        _cleanup_close_ int fd = memfd_create("cgroup-mounts", MFD_CLOEXEC);
        _cleanup_free_ char *line = NULL;
        size_t room = 0;

        if (!from || fd < 0)
                return log_errno(LOG_ERR, errno, "open /proc/self/mountinfo");
        while (getline(&line, &room, from) >= 0)
                if (strstr(line, " - cgroup") && dprintf(fd, "%s", line) < 0)
                        return log_errno(LOG_ERR, errno, "copy mountinfo");
        if (!feof(from)) /* want of memory is no error of the stream's */
                return log_errno(LOG_ERR, errno ?: EIO, "read /proc/self/mountinfo");
        *ret = TAKE_FD(fd);
        return 0;
}

int cgroup_hierarchies(struct cgroup_hierarchy **ret, size_t *ret_n) {
        _cleanup_close_ int fd = -1;
        _cleanup_(candidates_done) struct candidates candidates = {};
        struct cgroup_hierarchy *list = NULL;
        size_t n = 0, skipped = 0;
        int r = pick_lines(&fd);

        if (r == 0)
                r = mountinfo_read(fd, take_line, &candidates, &skipped);
        for (size_t i = 0; r >= 0 && i < candidates.n; i++) {
                struct cgroup_hierarchy *hierarchy;
                int root = -1;

                r = is_first(&candidates, i) ? open_best(&candidates, i, &root) : 0;
                if (root < 0)
                        continue;
                hierarchy = array_append(&list, &n);
                if (!hierarchy) {
                        (void) close_fd(root);
                        r = log_oom();
                        break;
                }
                *hierarchy = (struct cgroup_hierarchy) {.name = TAKE_PTR(candidates.list[i].name), .root = root};
        }
        if (r < 0) {
                cgroup_hierarchies_free(list, n);
                return r;
        }
        *ret = list;
        *ret_n = n;
        return 0;
}

void cgroup_hierarchies_free(struct cgroup_hierarchy *hierarchies, size_t n) {
        for (size_t i = 0; i < n; i++) {
                free(hierarchies[i].name);
                (void) close_fd(hierarchies[i].root);
        }
        free(hierarchies);
}
