/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mounts into a living pod: all or nothing, once, in turn. */

#include "tests/unit/pod/world.h"

static bool begin(struct world *world) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        if (!world_begin(world))
                return false;
        ck_assert_msg(world_create(world, NULL, UUID_A, NULL, SPEC(""), &f) == 0, "%s", f.text);
        return true;
}

static int mount_text(struct world *world, const char *container, const char *text, const struct operation_fds *fds,
                      struct operation **ret, struct failure *f) {
        struct mount_arguments arguments = {.container = container};
        struct operation *operation = NULL;
        int r;

        ck_assert_int_eq(spec_parse_mounts(text, strlen(text), 65536, &arguments.mounts, &arguments.n_mounts, f), 0);
        r = operation_new_mount(&world->pods, &world_root, world_pod(world, UUID_A), &arguments, fds, &operation, f);
        return r == 0 ? world_run(world, operation, ret, f) : r;
}

START_TEST(test_bind_and_retry) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        uint64_t id = 0, again = 0, stacked;
        struct operation *operation;
        struct world world;
        size_t n;

        if (!begin(&world))
                return;
        ck_assert_msg(world_bind(&world, UUID_A, "/tmp/src", "/data", &id, &f) == 0, "%s", f.text);
        ck_assert_uint_ne(id, 0);
        ck_assert(exists(ROOTFS_A "/data/hello"));
        ck_assert_uint_eq(world.n_mounts_added, 1);
        ck_assert_int_eq(world_bind(&world, UUID_A, "/tmp/src", "/data", &again, &f), OPERATION_FINISHED);
        ck_assert_uint_eq(again, id);
        ck_assert_int_eq(world_bind(&world, UUID_A, "/tmp/src/sub", "/data", NULL, &f), FAILURE_TARGET_IN_USE);
        ck_assert_ptr_nonnull(strstr(f.text, "/data is in use: mount "));
        ck_assert_ptr_nonnull(strstr(f.text, "\"stack\""));
        failure_clear(&f);
        ck_assert_int_eq(world_run(&world, world_new_bind(&world, UUID_A, "/tmp/src/sub", "/data", true), &operation,
                                   &f), 0);
        stacked = operation_ids(operation, &n)[0];
        operation_free(operation);
        ck_assert_uint_ne(stacked, id);
        ck_assert_uint_eq(pod_find_mount(world_pod(&world, UUID_A), "main", "/data")->id, stacked);
        ck_assert(!exists(ROOTFS_A "/data/hello"));
        world_idle(&world);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_READY);
        world_done(&world);
}
END_TEST

START_TEST(test_array_is_all_or_nothing) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *before = NULL;
        struct operation *operation = NULL;
        const uint64_t *ids;
        struct world world;
        size_t n;

        if (!begin(&world))
                return;
        before = world_snapshot();
        ck_assert_int_eq(mount_text(&world, NULL, "[" BIND("/tmp/src", "/data") "," BIND("/tmp/none", "/mnt") "]",
                                    NULL, NULL, &f),
                         FAILURE_NO_SUCH_SOURCE);
        ck_assert_int_eq(strncmp(f.text, "/1: ", 4), 0);
        failure_clear(&f);
        world_unchanged(before);
        ck_assert_uint_eq(world_pod(&world, UUID_A)->record->n_mounts, 2);
        ck_assert_int_eq(world_bind(&world, UUID_A, "/tmp/src", "/data", NULL, &f), 0);
        /* One of them is there already: its id, in its place. */
        ck_assert_int_eq(mount_text(&world, "main", "[" BIND("/tmp/src/sub", "/mnt") "]", NULL, NULL, &f), 0);
        ck_assert_msg(mount_text(&world, "main", "[" BIND("/tmp/src", "/etc") "," BIND("/tmp/src/sub", "/mnt") "]",
                                 NULL,
                                 &operation, &f) == 0, "%s", f.text);
        ids = operation_ids(operation, &n);
        ck_assert_uint_eq(n, 2);
        ck_assert_uint_eq(ids[0], pod_find_mount(world_pod(&world, UUID_A), "main", "/etc")->id);
        ck_assert_uint_eq(ids[1], pod_find_mount(world_pod(&world, UUID_A), "main", "/mnt")->id);
        operation_free(operation);
        world_done(&world);
}
END_TEST

START_TEST(test_containers_and_quota) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;

        if (!begin(&world))
                return;
        ck_assert_int_eq(mount_text(&world, "other", BIND("/tmp/src", "/data"), NULL, NULL, &f),
                         FAILURE_NO_SUCH_CONTAINER);
        ck_assert_str_eq(f.text, "Pod " UUID_A " has no container \"other\"; it has: main.");
        failure_clear(&f);
        world.settings.mounts_per_pod = 2;
        ck_assert_int_eq(world_bind(&world, UUID_A, "/tmp/src", "/data", NULL, &f), FAILURE_QUOTA_EXCEEDED);
        world_done(&world);
}
END_TEST

