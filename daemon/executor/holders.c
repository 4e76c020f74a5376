/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_HOLDERS: a worker looks for who keeps mounts alive. The executor opens what the worker works with, which then has the capabilities to look,
 * and none to change anything. */

#include "executor/holders.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "executor/run.h"
#include "kernel/identity.h"
#include "kernel/own-space.h"
#include "kernel/resolve.h"
#include "util/array.h"
#include "util/clock.h"
#include "util/log.h"

#define CAPABILITY(name) (UINT64_C(1) << (name))
#define SEARCH_MS (INT64_C(20) * 1000) /* whoever waits for it waits to hear what is busy */
#define STEPS_MAX 256                  /* between two looks at the clock */
#define MEMORY_MAX (UINT64_C(1) << 30) /* of the worker: a machine has up to 100,000 mounts a namespace */

enum { FD_PROC, FD_ROOT, FD_SYS, FD_TABLE, _FD_MAX };

bool holders_has(const struct holders *holders, uint64_t id, bool unique) {
        return map_get_u64(unique && holders->unique ? holders->kept : holders->recycled, id) != NULL;
}

bool holders_has_link(const struct holders *holders, int directory, const char *name) {
        bool unique;
        uint64_t id;

        return elsewhere_link(directory, name, holders->unique, &id, &unique) == 0 && holders_has(holders, id, unique);
}

bool holders_has_path(const struct holders *holders, int root, const char *path) {
        static const char deleted[] = " (deleted)";
        _cleanup_free_ char *parent = strdup(path);
        _cleanup_close_ int fd = -1;
        struct identity identity;
        size_t size = strlen(path);
        char *slash;

        if (!parent)
                return false;
        fd = resolve_in_root(root, path); /* a name may end so by itself */
        if (fd < 0 && size > strlen(deleted) && strcmp(path + size - strlen(deleted), deleted) == 0) {
                slash = strrchr(parent, '/');
                if (slash)
                        slash[slash == parent] = 0;
                fd = slash ? resolve_in_root(root, parent) : -1;
        }
        if (fd < 0 || identity_read(fd, "", holders->unique, &identity) < 0)
                return false;
        return holders_has(holders, identity.key, holders->unique);
}

int holders_flush(struct holders *holders) {
        int r = holders->portion_size > 0 ? worker_portion(holders->worker, holders->portion, holders->portion_size) : 0;

        holders->portion_size = 0;
        return r;
}

int holders_put_once(struct map *map, uint64_t key, void *value) {
        int r = map_put_u64(map, key, value);

        return r == -EEXIST ? 0 : r;
}

static int put(struct holders *holders, const struct mount_holder *row) {
        int r = holders->portion_size + HOLDER_ROW_MAX > sizeof(holders->portion) ? holders_flush(holders) : 0;

        if (r == 0)
                holders->portion_size += holder_write(row, holders->portion + holders->portion_size);
        return r;
}

static int tell_end(struct holders *holders, char *why) {
        const struct mount_holder more = {.kind = HOLDER_MORE, .uid = UINT32_MAX, .detail = why};

        holders->full = true;
        return put(holders, &more);
}

int holders_tell(struct holders *holders, const struct mount_holder *row) {
        static char why[] = "There are more holders than an answer has room for: the others are left out";

        if (holders->full)
                return 0;
        holders->n_bytes += holder_size(row);
        if (++holders->n_rows >= HOLDER_ROWS_MAX || holders->n_bytes > HOLDER_BYTES_MAX - sizeof(why))
                return tell_end(holders, why);
        return put(holders, row);
}

int holders_pulse(struct holders *holders) {
        static char why[] = "Looking for holders took too long: what is left out is not known";
        int r;

        if (++holders->steps < STEPS_MAX)
                return 0;
        holders->steps = 0;
        r = worker_progress(holders->worker);
        if (r < 0 || clock_ms() < holders->until_ms)
                return r;
        r = holders->full ? 0 : tell_end(holders, why);
        return r < 0 ? r : -ETIME;
}

static int work(struct worker *worker, const int *fds, void *userdata) {
        struct holders *holders = userdata;
        int r;

        holders->worker = worker;
        holders->until_ms = clock_ms() + SEARCH_MS;
        holders->proc = fds[FD_PROC];
        holders->root = fds[FD_ROOT];
        holders->sys = fds[FD_SYS];
        holders->table = fds[FD_TABLE];
        holders->named = map_new(MAP_KEY_U64);
        holders->kept = map_new(MAP_KEY_U64);
        holders->recycled = map_new(MAP_KEY_U64);
        holders->devices = map_new(MAP_KEY_U64);
        holders->trees = map_new(MAP_KEY_U64);
        holders->by_inode = map_new(MAP_KEY_U64);
        holders->by_root = map_new(MAP_KEY_STRING);
        holders->overlay_devices = map_new(MAP_KEY_U64);
        if (!holders->named || !holders->kept || !holders->recycled || !holders->devices || !holders->trees || !holders->by_inode || !holders->by_root ||
            !holders->overlay_devices)
                return -ENOMEM;
        r = holders_find_mounts(holders);
        if (r == 0)
                r = holders_find_spaces(holders);
        if (r == 0)
                r = holders_find_copies(holders);
        if (r == 0)
                r = holders_find_processes(holders);
        if (r == 0)
                r = holders_find_devices(holders);
        return r == 0 || r == -ETIME ? holders_flush(holders) : r; /* the process ends: it frees nothing */
}

