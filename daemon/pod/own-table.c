/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A pod has few mounts, so that reading all of them is nothing. Where it has many, whoever changes them without end does not keep the
 * front busy: after a reading that took long, poll(2) is not heard for a multiple of that. */

#include "pod/own-table.h"

#include <string.h>
#include <sys/epoll.h>

#include "pod/drift.h"
#include "pod/judge.h"
#include "pod/registry.h"
#include "table/reading.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/path.h"

enum { PAUSE_FACTOR = 20 };

struct own_table {
        struct pods *pods;
        struct pod *pod;
        struct table *table;
        int fd;                     /* -1: none */
        sd_event_source *changes, *pause;
        uint64_t cost_us;           /* of the last reading */
};

int own_table_new(struct pods *pods, struct pod *pod) {
        struct own_table *own = calloc(1, sizeof(*own));

        if (!own)
                return log_oom();
        *own = (struct own_table) {.pods = pods, .pod = pod, .table = table_new(), .fd = -1};
        if (!own->table) {
                (void) own_table_free(own);
                return log_oom();
        }
        pod->own = own;
        return 0;
}

struct own_table *own_table_free(struct own_table *own) {
        if (!own)
                return NULL;
        (void) sd_event_source_disable_unref(own->changes);
        (void) sd_event_source_disable_unref(own->pause);
        (void) close_fd(own->fd);
        (void) table_free(own->table);
        free(own);
        return NULL;
}

int own_table_read(struct pod *pod) {
        _cleanup_changes_ struct changes changes = {};
        struct own_table *own = pod->own;
        struct entry **entries = NULL;
        uint64_t begin = clock_us(CLOCK_MONOTONIC);
        size_t n = 0;
        int r;

        if (own->fd < 0)
                return 0;
        r = reading_take_mountinfo(own->fd, &entries, &n);
        if (r < 0)
                return log_errno(LOG_ERR, r, "read the mount table of pod %s", pod->record->uuid);
        r = table_replace(own->table, entries, n, &changes);
        free(entries);
        own->cost_us = clock_us(CLOCK_MONOTONIC) - begin;
        if (r < 0)
                return log_errno(LOG_ERR, r, "take in the mount table of pod %s", pod->record->uuid);
        if (changes.n_items > 0)
                pod->judge_again = true;
        return changes.n_items > 0;
}

static int on_pause_over(sd_event_source *source _unused_, uint64_t usec _unused_, void *userdata) {
        const struct own_table *own = userdata;

        return sd_event_source_set_enabled(own->changes, SD_EVENT_ON);
}

/* Not heard for a while; -ENOMEM is no reason to be deaf. */
static void pause_for(struct own_table *own, uint64_t usec) {
        int r;

        if (own->pause) {
                r = sd_event_source_set_time_relative(own->pause, usec);
                if (r >= 0)
                        r = sd_event_source_set_enabled(own->pause, SD_EVENT_ONESHOT);
        } else
                r = sd_event_add_time_relative(own->pods->event, &own->pause, CLOCK_MONOTONIC, usec, 1, on_pause_over, own);
        if (r >= 0)
                (void) sd_event_source_set_enabled(own->changes, SD_EVENT_OFF);
}

static int on_change(sd_event_source *source _unused_, int fd _unused_, uint32_t events _unused_, void *userdata) {
        struct own_table *own = userdata;
        struct pod *pod = own->pod;

        if (own_table_read(pod) > 0)
                judge_again(own->pods); /* what the host's table has of the namespace counts, too */
        if (own->cost_us > 500)
                pause_for(own, own->cost_us * PAUSE_FACTOR);
        return 0;
}

int own_table_open(struct pod *pod, int fd) {
        struct own_table *own = pod->own;
        int r;

        own->changes = sd_event_source_disable_unref(own->changes);
        (void) close_fd(own->fd);
        own->fd = fd;
        r = sd_event_add_io(own->pods->event, &own->changes, fd, EPOLLPRI, on_change, own);
        if (r < 0)
                return log_errno(LOG_ERR, r, "watch the mount table of pod %s", pod->record->uuid);
        r = own_table_read(pod);
        return r < 0 ? r : 0;
}

struct table *pods_table(const struct pods *pods, const struct record_pod *record) {
        const struct pod *pod = record && record->private ? map_get(pods->by_uuid, record->uuid) : NULL;

        return pod && pod->own ? pod->own->table : pods->table;
}

bool pods_has_pin(const struct pods *pods, const char *uuid) {
        _cleanup_free_ char *directory = path_join(pods->runtime_directory, "ns"), *path = directory ? path_join(directory, uuid) : NULL;

        return path && table_at(pods->table, path);
}

bool own_table_is_astray(const struct pods *pods, const struct pod *pod) {
        enum { OWN_MOUNTS = 2 /* the namespace's root and its proc */ };
        const struct record_mount *tree = pod_tree_mount(pod);

        if (!pod->own)
                return false;
        if (pod->own->fd < 0)
                return pods_has_pin(pods, pod->record->uuid);
        if (table_size(pod->own->table) == 0) /* the text is of what lies below the root directory that there was */
                return true;
        return tree && table_size(pod->own->table) > OWN_MOUNTS && !drift_find_entry(pod->own->table, tree);
}

static void forget_text(struct own_table *own) {
        own->changes = sd_event_source_disable_unref(own->changes);
        own->fd = close_fd(own->fd);
}

int own_table_resume(struct pods *pods, struct pod *pod) {
        int r = own_table_new(pods, pod);

        for (size_t i = 0; i < pods->n_texts && r == 0; i++) {
                if (strcmp(pods->texts[i].name, pod->record->uuid) != 0)
                        continue;
                r = own_table_open(pod, TAKE_FD(pods->texts[i].fd));
                if (r == 0 || r == -ENOMEM)
                        return r;
                forget_text(pod->own); /* one that cannot be read keeps no other pod from its recovery */
                r = 0;
                break;
        }
        if (r == 0)
                log_warning("The mount namespace at ns/%s is not there, or could not be looked at: the mounts of that pod show as missing", pod->record->uuid);
        return r;
}

int pods_sync_pod(struct pods *pods, struct pod *pod) {
        int r = pods_sync(pods);

        return r >= 0 && pod && pod->own ? own_table_read(pod) : r;
}

int pods_sync_pod_below(struct pods *pods, struct pod *pod, const char *path) {
        if (!pod || !pod->own)
                return pods_sync_below(pods, path);
        return pods_sync_pod(pods, pod);
}
