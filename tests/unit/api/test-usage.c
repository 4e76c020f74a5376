/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is used of each limit, by more users than a list has rows: metrics count all of them. */

#include "api/usage.h"

#include <stdlib.h>

#include "api/request.h"
#include "api/verb.h"
#include "tests/unit/unit.h"

enum { USERS = USAGE_ROWS_MAX / 2 + 1000 };

static void no_costs(struct table_costs *ret, void *userdata _unused_) {
        *ret = (struct table_costs) {};
}

/* One request of each user, with a file more than that of the one before. */
static void fill(struct map *map) {
        for (uint32_t id = 1; id <= USERS; id++) {
                struct request_use *use = calloc(1, sizeof(*use));

                ck_assert_ptr_nonnull(use);
                *use = (struct request_use) {.id = id, .n_requests = 1, .n_fds = id};
                ck_assert_int_ge(map_put_u64(map, id, use), 0);
        }
}

static void empty(struct map *map) {
        struct request_use *use;

        MAP_FOREACH(use, map)
                free(use);
        (void) map_free(map);
}

static void check_metric(const char *text, const char *metric, uint64_t used) {
        _cleanup_free_ char *line = NULL;

        ck_assert_int_gt(asprintf(&line, "podmount_quota_used{quota=\"%s\"} %" PRIu64 "\n", metric, used), 0);
        ck_assert_msg(strstr(text, line) != NULL, "no line %s", line);
}

START_TEST(test_many) {
        static const struct method method = {.member = "Metrics"};
        struct settings settings;
        struct pods pods = {.settings = &settings};
        struct api api = {.pods = &pods, .settings = &settings, .tracking = "none", .costs = no_costs};
        struct request request = {.api = &api, .method = &method};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ struct usage *rows = NULL;
        size_t n = 0;

        settings_defaults(&settings);
        ck_assert_int_ge(sd_event_new(&api.event), 0);
        pods.table = table_new();
        pods.by_uuid = map_new(MAP_KEY_STRING);
        pods.operations = map_new(MAP_KEY_U64);
        ck_assert_int_eq(executor_pool_new(api.event, 1, NULL, NULL, &pods.executors), 0);
        api.users = map_new(MAP_KEY_U64);
        api.groups = map_new(MAP_KEY_U64);
        fill(api.users);
        fill(api.groups);

        ck_assert_int_eq(usage_list(&api, NULL, &rows, &n), 0);
        ck_assert_uint_eq(n, USAGE_ROWS_MAX);
        ck_assert_int_eq(query_metrics(&request, &f), 0);
        check_metric(request.text, quota_metric(QUOTA_REQUESTS_OF_GROUP), 1);
        check_metric(request.text, quota_metric(QUOTA_FDS_OF_USER), USERS);
        check_metric(request.text, quota_metric(QUOTA_FDS_OF_GROUP), USERS);

        free(request.text);
        empty(api.users);
        empty(api.groups);
        pods.executors = executor_pool_free(pods.executors);
        (void) map_free(pods.operations);
        (void) map_free(pods.by_uuid);
        pods.table = table_free(pods.table);
        (void) sd_event_unref(api.event);
}
END_TEST

UNIT_MAIN("usage", test_many)
