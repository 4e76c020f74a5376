/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The registry: who finds which pod, the runtime directory, and drift as it is told. */

#include "pod/registry.h"
#include "pod/use.h"
#include "tests/unit/pod/world.h"

#define FULL SPEC("{\"destination\":\"/mnt\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}," BIND("/tmp/src", "/data"))

static struct pod *find(struct world *world, const char *id, const struct caller *caller, bool prefix,
                        enum failure_kind kind) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct pod *pod = pods_find(&world->pods, id, caller, prefix, &f);

        ck_assert_msg(f.kind == kind, "%s: %d %s", id, f.kind, f.text);
        return pod;
}

START_TEST(test_find) {
        static const struct caller zero_elsewhere = {.host_user_namespace = true}, other = {.uid = 77,
                                                                                            .host_mount_namespace = true,
                            .host_user_namespace = true, .host_root_directory = true};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;
        struct pod *a, *b;
        struct quota_use use;

        if (!world_begin(&world))
                return;
        ck_assert_int_eq(world_create(&world, NULL, UUID_A, "web", SPEC(""), &f), 0);
        ck_assert_int_eq(world_create(&world, &world_user, UUID_B, "mail", FULL, &f), 0);
        a = world_pod(&world, UUID_A);
        b = world_pod(&world, UUID_B);
        ck_assert_ptr_eq(find(&world, UUID_A, &world_root, false, FAILURE_NONE), a);
        ck_assert_ptr_eq(find(&world, "11111111222233334444555555555555", &world_root, false, FAILURE_NONE), a);
        ck_assert_ptr_eq(find(&world, "web", &world_root, false, FAILURE_NONE), a);
        ck_assert_ptr_eq(find(&world, "mail", &world_root, false, FAILURE_NONE), b);
        ck_assert_ptr_eq(find(&world, "mail", &world_user, false, FAILURE_NONE), b);
        ck_assert_ptr_null(find(&world, "web", &world_user, false, FAILURE_NO_SUCH_POD));
        ck_assert_ptr_null(find(&world, UUID_A, &world_user, false, FAILURE_NO_SUCH_POD));
        ck_assert_ptr_null(find(&world, UUID_A, &zero_elsewhere, false, FAILURE_NO_SUCH_POD));
        ck_assert_ptr_null(find(&world, "web", &zero_elsewhere, false, FAILURE_NO_SUCH_POD));
        ck_assert_ptr_null(find(&world, "mail", &other, false, FAILURE_NO_SUCH_POD));
        ck_assert_ptr_eq(find(&world, "22222222", &world_user, true, FAILURE_NONE), b);
        ck_assert_ptr_eq(find(&world, "22222222-22", &world_root, true, FAILURE_NONE), b);
        ck_assert_ptr_null(find(&world, "22222222", &world_user, false, FAILURE_NO_SUCH_POD));
        ck_assert_ptr_null(find(&world, "11111111", &world_user, true, FAILURE_NO_SUCH_POD));
        ck_assert_ptr_null(find(&world, "../web", &world_root, true, FAILURE_NO_SUCH_POD));
        ck_assert_ptr_null(find(&world, "", &world_root, true, FAILURE_NO_SUCH_POD));
        ck_assert_int_eq(world_create(&world, &other, NULL, "mail", SPEC(""), &f), 0);
        ck_assert_ptr_null(find(&world, "mail", &world_root, false, FAILURE_INVALID_ARGS));
        use_count(&world.pods, USER, USER, NULL, &use);
        ck_assert_uint_eq(use.pods_of_user, 1);
        ck_assert_uint_eq(use.mounts_of_user, 4);
        ck_assert_uint_eq(use.pods_of_group, 1);
        world_done(&world);
}
END_TEST

/* One that cannot be added leaves those that are there as they were. */
START_TEST(test_taken) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;
        struct pod *a;

        if (!world_begin(&world))
                return;
        ck_assert_int_eq(world_create(&world, NULL, UUID_A, "web", SPEC(""), &f), 0);
        a = world_pod(&world, UUID_A);
        for (unsigned same_name = 0; same_name < 2; same_name++) {
                struct record_pod *record = calloc(1, sizeof(*record));
                struct pod *late = NULL;

                record->uuid = strdup(same_name ? UUID_B : UUID_A);
                record->name = same_name ? strdup("web") : NULL;
                record->host = calloc(1, sizeof(*record->host));
                record->n_host = 1;
                ck_assert_int_eq(pod_new(record, &late), 0);
                ck_assert_int_eq(pods_add(&world.pods, late), -EEXIST);
                ck_assert_ptr_eq(world_pod(&world, UUID_A), a);
                ck_assert_ptr_null(world_pod(&world, UUID_B));
                ck_assert_ptr_eq(pods_find_name(&world.pods, 0, "web"), a);
                ck_assert_uint_eq(map_size(world.pods.on_host), 0);
                (void) pod_free(late);
        }
        world_done(&world);
}
END_TEST