START_TEST(test_retry_knows_its_fd) {
        char *names[] = {(char[]) {"x"}, NULL};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;
        int src, other;

        if (!begin(&world))
                return;
        src = open("/tmp/src", O_PATH | O_CLOEXEC);
        other = open("/tmp/src/sub", O_PATH | O_CLOEXEC);
        ck_assert_msg(mount_text(&world, NULL, BIND("fd:x", "/data"), &(struct operation_fds) {names, &src}, NULL,
                                 &f) == 0, "%s", f.text);
        ck_assert_int_eq(mount_text(&world, NULL, BIND("fd:x", "/data"), &(struct operation_fds) {names, &src}, NULL,
                                    &f),
                         OPERATION_FINISHED);
        ck_assert_int_eq(mount_text(&world, NULL, BIND("fd:x", "/data"), &(struct operation_fds) {names, &other},
                                    NULL, &f),
                         FAILURE_TARGET_IN_USE);
        (void) close_fd(src);
        (void) close_fd(other);
        world_done(&world);
}
END_TEST

START_TEST(test_in_turn) {
        struct world_task tasks[4];
        struct world world;
        uint64_t last = 0;

        if (!begin(&world))
                return;
        /* The second is a retry of the first, which it can only know once that one has ended. */
        world_task_start(&world, world_new_bind(&world, UUID_A, "/tmp/src", "/data", false), &tasks[0]);
        world_task_start(&world, world_new_bind(&world, UUID_A, "/tmp/src", "/data", false), &tasks[1]);
        world_task_start(&world, world_new_bind(&world, UUID_A, "/tmp/src/sub", "/mnt", false), &tasks[2]);
        world_task_start(&world, world_new_collect(&world, UUID_A, false), &tasks[3]);
        for (unsigned i = 1; i < 4; i++)
                ck_assert(!tasks[i].ended);
        ck_assert(operation_abandon(tasks[2].operation)); /* waits still: its client went away */
        tasks[2].operation = NULL;
        world_wait(&world, &tasks[3].ended);
        ck_assert_int_eq(tasks[0].result, 0);
        ck_assert_int_eq(tasks[1].result, OPERATION_FINISHED);
        last = operation_ids(tasks[0].operation, &(size_t) {0})[0];
        ck_assert_uint_eq(operation_ids(tasks[1].operation, &(size_t) {0})[0], last);
        ck_assert(!tasks[2].ended);
        ck_assert_int_eq(tasks[3].result, 0);
        for (unsigned i = 0; i < 4; i++)
                world_task_done(&tasks[i]);
        world_done(&world);
}
END_TEST

START_TEST(test_waiting_for_a_pod_that_goes) {
        struct world_task collect, mount;
        struct world world;

        if (!begin(&world))
                return;
        world_task_start(&world, world_new_collect(&world, UUID_A, false), &collect);
        world_task_start(&world, world_new_bind(&world, UUID_A, "/tmp/src", "/data", false), &mount);
        world_wait(&world, &mount.ended);
        ck_assert_int_eq(collect.result, 0);
        ck_assert_int_eq(mount.result, FAILURE_NO_SUCH_POD);
        world_task_done(&collect);
        world_task_done(&mount);
        world_done(&world);
}
END_TEST

/* One that cannot be planned does not keep the others waiting, though its maker still holds it. */
START_TEST(test_failure_gives_the_turn_back) {
        struct world_task first, refused, last;
        struct world world;

        if (!begin(&world))
                return;
        world_task_start(&world, world_new_bind(&world, UUID_A, "/tmp/src", "/data", false), &first);
        world_task_start(&world, world_new_bind(&world, UUID_A, "/tmp/none", "/data", false), &refused);
        world_task_start(&world, world_new_bind(&world, UUID_A, "/tmp/src", "/mnt", false), &last);
        world_wait(&world, &last.ended);
        ck_assert_int_eq(first.result, 0);
        ck_assert_int_eq(refused.result, FAILURE_TARGET_IN_USE);
        ck_assert_int_eq(last.result, 0);
        ck_assert_ptr_null(world_pod(&world, UUID_A)->running);
        world_task_done(&first);
        world_task_done(&refused);
        world_task_done(&last);
        world_done(&world);
}
END_TEST

START_TEST(test_lost_executor_is_undone) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *before = NULL;
        struct world_task task;
        struct world world;

        if (!begin(&world))
                return;
        before = world_snapshot();
        world_lose_answer(&world, world_new_bind(&world, UUID_A, "/tmp/src", "/data", false), &task);
        ck_assert(exists(ROOTFS_A "/data/hello"));
        ck_assert_int_eq(world_survive(&world, &task), FAILURE_MOUNT_FAILED);
        ck_assert(!exists(ROOTFS_A "/data/hello"));
        world_unchanged(before);
        world_task_done(&task);
        /* The pod goes on. */
        ck_assert_int_eq(world_bind(&world, UUID_A, "/tmp/src", "/data", NULL, &f), 0);
        world_idle(&world);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_READY);
        world_done(&world);
}
END_TEST

UNIT_MAIN("mount", test_bind_and_retry, test_array_is_all_or_nothing, test_containers_and_quota,
          test_retry_knows_its_fd,
          test_in_turn, test_waiting_for_a_pod_that_goes,
          test_failure_gives_the_turn_back, test_lost_executor_is_undone)
