/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pods are created whole, once, and not at all when something fails. */

#include "tests/unit/pod/world.h"

#define TMPFS_SPEC SPEC("{\"destination\":\"/mnt\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}," BIND("/tmp/src", "/data"))

static int new_create(struct world *world, const struct create_arguments *arguments, const struct operation_fds *fds,
                      struct failure *f) {
        struct operation *operation = NULL;
        int r = operation_new_create(&world->pods, &world_root, arguments, fds, &operation, f);

        operation_free(operation);
        return r;
}

START_TEST(test_whole_pod) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        const struct record_mount *mount;
        struct world world;
        struct pod *pod;

        if (!world_begin(&world))
                return;
        ck_assert_msg(world_create(&world, NULL, UUID_A, "web", TMPFS_SPEC, &f) == 0, "%s", f.text);
        pod = world_pod(&world, UUID_A);
        ck_assert_int_eq(pod_get_state(pod), POD_READY);
        ck_assert_uint_eq(pod->record->n_mounts, 4);
        ck_assert_uint_eq(world.n_new, 1);
        ck_assert_ptr_nonnull(pod_tree_mount(pod));
        ck_assert_ptr_null(pod->running);
        mount = pod_find_mount(pod, "main", "/data");
        ck_assert_ptr_nonnull(mount);
        ck_assert_uint_ne(mount->id, 0);
        ck_assert_str_eq(mount->source, "/tmp/src");
        ck_assert_ptr_nonnull(mount->request);
        ck_assert(exists(ROOTFS_A "/data/hello"));
        ck_assert(exists(ROOTFS_A "/etc/file"));
        ck_assert_uint_eq(world_count(POD_A), 4);
        world_idle(&world);
        ck_assert_int_eq(world_sync(&world), 0);
        ck_assert_int_eq(pod_get_state(pod), POD_READY);
        ck_assert_uint_eq(world.n_drifts, 0);
        world_done(&world);
}
END_TEST

START_TEST(test_retry_is_safe) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world_task first, second;
        struct world world;

        if (!world_begin(&world))
                return;
        world_task_start(&world, world_new_create(&world, NULL, UUID_A, TMPFS_SPEC), &first);
        world_task_start(&world, world_new_create(&world, NULL, UUID_A, TMPFS_SPEC), &second);
        ck_assert(!second.ended);
        world_wait(&world, &second.ended);
        ck_assert_int_eq(first.result, 0);
        ck_assert_int_eq(second.result, OPERATION_FINISHED);
        ck_assert_ptr_eq(operation_pod(second.operation), world_pod(&world, UUID_A));
        ck_assert_uint_eq(world.n_new, 1);
        ck_assert_uint_eq(world_count(POD_A), 4);
        world_task_done(&first);
        world_task_done(&second);
        ck_assert_int_eq(world_create(&world, NULL, "11111111222233334444555555555555", NULL, TMPFS_SPEC, &f),
                         OPERATION_FINISHED);
        ck_assert_int_eq(world_create(&world, NULL, UUID_A, NULL, SPEC(""), &f), FAILURE_POD_EXISTS);
        failure_clear(&f);
        ck_assert_int_eq(world_create(&world, &world_user, UUID_A, NULL, TMPFS_SPEC, &f), FAILURE_POD_EXISTS);
        ck_assert_str_eq(f.text, "The id " UUID_A " is taken; leave it out to get a new one.");
        world_done(&world);
}
END_TEST

START_TEST(test_joining_one_that_fails) {
        struct world_task first, second;
        struct world world;

        if (!world_begin(&world))
                return;
        world_task_start(&world, world_new_create(&world, NULL, UUID_A, SPEC(BIND("/tmp/none", "/data"))), &first);
        world_task_start(&world, world_new_create(&world, NULL, UUID_A, SPEC(BIND("/tmp/none", "/data"))), &second);
        world_wait(&world, &second.ended);
        ck_assert_int_eq(first.result, FAILURE_NO_SUCH_SOURCE);
        ck_assert_int_eq(second.result, FAILURE_NO_SUCH_SOURCE); /* on its own account */
        ck_assert_ptr_null(strstr(first.failure.text, "retry"));
        ck_assert_int_eq(strncmp(first.failure.text, "/containers/0/mounts/0: ", 24), 0);
        ck_assert_ptr_null(operation_pod(first.operation));
        ck_assert_ptr_null(world_pod(&world, UUID_A));
        ck_assert_uint_eq(world.n_new + world.n_removed, 0);
        ck_assert_uint_eq(world_count(RUNTIME "/pods"), 0);
        world_task_done(&first);
        world_task_done(&second);
        world_done(&world);
}
END_TEST