static void expect_runtime(struct world *world, const char *words) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        int r = pods_check_runtime(&world->pods, &f);

        ck_assert_int_eq(r, words ? FAILURE_BUSY : 0);
        if (words)
                ck_assert_msg(strstr(f.text, words), "%s", f.text);
}

START_TEST(test_runtime_directory) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;

        if (!world_begin(&world))
                return;
        expect_runtime(&world, NULL);
        ck_assert_int_eq(mount("cover", RUNTIME, "tmpfs", 0, NULL), 0);
        expect_runtime(&world, "not the one that podmountd was started with");
        ck_assert_int_eq(world_create(&world, NULL, UUID_A, NULL, SPEC(""), &f), FAILURE_BUSY);
        ck_assert_int_eq(umount2(RUNTIME, 0), 0);
        expect_runtime(&world, NULL);
        ck_assert_int_eq(mount("cover", "/tmp", "tmpfs", 0, NULL), 0);
        expect_runtime(&world, "cannot be reached");
        ck_assert_int_eq(umount2("/tmp", 0), 0);
        ck_assert_int_eq(mount("cover", RUNTIME "/pods", "tmpfs", 0, NULL), 0);
        expect_runtime(&world, "unmount it");
        ck_assert_int_eq(umount2(RUNTIME "/pods", 0), 0);
        ck_assert_int_eq(rename(RUNTIME, "/tmp/away"), 0);
        make_directory(RUNTIME);
        expect_runtime(&world, "replaced");
        ck_assert_int_eq(rmdir(RUNTIME), 0);
        ck_assert_int_eq(rename("/tmp/away", RUNTIME), 0);
        expect_runtime(&world, NULL);
        world_done(&world);
}
END_TEST

START_TEST(test_drift_is_told_once) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        unsigned changed;
        struct world world;
        struct pod *pod;

        if (!world_begin(&world))
                return;
        ck_assert_int_eq(world_create(&world, NULL, UUID_A, NULL, FULL, &f), 0);
        ck_assert_int_eq(world_create(&world, NULL, UUID_B, NULL, FULL, &f), 0);
        world_idle(&world);
        ck_assert_int_eq(world_sync(&world), 0);
        pod = world_pod(&world, UUID_A);
        changed = world.n_changed;
        ck_assert_int_eq(mount("extra", ROOTFS_A "/etc", "tmpfs", 0, NULL), 0);
        ck_assert_int_eq(world_sync(&world), 0);
        ck_assert_int_eq(pod_get_state(pod), POD_DEGRADED);
        ck_assert_uint_eq(world.n_drifts, 1);
        ck_assert_int_eq(world.drift_kind, DRIFT_EXTRA);
        ck_assert_str_eq(world.drift_target, "/etc");
        ck_assert_uint_eq(world.n_changed, changed + 1);
        ck_assert_int_eq(umount2(ROOTFS_A "/data", 0), 0);
        ck_assert_int_eq(world_sync(&world), 0);
        ck_assert_uint_eq(world.n_drifts, 2);
        ck_assert_int_eq(world.drift_kind, DRIFT_MISSING);
        ck_assert_int_eq(umount2(ROOTFS_A "/etc", 0), 0);
        ck_assert_int_eq(world_sync(&world), 0);
        ck_assert_uint_eq(pod->n_drifts, 1);
        ck_assert_uint_eq(world.n_drifts, 2);
        /* The record of what is gone can be taken out, and then all is well. */
        ck_assert_int_eq(world_unmount(&world, UUID_A, &(struct unmount_arguments) {.target = "/data"}, &f), 0);
        world_idle(&world);
        pods_judge_drift(&world.pods, NULL);
        ck_assert_int_eq(pod_get_state(pod), POD_READY);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_B)), POD_READY);
        world_done(&world);
}
END_TEST

/* What changes while an operation runs is judged when it has ended, though nothing changes any more. */
START_TEST(test_drift_during_an_operation) {
        struct world_task task;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;

        if (!world_begin(&world))
                return;
        ck_assert_int_eq(world_create(&world, NULL, UUID_A, NULL, FULL, &f), 0);
        world_idle(&world);
        world_task_start(&world, world_new_bind(&world, UUID_A, "/tmp/src/sub", "/etc", false), &task);
        ck_assert_int_eq(umount2(ROOTFS_A "/data", 0), 0);
        while (world_count(ROOTFS_A "/etc") == 0)
                ck_assert_int_eq(usleep(1000), 0);
        ck_assert_int_eq(world_sync(&world), 0);
        ck_assert_uint_eq(world.n_drifts, 0);
        world_wait(&world, &task.ended);
        ck_assert_int_eq(task.result, 0);
        world_idle(&world);
        ck_assert_uint_eq(world.n_drifts, 1);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_DEGRADED);
        world_task_done(&task);
        world_done(&world);
}
END_TEST

UNIT_MAIN("pods", test_find, test_taken, test_runtime_directory, test_drift_is_told_once, test_drift_during_an_operation)
