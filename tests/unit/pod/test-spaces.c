/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Namespaces that are named later: what waited comes in its place of the record, all or nothing, whatever dies. */

#include "tests/unit/pod/world.h"

#define TYPE(target, type) "{\"destination\":\"" target "\",\"type\":\"" type "\"}"
#define WAITING SPEC(TYPE("/proc", "proc") "," TYPE("/mnt", "sysfs") "," BIND("/tmp/src", "/data"))

static bool begin(struct world *world) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        if (!world_begin(world))
                return false;
        ck_assert_msg(world_create(world, &world_user, UUID_A, NULL, WAITING, &f) == 0, "%s", f.text);
        ck_assert_uint_eq(strv_length(world_pod(world, UUID_A)->record->warnings), 2);
        return true;
}

static int new_spaces(struct world *world, const char *container, struct operation **ret, struct failure *f) {
        _cleanup_close_ int pid = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC),
                            net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        char *names[] = {(char[]) {"pid"}, (char[]) {"network"}, NULL};
        const struct operation_fds fds = {.names = names, .fds = (const int[]) {pid, net}};
        const struct spaces_arguments arguments = {.container = container};

        return operation_new_set_namespaces(&world->pods, &world_root, world_pod(world, UUID_A), &arguments, &fds, ret, f);
}

static struct operation *must_new(struct world *world) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation = NULL;

        ck_assert_int_eq(new_spaces(world, NULL, &operation, &f), 0);
        return operation;
}

static const struct record_mount *find(struct world *world, const char *target) {
        return pod_find_mount(world_pod(world, UUID_A), "main", target);
}

static void check_waiting(struct world *world, bool waiting) {
        const struct record_pod *record = world_pod(world, UUID_A)->record;
        unsigned number = waiting ? 2 : 0;

        ck_assert_uint_eq(record->n_mounts, 5); /* the tree, the root, three mounts */
        ck_assert_str_eq(record->mounts[2].target, "/proc");
        ck_assert_str_eq(record->mounts[3].target, "/mnt");
        ck_assert_str_eq(record->mounts[4].target, "/data");
        ck_assert_int_eq(find(world, "/proc")->deferred, waiting);
        ck_assert_int_eq(find(world, "/mnt")->deferred, waiting);
        ck_assert_uint_eq(strv_length(record->warnings), number);
        ck_assert_int_eq(exists(ROOTFS_A "/proc/uptime"), !waiting);
        ck_assert_int_eq(exists(ROOTFS_A "/mnt/class"), !waiting);
        ck_assert_uint_eq(world_pod(world, UUID_A)->n_drifts, 0);
}

START_TEST(test_in_place) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;
        int64_t row;

        if (!begin(&world))
                return;
        check_waiting(&world, true);
        row = find(&world, "/proc")->row;
        ck_assert_msg(world_run(&world, must_new(&world), NULL, &f) == 0, "%s", f.text);
        check_waiting(&world, false);
        ck_assert_int_eq(find(&world, "/proc")->row, row);
        ck_assert_str_eq(find(&world, "/proc")->source, "fd:pid");
        ck_assert_uint_eq(world.n_mounts_added, 2);
        ck_assert_uint_eq(world.n_mounts_removed, 0);
        ck_assert_int_eq(world_run(&world, must_new(&world), NULL, &f), OPERATION_FINISHED);
        world_restart(&world);
        check_waiting(&world, false);
        ck_assert_int_eq(world_collect(&world, UUID_A, false, &f), 0);
        world_done(&world);
}
END_TEST

/* The executors did it all and died before they could say so; the daemon died with them. */
START_TEST(test_interrupted) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *before = NULL;
        struct world_task task;
        struct world world;

        if (!begin(&world))
                return;
        before = world_snapshot();
        world_lose_answer(&world, must_new(&world), &task);
        ck_assert(exists(ROOTFS_A "/proc/uptime"));
        world_crash(&world, &task);
        world_unchanged(before);
        check_waiting(&world, true);
        ck_assert_msg(world_run(&world, must_new(&world), NULL, &f) == 0, "%s", f.text);
        check_waiting(&world, false);
        ck_assert_int_eq(world_collect(&world, UUID_A, false, &f), 0);
        world_done(&world);
}
END_TEST

/* The executor alone died: what it had made is taken back. */
START_TEST(test_lost_executor) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *before = NULL;
        struct world_task task;
        struct world world;

        if (!begin(&world))
                return;
        before = world_snapshot();
        world_lose_answer(&world, must_new(&world), &task);
        ck_assert_int_ne(world_survive(&world, &task), 0);
        world_task_done(&task);
        world_unchanged(before);
        check_waiting(&world, true);
        ck_assert_int_eq(world_collect(&world, UUID_A, false, &f), 0);
        world_done(&world);
}
END_TEST

/* What is there stays in sight: nothing is mounted over it. */
START_TEST(test_hidden) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation = NULL;
        struct world world;

        if (!begin(&world))
                return;
        ck_assert_int_eq(mkdir(ROOTFS_A "/mnt/below", 0755), 0);
        ck_assert_msg(world_bind(&world, UUID_A, "/tmp/src", "/mnt/below", NULL, &f) == 0, "%s", f.text);
        ck_assert_int_eq(world_run(&world, must_new(&world), NULL, &f), FAILURE_TARGET_IN_USE);
        ck_assert(strstr(f.text, "/mnt/below"));
        failure_clear(&f);
        ck_assert(!exists(ROOTFS_A "/proc/uptime"));
        ck_assert_int_eq(new_spaces(&world, "other", &operation, &f), 0);
        ck_assert_int_eq(world_run(&world, operation, NULL, &f), FAILURE_NO_SUCH_CONTAINER);
        failure_clear(&f);
        ck_assert_int_eq(world_collect(&world, UUID_A, true, &f), 0);
        world_done(&world);
}
END_TEST

UNIT_MAIN("spaces", test_in_place, test_interrupted, test_lost_executor, test_hidden)
