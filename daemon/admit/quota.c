/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Quotas: each limit told with its name, what is in use, what was asked for and the way out.
 */

#include "admit/quota.h"

#include <inttypes.h>
#include <stddef.h>

enum { BROUGHT_PART = 64, BROUGHT_MIN = 16 };

#define FIELD(field) offsetof(struct settings, field), sizeof(((struct settings *) NULL)->field) == sizeof(uint64_t)
#define UNMOUNT "unmount some with podmountctl unmount or collect pods with podmountctl gc"
#define SMALLER "give a smaller size=, or collect pods with podmountctl gc"
#define REMOVE_LAYERS "remove some with podmountctl layer remove"
#define WAIT "wait for answers before asking more"

static const struct quota_row {
        const char *setting, *metric, *words, *advice;
        enum quota_scope scope;
        size_t offset;
        bool wide; /* 64 bits, else 32 */
} rows[] = {
        [QUOTA_PODS_OF_USER] = {"PodsPerUser", "pods_per_user", "pods per user", "collect some with podmountctl gc", QUOTA_USER, FIELD(pods_per_user)},
        [QUOTA_PODS_OF_GROUP] = {"PodsPerGroup", "pods_per_group", "pods per group", "collect some with podmountctl gc", QUOTA_GROUP, FIELD(pods_per_group)},
        [QUOTA_MOUNTS_OF_POD] = {"MountsPerPod", "mounts_per_pod", "mounts per pod",
                                 "unmount some with podmountctl unmount, or spread them over more pods", QUOTA_POD, FIELD(mounts_per_pod)},
        [QUOTA_MOUNTS_OF_USER] = {"MountsPerUser", "mounts_per_user", "mounts per user", UNMOUNT, QUOTA_USER, FIELD(mounts_per_user)},
        [QUOTA_MOUNTS_OF_GROUP] = {"MountsPerGroup", "mounts_per_group", "mounts per group", UNMOUNT, QUOTA_GROUP, FIELD(mounts_per_group)},
        [QUOTA_MOUNTS_OF_HOST] = {"MountsHeadroom", "mounts_of_host", "mounts of the host",
                                  "collect pods with podmountctl gc, or raise the sysctl fs.mount-max", QUOTA_HOST, FIELD(mounts_headroom)},
        [QUOTA_TMPFS_OF_USER] = {"TmpfsBytesPerUser", "tmpfs_bytes_per_user", "bytes of tmpfs per user", SMALLER, QUOTA_USER, FIELD(tmpfs_bytes_per_user)},
        [QUOTA_TMPFS_OF_GROUP] = {"TmpfsBytesPerGroup", "tmpfs_bytes_per_group", "bytes of tmpfs per group", SMALLER, QUOTA_GROUP,
                                  FIELD(tmpfs_bytes_per_group)},
        [QUOTA_SPEC_SIZE] = {"SpecSizeMax", "spec_size", "bytes of a spec", "make it shorter, or add containers and mounts to the pod later", QUOTA_POD,
                             FIELD(spec_size_max)},
        [QUOTA_CONNECTIONS_OF_USER] = {"ConnectionsPerUser", "connections_per_user", "connections per user", "close some", QUOTA_USER,
                                       FIELD(connections_per_user)},
        [QUOTA_REQUESTS_OF_USER] = {"RequestsPerUser", "requests_per_user", "requests in flight per user", WAIT, QUOTA_USER, FIELD(requests_per_user)},
        [QUOTA_REQUESTS_OF_GROUP] = {"RequestsPerGroup", "requests_per_group", "requests in flight per group", WAIT, QUOTA_GROUP, FIELD(requests_per_group)},
        [QUOTA_FDS_OF_USER] = {"FdsPerUser", "fds_per_user", "open fds per user", WAIT, QUOTA_USER, FIELD(fds_per_user)},
        [QUOTA_FDS_OF_GROUP] = {"FdsPerGroup", "fds_per_group", "open fds per group", WAIT, QUOTA_GROUP, FIELD(fds_per_group)},
        [QUOTA_LAYERS_OF_USER] = {"LayersPerUser", "layers_per_user", "layers per user", REMOVE_LAYERS, QUOTA_USER, FIELD(layers_per_user)},
        [QUOTA_LAYERS_OF_GROUP] = {"LayersPerGroup", "layers_per_group", "layers per group", REMOVE_LAYERS, QUOTA_GROUP, FIELD(layers_per_group)},
        [QUOTA_LAYER_BYTES_OF_USER] = {"LayerBytesPerUser", "layer_bytes_per_user", "bytes in layers per user", REMOVE_LAYERS, QUOTA_USER,
                                       FIELD(layer_bytes_per_user)},
        [QUOTA_LAYER_INODES_OF_USER] = {"LayerInodesPerUser", "layer_inodes_per_user", "files in layers per user", REMOVE_LAYERS, QUOTA_USER,
                                        FIELD(layer_inodes_per_user)},
        [QUOTA_STREAMS_OF_USER] = {"LayerStreamsPerUser", "layer_streams_per_user", "work on layers at the same time per user",
                                   "try again when one is done", QUOTA_USER, FIELD(layer_streams_per_user)},
        [QUOTA_STREAMS] = {"LayerStreams", "layer_streams", "work on layers at the same time", "try again when one is done", QUOTA_HOST,
                           FIELD(layer_streams)},
};
_Static_assert(ELEMENTSOF(rows) == _QUOTA_LIMIT_MAX, "a row for each limit");

