/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Replacements: whatever dies on the way, one of both is there and on record. */

#include "kernel/identity.h"
#include "kernel/tree.h"
#include "pod/intent-replace.h"
#include "pod/operation-private.h"
#include "tests/unit/kernel-features.h"
#include "tests/unit/pod/world.h"

static bool begin(struct world *world) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        if (!unit_features().beneath) {
                unit_skip("this kernel cannot put a mount beneath another");
                return false;
        }
        if (!world_begin(world))
                return false;
        ck_assert_msg(world_create(world, NULL, UUID_A, NULL, SPEC(BIND("/tmp/src", "/data")), &f) == 0, "%s", f.text);
        make_directory("/tmp/next");
        make_file("/tmp/next/other", "other\n");
        return true;
}

static struct operation *new_replace(struct world *world, const char *text) {
        struct replace_arguments arguments = {};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation = NULL;

        ck_assert_int_eq(spec_parse_mounts(text, strlen(text), 65536, &arguments.mounts, &arguments.n_mounts, &f), 0);
        ck_assert_int_eq(operation_new_replace(&world->pods, &world_root, world_pod(world, UUID_A), &arguments, NULL, &operation, &f), 0);
        return operation;
}

/* The new mount, and it alone, is at the target and on record. */
static void check_replaced(struct world *world, size_t n_records) {
        const struct record_mount *mount = pod_find_mount(world_pod(world, UUID_A), "main", "/data");

        ck_assert(exists(ROOTFS_A "/data/other") && !exists(ROOTFS_A "/data/hello"));
        ck_assert_str_eq(mount->source, "/tmp/next");
        ck_assert_uint_eq(world_count(ROOTFS_A "/data"), 1);
        ck_assert_uint_eq(world_pod(world, UUID_A)->record->n_mounts, n_records);
        ck_assert_int_eq(pod_get_state(world_pod(world, UUID_A)), POD_READY);
}

START_TEST(test_place) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation;
        struct world world;
        size_t n, n_records;
        uint64_t old;
        int64_t row;

        if (!begin(&world))
                return;
        n_records = world_pod(&world, UUID_A)->record->n_mounts;
        row = pod_find_mount(world_pod(&world, UUID_A), "main", "/data")->row;
        old = pod_find_mount(world_pod(&world, UUID_A), "main", "/data")->id;
        ck_assert_msg(world_run(&world, new_replace(&world, BIND("/tmp/next", "/data")), &operation, &f) == 0, "%s", f.text);
        ck_assert_uint_eq(operation_ids(operation, &n)[0], pod_find_mount(world_pod(&world, UUID_A), "main", "/data")->id);
        ck_assert_uint_ne(operation_ids(operation, &n)[0], old);
        operation_free(operation);
        check_replaced(&world, n_records);
        ck_assert_int_eq(pod_find_mount(world_pod(&world, UUID_A), "main", "/data")->row, row);
        ck_assert_uint_eq(world.n_mounts_removed, 1);
        ck_assert_uint_eq(world.n_mounts_added, 1);
        ck_assert_int_eq(world_run(&world, new_replace(&world, BIND("/tmp/next", "/elsewhere")), NULL, &f), FAILURE_NO_SUCH_MOUNT);
        world_restart(&world);
        check_replaced(&world, n_records);
        ck_assert_int_eq(world_collect(&world, UUID_A, false, &f), 0);
        world_done(&world);
}
END_TEST

/* The executors have done it and died, and the daemon with them, before a word was said. */
START_TEST(test_interrupted) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world_task task;
        struct world world;
        size_t n_records;

        if (!begin(&world))
                return;
        n_records = world_pod(&world, UUID_A)->record->n_mounts;
        world_lose_answer(&world, new_replace(&world, BIND("/tmp/next", "/data")), &task);
        world_crash(&world, &task);
        check_replaced(&world, n_records);
        ck_assert_int_eq(world_collect(&world, UUID_A, false, &f), 0);
        world_done(&world);
}
END_TEST

/* It was noted twice, the second time as something that is not there. */
static void lose_one_of_two(bool first, enum world_tried other) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world_task task;
        struct world world;
        size_t n_records;

        if (!begin(&world))
                return;
        n_records = world_pod(&world, UUID_A)->record->n_mounts;
        world_lose_answer(&world, new_replace(&world, BIND("/tmp/next", "/data")), &task);
        world_have_two_tried(&world, first, other);
        world_crash(&world, &task);
        check_replaced(&world, n_records);
        ck_assert_int_eq(world_collect(&world, UUID_A, false, &f), 0);
        world_done(&world);
}

START_TEST(test_two_have_tried) {
        WORLD_TRIES(lose_one_of_two);
}
END_TEST

/* The executor alone died: the caller is told that it is done. */
START_TEST(test_lost_executor) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world_task task;
        struct world world;
        size_t n_records;

        if (!begin(&world))
                return;
        n_records = world_pod(&world, UUID_A)->record->n_mounts;
        world_lose_answer(&world, new_replace(&world, BIND("/tmp/next", "/data")), &task);
        ck_assert_int_eq(world_survive(&world, &task), 0);
        world_task_done(&task);
        check_replaced(&world, n_records);
        ck_assert_int_eq(world_collect(&world, UUID_A, false, &f), 0);
        world_done(&world);
}
END_TEST

