/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counting. The bounds are dense where mounts are made and collected, and go up to where timeouts are. */

#include "pod/counters.h"

const uint64_t counter_bounds_us[COUNTER_BUCKETS] = {
        50, 100, 250, 500, 1000, 2500, 5000, 10000, 50000, 250000, 1000000, 10000000,
};
const char *const counter_bounds_text[COUNTER_BUCKETS] = {
        "5e-05", "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.05", "0.25", "1.0", "10.0",
};

const char *counter_outcome_name(enum counter_outcome outcome) {
        static const char *const names[_COUNTER_OUTCOME_MAX] = {[COUNTER_DONE] = "done", [COUNTER_BUSY] = "busy", [COUNTER_FAILED] = "failed"};

        return names[outcome];
}

void counters_operation(struct counters *counters, unsigned verb, enum counter_outcome outcome, uint64_t duration_us) {
        struct counter_verb *counter = &counters->verbs[verb];
        unsigned bucket = 0;

        while (bucket < COUNTER_BUCKETS && duration_us > counter_bounds_us[bucket])
                bucket++;
        counter->outcomes[outcome]++;
        counter->buckets[bucket]++;
        counter->sum_us += duration_us;
}
