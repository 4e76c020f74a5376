/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Metrics(): OpenMetrics text, https://openmetrics.io. Counts and no names: whose pods they are, and what they are called, is
 * in none of it, so that anybody may read it.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/mounts.h"
#include "api/usage.h"
#include "api/verb.h"
#include "pod/hang.h"
#include "pod/operation.h"

/* A number of microseconds as seconds. */
#define SECONDS PRIu64 ".%06" PRIu64
#define AS_SECONDS(us) (us) / 1000000, (us) % 1000000

static void head(FILE *file, const char *name, const char *type, const char *unit, const char *help) {
        (void) fprintf(file, "# TYPE podmount_%s %s\n", name, type); /* like all here: the stream knows at its end of any that failed */
        if (unit)
                (void) fprintf(file, "# UNIT podmount_%s %s\n", name, unit);
        (void) fprintf(file, "# HELP podmount_%s %s\n", name, help);
}

static void counter(FILE *file, const char *name, uint64_t value, const char *help) {
        head(file, name, "counter", NULL, help);
        (void) fprintf(file, "podmount_%s_total %" PRIu64 "\n", name, value);
}

static void gauge(FILE *file, const char *name, const char *unit, uint64_t value, const char *help) {
        head(file, name, "gauge", unit, help);
        (void) fprintf(file, "podmount_%s %" PRIu64 "\n", name, value);
}

static void seconds(FILE *file, const char *name, uint64_t us, const char *help) {
        head(file, name, "gauge", "seconds", help);
        (void) fprintf(file, "podmount_%s %" SECONDS "\n", name, AS_SECONDS(us));
}

static void write_pods(FILE *file, const struct api *api) {
        static const enum pod_state states[] = {POD_CREATING, POD_READY, POD_DEGRADED, POD_STOPPING, POD_FAILED};
        uint64_t n_pods[ELEMENTSOF(states)] = {}, n_mounts = 0, n_drifts[COUNTER_DRIFTS] = {};
        const struct pod *pod;

        MAP_FOREACH(pod, api->pods->by_uuid) {
                n_pods[pod_get_state(pod)]++;
                n_mounts += mounts_count(pod);
                for (size_t i = 0; i < pod->n_drifts; i++)
                        n_drifts[pod->drifts[i].kind]++;
        }
        head(file, "pods", "gauge", NULL, "Pods on record, by state.");
        for (size_t i = 0; i < ELEMENTSOF(states); i++)
                (void) fprintf(file, "podmount_pods{state=\"%s\"} %" PRIu64 "\n", pod_state_name(states[i]), n_pods[states[i]]);
        gauge(file, "mounts", NULL, n_mounts, "Mounts of all pods on record.");
        head(file, "drifts", "gauge", NULL, "Places where the kernel departs from the record now, by kind.");
        for (unsigned kind = 0; kind < COUNTER_DRIFTS; kind++)
                (void) fprintf(file, "podmount_drifts{kind=\"%s\"} %" PRIu64 "\n", drift_kind_name(kind), n_drifts[kind]);
        head(file, "drifts_detected", "counter", NULL, "Departures from the record that were detected, by kind.");
        for (unsigned kind = 0; kind < COUNTER_DRIFTS; kind++)
                (void) fprintf(file, "podmount_drifts_detected_total{kind=\"%s\"} %" PRIu64 "\n", drift_kind_name(kind), api->pods->counters.drifts[kind]);
        counter(file, "leases_ended", api->pods->counters.leases_ended, "Leases that have ended.");
}

static void write_histogram(FILE *file, const char *verb, const struct counter_verb *counted) {
        uint64_t n = 0;

        for (unsigned i = 0; i <= COUNTER_BUCKETS; i++) {
                n += counted->buckets[i];
                (void) fprintf(file, "podmount_operation_duration_seconds_bucket{verb=\"%s\",le=\"%s\"} %" PRIu64 "\n", verb,
                               i < COUNTER_BUCKETS ? counter_bounds_text[i] : "+Inf", n);
        }
        (void) fprintf(file, "podmount_operation_duration_seconds_count{verb=\"%s\"} %" PRIu64 "\n", verb, n);
        (void) fprintf(file, "podmount_operation_duration_seconds_sum{verb=\"%s\"} %" SECONDS "\n", verb, AS_SECONDS(counted->sum_us));
}

static void write_operations(FILE *file, const struct api *api) {
        const struct counters *counters = &api->pods->counters;

        head(file, "operations", "counter", NULL, "Changes of pods and layers, and questions about them, that an executor worked on, by verb and outcome.");
        for (unsigned verb = 0; verb < _OPERATION_VERB_MAX; verb++)
                for (unsigned outcome = 0; outcome < _COUNTER_OUTCOME_MAX; outcome++)
                        (void) fprintf(file, "podmount_operations_total{verb=\"%s\",outcome=\"%s\"} %" PRIu64 "\n", operation_verb_name(verb),
                                       counter_outcome_name(outcome), counters->verbs[verb].outcomes[outcome]);
        head(file, "operation_duration_seconds", "histogram", "seconds", "From when an operation was executed until it was recorded.");
        for (unsigned verb = 0; verb < _OPERATION_VERB_MAX; verb++)
                write_histogram(file, operation_verb_name(verb), &counters->verbs[verb]);
        gauge(file, "operations_running", NULL, map_size(api->pods->operations), "Operations that execute now.");
        counter(file, "retries", counters->retries, "Jobs that were tried again, being busy or because their executor died.");
        counter(file, "undone", counters->undone, "Operations that failed halfway and were taken back.");
}

