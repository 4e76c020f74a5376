/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the registry's observer is told. A pod that was never announced is nobody's business: no word of its changes and
 * its end, because its creation was never seen.
 */

#include "pod/registry.h"
#include "util/log.h"
#include "util/path.h"

char *pods_directory(const struct pods *pods, const char *uuid) {
        char *path;

        return asprintf(&path, "%s/pods/%s", pods->runtime_directory, uuid) < 0 ? NULL : path;
}

int pods_sync(struct pods *pods) {
        return pods->sync_table ? pods->sync_table(pods->sync_userdata) : 0;
}

int pods_sync_below(struct pods *pods, const char *path) {
        return pods->sync_below ? pods->sync_below(path, pods->sync_userdata) : pods_sync(pods);
}

void tell_new(struct pods *pods, struct pod *pod) {
        pod->announced = true;
        if (pods->observer.pod_new)
                pods->observer.pod_new(pod, pods->observer.userdata);
}

void tell_removed(struct pods *pods, struct pod *pod, const char *reason) {
        if (pod->announced && pods->observer.pod_removed)
                pods->observer.pod_removed(pod, reason, pods->observer.userdata);
}

void tell_changed(struct pods *pods, struct pod *pod) {
        if (pod->announced && pods->observer.pod_changed)
                pods->observer.pod_changed(pod, pods->observer.userdata);
}

static void tell_mounts(const struct record_mount *mounts, size_t n, struct pod *pod, void *userdata,
                        void (*tell)(struct pod *, const struct record_mount *const *, size_t, void *)) {
        _cleanup_free_ const struct record_mount **list = NULL;

        if (n == 0 || !tell || !pod->announced)
                return;
        list = calloc(n, sizeof(*list));
        if (!list) {
                (void) log_oom(); /* a signal is lost; the mounts are recorded all the same */
                return;
        }
        for (size_t i = 0; i < n; i++)
                list[i] = &mounts[i];
        tell(pod, list, n, userdata);
}

void tell_added(struct pods *pods, struct pod *pod, size_t from) {
        tell_mounts_added(pods, pod, pod->record->mounts + from, pod->record->n_mounts - from);
}

void tell_mounts_added(struct pods *pods, struct pod *pod, const struct record_mount *mounts, size_t n) {
        tell_mounts(mounts, n, pod, pods->observer.userdata, pods->observer.mounts_added);
}

void tell_mounts_removed(struct pods *pods, struct pod *pod, const struct record_mount *mounts, size_t n) {
        tell_mounts(mounts, n, pod, pods->observer.userdata, pods->observer.mounts_removed);
}
