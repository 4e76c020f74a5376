/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Drift of the pods on record: which of them a change of the table concerns, and what is news in their drift.
 */

#include "pod/judge.h"

#include <inttypes.h>
#include <string.h>

#include "pod/drift.h"
#include "pod/history.h"
#include "pod/host.h"
#include "pod/own-table.h"
#include "pod/registry.h"
#include "util/event.h"
#include "util/log.h"
#include "util/path.h"
#include "util/text.h"

enum { DRIFTS_LOGGED_MAX = 16 /* of one pod, of one change: thousands of mounts may go at once */ };

static bool same_drift(const struct drift *a, const struct drift *b) {
        return a->kind == b->kind && a->id == b->id && strcmp(a->target, b->target) == 0 &&
               strcmp(a->container, b->container) == 0 && strcmp(a->detail, b->detail) == 0;
}

/* Drift comes in the record's order, so that what is known is usually found where the last one was. */
static bool is_known(const struct drift *drift, const struct drift *known, size_t n, size_t *cursor) {
        for (size_t i = 0; i < n; i++) {
                size_t at = (*cursor + i) % n;

                if (same_drift(drift, &known[at])) {
                        *cursor = at + 1;
                        return true;
                }
        }
        return false;
}

static void log_drift(struct pods *pods, const struct pod *pod, const struct drift *drift) {
        _cleanup_free_ char *place = text_format("%s:%s", drift->container, drift->target),
                            *detail = text_format("%s: %s", drift_kind_name(drift->kind), drift->detail);
        char id[EVENT_NUMBER_MAX];
        const char *const fields[] = {"POD=", pod->record->uuid, "CONTAINER=", drift->container, "TARGET=", drift->target,
                                      "MOUNT_ID=", event_id(drift->id, id), NULL};

        event_log(EVENT_DRIFT_DETECTED, fields, "Pod %s departs from its record at %s:%s (%s): %s", pod->record->uuid,
                   drift->container, drift->target, drift_kind_name(drift->kind), drift->detail);
        history_add_event(pods, pod->record->uuid, EVENT_DRIFT_DETECTED, drift->id, place, detail);
}

/* What of `pod`'s drift was not there before; how many. */
static size_t tell_news(struct pods *pods, struct pod *pod, const struct drift *before, size_t n_before) {
        size_t news = 0, cursor = 0;

        for (size_t i = 0; i < pod->n_drifts; i++) {
                const struct drift *drift = &pod->drifts[i];

                if (is_known(drift, before, n_before, &cursor))
                        continue;
                pods->counters.drifts[drift->kind]++;
                if (++news <= DRIFTS_LOGGED_MAX)
                        log_drift(pods, pod, drift);
                if (pod->announced && pods->observer.drift)
                        pods->observer.drift(pod, drift, pods->observer.userdata);
        }
        if (news > DRIFTS_LOGGED_MAX)
                event_log(EVENT_DRIFT_DETECTED, EVENT_OF_POD(pod->record->uuid), "Pod %s departs from its record in %zu more places; podmountctl show %s lists them",
                            pod->record->uuid, news - DRIFTS_LOGGED_MAX, pod->record->uuid);
        return news;
}

/* The namespace lives as long as it is looked at, but nobody gets there any more. */
static int judge_pin(const struct pods *pods, const struct pod *pod, struct drift **drifts, size_t *n) {
        const struct record_pod *record = pod->record;
        int r = 0;

        if (!pod->own || pods_has_pin(pods, record->uuid))
                return 0;
        for (size_t i = 0; i < record->n_mounts && r == 0; i++) {
                const struct record_mount *mount = &record->mounts[i];

                if (mount->container[0] != '\0' && strcmp(mount->target, "/") == 0)
                        r = drift_append(drifts, n, DRIFT_CHANGED, mount->id, mount->row, mount->container, mount->target,
                                         strdup("the pod's mount namespace is bound to its file no more"));
        }
        return r;
}

