/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Collections: whole, busy, lazy, of what nobody knows, and of what others put there. */

#include "pod/history.h"
#include "tests/unit/pod/world.h"

#define FULL SPEC("{\"destination\":\"/mnt\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}," BIND("/tmp/src", "/data"))

static bool begin(struct world *world, char **ret_before) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        if (!world_begin(world))
                return false;
        *ret_before = world_snapshot();
        ck_assert_msg(world_create(world, NULL, UUID_A, NULL, FULL, &f) == 0, "%s", f.text);
        return true;
}

START_TEST(test_strict) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *before = NULL;
        struct world world;

        if (!begin(&world, &before))
                return;
        /* What others put into a pod goes with it. */
        ck_assert_int_eq(mount("extra", ROOTFS_A "/mnt", "tmpfs", 0, NULL), 0);
        ck_assert_msg(world_collect(&world, UUID_A, false, &f) == 0, "%s", f.text);
        world_unchanged(before);
        ck_assert(!exists(POD_A));
        ck_assert_ptr_null(world_pod(&world, UUID_A));
        ck_assert_uint_eq(world.n_removed, 1);
        ck_assert_str_eq(world.reason, "collected");
        ck_assert(exists("/tmp/src/hello"));
        world_stop(&world);
        world_start(&world); /* the store has forgotten it, too */
        ck_assert_uint_eq(map_size(world.pods.by_uuid), 0);
        world_done(&world);
}
END_TEST

START_TEST(test_busy_then_lazy) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *before = NULL;
        struct world world;
        struct pod *pod;
        size_t n_recorded;
        int fd;

        if (!begin(&world, &before))
                return;
        n_recorded = world_pod(&world, UUID_A)->record->n_mounts;
        fd = world_hold(ROOTFS_A "/mnt"); /* made first, so what was made after it goes before it */
        ck_assert_int_eq(world_collect(&world, UUID_A, false, &f), FAILURE_BUSY);
        ck_assert_ptr_nonnull(strstr(f.text, "/mnt"));
        failure_clear(&f);
        pod = world_pod(&world, UUID_A);
        ck_assert_ptr_nonnull(pod);
        ck_assert_int_eq(pod->record->state, RECORD_READY);
        ck_assert_uint_eq(pod->record->n_mounts, n_recorded);
        ck_assert_ptr_nonnull(pod_find_mount(pod, "main", "/mnt"));
        ck_assert_uint_eq(world.n_removed, 0);
        world_idle(&world);
        ck_assert_int_eq(pod_get_state(pod), POD_READY);
        ck_assert_uint_eq(world_count(POD_A), n_recorded);
        ck_assert_msg(world_collect(&world, UUID_A, true, &f) == 0, "%s", f.text);
        world_unchanged(before);
        ck_assert(!exists(POD_A));
        (void) close_fd(fd);
        world_done(&world);
}
END_TEST

START_TEST(test_dry_run_and_gone_already) {
        const struct collect_arguments arguments = {.dry_run = true};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *before = NULL;
        struct operation *operation = NULL;
        struct world world;

        if (!begin(&world, &before))
                return;
        ck_assert_int_eq(operation_new_collect(&world.pods, &world_root, world_pod(&world, UUID_A), &arguments,
                                               &operation, &f), 0);
        ck_assert_int_eq(world_run(&world, operation, NULL, &f), OPERATION_FINISHED);
        ck_assert_uint_eq(world_count(POD_A), 4);
        ck_assert_int_eq(umount2(POD_A, MNT_DETACH), 0);
        ck_assert_int_eq(rmdir(POD_A), 0);
        ck_assert_msg(world_collect(&world, UUID_A, false, &f) == 0, "%s", f.text);
        world_unchanged(before);
        world_done(&world);
}
END_TEST

START_TEST(test_writable_root_is_left_as_it_was) {
        static const char spec[] = "{\"podmount\":1,\"mandatoryMounts\":false,\"containers\":[{\"name\":\"main\",\"root\":{\"path\":\"/tmp/root\","
                                   "\"readonly\":false},\"mounts\":[" BIND("/tmp/src", "/made/here") "]}]}";

        for (int lazy = 0; lazy < 2; lazy++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                struct world world;

                if (!world_begin(&world))
                        return;
                ck_assert_msg(world_create(&world, NULL, UUID_A, NULL, spec, &f) == 0, "%s", f.text);
                ck_assert(exists("/tmp/root/made/here"));
                ck_assert_msg(world_collect(&world, UUID_A, lazy, &f) == 0, "%s", f.text);
                ck_assert_msg(!exists("/tmp/root/made"), lazy ? "lazy" : "strict");
                ck_assert(!exists(POD_A));
                world_done(&world);
        }
}
END_TEST

START_TEST(test_executor_dies_meanwhile) {
        _cleanup_free_ char *before = NULL;
        struct world_task task;
        struct world world;

        if (!begin(&world, &before))
                return;
        world_task_start(&world, world_new_collect(&world, UUID_A, false), &task);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_STOPPING);
        world_steal_answers(&world);
        ck_assert_msg(world_survive(&world, &task) == 0, "%s", task.failure.text);
        ck_assert_ptr_null(world_pod(&world, UUID_A));
        world_unchanged(before);
        world_task_done(&task);
        world_done(&world);
}
END_TEST

