/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A pod's mounts on the host: on record before they are made, with the pod while it lives, and gone with it, whatever dies. */

#include "pod/drift.h"
#include "pod/host.h"
#include "tests/unit/pod/world.h"
#include "tests/unit/table/made.h"

#define ONE WORLD_PLACES "/one"
#define TWO WORLD_PLACES "/two"
#define HOST_SPEC                                                                                                            \
        "{\"podmount\":1,\"mandatoryMounts\":false,\"containers\":[{\"name\":\"main\",\"root\":{\"path\":\"/tmp/root\","     \
        "\"readonly\":false,\"overlay\":\"tmpfs\"},\"prepare\":{\"hostMounts\":["                                            \
        "{\"destination\":\"" ONE "\",\"type\":\"bind\",\"source\":\"/tmp/src\"},"                                           \
        "{\"destination\":\"" TWO "\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}]}}]}"

static bool begin(struct world *world) {
        if (!world_begin(world))
                return false;
        make_directory(WORLD_PLACES);
        make_directory(ONE);
        make_directory(TWO);
        return true;
}

START_TEST(test_lives_with_its_pod) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *before = NULL;
        struct world world;
        struct pod *pod;

        if (!begin(&world))
                return;
        before = world_snapshot();
        ck_assert_msg(world_create(&world, NULL, UUID_A, NULL, HOST_SPEC, &f) == 0, "%s", f.text);
        for (unsigned again = 0; again < 2; again++) {
                ck_assert_int_eq(world_sync(&world), 0);
                pod = world_pod(&world, UUID_A);
                ck_assert_int_eq(pod_get_state(pod), POD_READY);
                ck_assert_uint_eq(pod->record->n_mounts, 2);
                ck_assert_uint_eq(pod->record->n_host, 2);
                for (size_t i = 0; i < 2; i++) {
                        const struct record_mount *mount = &pod->record->host[i];

                        ck_assert_str_eq(mount->container, SPEC_HOST);
                        ck_assert_str_eq(mount->target, i == 0 ? ONE : TWO);
                        ck_assert(!mount->deferred && mount->id != 0 && mount->row != 0 && mount->job != 0);
                        ck_assert_ptr_nonnull(drift_find_entry(world.pods.table, mount));
                }
                ck_assert(exists(ONE "/hello"));
                ck_assert_uint_eq(world.n_drifts, 0);
                world_restart(&world);
        }
        ck_assert_int_eq(world_collect(&world, UUID_A, false, &f), 0);
        ck_assert(map_size(world.pods.on_host) == 0);
        world_unchanged(before);
        world_done(&world);
}
END_TEST

START_TEST(test_off_the_list) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;

        if (!begin(&world))
                return;
        strcpy(world.settings.host_targets, "/srv");
        ck_assert_int_eq(world_create(&world, NULL, UUID_A, NULL, HOST_SPEC, &f), FAILURE_INVALID_TARGET);
        ck_assert_ptr_nonnull(strstr(f.text, "/containers/0/prepare/hostMounts/0: " ONE " is on the host"));
        ck_assert_uint_eq(world_count(WORLD_PLACES), 0);
        world_done(&world);
}
END_TEST

START_TEST(test_taken) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;

        if (!begin(&world))
                return;
        ck_assert_int_eq(world_create(&world, NULL, UUID_A, NULL, HOST_SPEC, &f), 0);
        ck_assert_int_eq(world_create(&world, NULL, UUID_B, NULL, HOST_SPEC, &f), FAILURE_TARGET_IN_USE);
        ck_assert_ptr_nonnull(strstr(f.text, "another pod"));
        ck_assert_ptr_null(strstr(f.text, UUID_A)); /* it may be somebody else's */
        ck_assert_uint_eq(world_count(WORLD_PLACES), 2);
        world_done(&world);
}
END_TEST

/* A creation whose executors have made all of it and died: nothing of it is on record but what was intended. */
struct lost {
        struct world world;
        struct world_task task;
        char *before;
};

static bool begin_lost(struct lost *lost) {
        if (!begin(&lost->world))
                return false;
        lost->before = world_snapshot();
        world_lose_answer(&lost->world, world_new_create(&lost->world, NULL, UUID_A, HOST_SPEC), &lost->task);
        ck_assert_uint_eq(world_count(WORLD_PLACES), 2);
        return true;
}