/* It died, and memory was short when its intent file was read: nobody knows what it had done, and nobody says that it is done. */
START_TEST(test_lost_and_unread) {
        const struct job_result lost = {.failure = FAILURE_NONE, .failed_step = UINT32_MAX, .lost = true};
        struct world_task task;
        struct world world;

        if (!begin(&world))
                return;
        world_lose_answer(&world, new_replace(&world, BIND("/tmp/next", "/data")), &task);
        task.operation->class->result(task.operation, &lost);
        ck_assert(task.ended);
        ck_assert_int_eq(task.result, FAILURE_MOUNT_FAILED);
        ck_assert_ptr_nonnull(strstr(task.failure.text, "/data is not known"));
        world_crash(&world, &task);
        world_done(&world);
}
END_TEST

static void intend(struct world *world, const struct intent_mount *made) {
        world_intend_replace(world, pod_find_mount(world_pod(world, UUID_A), "main", "/data")->row, 0, made);
}

/* All died when the new mount was beneath the old one: it goes on from there. And before that: nothing was done. */
START_TEST(test_halfway) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct intent_mount made = {};
        struct identity identity;
        struct world world;
        size_t n_records;
        int source, mount, top;

        if (!begin(&world))
                return;
        n_records = world_pod(&world, UUID_A)->record->n_mounts;
        intend(&world, &made);
        world_restart(&world);
        ck_assert(exists(ROOTFS_A "/data/hello"));
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_READY);

        source = open("/tmp/next", O_PATH | O_CLOEXEC);
        mount = tree_clone(source, false);
        ck_assert_int_ge(mount, 0);
        ck_assert_int_eq(tree_set(mount, false, 0, 0, MS_PRIVATE), 0);
        ck_assert_int_eq(tree_set(mount, false, 0, 0, MS_SHARED), 0);
        ck_assert_int_eq(identity_mount_id(mount, &made.mount_id), 0);
        if (unit_features().unique_id) {
                ck_assert_int_eq(identity_read(mount, "", true, &identity), 0);
                made.id = identity.key;
        }
        top = open(ROOTFS_A "/data", O_PATH | O_CLOEXEC);
        intend(&world, &made);
        ck_assert_int_eq(tree_attach_beneath(mount, top), 0);
        (void) close(top);
        (void) close(mount);
        (void) close(source);
        ck_assert(exists(ROOTFS_A "/data/hello"));
        world_restart(&world);
        check_replaced(&world, n_records);
        ck_assert_int_eq(world_collect(&world, UUID_A, false, &f), 0);
        world_done(&world);
}
END_TEST

/* What no podmountd writes is not believed. */
START_TEST(test_detail) {
        static const char *const bad[] = {
                "", "{}", "[]", "{\"made\":[0,0],\"request\":\"{}\",\"root\":true,\"row\":1}",
                "{\"made\":[0,0,-1],\"request\":\"{}\",\"root\":true,\"row\":1}",
                "{\"made\":[0,0,4294967296],\"request\":\"{}\",\"root\":true,\"row\":1}",
                "{\"made\":[0,0,1],\"request\":7,\"root\":true,\"row\":1}", "{\"made\":[0,0,1],\"request\":\"{}\",\"root\":1,\"row\":1}",
                "{\"made\":[0,0,1],\"request\":\"{}\",\"root\":true,\"row\":-1}",
                "{\"made\":[0,0,1],\"namespace\":[1],\"request\":\"{}\",\"root\":true,\"row\":1}",
                "{\"key\":1,\"made\":[0,0,1],\"request\":\"{}\",\"root\":true,\"row\":1}",
        };
        const struct intent_replace replace = {.row = 7, .request = (char *) (uintptr_t) "{}", .key = (char *) (uintptr_t) "8:1",
                .root = true, .namespace = UINT64_MAX - 1, .made = {.id = UINT64_MAX, .mount_id = UINT32_MAX}};
        _cleanup_intent_replace_ struct intent_replace read = {};
        _cleanup_free_ char *text = NULL;

        ck_assert_int_eq(intent_replace_write(&replace, &text), 0);
        ck_assert_int_eq(intent_replace_read(text, &read), 0);
        ck_assert_int_eq(read.row, 7);
        ck_assert_str_eq(read.request, "{}");
        ck_assert_str_eq(read.key, "8:1");
        ck_assert_uint_eq(read.namespace, UINT64_MAX - 1);
        ck_assert(read.root && read.made.id == UINT64_MAX && read.made.mount_id == UINT32_MAX);
        ck_assert_int_eq(intent_replace_read(NULL, &read), -EBADMSG);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                ck_assert_msg(intent_replace_read(bad[i], &read) == -EBADMSG, "%s", bad[i]);
}
END_TEST

UNIT_MAIN("replace", test_place, test_interrupted, test_two_have_tried, test_lost_executor, test_lost_and_unread, test_halfway, test_detail)
