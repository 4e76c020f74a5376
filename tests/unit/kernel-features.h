/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What tests use of the kernel: what it has, but for the features that the environment variable PODMOUNT_WITHOUT names
 * (as podmountd --disable-feature does, separated by commas).
 */

#include "kernel/features.h"
#include "kernel/watch.h"
#include "tests/unit/unit.h"

static inline const char *unit_without(void) {
        const char *without = getenv("PODMOUNT_WITHOUT");

        return without && *without ? without : NULL;
}

static inline struct features unit_features(void) {
        struct features features;

        ck_assert_int_eq(features_probe(unit_without(), &features), 0);
        return features;
}

/* Whether the mount table can be followed in this way; if not, the test is skipped. */
static inline bool unit_has_tracking(enum watch_tracking tracking) {
        struct features features = unit_features();

        if (tracking == WATCH_FANOTIFY && !features.mount_events)
                unit_skip("no notifications of mounts (fanotify) here");
        else if (tracking != WATCH_MOUNTINFO && !features.statmount)
                unit_skip("no statmount and listmount here");
        else
                return true;
        return false;
}

/* The best way there is, as the keeper chooses it. */
static inline enum watch_tracking unit_tracking(void) {
        struct features features = unit_features();

        return features.mount_events ? WATCH_FANOTIFY : features.statmount ? WATCH_LISTMOUNT : WATCH_MOUNTINFO;
}
