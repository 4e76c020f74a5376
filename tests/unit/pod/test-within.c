/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mounts in a container's own mount namespace: retries, the records' end, and a crash at every place where one hurts. */

#include "kernel/identity.h"
#include "kernel/inside.h"
#include "kernel/tree.h"
#include "pod/intent-replace.h"
#include "pod/operation-private.h"
#include "pod/registry.h"
#include "pod/within.h"
#include "tests/unit/dweller.h"
#include "tests/unit/kernel-features.h"
#include "tests/unit/pod/world.h"

#define PLAIN SPEC("")
#define TWO "[{\"destination\":\"/mnt\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}," BIND("/tmp/src", "/data") "]"

static struct dweller dweller;

static bool begin(struct world *world) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        if (!world_begin(world))
                return false;
        if (!unit_features().namespace_ids) {
                unit_skip("no ids of mount namespaces here");
                world_done(world);
                return false;
        }
        ck_assert_int_eq(world_create(world, NULL, UUID_A, NULL, PLAIN, &f), 0);
        dweller = dweller_start(false, 0, ROOTFS_A, true);
        return true;
}

static struct operation *new_mount(struct world *world, const char *text) {
        static char name[] = "there", *names[] = {name, NULL};
        const struct operation_fds fds = {.names = names, .fds = &dweller.pidfd};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct mount_arguments arguments = {};
        struct operation *operation = NULL;

        ck_assert_int_eq(spec_parse_mounts(text, strlen(text), SIZE_MAX, &arguments.mounts, &arguments.n_mounts, &f), 0);
        ck_assert_int_eq(operation_new_within(&world->pods, &world_root, world_pod(world, UUID_A), "there", &arguments, &fds,
                                              &operation, &f), 0);
        return operation;
}

static struct operation *new_withdraw(struct world *world, const char *target, bool lazy) {
        const struct unmount_arguments arguments = {.target = target, .lazy = lazy};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation = NULL;

        ck_assert(within_is_meant(world_pod(world, UUID_A), &arguments));
        ck_assert_int_eq(operation_new_withdraw(&world->pods, &world_root, world_pod(world, UUID_A), &arguments, &operation, &f), 0);
        return operation;
}

static size_t on_record(struct world *world) {
        return world_pod(world, UUID_A)->record->n_inside;
}

static int seen(const char *path) {
        return dweller_do(&dweller, dweller_finds, path);
}

/* The loop runs until the second of its jobs is out. */
static void run_to_second_job(struct world *world, const struct operation *operation) {
        for (unsigned i = 0; i < 1000 && !(operation->job && operation->job->n_steps > 0 && operation->job->steps[0].namespace != 0); i++)
                ck_assert_int_ge(sd_event_run(world->event, 10000), 0);
        ck_assert_uint_ne(operation->job->steps[0].namespace, 0);
}

START_TEST(test_mounted_and_again) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *before = NULL;
        struct operation *first, *again;
        const uint64_t *ids, *same;
        struct world world;
        size_t n;

        if (!begin(&world))
                return;
        before = world_snapshot();
        ck_assert_msg(world_run(&world, new_mount(&world, TWO), &first, &f) == 0, "%s", f.text);
        ck_assert_int_eq(seen("/data/hello"), 0);
        world_unchanged(before);
        ids = operation_ids(first, &n);
        ck_assert_uint_eq(n, 2);
        ck_assert_uint_eq(on_record(&world), 2);
        ck_assert_uint_eq(world.n_mounts_added, 2);
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_READY);

        ck_assert_msg(world_run(&world, new_mount(&world, TWO), &again, &f) == 0, "%s", f.text ?: "");
        same = operation_ids(again, &n);
        ck_assert_uint_eq(n, 2);
        ck_assert_uint_eq(ids[0], same[0]);
        ck_assert_uint_eq(ids[1], same[1]);
        ck_assert_uint_eq(on_record(&world), 2);
        operation_free(first);
        operation_free(again);
        ck_assert_int_eq(world_run(&world, new_mount(&world, "[" BIND("/tmp/src/sub", "/data") "]"), NULL, &f), FAILURE_TARGET_IN_USE);
        failure_clear(&f);

        world_restart(&world);
        ck_assert_uint_eq(on_record(&world), 2);
        ck_assert_int_eq(seen("/data/hello"), 0);
        ck_assert_msg(world_run(&world, new_withdraw(&world, "/data", false), NULL, &f) == 0, "%s", f.text);
        ck_assert_int_eq(seen("/data/hello"), -ENOENT);
        ck_assert_uint_eq(on_record(&world), 1);
        ck_assert_msg(world_collect(&world, UUID_A, false, &f) == 0, "%s", f.text);
        dweller_end(&dweller);
        world_done(&world);
}
END_TEST