START_TEST(test_names) {
        static const char *const bad[] = {"", "a/b", "line\nbreak", "deadbeef", "DEADBEEF01", UUID_B, "12345678-9abc",
                                          "-x"};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;

        if (!world_begin(&world))
                return;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                ck_assert_msg(world_create(&world, NULL, NULL, bad[i], SPEC(""), &f) == FAILURE_INVALID_ARGS,
                              "name %s", bad[i]);
                failure_clear(&f);
        }
        ck_assert_int_eq(world_create(&world, NULL, NULL, "web", SPEC(""), &f), 0);
        ck_assert_int_eq(world_create(&world, NULL, NULL, "web", SPEC(""), &f), FAILURE_POD_EXISTS);
        ck_assert_ptr_nonnull(strstr(f.text, "A pod of yours is named \"web\" already"));
        failure_clear(&f);
        ck_assert_int_eq(world_create(&world, &world_user, NULL, "web", SPEC(""), &f), 0);
        ck_assert_ptr_nonnull(pods_find(&world.pods, "web", &world_user, false, &f));
        ck_assert_uint_eq(pods_find(&world.pods, "web", &world_root, false, &f)->record->owner, 0);
        ck_assert_int_eq(world_create(&world, NULL, NULL, "cafe", SPEC(""), &f), 0);
        world_done(&world);
}
END_TEST

START_TEST(test_arguments) {
        const char *spec = SPEC(BIND("fd:data", "/data"));
        struct create_arguments arguments = {.spec = spec, .spec_size = strlen(spec)};
        char *names[] = {(char[]) {"data"}, (char[]) {"other"}, NULL};
        int values[] = {STDIN_FILENO, STDIN_FILENO};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;

        if (!world_begin(&world))
                return;
        ck_assert_int_eq(new_create(&world, &arguments, NULL, &f), FAILURE_INVALID_ARGS);
        ck_assert_str_eq(f.text, "A source is fd:data, but no file descriptor of that name came with the call.");
        failure_clear(&f);
        ck_assert_int_eq(new_create(&world, &arguments, &(struct operation_fds) {names, values}, &f),
                         FAILURE_INVALID_ARGS);
        ck_assert_str_eq(f.text, "The file descriptor named other is no source of any mount; name it as \"fd:other\" "
                                 "or leave it out.");
        failure_clear(&f);
        names[1] = NULL;
        arguments.uuid = "no uuid";
        ck_assert_int_eq(new_create(&world, &arguments, &(struct operation_fds) {names, values}, &f),
                         FAILURE_INVALID_ARGS);
        failure_clear(&f);
        arguments.uuid = NULL;
        arguments.lease = "unit:x.service";
        ck_assert_int_eq(new_create(&world, &arguments, &(struct operation_fds) {names, values}, &f),
                         FAILURE_NOT_SUPPORTED);
        failure_clear(&f);
        arguments.lease = "none";
        ck_assert_int_eq(new_create(&world, &arguments, &(struct operation_fds) {names, values}, &f), 0);
        world_done(&world);
}
END_TEST

START_TEST(test_dry_run_changes_nothing) {
        const struct create_arguments arguments = {.spec = TMPFS_SPEC, .spec_size = strlen(TMPFS_SPEC),
                                                   .dry_run = true};
        _cleanup_free_ char *before = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation = NULL;
        struct world world;

        if (!world_begin(&world))
                return;
        before = world_snapshot();
        ck_assert_int_eq(operation_new_create(&world.pods, &world_root, &arguments, NULL, &operation, &f), 0);
        ck_assert_int_eq(operation_validate(operation, &f), OPERATION_GO_ON);
        ck_assert_int_eq(operation_plan(operation, &f), OPERATION_FINISHED);
        ck_assert_ptr_nonnull(strstr(operation_plan_text(operation), "\"publish\""));
        operation_free(operation);
        ck_assert_uint_eq(map_size(world.pods.by_uuid), 0);
        world_unchanged(before);
        world_done(&world);
}
END_TEST

