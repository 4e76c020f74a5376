/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds garbage: in the registry, in the table and, for directories that nothing is mounted on, below <runtime>/pods.
 */

#include "pod/garbage.h"

#include <fcntl.h>
#include <string.h>

#include "pod/lease.h"
#include "pod/registry.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"

struct list {
        struct garbage *items;
        size_t n;
};

void garbage_free(struct garbage *garbage, size_t n) {
        for (size_t i = 0; i < n; i++) {
                free(garbage[i].directory);
                free(garbage[i].detail);
        }
        free(garbage);
}

static void list_done(struct list *list) {
        garbage_free(list->items, list->n);
}

static int add(struct list *list, struct pod *pod, const char *directory, const char *detail) {
        struct garbage *garbage = array_append(&list->items, &list->n);

        if (!garbage)
                return log_oom();
        garbage->pod = pod;
        garbage->n_mounts = pod ? (uint32_t) pod->record->n_mounts : 0;
        garbage->directory = strdup(directory);
        garbage->detail = strdup(detail);
        return garbage->directory && garbage->detail ? 0 : log_oom();
}

/* Why the pod is garbage; NULL: it is none. */
static const char *detail(const struct pod *pod) {
        switch (pod->record->state) {
        case RECORD_CREATING:
                return "Its creation was interrupted.";
        case RECORD_FAILED:
                return pod->record->reason ?: "It failed.";
        case RECORD_READY:
                return lease_ended(pod);
        case RECORD_STOPPING:
                return "Its collection was interrupted.";
        case _RECORD_STATE_MAX:
                break;
        }
        return NULL;
}

static int add_pods(const struct pods *pods, const struct caller *caller, struct list *list) {
        struct pod *pod;

        MAP_FOREACH(pod, pods->by_uuid) {
                const char *why = detail(pod);
                int r;

                if (!why || pod->running || !pods_may_see(pod, caller))
                        continue;
                r = add(list, pod, pod->record->uuid, why);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Orphans are few: looked through in order. */
static struct garbage *find(const struct list *list, const char *directory) {
        for (size_t i = list->n; i > 0; i--)
                if (strcmp(list->items[i - 1].directory, directory) == 0)
                        return &list->items[i - 1];
        return NULL;
}

static bool is_uuid(const char *name) {
        _cleanup_free_ char *uuid = NULL;

        return pod_uuid_canonical(name, &uuid) == 0 && strcmp(uuid, name) == 0;
}

/* `files`: of those at `base` itself, which have the name of a pod each, or are something else's. */
static int add_mounts(const struct pods *pods, const char *base, bool files, struct list *list) {
        _cleanup_free_ struct entry **entries = NULL;
        size_t n = 0;
        int r = table_below(pods->table, base, &entries, &n);

        for (size_t i = 0; i < n && r >= 0; i++) {
                const char *below = path_below(entries[i]->point, base);
                _cleanup_free_ char *directory = NULL;
                struct garbage *garbage;

                if (!below || !*below || (files && !is_uuid(below)))
                        continue;
                directory = strndup(below, strcspn(below, "/"));
                if (!directory)
                        return log_oom();
                if (map_get(pods->by_uuid, directory))
                        continue;
                garbage = find(list, directory);
                if (!garbage) {
                        r = add(list, NULL, directory, "Mounts that no pod owns lie there.");
                        garbage = r == 0 ? &list->items[list->n - 1] : NULL;
                }
                if (garbage)
                        garbage->n_mounts++;
        }
        return r;
}

/* pods/ may be listed by root alone: where the front may not read it, what is left without a mount stays unseen. */
static int add_directories(const struct pods *pods, struct list *list) {
        int fd = openat(pods->runtime_fd, "pods", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_closedir_ DIR *directory = NULL;

        if (fd < 0 && errno == EACCES)
                return 0;
        if (fd < 0)
                return log_errno(LOG_ERR, errno, "open %s/pods", pods->runtime_directory);
        directory = fdopendir(fd);
        if (!directory) {
                int error = errno;

                (void) close_fd(fd);
                return log_errno(LOG_ERR, error, "open %s/pods", pods->runtime_directory);
        }
        for (;;) {
                const struct dirent *item;
                int r;

                errno = 0;
                item = readdir(directory);
                if (!item)
                        return errno == 0 ? 0 : log_errno(LOG_ERR, errno, "read %s/pods", pods->runtime_directory);
                if (!path_is_component(item->d_name) || map_get(pods->by_uuid, item->d_name) ||
                    find(list, item->d_name))
                        continue;
                r = add(list, NULL, item->d_name, "A directory that no pod owns.");
                if (r < 0)
                        return r;
        }
}

int garbage_list(struct pods *pods, const struct caller *caller, struct garbage **ret, size_t *ret_n) {
        _cleanup_(list_done) struct list list = {0};
        _cleanup_free_ char *base = NULL, *pins = NULL;
        int r;

        r = add_pods(pods, caller, &list);
        if (r >= 0 && caller_is_root(caller)) {
                base = path_join(pods->runtime_directory, "pods");
                pins = path_join(pods->runtime_directory, "ns");
                r = base && pins ? pods_sync(pods) : -ENOMEM;
                if (r >= 0)
                        r = add_mounts(pods, base, false, &list);
                if (r >= 0)
                        r = add_mounts(pods, pins, true, &list);
                if (r >= 0)
                        r = add_directories(pods, &list);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(list.items);
        *ret_n = list.n;
        list.n = 0;
        return 0;
}