static void write_requests(FILE *file, const struct api *api) {
        const struct counters *counters = &api->pods->counters;
        uint64_t n = 0;

        for (const struct request *request = api->requests; request; request = request->next)
                n++;
        head(file, "requests", "counter", NULL, "Calls that changed something or were refused, by outcome.");
        (void) fprintf(file, "podmount_requests_total{outcome=\"done\"} %" PRIu64 "\n", counters->requests_done);
        (void) fprintf(file, "podmount_requests_total{outcome=\"denied\"} %" PRIu64 "\n", counters->requests_denied);
        (void) fprintf(file, "podmount_requests_total{outcome=\"failed\"} %" PRIu64 "\n", counters->requests_failed);
        counter(file, "quota_refusals", counters->quota_refusals, "Calls that failed with QuotaExceeded.");
        gauge(file, "requests_in_flight", NULL, n, "Calls that are not answered yet.");
}

static void write_executors(FILE *file, const struct api *api) {
        unsigned executors, running, waiting;
        uint64_t hung, lost;

        executor_pool_counts(api->pods->executors, &executors, &running, &waiting);
        executor_pool_losses(api->pods->executors, &hung, &lost);
        gauge(file, "executors", NULL, executors, "Executors that live.");
        gauge(file, "jobs_running", NULL, running, "Jobs that executors are at.");
        gauge(file, "jobs_waiting", NULL, waiting, "Jobs that wait for an executor.");
        counter(file, "executors_hung", hung, "Executors that did not answer in time and were replaced.");
        counter(file, "executors_lost", lost, "Executors that died, by themselves or when they were replaced.");
}

static void write_table(FILE *file, const struct api *api) {
        struct table_costs costs;

        api->costs(&costs, api->userdata);
        counter(file, "table_events", costs.events, "Notifications of mounts that were taken.");
        counter(file, "table_deltas", costs.deltas, "Lists of ids that were compared with the table.");
        counter(file, "table_full_reads", costs.full_reads, "Readings of every mount.");
        counter(file, "table_overflows", costs.overflows, "Times that the kernel dropped notifications.");
        seconds(file, "table_lag_last_seconds", costs.lag_last_us, "From when a change was noticed until the table held it, the last time.");
        seconds(file, "table_lag_worst_seconds", costs.lag_worst_us, "The same, at its longest.");
        gauge(file, "table_entries", NULL, costs.entries, "Mounts in the table.");
        gauge(file, "table_bytes", "bytes", costs.bytes, "Memory that the table takes.");
}

/* What the users have most of: of which user is not said. Root is not charged. */
static int write_quotas(FILE *file, const struct api *api) {
        uint64_t limits[_QUOTA_LIMIT_MAX], used[_QUOTA_LIMIT_MAX];
        int r = usage_most(api, used);

        if (r < 0)
                return r;
        for (unsigned i = 0; i < _QUOTA_LIMIT_MAX; i++)
                limits[i] = i == QUOTA_MOUNTS_OF_HOST ? quota_of_host(api->settings, api->pods->mounts_max) : quota_maximum(api->settings, i);
        head(file, "quota_limit", "gauge", NULL, "What one user, one group, one pod or the host may have.");
        for (unsigned i = 0; i < _QUOTA_LIMIT_MAX; i++)
                (void) fprintf(file, "podmount_quota_limit{quota=\"%s\"} %" PRIu64 "\n", quota_metric(i), limits[i]);
        head(file, "quota_used", "gauge", NULL, "What the one that has most of it has now; users other than root.");
        for (unsigned i = 0; i < _QUOTA_LIMIT_MAX; i++)
                (void) fprintf(file, "podmount_quota_used{quota=\"%s\"} %" PRIu64 "\n", quota_metric(i), used[i]);
        return 0;
}

static void write_hangs(FILE *file, const struct api *api) {
        struct hang hangs[POOL_SLOTS_MAX];

        gauge(file, "jobs_hanging", NULL, hang_list(api->pods, NULL, hangs), "Jobs that executors have been at for more than a second.");
}

int query_metrics(struct request *request, struct failure *f _unused_) {
        size_t size;
        FILE *file = open_memstream(&request->text, &size);
        int bad, r;

        if (!file)
                return -ENOMEM;
        head(file, "build", "info", NULL, "The version of podmountd.");
        (void) fprintf(file, "podmount_build_info{version=\"%s\",tracking=\"%s\"} 1\n", PACKAGE_VERSION, request->api->tracking);
        write_pods(file, request->api);
        write_operations(file, request->api);
        write_requests(file, request->api);
        write_executors(file, request->api);
        write_hangs(file, request->api);
        write_table(file, request->api);
        r = write_quotas(file, request->api);
        (void) fputs("# EOF\n", file);
        bad = ferror(file);
        return fclose(file) != 0 || bad ? -ENOMEM : r;
}

int encode_metrics(struct request *request, sd_bus_message *m) {
        return sd_bus_message_append(m, "s", request->text);
}