START_TEST(test_namespace_ends) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *seek = NULL;
        struct world world;

        if (!begin(&world))
                return;
        ck_assert_msg(world_run(&world, new_mount(&world, TWO), NULL, &f) == 0, "%s", f.text);
        ck_assert_int_eq(dweller_do(&dweller, dweller_unmounts, "/data"), 0);
        ck_assert_int_eq(operation_new_seek(&world.pods, &world_root, world_pod(&world, UUID_A), &seek, &f), 0);
        ck_assert_int_eq(world_run(&world, seek, NULL, &f), 0);
        ck_assert_uint_eq(on_record(&world), 2);
        ck_assert(within_find(world_pod(&world, UUID_A), 0, "main", "/data")->lost);
        ck_assert(!within_find(world_pod(&world, UUID_A), 0, "main", "/mnt")->lost);
        dweller_end(&dweller);
        ck_assert_int_eq(operation_new_seek(&world.pods, &world_root, world_pod(&world, UUID_A), &seek, &f), 0);
        ck_assert_int_eq(world_run(&world, seek, NULL, &f), 0);
        ck_assert_uint_eq(on_record(&world), 0);
        ck_assert_uint_eq(world.n_mounts_removed, 2);
        world_restart(&world);
        ck_assert_uint_eq(on_record(&world), 0);
        ck_assert_msg(world_collect(&world, UUID_A, false, &f) == 0, "%s", f.text);
        world_done(&world);
}
END_TEST

/* The executor did its work; the front died before it wrote that down. */
START_TEST(test_mount_interrupted) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation;
        struct world_task task;
        struct world world;

        if (!begin(&world))
                return;
        operation = new_mount(&world, TWO);
        world_task_start(&world, operation, &task);
        run_to_second_job(&world, operation);
        world_steal_answers(&world);
        ck_assert_int_eq(seen("/data/hello"), 0);
        world_crash(&world, &task);
        ck_assert_int_eq(seen("/data/hello"), -ENOENT);
        ck_assert_uint_eq(on_record(&world), 0);
        world_restart(&world); /* and nothing of it is left to be undone */
        ck_assert_msg(world_run(&world, new_mount(&world, TWO), NULL, &f) == 0, "%s", f.text);
        ck_assert_int_eq(seen("/data/hello"), 0);
        dweller_end(&dweller);
        world_done(&world);
}
END_TEST

/* The same when two executors have an intent file about it. */
static void lose_one_of_two(bool first, enum world_tried other) {
        struct operation *operation;
        struct world_task task;
        struct world world;

        if (!begin(&world))
                return;
        operation = new_mount(&world, TWO);
        world_task_start(&world, operation, &task);
        run_to_second_job(&world, operation);
        world_steal_answers(&world);
        world_have_two_tried(&world, first, other);
        world_crash(&world, &task);
        ck_assert_int_eq(seen("/data/hello"), -ENOENT);
        ck_assert_uint_eq(on_record(&world), 0);
        dweller_end(&dweller);
        world_done(&world);
}

START_TEST(test_two_have_tried) {
        WORLD_TRIES(lose_one_of_two);
}
END_TEST

