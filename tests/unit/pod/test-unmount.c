/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unmounts: what is meant, what lies below, what is busy, and that a record goes with its mount. */

#include "tests/unit/pod/world.h"

static bool begin(struct world *world, uint64_t *ret_id) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        if (!world_begin(world))
                return false;
        ck_assert_msg(world_create(world, NULL, UUID_A, NULL, SPEC(""), &f) == 0, "%s", f.text);
        ck_assert_msg(world_bind(world, UUID_A, "/tmp/src", "/data", ret_id, &f) == 0, "%s", f.text);
        return true;
}

static int unmount(struct world *world, const char *target, bool lazy, struct failure *f) {
        return world_unmount(world, UUID_A, &(struct unmount_arguments) {.target = target, .lazy = lazy}, f);
}

START_TEST(test_by_target_and_id) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;
        uint64_t id;

        if (!begin(&world, &id))
                return;
        ck_assert_msg(unmount(&world, "/data/", false, &f) == 0, "%s", f.text);
        ck_assert(!exists(ROOTFS_A "/data/hello"));
        ck_assert_uint_eq(world_pod(&world, UUID_A)->record->n_mounts, 2);
        ck_assert_uint_eq(world.n_mounts_removed, 1);
        ck_assert_int_eq(world_bind(&world, UUID_A, "/tmp/src", "/data", &id, &f), 0);
        ck_assert_int_eq(world_unmount(&world, UUID_A, &(struct unmount_arguments) {.mount_id = id}, &f), 0);
        ck_assert_uint_eq(world_count(POD_A), 2);
        world_idle(&world);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_READY);
        world_done(&world);
}
END_TEST

START_TEST(test_refusals) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;
        uint64_t tree;

        if (!begin(&world, NULL))
                return;
        ck_assert_int_eq(unmount(&world, "/mnt", false, &f), FAILURE_NO_SUCH_MOUNT);
        ck_assert_ptr_nonnull(strstr(f.text, "Nothing is recorded at /mnt in container main of pod " UUID_A));
        failure_clear(&f);
        ck_assert_int_eq(world_unmount(&world, UUID_A, &(struct unmount_arguments) {.target = "/mnt",
                                                                                    .missing_ok = true}, &f),
                         OPERATION_FINISHED);
        ck_assert_int_eq(unmount(&world, "/", false, &f), FAILURE_INVALID_TARGET);
        ck_assert_ptr_nonnull(strstr(f.text, "podmountctl gc"));
        failure_clear(&f);
        tree = pod_tree_mount(world_pod(&world, UUID_A))->id;
        ck_assert_int_eq(world_unmount(&world, UUID_A, &(struct unmount_arguments) {.mount_id = tree}, &f),
                         FAILURE_INVALID_TARGET);
        failure_clear(&f);
        ck_assert_int_eq(unmount(&world, "/data/../etc", false, &f), FAILURE_INVALID_TARGET);
        failure_clear(&f);
        ck_assert_int_eq(unmount(&world, "data", false, &f), FAILURE_INVALID_TARGET);
        failure_clear(&f);
        ck_assert_int_eq(unmount(&world, NULL, false, &f), FAILURE_INVALID_ARGS);
        failure_clear(&f);
        ck_assert_int_eq(world_unmount(&world, UUID_A, &(struct unmount_arguments) {.target = "/data",
                                                                                    .container = "no"}, &f),
                         FAILURE_NO_SUCH_CONTAINER);
        failure_clear(&f);
        ck_assert_int_eq(world_unmount(&world, UUID_A, &(struct unmount_arguments) {.mount_id = 7}, &f),
                         FAILURE_NO_SUCH_MOUNT);
        ck_assert_uint_eq(world_count(POD_A), 3);
        world_done(&world);
}
END_TEST

START_TEST(test_what_lies_below) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;

        if (!begin(&world, NULL))
                return;
        ck_assert_int_eq(world_bind(&world, UUID_A, "/tmp/root/etc", "/data/sub", NULL, &f), 0);
        ck_assert_int_eq(unmount(&world, "/data", false, &f), FAILURE_BUSY);
        ck_assert_ptr_nonnull(strstr(f.text, "lies on it at /data/sub; unmount that first, or unmount lazily"));
        failure_clear(&f);
        ck_assert_uint_eq(world_count(POD_A), 4);
        ck_assert_int_eq(unmount(&world, "/data", true, &f), 0);
        ck_assert_uint_eq(world_count(POD_A), 2);
        ck_assert_uint_eq(world_pod(&world, UUID_A)->record->n_mounts, 2);
        ck_assert_uint_eq(world.n_mounts_removed, 2);
        world_done(&world);
}
END_TEST