/* That of a pod which has one to itself takes the host's place, which is among the others then. */
static int put_own_first(struct holders *holders, int namespace) {
        struct holders_space *space;
        struct stat own;

        if (fstat(namespace, &own) < 0)
                return log_errno(LOG_ERR, errno, "look at the mount namespace of a pod");
        for (size_t i = 0; i < holders->n_spaces; i++)
                if (holders->spaces[i].inode == own.st_ino) {
                        struct holders_space first = holders->spaces[0];

                        holders->spaces[0] = holders->spaces[i];
                        holders->spaces[i] = first;
                        return 0;
                }
        space = array_append(&holders->spaces, &holders->n_spaces);
        if (!space)
                return log_oom();
        *space = holders->spaces[0];
        holders->spaces[0] = (struct holders_space) {.inode = own.st_ino};
        return 0;
}

/* The host's first, if the kernel tells; else there is one for each process that is seen in another. */
static int list_spaces(const struct run *run, struct holders *holders) {
        _cleanup_free_ struct elsewhere_namespace *found = NULL;
        struct holders_space *space;
        struct stat own;
        size_t n = 0;
        int r = run->executor->features.namespace_ids ? elsewhere_namespaces(&found, &n) : 0;

        if (r < 0)
                return log_errno(LOG_ERR, r, "list the mount namespaces");
        if (stat("/proc/self/ns/mnt", &own) < 0)
                return log_errno(LOG_ERR, errno, "look at the own mount namespace");
        holders->host_inode = own.st_ino;
        holders->host = getpid();
        if (n == 0) {
                space = array_append(&holders->spaces, &holders->n_spaces);
                if (!space)
                        return log_oom();
                *space = (struct holders_space) {.inode = own.st_ino, .pid = holders->host};
        }
        for (size_t i = 0; i < n; i++) {
                space = array_append(&holders->spaces, &holders->n_spaces);
                if (!space)
                        return log_oom();
                *space = (struct holders_space) {.id = found[i].id, .inode = found[i].inode, .pid = i == 0 ? holders->host : 0};
        }
        return 0;
}

static int start(struct run *run, struct holders *holders, const int *fds) {
        /* To look at others' processes, to pass directories, and to look into other mount namespaces and at mapped files. */
        const struct worker_setup setup = {
                .name = "podmount-hold",
                .root = -1,
                .fds = fds,
                .n_fds = _FD_MAX,
                .capabilities = CAPABILITY(CAP_SYS_PTRACE) | CAPABILITY(CAP_DAC_READ_SEARCH) | CAPABILITY(CAP_SYS_ADMIN),
                .memory_max = MEMORY_MAX,
                .work = work,
                .userdata = holders,
        };
        int channel, r = worker_start(&setup, &channel);

        return r < 0 ? r : run_answer_fd(run, channel);
}

int hand_holders(struct run *run, size_t i) {
        _cleanup_free_ struct holders *holders = NULL;
        int fds[_FD_MAX], r;

        if (i + 1 < run->job->n_steps)
                return 0; /* the last one looks for them all */
        holders = calloc(1, sizeof(*holders));
        if (!holders)
                return log_oom();
        holders->job = run->job;
        holders->unique = run->executor->features.namespace_ids && run->executor->features.unique_id;
        if (run->pods_fd >= 0)
                (void) identity_mount_id(run->pods_fd, &holders->pods_mount); /* 0: then copies are known by their peer groups alone */
        fds[FD_PROC] = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        fds[FD_ROOT] = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        fds[FD_SYS] = resolve_source("/sys");
        fds[FD_TABLE] = run->own.namespace >= 0 ? own_space_mountinfo(run->own.namespace) : open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        r = fds[FD_PROC] < 0 || fds[FD_ROOT] < 0 || fds[FD_SYS] < 0 || fds[FD_TABLE] < 0 ? log_errno(LOG_ERR, errno, "open /proc, / and /sys") : 0;
        if (r == 0)
                r = list_spaces(run, holders);
        if (r == 0 && run->own.namespace >= 0)
                r = put_own_first(holders, run->own.namespace);
        if (r == 0)
                r = start(run, holders, fds);
        for (size_t j = 0; j < _FD_MAX; j++)
                if (fds[j] >= 0)
                        (void) close_fd(fds[j]);
        free(holders->spaces);
        return r;
}