void judge_now(struct pods *pods, struct pod *pod) {
        _cleanup_free_ char *directory = NULL;
        struct drift *drifts = NULL, *before = pod->drifts;
        size_t n_drifts = 0, n_before = pod->n_drifts;
        bool news, urgent;
        int r;

        pod->judge_again = pod->judge_next = false;
        if (pod->record->state != RECORD_READY)
                return;
        if (pod->own && own_table_read(pod) < 0)
                return; /* logged; the next change tries again */
        pod->judge_again = false;
        r = drift_sight(pod->record, pods_table(pods, pod->record), pods->table, &urgent);
        if (r > 0)
                pods_remember_later(pods, urgent);
        directory = r < 0 ? NULL : pods_directory(pods, pod->record->uuid);
        r = directory ? drift_judge(pod->record, pods_table(pods, pod->record), pods->table, directory, &drifts, &n_drifts) : -ENOMEM;
        if (r >= 0)
                r = judge_pin(pods, pod, &drifts, &n_drifts);
        if (r < 0) {
                drifts_free(drifts, n_drifts);
                /* The next change tries again. */
                (void) log_errno(LOG_ERR, r, "judge the drift of pod %s", pod->record->uuid);
                return;
        }
        if (n_drifts == 0 && n_before == 0) {
                drifts_free(drifts, n_drifts);
                return;
        }
        pod->drifts = drifts;
        pod->n_drifts = n_drifts;
        news = tell_news(pods, pod, before, n_before) > 0 || n_drifts != n_before;
        if (n_drifts == 0) {
                event_log(EVENT_DRIFT_ENDED, EVENT_OF_POD(pod->record->uuid), "Pod %s is as recorded again", pod->record->uuid);
                history_add_event(pods, pod->record->uuid, EVENT_DRIFT_ENDED, 0, NULL, NULL);
        }
        drifts_free(before, n_before);
        if (news)
                tell_changed(pods, pod);
}

void judge_pod(struct pods *pods, struct pod *pod) {
        if (pod->running)
                pod->judge_again = true;
        else
                judge_now(pods, pod);
}

/* The pod below whose directory a mount point lies. */
static struct pod *pod_of(const struct pods *pods, const char *base, const char *point) {
        const char *below = path_below(point, base);
        _cleanup_free_ char *uuid = NULL;

        if (!below || !*below)
                return NULL;
        uuid = strndup(below, strcspn(below, "/"));
        return uuid ? map_get(pods->by_uuid, uuid) : NULL;
}

static bool is_anywhere(const struct changes *changes) {
        if (!changes)
                return true;
        /* A moved mount shows where it is now alone: any pod may be the one that lost it. */
        for (size_t i = 0; i < changes->n_items; i++)
                if (changes->items[i].kind == CHANGE_MOVED)
                        return true;
        return false;
}

/* Few pods have mounts on the host, and most hosts none of them. */
static void mark_on_host(const struct pods *pods, const struct entry *entry) {
        struct pod *pod;

        MAP_FOREACH(pod, pods->on_host)
                if (host_is_concerned(pod->record, entry))
                        pod->judge_again = true;
}

void pods_mark_drift(struct pods *pods, const struct changes *changes) {
        _cleanup_free_ char *base = NULL, *pins = NULL;
        struct pod *pod;

        if (map_size(pods->by_uuid) == 0) /* as when 90,000 mounts of others are found at the start */
                return;
        base = path_join(pods->runtime_directory, "pods");
        pins = path_join(pods->runtime_directory, "ns");
        if (!base || !pins || is_anywhere(changes)) { /* without memory for the path: rather all than none */
                MAP_FOREACH(pod, pods->by_uuid)
                        pod->judge_again = true;
                return;
        }
        for (size_t i = 0; i < changes->n_items; i++) {
                pod = pod_of(pods, base, changes->items[i].entry->point) ?: pod_of(pods, pins, changes->items[i].entry->point);
                if (pod)
                        pod->judge_again = true;
                mark_on_host(pods, changes->items[i].entry);
        }
}

void pods_judge_drift(struct pods *pods, const struct changes *changes) {
        struct pod *pod;

        pods_mark_drift(pods, changes); /* first, so that a pod with thousands of changes is judged once */
        MAP_FOREACH(pod, pods->by_uuid)
                if ((pod->judge_again || pod->judge_next) && !pod->running)
                        judge_pod(pods, pod);
}

void judge_again(struct pods *pods) {
        bool synced = false;
        struct pod *pod;

        MAP_FOREACH(pod, pods->by_uuid) {
                if (!pod->judge_again || pod->running)
                        continue;
                if (!synced) {
                        int r;

                        /* Nobody waits for this: the reading that is due judges what is marked. */
                        if (pods->table_is_current && !pods->table_is_current(pods->sync_userdata))
                                return;
                        r = pods_sync(pods);
                        synced = true;
                        if (r < 0)
                                (void) log_errno(LOG_ERR, r, "read the mount table"); /* judged against what is known */
                }
                judge_pod(pods, pod);
        }
}