const char *quota_scope_name(enum quota_scope scope) {
        static const char *const names[] = {
                [QUOTA_USER] = "user", [QUOTA_GROUP] = "group", [QUOTA_POD] = "pod", [QUOTA_HOST] = "host"};

        return names[scope];
}

const char *quota_setting(enum quota_limit limit) {
        return rows[limit].setting;
}

const char *quota_metric(enum quota_limit limit) {
        return rows[limit].metric;
}

enum quota_scope quota_scope(enum quota_limit limit) {
        return rows[limit].scope;
}

uint64_t quota_maximum(const struct settings *settings, enum quota_limit limit) {
        const void *field = (const char *) settings + rows[limit].offset;

        return rows[limit].wide ? *(const uint64_t *) field : *(const uint32_t *) field;
}

uint64_t quota_of_host(const struct settings *settings, uint64_t mounts_max) {
        return mounts_max > settings->mounts_headroom ? mounts_max - settings->mounts_headroom : 0;
}

int quota_exceeds(enum quota_limit limit, uint64_t used, uint64_t maximum, uint64_t wanted, struct failure *f) {
        const struct quota_row *row = &rows[limit];

        if (wanted == 0 || (used <= maximum && wanted <= maximum - used))
                return 0;
        return failure_set(f, FAILURE_QUOTA_EXCEEDED,
                           "%s (%s=): %" PRIu64 " of %" PRIu64 " in use, %" PRIu64 " more asked for; %s", row->words, row->setting, used,
                           maximum, wanted, row->advice);
}

int quota_check(const struct settings *settings, const struct caller *caller, const struct quota_use *use,
                const struct quota_ask *ask, struct failure *f) {
        const struct {
                enum quota_limit limit;
                uint64_t used, wanted;
        } checks[] = {
                {QUOTA_PODS_OF_USER, use->pods_of_user, ask->pods},
                {QUOTA_PODS_OF_GROUP, use->pods_of_group, ask->pods},
                {QUOTA_MOUNTS_OF_USER, use->mounts_of_user, ask->mounts},
                {QUOTA_MOUNTS_OF_GROUP, use->mounts_of_group, ask->mounts},
                {QUOTA_TMPFS_OF_USER, use->tmpfs_of_user, ask->tmpfs},
                {QUOTA_TMPFS_OF_GROUP, use->tmpfs_of_group, ask->tmpfs},
                {QUOTA_MOUNTS_OF_POD, use->mounts_of_pod, ask->mounts},
        };
        const bool spared = caller_is_root(caller);
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(checks) && r == 0; i++)
                if (!spared || quota_scope(checks[i].limit) == QUOTA_POD)
                        r = quota_exceeds(checks[i].limit, checks[i].used, quota_maximum(settings, checks[i].limit), checks[i].wanted, f);
        if (r != 0 || use->mounts_max == 0)
                return r;
        return quota_exceeds(QUOTA_MOUNTS_OF_HOST, use->mounts_of_namespace, quota_of_host(settings, use->mounts_max), ask->mounts, f);
}

static uint64_t left(uint64_t used, uint64_t maximum) {
        return used < maximum ? maximum - used : 0;
}

static uint64_t least(uint64_t a, uint64_t b) {
        return a < b ? a : b;
}

uint32_t quota_brought(const struct settings *settings, const struct quota_use *use, uint32_t new_mounts) {
        uint64_t of_user = left((uint64_t) use->mounts_of_user + new_mounts, settings->mounts_per_user);
        uint64_t of_group = left((uint64_t) use->mounts_of_group + new_mounts, settings->mounts_per_group);
        uint64_t of_pod = left((uint64_t) use->mounts_of_pod + new_mounts, settings->mounts_per_pod);
        uint64_t of_host = use->mounts_max == 0 ? UINT64_MAX
                                                : left(use->mounts_of_namespace + new_mounts, quota_of_host(settings, use->mounts_max));
        uint64_t own = least(of_user, of_group);
        uint64_t share = own / BROUGHT_PART > BROUGHT_MIN ? own / BROUGHT_PART : BROUGHT_MIN;

        return (uint32_t) least(least(share, own), least(of_pod, of_host));
}
