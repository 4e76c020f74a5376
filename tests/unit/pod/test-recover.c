/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starts after a crash at every place where one hurts: what was made is undone or recorded, what was to go is gone. */

#include "pod/registry.h"
#include "tests/unit/pod/world.h"

#define FULL SPEC("{\"destination\":\"/mnt\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}," BIND("/tmp/src", "/data"))

static uint64_t id_at(struct world *world, const char *uuid, const char *target) {
        const struct record_mount *mount = pod_find_mount(world_pod(world, uuid), "main", target);

        ck_assert_ptr_nonnull(mount);
        return mount->id;
}

START_TEST(test_untouched_pods_keep_their_ids) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *before = NULL;
        struct world world;
        uint64_t id;

        if (!world_begin(&world))
                return;
        ck_assert_int_eq(world_create(&world, &world_user, UUID_A, "web", FULL, &f), 0);
        id = id_at(&world, UUID_A, "/data");
        before = world_snapshot();
        world_restart(&world);
        world_unchanged(before);
        ck_assert_uint_eq(id_at(&world, UUID_A, "/data"), id);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_READY);
        ck_assert_ptr_eq(pods_find(&world.pods, "web", &world_user, false, &f), world_pod(&world, UUID_A));
        ck_assert_int_eq(world_create(&world, &world_user, UUID_A, "web", FULL, &f), OPERATION_FINISHED);
        ck_assert_msg(world_collect(&world, UUID_A, false, &f) == 0, "%s", f.text);
        world_done(&world);
}
END_TEST

START_TEST(test_drift_while_away) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;

        if (!world_begin(&world))
                return;
        ck_assert_int_eq(world_create(&world, NULL, UUID_A, NULL, FULL, &f), 0);
        ck_assert_int_eq(world_create(&world, NULL, UUID_B, NULL, FULL, &f), 0);
        world_stop(&world);
        ck_assert_int_eq(umount2(ROOTFS_A "/data", 0), 0);
        ck_assert_int_eq(mount("x", RUNTIME "/pods/" UUID_B "/main/rootfs/etc", "tmpfs", 0, NULL), 0);
        world_start(&world);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_DEGRADED);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_B)), POD_DEGRADED);
        ck_assert_uint_eq(world_pod(&world, UUID_B)->n_drifts, 1);
        ck_assert_uint_eq(world.n_drifts, 2);
        world_done(&world);
}
END_TEST

/* The front dies after the executor did its work and before the record is written. */
START_TEST(test_creation_interrupted) {
        _cleanup_free_ char *before = NULL;
        struct world_task task;
        struct world world;

        if (!world_begin(&world))
                return;
        before = world_snapshot();
        world_lose_answer(&world, world_new_create(&world, NULL, UUID_A, FULL), &task);
        ck_assert_uint_eq(world_count(POD_A), 4);
        world_crash(&world, &task);
        ck_assert_ptr_null(world_pod(&world, UUID_A));
        ck_assert_uint_eq(world.n_removed, 0); /* nobody ever heard of it */
        ck_assert(!exists(POD_A));
        world_unchanged(before);
        world_done(&world);
}
END_TEST

START_TEST(test_mount_interrupted) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *before = NULL;
        struct world_task task;
        struct world world;
        uint64_t id;

        if (!world_begin(&world))
                return;
        ck_assert_int_eq(world_create(&world, NULL, UUID_A, NULL, FULL, &f), 0);
        ck_assert_int_eq(world_create(&world, NULL, UUID_B, NULL, FULL, &f), 0);
        id = id_at(&world, UUID_A, "/data");
        before = world_snapshot();
        world_lose_answer(&world, world_new_bind(&world, UUID_A, "/tmp/src", "/etc", false), &task);
        ck_assert(exists(ROOTFS_A "/etc/hello"));
        world_crash(&world, &task);
        world_unchanged(before);
        ck_assert_uint_eq(id_at(&world, UUID_A, "/data"), id);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_READY);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_B)), POD_READY);
        world_restart(&world); /* and nothing is undone twice */
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_READY);
        world_done(&world);
}
END_TEST