/* Nothing of it is left. */
static void end_lost(struct lost *lost) {
        ck_assert_ptr_null(world_pod(&lost->world, UUID_A));
        world_unchanged(lost->before);
        world_done(&lost->world);
        free(lost->before);
}

/* The front dies, too, or the executors alone. */
static void lose_creation(bool front) {
        struct lost lost;

        if (!begin_lost(&lost))
                return;
        if (front)
                world_crash(&lost.world, &lost.task);
        else {
                ck_assert_int_eq(world_survive(&lost.world, &lost.task), FAILURE_MOUNT_FAILED);
                world_task_done(&lost.task);
        }
        end_lost(&lost);
}

/* The executors die, and the front in the midst of the undo, whose job has the intent files. */
START_TEST(test_undo_interrupted) {
        struct lost lost;

        if (!begin_lost(&lost))
                return;
        world_crash_undoing(&lost.world, &lost.task);
        end_lost(&lost);
}
END_TEST

/* Two executors have tried it. */
static void lose_one_of_two(bool first, enum world_tried other) {
        struct lost lost;

        if (!begin_lost(&lost))
                return;
        world_have_two_tried(&lost.world, first, other);
        world_crash(&lost.world, &lost.task);
        end_lost(&lost);
}

START_TEST(test_two_have_tried) {
        WORLD_TRIES(lose_one_of_two);
}
END_TEST

START_TEST(test_creation_interrupted) {
        lose_creation(true);
}
END_TEST

START_TEST(test_executor_lost) {
        lose_creation(false);
}
END_TEST

START_TEST(test_busy) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;
        int fd;

        if (!begin(&world))
                return;
        ck_assert_int_eq(world_create(&world, NULL, UUID_A, NULL, HOST_SPEC, &f), 0);
        fd = world_hold(TWO);
        world.settings.busy_retries = 0;
        ck_assert_int_eq(world_collect(&world, UUID_A, false, &f), FAILURE_BUSY);
        ck_assert_ptr_nonnull(strstr(f.text, TWO));
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_READY);
        ck_assert_uint_eq(world_count(WORLD_PLACES), 2); /* the last one comes first */
        ck_assert_uint_eq(world_count(POD_A), 2);
        (void) close_fd(fd);
        ck_assert_int_eq(world_collect(&world, UUID_A, false, &f), 0);
        ck_assert_uint_eq(world_count(WORLD_PLACES), 0);
        world_done(&world);
}
END_TEST

/* By their place or their id, they go with the pod alone, and nobody is told that they are gone. */
START_TEST(test_not_unmounted_alone) {
        static const char container[] = SPEC_HOST;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;

        if (!begin(&world))
                return;
        ck_assert_int_eq(world_create(&world, NULL, UUID_A, NULL, HOST_SPEC, &f), 0);
        for (unsigned i = 0; i < 3; i++) {
                const struct unmount_arguments arguments = {
                        .container = i == 1 ? NULL : container,
                        .target = i == 1 ? NULL : ONE,
                        .mount_id = i == 0 ? 0 : world_pod(&world, UUID_A)->record->host[0].id,
                        .missing_ok = true,
                };

                ck_assert_int_eq(world_unmount(&world, UUID_A, &arguments, &f), FAILURE_INVALID_TARGET);
                ck_assert_msg(strstr(f.text, ONE " is a mount on the host of pod " UUID_A " and goes with the whole pod alone") != NULL,
                        "%u: %s", i, f.text);
                failure_clear(&f);
        }
        ck_assert_uint_eq(world_count(WORLD_PLACES), 2);
        ck_assert_int_eq(world_unmount(&world, UUID_A, &(struct unmount_arguments) {.container = container, .target = "/tmp/none"}, &f),
                FAILURE_NO_SUCH_MOUNT);
        world_done(&world);
}
END_TEST