/* And so does the one in its place: what is gone is gone, and the pod is there until somebody tries again. */
/* However many rows of history wait for their transaction, that of the removal is one. */
START_TEST(test_history_waits) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *before = NULL;
        struct world world;

        if (!begin(&world, &before))
                return;
        for (unsigned n_rows = 254; n_rows < 259; n_rows++) {
                struct record_event *events = NULL;
                size_t n = 0;

                ck_assert_int_ge(history_write(&world.pods), 0);
                for (unsigned i = 0; i < n_rows; i++)
                        history_add_event(&world.pods, UUID_A, EVENT_LEASE_ENDED, i, NULL, NULL);
                ck_assert_msg(world_collect(&world, UUID_A, false, &f) == 0, "%u: %s", n_rows, f.text);
                ck_assert_int_eq(history_load(&world.pods, UUID_A, 2, &events, &n), 0);
                ck_assert_uint_eq(n, 2);
                ck_assert_str_eq(events[0].event, "pod-removed");
                ck_assert_uint_eq(events[1].mount_id, n_rows - 1);
                for (size_t i = 0; i < n; i++)
                        record_event_done(&events[i]);
                free(events);
                ck_assert_msg(world_create(&world, NULL, UUID_A, NULL, SPEC(""), &f) == 0, "%s", f.text);
        }
        ck_assert_msg(world_collect(&world, UUID_A, false, &f) == 0, "%s", f.text);
        world_unchanged(before);
        world_done(&world);
}
END_TEST

START_TEST(test_executors_die) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *before = NULL;
        struct world_task task;
        struct world world;

        if (!begin(&world, &before))
                return;
        world.settings.busy_interval_us = 0;
        world_task_start(&world, world_new_collect(&world, UUID_A, false), &task);
        for (unsigned i = 0; i < 5; i++) {
                world_steal_answers(&world);
                world_restart_executors(&world);
        }
        world_wait(&world, &task.ended);
        ck_assert_int_eq(task.result, FAILURE_MOUNT_FAILED);
        ck_assert_msg(strstr(task.failure.text, "what is unmounted stays so") != NULL, "%s", task.failure.text);
        ck_assert_uint_eq(world_count(POD_A), 0);
        ck_assert_int_eq(world_pod(&world, UUID_A)->record->state, RECORD_STOPPING);
        world_task_done(&task);
        ck_assert_msg(world_collect(&world, UUID_A, false, &f) == 0, "%s", f.text);
        world_unchanged(before);
        world_done(&world);
}
END_TEST

START_TEST(test_garbage) {
        const struct collect_arguments arguments = {.reason = "garbage"};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *before = NULL;
        struct operation *operation = NULL;
        struct garbage *garbage = NULL;
        struct world world;
        size_t n = 0;

        if (!begin(&world, &before))
                return;
        make_directory(RUNTIME "/pods/" UUID_B);
        ck_assert_int_eq(mount("left", RUNTIME "/pods/" UUID_B, "tmpfs", 0, NULL), 0);
        make_directory(RUNTIME "/pods/by-hand");
        ck_assert_int_eq(garbage_list(&world.pods, &world_user, &garbage, &n), 0);
        ck_assert_uint_eq(n, 0);
        garbage_free(garbage, n);
        ck_assert_int_eq(garbage_list(&world.pods, &world_root, &garbage, &n), 0);
        ck_assert_uint_eq(n, 2);
        ck_assert_str_eq(garbage[0].directory, UUID_B);
        ck_assert_uint_eq(garbage[0].n_mounts, 1);
        ck_assert_str_eq(garbage[1].directory, "by-hand");
        ck_assert_int_eq(operation_new_collect_orphan(&world.pods, &world_root, garbage[1].directory, &arguments,
                                                      &operation, &f), 0);
        ck_assert_int_eq(world_run(&world, operation, NULL, &f), FAILURE_INVALID_TARGET);
        failure_clear(&f);
        ck_assert_int_eq(operation_new_collect_orphan(&world.pods, &world_root, garbage[0].directory, &arguments,
                                                      &operation, &f), 0);
        ck_assert_msg(world_run(&world, operation, NULL, &f) == 0, "%s", f.text);
        garbage_free(garbage, n);
        ck_assert(!exists(RUNTIME "/pods/" UUID_B));
        ck_assert_uint_eq(world_count(POD_A), 4);
        /* A pod that failed is garbage to its owner. */
        world_pod(&world, UUID_A)->record->state = RECORD_FAILED;
        ck_assert_int_eq(garbage_list(&world.pods, &world_root, &garbage, &n), 0);
        ck_assert_uint_eq(n, 2);
        ck_assert_ptr_eq(garbage[0].pod, world_pod(&world, UUID_A));
        garbage_free(garbage, n);
        world_done(&world);
}
END_TEST

UNIT_MAIN("collect", test_strict, test_busy_then_lazy, test_dry_run_and_gone_already,
          test_writable_root_is_left_as_it_was,
          test_executor_dies_meanwhile, test_executors_die, test_history_waits, test_garbage)
