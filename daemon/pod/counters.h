/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is counted of the work on pods since the front's start, at a cost that does not depend on how much there is of it. */

#include <stdint.h>

enum counter_outcome { COUNTER_DONE, COUNTER_BUSY, COUNTER_FAILED, _COUNTER_OUTCOME_MAX };
enum { COUNTER_VERBS_MAX = 32, COUNTER_BUCKETS = 12, COUNTER_DRIFTS = 3 };

/* Of one verb of operations. */
struct counter_verb {
        uint64_t outcomes[_COUNTER_OUTCOME_MAX];
        uint64_t buckets[COUNTER_BUCKETS + 1]; /* not cumulative; the last is for all that took longer */
        uint64_t sum_us;
};

struct counters {
        struct counter_verb verbs[COUNTER_VERBS_MAX]; /* by enum operation_verb */
        uint64_t retries;                 /* of jobs that were busy or whose executor died */
        uint64_t undone;                  /* operations that were taken back */
        uint64_t drifts[COUNTER_DRIFTS];  /* by enum drift_kind, as they were detected */
        uint64_t leases_ended;
        uint64_t requests_done, requests_denied, requests_failed; /* of those that the journal has a line of */
        uint64_t quota_refusals;          /* among those that failed */
};

/* The longest time of each bucket, in microseconds and as OpenMetrics writes it in seconds. */
extern const uint64_t counter_bounds_us[COUNTER_BUCKETS];
extern const char *const counter_bounds_text[COUNTER_BUCKETS];

/* "done", "busy", "failed" */
const char *counter_outcome_name(enum counter_outcome outcome);

/* One operation has ended, so long after it was executed. */
void counters_operation(struct counters *counters, unsigned verb, enum counter_outcome outcome, uint64_t duration_us);
