/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Quotas, pure: what is used, what is asked for, what the configuration allows. Every limit is a row of one table, by which it is
 * checked, told and shown. Root is not charged for those of users and groups.
 */

#include <stdint.h>

#include "admit/caller.h"
#include "util/failure.h"
#include "util/settings.h"

enum quota_limit {
        QUOTA_PODS_OF_USER,
        QUOTA_PODS_OF_GROUP,
        QUOTA_MOUNTS_OF_POD,
        QUOTA_MOUNTS_OF_USER,
        QUOTA_MOUNTS_OF_GROUP,
        QUOTA_MOUNTS_OF_HOST, /* fs.mount-max without MountsHeadroom=, quota_of_host() */
        QUOTA_TMPFS_OF_USER,
        QUOTA_TMPFS_OF_GROUP,
        QUOTA_SPEC_SIZE,
        QUOTA_CONNECTIONS_OF_USER,
        QUOTA_REQUESTS_OF_USER,
        QUOTA_REQUESTS_OF_GROUP,
        QUOTA_FDS_OF_USER,
        QUOTA_FDS_OF_GROUP,
        QUOTA_LAYERS_OF_USER,
        QUOTA_LAYERS_OF_GROUP,
        QUOTA_LAYER_BYTES_OF_USER,
        QUOTA_LAYER_INODES_OF_USER,
        QUOTA_STREAMS_OF_USER,
        QUOTA_STREAMS,
        _QUOTA_LIMIT_MAX,
};

/* Whom a limit is for. */
enum quota_scope { QUOTA_USER, QUOTA_GROUP, QUOTA_POD, QUOTA_HOST };
/* "user", "group", "pod", "host" */
const char *quota_scope_name(enum quota_scope scope);

/* As podmountd.conf(5) has it: "PodsPerUser"… */
const char *quota_setting(enum quota_limit limit);
/* As metrics have it: "pods_per_user"… */
const char *quota_metric(enum quota_limit limit);
/* Whom it is for. */
enum quota_scope quota_scope(enum quota_limit limit);
/* What the configuration allows; of QUOTA_MOUNTS_OF_HOST quota_of_host() says it. */
uint64_t quota_maximum(const struct settings *settings, enum quota_limit limit);
/* What MountsHeadroom= leaves of fs.mount-max. */
uint64_t quota_of_host(const struct settings *settings, uint64_t mounts_max);

/* FAILURE_QUOTA_EXCEEDED naming the limit, what is used, what it is, what was asked for, and the way out, unless `used` and `wanted`
 * are within `maximum`. */
int quota_exceeds(enum quota_limit limit, uint64_t used, uint64_t maximum, uint64_t wanted, struct failure *f);

struct quota_use {
        uint32_t mounts_of_pod;
        uint32_t pods_of_user, mounts_of_user;
        uint32_t pods_of_group, mounts_of_group;
        uint64_t tmpfs_of_user, tmpfs_of_group; /* bytes that their tmpfs may take */
        uint64_t mounts_of_namespace; /* the kernel's table, 0 if unknown */
        uint64_t mounts_max;          /* fs.mount-max, 0 if unknown */
};

/* What a change adds. */
struct quota_ask {
        uint32_t pods, mounts;
        uint64_t tmpfs; /* bytes */
};

/* FAILURE_QUOTA_EXCEEDED of the first limit that the change would go past. */
int quota_check(const struct settings *settings, const struct caller *caller, const struct quota_use *use,
                const struct quota_ask *ask, struct failure *f);

/* How many mounts recursive clones may bring along beside `new_mounts` that passed: they are known only when they are
 * made, and charged as if they were all used until then. So it is a share of what is left, and another call has some. */
uint32_t quota_brought(const struct settings *settings, const struct quota_use *use, uint32_t new_mounts);
