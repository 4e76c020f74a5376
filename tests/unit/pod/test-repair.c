/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Repairs: what is missing comes again in its place of the record, whatever dies on the way. */

#include <sys/mount.h>

#include "tests/unit/pod/world.h"

static bool begin(struct world *world) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        if (!world_begin(world))
                return false;
        ck_assert_msg(world_create(world, NULL, UUID_A, NULL, SPEC(BIND("/tmp/src", "/data") "," BIND("/tmp/src", "/mnt")), &f) == 0,
                      "%s", f.text);
        return true;
}

static struct operation *new_repair(struct world *world, bool dry_run) {
        const struct repair_arguments arguments = {.dry_run = dry_run};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation = NULL;

        ck_assert_int_eq(operation_new_repair(&world->pods, &world_root, world_pod(world, UUID_A), &arguments, &operation, &f), 0);
        return operation;
}

static void take_away(struct world *world, const char *path) {
        ck_assert_int_eq(umount2(path, 0), 0);
        ck_assert_int_eq(world_sync(world), 0);
}

START_TEST(test_in_place) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation;
        const struct damage *damages;
        struct world world;
        size_t n, n_records;
        int64_t row;

        if (!begin(&world))
                return;
        n_records = world_pod(&world, UUID_A)->record->n_mounts;
        row = pod_find_mount(world_pod(&world, UUID_A), "main", "/data")->row;
        take_away(&world, ROOTFS_A "/data");
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_DEGRADED);
        ck_assert_int_eq(world_run(&world, new_repair(&world, true), &operation, &f), OPERATION_FINISHED);
        damages = operation_damages(operation, &n);
        ck_assert_uint_eq(n, 1);
        ck_assert_int_eq(damages[0].outcome, DAMAGE_WOULD_REPAIR);
        operation_free(operation);
        ck_assert(!exists(ROOTFS_A "/data/hello"));

        ck_assert_msg(world_run(&world, new_repair(&world, false), &operation, &f) == 0, "%s", f.text);
        damages = operation_damages(operation, &n);
        ck_assert_uint_eq(n, 1);
        ck_assert_int_eq(damages[0].outcome, DAMAGE_REPAIRED);
        ck_assert_uint_eq(damages[0].id, pod_find_mount(world_pod(&world, UUID_A), "main", "/data")->id);
        operation_free(operation);
        ck_assert(exists(ROOTFS_A "/data/hello"));
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_READY);
        ck_assert_uint_eq(world_pod(&world, UUID_A)->record->n_mounts, n_records);
        ck_assert_int_eq(pod_find_mount(world_pod(&world, UUID_A), "main", "/data")->row, row);
        ck_assert_uint_eq(world.n_mounts_removed, 1);
        ck_assert_uint_eq(world.n_mounts_added, 1);
        ck_assert_int_eq(world_run(&world, new_repair(&world, false), NULL, &f), OPERATION_FINISHED);
        world_restart(&world);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_READY);
        ck_assert_int_eq(world_collect(&world, UUID_A, false, &f), 0);
        world_done(&world);
}
END_TEST

/* The executors did the first mount and died before they could say so; the daemon died with them. */
START_TEST(test_interrupted) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *before = NULL;
        struct world_task task;
        struct world world;

        if (!begin(&world))
                return;
        take_away(&world, ROOTFS_A "/data");
        take_away(&world, ROOTFS_A "/mnt");
        before = world_snapshot();
        world_lose_answer(&world, new_repair(&world, false), &task);
        ck_assert(exists(ROOTFS_A "/data/hello"));
        world_crash(&world, &task);
        world_unchanged(before);
        ck_assert_uint_eq(world_pod(&world, UUID_A)->n_drifts, 2);
        ck_assert_msg(world_run(&world, new_repair(&world, false), NULL, &f) == 0, "%s", f.text);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_READY);
        ck_assert_int_eq(world_collect(&world, UUID_A, false, &f), 0);
        world_done(&world);
}
END_TEST

/* The executor alone died: what it had made is taken back, and the other mount is made all the same. */
START_TEST(test_lost_executor) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        const struct damage *damages;
        struct world_task task;
        struct world world;
        size_t n;

        if (!begin(&world))
                return;
        take_away(&world, ROOTFS_A "/data");
        take_away(&world, ROOTFS_A "/mnt");
        world_lose_answer(&world, new_repair(&world, false), &task);
        ck_assert_int_eq(world_survive(&world, &task), 0);
        damages = operation_damages(task.operation, &n);
        ck_assert_uint_eq(n, 2);
        ck_assert_int_eq(damages[0].outcome, DAMAGE_FAILED);
        ck_assert_int_eq(damages[1].outcome, DAMAGE_REPAIRED);
        world_task_done(&task);
        ck_assert(!exists(ROOTFS_A "/data/hello"));
        ck_assert(exists(ROOTFS_A "/mnt/hello"));
        ck_assert_int_eq(world_collect(&world, UUID_A, false, &f), 0);
        world_done(&world);
}
END_TEST

UNIT_MAIN("repair", test_in_place, test_interrupted, test_lost_executor)