START_TEST(test_quota) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;

        if (!world_begin(&world))
                return;
        world.settings.pods_per_user = 1;
        ck_assert_int_eq(world_create(&world, &world_user, UUID_A, NULL, SPEC(""), &f), 0);
        ck_assert_int_eq(world_create(&world, &world_user, UUID_B, NULL, SPEC(""), &f), FAILURE_QUOTA_EXCEEDED);
        ck_assert_str_eq(f.text, "pods per user (PodsPerUser=): 1 of 1 in use, 1 more asked for; collect some with podmountctl gc");
        failure_clear(&f);
        ck_assert_int_eq(world_create(&world, NULL, UUID_B, NULL, SPEC(""), &f), 0);
        world.settings.pods_per_user = 5;
        world.settings.mounts_per_user = 4;
        ck_assert_int_eq(world_create(&world, &world_user, NULL, NULL, TMPFS_SPEC, &f), FAILURE_QUOTA_EXCEEDED);
        ck_assert_ptr_eq(strstr(f.text, "mounts per user (MountsPerUser=): 2 of 4 in use, 4 more asked for; "), f.text);
        failure_clear(&f);
        world.settings.mounts_per_pod = 3;
        ck_assert_int_eq(world_create(&world, NULL, NULL, NULL, TMPFS_SPEC, &f), FAILURE_QUOTA_EXCEEDED);
        ck_assert_ptr_eq(strstr(f.text, "mounts per pod (MountsPerPod=): 0 of 3 in use, 4 more asked for; "), f.text);
        world_done(&world);
}
END_TEST

START_TEST(test_caller_elsewhere_sends_fds) {
        struct caller elsewhere = world_user;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;

        if (!world_begin(&world))
                return;
        elsewhere.host_mount_namespace = false;
        ck_assert_int_eq(world_create(&world, &elsewhere, NULL, NULL, SPEC(""), &f), FAILURE_SOURCE_DENIED);
        ck_assert_ptr_nonnull(strstr(f.text, "/tmp/root is another file for a caller in another mount namespace"));
        ck_assert_ptr_nonnull(strstr(f.text, "send the fd"));
        world_done(&world);
}
END_TEST

START_TEST(test_cancel_before_execution) {
        struct operation *operation;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;

        if (!world_begin(&world))
                return;
        operation = world_new_create(&world, NULL, UUID_A, TMPFS_SPEC);
        ck_assert_int_eq(operation_validate(operation, &f), 0);
        ck_assert_int_eq(operation_plan(operation, &f), 0);
        ck_assert_int_eq(operation_intend(operation, &f), 0);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_CREATING);
        ck_assert(operation_abandon(operation));
        ck_assert_ptr_null(world_pod(&world, UUID_A));
        /* Begun already: it goes on and is recorded. */
        operation = world_new_create(&world, NULL, UUID_A, TMPFS_SPEC);
        ck_assert_int_eq(operation_validate(operation, &f), 0);
        ck_assert_int_eq(operation_plan(operation, &f), 0);
        ck_assert_int_eq(operation_intend(operation, &f), 0);
        ck_assert_int_eq(operation_execute(operation, NULL, NULL, &f), 0);
        ck_assert(!operation_abandon(operation));
        world_idle(&world);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_READY);
        world_done(&world);
}
END_TEST

START_TEST(test_lost_executor_leaves_nothing) {
        _cleanup_free_ char *before = NULL;
        struct world_task task;
        struct world world;

        if (!world_begin(&world))
                return;
        before = world_snapshot();
        world_lose_answer(&world, world_new_create(&world, NULL, UUID_A, TMPFS_SPEC), &task);
        ck_assert_uint_eq(world_count(POD_A), 4);
        ck_assert_int_eq(world_survive(&world, &task), FAILURE_MOUNT_FAILED);
        ck_assert_str_eq(task.failure.text, "The executor died while it worked on pod " UUID_A "; nothing was "
                                               "changed; try again.");
        ck_assert_ptr_null(world_pod(&world, UUID_A));
        ck_assert(!exists(POD_A));
        world_unchanged(before);
        world_task_done(&task);
        world_done(&world);
}
END_TEST

START_TEST(test_recursive_clone_is_recorded_whole) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        const struct record_mount *nested;
        struct world world;
        struct pod *pod;

        if (!world_begin(&world))
                return;
        ck_assert_int_eq(mount("nested", "/tmp/src/sub", "tmpfs", 0, NULL), 0);
        ck_assert_msg(world_create(&world, NULL, UUID_A, NULL, TMPFS_SPEC, &f) == 0, "%s", f.text);
        pod = world_pod(&world, UUID_A);
        ck_assert_uint_eq(pod->record->n_mounts, 5);
        nested = pod_find_mount(pod, "main", "/data/sub");
        ck_assert_ptr_nonnull(nested);
        ck_assert(nested->nested);
        ck_assert_str_eq(nested->type, "tmpfs");
        world_idle(&world);
        ck_assert_int_eq(pod_get_state(pod), POD_READY);
        world_done(&world);
}
END_TEST

UNIT_MAIN("create", test_whole_pod, test_retry_is_safe, test_joining_one_that_fails, test_names, test_arguments,
          test_dry_run_changes_nothing, test_quota, test_caller_elsewhere_sends_fds, test_cancel_before_execution,
          test_lost_executor_leaves_nothing, test_recursive_clone_is_recorded_whole)