/* The executor died after its work: the front undoes what the intent file says. */
START_TEST(test_executor_lost) {
        struct operation *operation;
        struct world_task task;
        struct world world;

        if (!begin(&world))
                return;
        operation = new_mount(&world, TWO);
        world_task_start(&world, operation, &task);
        run_to_second_job(&world, operation);
        world_steal_answers(&world);
        ck_assert_int_eq(seen("/data/hello"), 0);
        ck_assert_int_eq(world_survive(&world, &task), FAILURE_MOUNT_FAILED);
        ck_assert_int_eq(seen("/data/hello"), -ENOENT);
        ck_assert_uint_eq(on_record(&world), 0);
        world_task_done(&task);
        dweller_end(&dweller);
        world_done(&world);
}
END_TEST

START_TEST(test_unmount_interrupted) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world_task task;
        struct world world;

        if (!begin(&world))
                return;
        ck_assert_msg(world_run(&world, new_mount(&world, TWO), NULL, &f) == 0, "%s", f.text);
        world_lose_answer(&world, new_withdraw(&world, "/data", false), &task);
        ck_assert_int_eq(seen("/data/hello"), -ENOENT);
        world_crash(&world, &task);
        ck_assert_uint_eq(on_record(&world), 1);
        ck_assert_ptr_null(within_find(world_pod(&world, UUID_A), 0, "main", "/data"));
        dweller_end(&dweller);
        world_done(&world);
}
END_TEST

/* It is made again: the start before did not know whether it had been. */
START_TEST(test_remount_interrupted) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation;
        struct record_mount *mount;
        struct world_task task;
        struct world world;

        if (!begin(&world))
                return;
        ck_assert_msg(world_run(&world, new_mount(&world, TWO), NULL, &f) == 0, "%s", f.text);
        mount = within_find(world_pod(&world, UUID_A), 0, "main", "/data");
        ck_assert_uint_eq(mount->attributes & MOUNT_ATTR_RDONLY, 0);
        operation = new_mount(&world, "{\"destination\":\"/data\",\"options\":[\"remount\",\"ro\"]}");
        world_task_start(&world, operation, &task);
        run_to_second_job(&world, operation);
        world_steal_answers(&world);
        world_crash(&world, &task);
        mount = within_find(world_pod(&world, UUID_A), 0, "main", "/data");
        ck_assert_uint_ne(mount->attributes & MOUNT_ATTR_RDONLY, 0);
        ck_assert_ptr_nonnull(strstr(mount->request, "\"ro\""));
        ck_assert_int_eq(dweller_do(&dweller, dweller_clears_readonly, "/data"), 0);
        world_restart(&world); /* and nothing of it is left to be done */
        ck_assert_int_eq(dweller_do(&dweller, dweller_is_writable, "/data"), 0);
        dweller_end(&dweller);
        world_done(&world);
}
END_TEST

static struct operation *new_replace(struct world *world, const char *text) {
        static char name[] = "there", *names[] = {name, NULL};
        const struct operation_fds fds = {.names = names, .fds = &dweller.pidfd};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct replace_arguments arguments = {};
        struct operation *operation = NULL;

        ck_assert_int_eq(spec_parse_mounts(text, strlen(text), SIZE_MAX, &arguments.mounts, &arguments.n_mounts, &f), 0);
        ck_assert_int_eq(operation_new_exchange(&world->pods, &world_root, world_pod(world, UUID_A), "there", &arguments, &fds,
                                                &operation, &f), 0);
        return operation;
}

static bool begin_replace(struct world *world) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        if (!begin(world))
                return false;
        if (!unit_features().beneath) {
                unit_skip("this kernel cannot put a mount beneath another");
                world_done(world);
                return false;
        }
        make_directory("/tmp/next");
        make_file("/tmp/next/other", "other\n");
        ck_assert_msg(world_run(world, new_mount(world, TWO), NULL, &f) == 0, "%s", f.text);
        return true;
}