/* What was mounted again has another id, which only the intent file has when the front dies. */
START_TEST(test_collection_interrupted) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *before = NULL;
        struct world_task task;
        struct world world;
        int fd;

        if (!begin(&world))
                return;
        before = world_snapshot();
        ck_assert_int_eq(world_create(&world, NULL, UUID_A, NULL, HOST_SPEC, &f), 0);
        fd = world_hold(ONE);
        world_lose_answer(&world, world_new_collect(&world, UUID_A, false), &task);
        ck_assert_uint_eq(world_count(WORLD_PLACES), 2);
        (void) close_fd(fd);
        world_crash(&world, &task);
        ck_assert_ptr_null(world_pod(&world, UUID_A));
        world_unchanged(before);
        world_done(&world);
}
END_TEST

/* What concerns a pod, and what of it is drift. */
START_TEST(test_drift) {
        char container[] = SPEC_HOST, target[] = "/srv/a", type[] = "tmpfs";
        static const struct {
                const char *point;
                uint32_t id, parent;
                bool concerned;
                size_t n;             /* drifts with this entry there, too */
                enum drift_kind last;
        } rows[] = {
                {"/srv/other", 9, 2, false, 0, DRIFT_EXTRA}, {"/srv/ab", 9, 2, false, 0, DRIFT_EXTRA},
                {"/srv/a", 9, 5, true, 2, DRIFT_EXTRA}, {"/srv/a/b", 9, 5, true, 1, DRIFT_EXTRA},
                {"/srv", 9, 2, true, 1, DRIFT_CHANGED}, {"/", 9, 1, true, 0, DRIFT_EXTRA},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct record_mount mount = {.id = 5, .mount_id = 5, .row = 1, .container = container, .target = target, .type = type,
                        .device = 1005};
                const struct record_pod record = {.host = &mount, .n_host = 1};
                _cleanup_(table_freep) struct table *table = table_new();
                struct entry *other = made_entry(rows[i].id, rows[i].parent, rows[i].point);
                struct drift *drifts = NULL;
                size_t n = 0;

                ck_assert_int_eq(host_is_concerned(&record, other), rows[i].concerned);
                made_fill(table, made_entry(1, 1, "/"), made_entry(2, 1, "/srv"), made_entry(5, 2, "/srv/a"), other);
                ck_assert_int_eq(drift_judge_host(&record, table, &drifts, &n), 0);
                ck_assert_msg(n == rows[i].n, "%s: %zu drifts", rows[i].point, n);
                ck_assert(n == 0 || drifts[n - 1].kind == rows[i].last);
                ck_assert(n == 0 || strcmp(drifts[n - 1].container, SPEC_HOST) == 0);
                drifts_free(drifts, n);
        }
}
END_TEST

START_TEST(test_gone_or_moved) {
        for (unsigned variant = 0; variant < 4; variant++) {
                char container[] = SPEC_HOST, target[] = "/srv/a", type[] = "tmpfs";
                struct record_mount mount = {.id = 5, .mount_id = 5, .row = 1, .container = container, .target = target, .type = type,
                        .device = 1005, .deferred = variant == 3};
                const struct record_pod record = {.host = &mount, .n_host = 1};
                _cleanup_(table_freep) struct table *table = table_new();
                struct drift *drifts = NULL;
                size_t n = 0;

                if (variant == 1)
                        made_fill(table, made_entry(1, 1, "/"), made_entry(5, 1, "/elsewhere"));
                else
                        made_fill(table, made_entry(1, 1, "/"), made_entry(7, 1, "/srv/a"));
                if (variant == 2)
                        mount.device = 4711;
                ck_assert_int_eq(drift_judge_host(&record, table, &drifts, &n), 0);
                ck_assert_uint_eq(n, variant == 3 ? 0 : 1);
                if (n > 0)
                        ck_assert_int_eq(drifts[0].kind, variant == 1 ? DRIFT_CHANGED : DRIFT_MISSING);
                if (variant == 1)
                        ck_assert_str_eq(drifts[0].detail, "moved to /elsewhere");
                drifts_free(drifts, n);
        }
}
END_TEST

UNIT_MAIN("host", test_lives_with_its_pod, test_off_the_list, test_taken, test_creation_interrupted, test_executor_lost, test_undo_interrupted, test_two_have_tried, test_busy,
        test_not_unmounted_alone, test_collection_interrupted, test_drift, test_gone_or_moved)
