/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Quotas: four limits, each told with its name, what is in use, what was asked for and the way out.
 */

#include "admit/quota.h"

#include <inttypes.h>

enum { BROUGHT_PART = 64, BROUGHT_MIN = 16 };

static int exceeds(const char *limit, uint64_t used, uint64_t maximum, uint64_t wanted, const char *advice,
                   struct failure *f) {
        if (wanted == 0 || (used <= maximum && wanted <= maximum - used))
                return 0;
        return failure_set(f, FAILURE_QUOTA_EXCEEDED,
                           "%s: %" PRIu64 " of %" PRIu64 " in use, %" PRIu64 " more asked for; %s", limit, used,
                           maximum, wanted, advice);
}

int quota_check(const struct settings *settings, const struct caller *caller, const struct quota_use *use,
                uint32_t new_pods, uint32_t new_mounts, struct failure *f) {
        int r;

        if (!caller_is_root(caller)) {
                r = exceeds("pods per user", use->pods_of_user, settings->pods_per_user, new_pods,
                            "collect some with podmountctl gc", f);
                if (r != 0)
                        return r;
                r = exceeds("mounts per user", use->mounts_of_user, settings->mounts_per_user, new_mounts,
                            "unmount some with podmountctl unmount or collect pods with podmountctl gc", f);
                if (r != 0)
                        return r;
        }
        r = exceeds("mounts per pod", use->mounts_of_pod, settings->mounts_per_pod, new_mounts,
                    "unmount some with podmountctl unmount, or spread them over more pods", f);
        if (r != 0 || use->mounts_max == 0)
                return r;
        return exceeds("mounts of the host",
                       use->mounts_of_namespace,
                       use->mounts_max > settings->mounts_headroom ? use->mounts_max - settings->mounts_headroom : 0,
                       new_mounts, "collect pods with podmountctl gc, or raise the sysctl fs.mount-max", f);
}

static uint64_t left(uint64_t used, uint64_t maximum) {
        return used < maximum ? maximum - used : 0;
}

uint32_t quota_brought(const struct settings *settings, const struct quota_use *use, uint32_t new_mounts) {
        uint64_t of_user = left((uint64_t) use->mounts_of_user + new_mounts, settings->mounts_per_user);
        uint64_t of_pod = left((uint64_t) use->mounts_of_pod + new_mounts, settings->mounts_per_pod);
        uint64_t of_host = use->mounts_max == 0 ? UINT64_MAX
                                                : left(use->mounts_of_namespace + new_mounts + settings->mounts_headroom,
                                                       use->mounts_max);
        uint64_t share = of_user / BROUGHT_PART > BROUGHT_MIN ? of_user / BROUGHT_PART : BROUGHT_MIN;

        share = share < of_user ? share : of_user;
        share = share < of_pod ? share : of_pod;
        return (uint32_t) (share < of_host ? share : of_host);
}