/* The new mount, and it alone, is at the target and on record, and nothing is left to be ended. */
static void check_replaced(struct world *world) {
        const struct record_mount *mount = within_find(world_pod(world, UUID_A), 0, "main", "/data");

        for (unsigned i = 0; i < 2; i++) {
                ck_assert_int_eq(seen("/data/other"), 0);
                ck_assert_str_eq(mount->source, "/tmp/next");
                ck_assert_uint_ne(mount->device, 0);
                ck_assert_uint_eq(on_record(world), 2);
                world_restart(world);
                mount = within_find(world_pod(world, UUID_A), 0, "main", "/data");
        }
        ck_assert_int_eq(dweller_do(&dweller, dweller_unmounts, "/data"), 0);
        ck_assert_int_eq(seen("/data/other"), -ENOENT);
        ck_assert_int_eq(seen("/data/hello"), -ENOENT);
}

/* The executor did it and the daemon died at once, or after it had seen that; or the executor alone died. */
START_TEST(test_replace_interrupted) {
        for (unsigned when = 0; when < 3; when++) {
                struct operation *operation;
                struct world_task task;
                struct world world;

                if (!begin_replace(&world))
                        return;
                operation = new_replace(&world, BIND("/tmp/next", "/data"));
                world_task_start(&world, operation, &task);
                run_to_second_job(&world, operation);
                for (unsigned i = 0; when == 1 && i < 1000 && operation->job->steps[0].kind != STEP_SEEK; i++)
                        ck_assert_int_ge(sd_event_run(world.event, 10000), 0);
                world_steal_answers(&world);
                if (when == 2)
                        ck_assert_int_eq(world_survive(&world, &task), 0);
                world_task_done(&task);
                if (when < 2)
                        world_restart(&world);
                check_replaced(&world);
                dweller_end(&dweller);
                world_done(&world);
        }
}
END_TEST

static int next_mount;

static int attaches_beneath(const char *path) {
        int top = open(path, O_PATH | O_CLOEXEC);

        return top < 0 ? -errno : tree_attach_beneath(next_mount, top);
}

/* All died before anything was made; when it was made and attached nowhere; when it lay beneath the old one. */
START_TEST(test_replace_halfway) {
        struct intent_mount made = {};
        struct identity identity;
        struct world world;
        uint64_t namespace;
        int source;

        if (!begin_replace(&world))
                return;
        ck_assert_int_eq(inside_id(dweller.namespace, &namespace), 0);
        source = open("/tmp/next", O_PATH | O_CLOEXEC);
        next_mount = tree_clone(source, false);
        ck_assert_int_ge(next_mount, 0);
        for (unsigned i = 0; i < 2; i++) {
                world_intend_replace(&world, within_find(world_pod(&world, UUID_A), 0, "main", "/data")->row, namespace, &made);
                world_restart(&world);
                world_restart(&world);
                ck_assert_int_eq(seen("/data/hello"), 0);
                ck_assert_str_eq(within_find(world_pod(&world, UUID_A), 0, "main", "/data")->source, "/tmp/src");
                ck_assert_int_eq(identity_read(next_mount, "", true, &identity), 0);
                ck_assert_int_eq(identity_mount_id(next_mount, &made.mount_id), 0);
                made.id = identity.key;
        }
        world_intend_replace(&world, within_find(world_pod(&world, UUID_A), 0, "main", "/data")->row, namespace, &made);
        ck_assert_int_eq(dweller_do(&dweller, attaches_beneath, "/data"), 0);
        (void) close(next_mount);
        (void) close(source);
        ck_assert_int_eq(seen("/data/hello"), 0);
        world_restart(&world);
        ck_assert_uint_eq(within_find(world_pod(&world, UUID_A), 0, "main", "/data")->id, made.id);
        check_replaced(&world);
        dweller_end(&dweller);
        world_done(&world);
}
END_TEST

UNIT_MAIN("within", test_mounted_and_again, test_namespace_ends, test_mount_interrupted, test_two_have_tried, test_executor_lost,
        test_unmount_interrupted, test_remount_interrupted, test_replace_interrupted, test_replace_halfway)