START_TEST(test_what_came_along_goes_along) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;

        if (!begin(&world, NULL))
                return;
        ck_assert_int_eq(mount("nested", "/tmp/src/sub", "tmpfs", 0, NULL), 0);
        ck_assert_int_eq(mkdir("/tmp/src/sub/deep", 0755), 0);
        ck_assert_int_eq(mount("deeper", "/tmp/src/sub/deep", "tmpfs", 0, NULL), 0);
        {
                const char *text = BIND("/tmp/src", "/mnt");
                struct mount_arguments arguments = {};
                struct operation *operation = NULL;

                ck_assert_int_eq(spec_parse_mounts(text, strlen(text), 65536, &arguments.mounts, &arguments.n_mounts,
                                                   &f), 0);
                ck_assert_int_eq(operation_new_mount(&world.pods, &world_root, world_pod(&world, UUID_A), &arguments,
                                                     NULL,
                                                     &operation, &f), 0);
                ck_assert_msg(world_run(&world, operation, NULL, &f) == 0, "%s", f.text);
        }
        ck_assert_uint_eq(world_pod(&world, UUID_A)->record->n_mounts, 6);
        ck_assert_uint_eq(world_count(ROOTFS_A "/mnt"), 3);
        ck_assert_ptr_nonnull(pod_find_mount(world_pod(&world, UUID_A), "main", "/mnt/sub/deep"));
        ck_assert_msg(unmount(&world, "/mnt", false, &f) == 0, "%s", f.text);
        ck_assert_uint_eq(world_count(ROOTFS_A "/mnt"), 0);
        ck_assert_uint_eq(world_pod(&world, UUID_A)->record->n_mounts, 3);
        ck_assert_uint_eq(world_count("/tmp/src"), 2); /* the source has what it had */
        world_done(&world);
}
END_TEST

START_TEST(test_busy) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world_task task;
        struct world world;
        int fd;

        if (!begin(&world, NULL))
                return;
        fd = world_hold(ROOTFS_A "/data");
        ck_assert_int_eq(unmount(&world, "/data", false, &f), FAILURE_BUSY);
        failure_clear(&f);
        ck_assert_ptr_nonnull(pod_find_mount(world_pod(&world, UUID_A), "main", "/data"));
        ck_assert_ptr_null(world_pod(&world, UUID_A)->running);
        /* Released while it is retried. */
        world.settings.busy_retries = 1000;
        world_task_start(&world,
                         ({
                                 struct operation *operation = NULL;

                                 ck_assert_int_eq(operation_new_unmount(&world.pods, &world_root, world_pod(&world,
                                                                                                            UUID_A),
                                                                        &(struct unmount_arguments) {.target = "/data"}, &operation,
                                                                        &f), 0);
                                 operation;
                         }),
                         &task);
        for (unsigned i = 0; i < 20; i++)
                ck_assert_int_ge(sd_event_run(world.event, 5000), 0);
        ck_assert(!task.ended);
        (void) close_fd(fd);
        world_wait(&world, &task.ended);
        ck_assert_msg(task.result == 0, "%s", task.failure.text);
        world_task_done(&task);
        ck_assert_uint_eq(world_count(POD_A), 2);
        world_done(&world);
}
END_TEST

START_TEST(test_gone_already) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;

        if (!begin(&world, NULL))
                return;
        ck_assert_int_eq(umount2(ROOTFS_A "/data", 0), 0);
        ck_assert_int_eq(unmount(&world, "/data", false, &f), 0);
        ck_assert_uint_eq(world_pod(&world, UUID_A)->record->n_mounts, 2);
        world_idle(&world);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_READY);
        world_done(&world);
}
END_TEST

/* What the dead executor had detached is gone from the table, with what lay on it: all of it leaves the record. */
START_TEST(test_executor_dies_meanwhile) {
        const struct unmount_arguments arguments = {.target = "/data", .lazy = true};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation = NULL;
        struct world_task task;
        struct world world;

        if (!begin(&world, NULL))
                return;
        ck_assert_int_eq(world_bind(&world, UUID_A, "/tmp/root/etc", "/data/sub", NULL, &f), 0);
        ck_assert_int_eq(operation_new_unmount(&world.pods, &world_root, world_pod(&world, UUID_A), &arguments, &operation, &f),
                         0);
        world_lose_answer(&world, operation, &task);
        ck_assert_uint_eq(world_count(POD_A), 2);
        ck_assert_msg(world_survive(&world, &task) == 0, "%s", task.failure.text);
        ck_assert_uint_eq(world_pod(&world, UUID_A)->record->n_mounts, 2);
        world_idle(&world);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_READY);
        world_task_done(&task);
        world_done(&world);
}
END_TEST

UNIT_MAIN("unmount", test_by_target_and_id, test_refusals, test_what_lies_below, test_what_came_along_goes_along,
          test_busy,
          test_gone_already, test_executor_dies_meanwhile)
