/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counting goes through all pods: there are a few hundred of a user, and a change costs more. */

#include "pod/use.h"

#include <string.h>

#include "pod/overlay-facts.h"
#include "spec/source.h"

static uint64_t tmpfs_of(const struct record_mount *mounts, size_t n) {
        uint64_t sum = 0;

        for (size_t i = 0; i < n; i++)
                if (__builtin_add_overflow(sum, mounts[i].tmpfs, &sum))
                        return UINT64_MAX;
        return sum;
}

static uint64_t tmpfs_of_pod(const struct record_pod *record) {
        uint64_t sum = tmpfs_of(record->mounts, record->n_mounts);

        if (__builtin_add_overflow(sum, tmpfs_of(record->inside, record->n_inside), &sum) ||
            __builtin_add_overflow(sum, tmpfs_of(record->host, record->n_host), &sum))
                return UINT64_MAX;
        return sum;
}

static void add(uint64_t *sum, uint64_t more) {
        if (__builtin_add_overflow(*sum, more, sum))
                *sum = UINT64_MAX;
}

uint32_t use_mounts(const struct record_pod *record) {
        return (uint32_t) (record->n_mounts + record->n_inside + record->n_host);
}

void use_of_pod(const struct pod *pod, const struct operation *except, uint32_t *ret_mounts, uint64_t *ret_tmpfs) {
        const struct record_pod *record = pod->record;
        const struct operation *running = pod->running == except ? NULL : pod->running;

        *ret_mounts = use_mounts(record);
        *ret_tmpfs = tmpfs_of_pod(record);
        if (!running || (running->new_mounts == 0 && !running->grows))
                return;
        *ret_mounts += running->new_mounts;
        add(ret_tmpfs, running->new_tmpfs);
}

void use_count(const struct pods *pods, uid_t owner, gid_t group, const struct operation *except, struct quota_use *use) {
        const struct pod *pod;

        use->pods_of_user = use->mounts_of_user = use->pods_of_group = use->mounts_of_group = 0;
        use->tmpfs_of_user = use->tmpfs_of_group = 0;
        MAP_FOREACH(pod, pods->by_uuid) {
                const struct record_pod *record = pod->record;
                uint32_t mounts;
                uint64_t tmpfs;

                if (record->owner == 0 || (record->owner != owner && record->owner_group != group))
                        continue;
                use_of_pod(pod, except, &mounts, &tmpfs);
                if (record->owner == owner) {
                        use->pods_of_user++;
                        use->mounts_of_user += mounts;
                        add(&use->tmpfs_of_user, tmpfs);
                }
                if (record->owner_group == group) {
                        use->pods_of_group++;
                        use->mounts_of_group += mounts;
                        add(&use->tmpfs_of_group, tmpfs);
                }
        }
        if (pods->layers && pods->layers->by_id) {
                use->mounts_of_user += layers_mounted_of(pods->layers, owner);
                use->mounts_of_group += layers_mounted_of_group(pods->layers, group);
        }
}

int use_check(struct operation *operation, struct quota_use *use, const struct quota_ask *ask, uint32_t going, struct failure *f) {
        const struct record_pod *record = operation->pod ? operation->pod->record : NULL;
        const bool spared = caller_is_root(&operation->caller);
        int r;

        operation->new_tmpfs = 0;
        operation->grows = false;
        if (!spared) {
                use_count(operation->pods, record ? record->owner : operation->caller.uid, record ? record->owner_group : operation->caller.gid,
                          operation, use);
                use->mounts_of_user -= going < use->mounts_of_user ? going : use->mounts_of_user;
                use->mounts_of_group -= going < use->mounts_of_group ? going : use->mounts_of_group;
        }
        r = quota_check(operation->pods->settings, &operation->caller, use, ask, f);
        if (r != 0)
                return r;
        operation->new_tmpfs = ask->tmpfs;
        operation->grows = ask->mounts == 0;
        if (!operation->grows)
                operation_reserve(operation, use);
        return 0;
}

uint64_t use_tmpfs(const struct wanted *wanted) {
        uint64_t sum = 0;

        for (size_t i = 0; i < wanted->n_mounts; i++)
                add(&sum, wanted_tmpfs(&wanted->mounts[i], wanted->memory));
        return sum;
}

uint64_t use_tmpfs_beyond(const struct wanted *wanted, const struct record_mount *old) {
        const uint64_t sum = use_tmpfs(wanted);

        return sum > old->tmpfs ? sum - old->tmpfs : 0;
}

/* The record has the ground for mount points, which only that makes free. */
bool use_is_overlaid(const struct record_mount *mount) {
        return mount->ground_free && strcmp(mount->type, "bind") == 0 &&
               strncmp(mount->source, source_prefix(SOURCE_VOLUME), strlen(source_prefix(SOURCE_VOLUME))) != 0;
}

static uint64_t overlay_size(const struct pods *pods, const struct pod *pod, const char *container) {
        struct wanted_facts facts;
        int r = overlay_facts(pod->record, container, &facts); /* logged: the size of most is at hand */

        return r == 0 && facts.overlay_size > 0 ? facts.overlay_size : pods->facts.tmpfs_size;
}

static void load(const struct pods *pods, const struct pod *pod, struct record_mount *mounts, size_t n) {
        const struct record_mount *before = NULL; /* most are of one container */

        for (size_t i = 0; i < n; i++) {
                struct record_mount *mount = &mounts[i];

                if (mount->deferred || mount->nested)
                        continue;
                if (strcmp(mount->type, "tmpfs") == 0 && mount->options) /* the pod's own tmpfs has none */
                        mount->tmpfs = wanted_tmpfs_of_words(mount->options, pods->facts.memory);
                else if (use_is_overlaid(mount)) {
                        mount->tmpfs = before && strcmp(before->container, mount->container) == 0
                                               ? before->tmpfs : overlay_size(pods, pod, mount->container);
                        before = mount;
                }
        }
}

void use_load(const struct pods *pods, struct pod *pod) {
        load(pods, pod, pod->record->mounts, pod->record->n_mounts);
        load(pods, pod, pod->record->inside, pod->record->n_inside);
        load(pods, pod, pod->record->host, pod->record->n_host);
}