/* The front dies after the record was written and before its note of the job is gone. */
START_TEST(test_mount_recorded) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct record_intent intent = {.verb = RECORD_VERB_MOUNT};
        const struct record_mount *mount;
        struct world world;
        uint64_t id;

        if (!world_begin(&world))
                return;
        ck_assert_int_eq(world_create(&world, NULL, UUID_A, NULL, FULL, &f), 0);
        ck_assert_int_eq(world_bind(&world, UUID_A, "/tmp/src", "/etc", &id, &f), 0);
        mount = pod_find_mount(world_pod(&world, UUID_A), "main", "/etc");
        ck_assert_uint_ne(mount->job, 0);
        intent.job = mount->job;
        intent.uuid = world_pod(&world, UUID_A)->record->uuid;
        ck_assert(store_note_intent(world.pods.store, &intent));
        for (unsigned i = 0; i < 2; i++) {
                world_restart(&world);
                ck_assert_uint_eq(id_at(&world, UUID_A, "/etc"), id);
                ck_assert(exists(ROOTFS_A "/etc/hello"));
                ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_READY);
                ck_assert(!store_forget_noted(world.pods.store, intent.job));
        }
        world_done(&world);
}
END_TEST

/* A second crash, after the intent files were read and before the undo ran: the store has what they said. */
START_TEST(test_mount_interrupted_twice) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *before = NULL;
        struct world_task task;
        struct world world;

        if (!world_begin(&world))
                return;
        ck_assert_int_eq(world_create(&world, NULL, UUID_A, NULL, FULL, &f), 0);
        before = world_snapshot();
        world_lose_answer(&world, world_new_bind(&world, UUID_A, "/tmp/src", "/etc", false), &task);
        world_crash_twice(&world, &task);
        world_unchanged(before);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_READY);
        world_done(&world);
}
END_TEST

/* One executor did it and died, another one undid something of it, and what the first had made could not be put on record. */
static void lose_one_of_two(bool first, enum world_tried other) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *before = NULL;
        struct world_task task;
        struct world world;

        if (!world_begin(&world))
                return;
        ck_assert_int_eq(world_create(&world, NULL, UUID_A, NULL, FULL, &f), 0);
        before = world_snapshot();
        world_lose_answer(&world, world_new_bind(&world, UUID_A, "/tmp/src", "/etc", false), &task);
        world_have_two_tried(&world, first, other);
        world_crash(&world, &task);
        world_unchanged(before);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_READY);
        world_done(&world);
}

START_TEST(test_two_have_tried) {
        WORLD_TRIES(lose_one_of_two);
}
END_TEST

static void interrupt_unmount(bool executed) {
        const struct unmount_arguments arguments = {.target = "/data"};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation = NULL;
        struct world world;

        if (!world_begin(&world))
                return;
        ck_assert_int_eq(world_create(&world, NULL, UUID_A, NULL, FULL, &f), 0);
        ck_assert_int_eq(operation_new_unmount(&world.pods, &world_root, world_pod(&world, UUID_A), &arguments,
                                               &operation, &f), 0);
        ck_assert_int_eq(operation_validate(operation, &f), 0);
        ck_assert_int_eq(operation_plan(operation, &f), 0);
        ck_assert_int_eq(operation_intend(operation, &f), 0);
        if (executed) {
                ck_assert_int_eq(operation_execute(operation, NULL, NULL, &f), 0);
                world_steal_answers(&world);
                operation_free(operation);
                world_stop(&world);
        } else {
                world_stop(&world);
                operation_forget(operation); /* the store is not told */
        }
        world_start(&world);
        world_idle(&world);
        ck_assert_ptr_null(pod_find_mount(world_pod(&world, UUID_A), "main", "/data"));
        ck_assert_uint_eq(world_count(POD_A), 3);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_READY);
        world_done(&world);
}

START_TEST(test_unmount_interrupted_before) {
        interrupt_unmount(false);
}
END_TEST

START_TEST(test_unmount_interrupted_after) {
        interrupt_unmount(true);
}
END_TEST

START_TEST(test_collection_interrupted) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *before = NULL;
        struct world_task task;
        struct world world;

        if (!world_begin(&world))
                return;
        before = world_snapshot();
        ck_assert_int_eq(world_create(&world, NULL, UUID_A, NULL, FULL, &f), 0);
        world_task_start(&world, world_new_collect(&world, UUID_A, false), &task);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_STOPPING);
        world_crash(&world, &task);
        ck_assert_ptr_null(world_pod(&world, UUID_A));
        ck_assert_uint_eq(world.n_removed, 1);
        world_unchanged(before);
        world_done(&world);
}
END_TEST

UNIT_MAIN("recover", test_untouched_pods_keep_their_ids, test_drift_while_away, test_creation_interrupted,
          test_mount_interrupted, test_mount_recorded, test_mount_interrupted_twice, test_two_have_tried, test_unmount_interrupted_before,
          test_unmount_interrupted_after,
          test_collection_interrupted)
