/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What containers make on a writable root: it goes with them, whoever dies in between. */

#include "pod/operation-private.h"
#include "pod/registry.h"
#include "tests/unit/pod/world.h"

#define POD SPEC("")
#define SIDE                                                                                                            \
        "{\"ociVersion\":\"1.0.2\",\"mandatoryMounts\":false,\"root\":{\"path\":\"/tmp/root\",\"readonly\":false},\"mounts\":[" TMPFS("/point/a")          \
        "," TMPFS("/point/b") "," TMPFS("/lone/a") "," TMPFS("/lone/b") "],\"prepare\":{\"mkdir\":[\"/data/deep/er\",\"/point/beside\"]}}"
#define TMPFS(target) "{\"destination\":\"" target "\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}"

static struct operation *new_add(struct world *world, const char *spec) {
        const struct container_arguments arguments = {.name = "side", .spec = spec, .spec_size = strlen(spec)};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation = NULL;

        ck_assert_msg(operation_new_add_container(&world->pods, &world_root, world_pod(world, UUID_A), &arguments, NULL, &operation,
                              &f) == 0, "%s", f.text);
        return operation;
}

static struct operation *new_remove(struct world *world, bool lazy) {
        const struct container_arguments arguments = {.name = "side", .lazy = lazy};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation = NULL;

        ck_assert_msg(operation_new_remove_container(&world->pods, &world_root, world_pod(world, UUID_A), &arguments, &operation,
                              &f) == 0, "%s", f.text);
        return operation;
}

static bool begin(struct world *world) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        if (!world_begin(world))
                return false;
        ck_assert_int_eq(world_create(world, NULL, UUID_A, NULL, POD, &f), 0);
        return true;
}

static void add(struct world *world) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        ck_assert_msg(world_run(world, new_add(world, SIDE), NULL, &f) == 0, "%s", f.text);
        ck_assert(exists("/tmp/root/point/a") && exists("/tmp/root/point/beside") && exists("/tmp/root/data/deep/er"));
}

static void check_untouched(struct world *world) {
        ck_assert(!exists("/tmp/root/point") && !exists("/tmp/root/lone"));
        ck_assert(!exists("/tmp/root/data/deep"));
        ck_assert(exists("/tmp/root/data"));
        if (world_pod(world, UUID_A)) {
                ck_assert(!pod_has_container(world_pod(world, UUID_A), "side"));
                ck_assert_uint_eq(world_pod(world, UUID_A)->record->n_directories, 0);
        }
}

START_TEST(test_removed) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        const struct record_pod *record;
        struct world world;

        if (!begin(&world))
                return;
        for (unsigned lazy = 0; lazy < 2; lazy++) {
                add(&world);
                world_stop(&world);
                world_start(&world);
                record = world_pod(&world, UUID_A)->record;
                ck_assert_uint_eq(record->n_directories, 2); /* mount points are on record with their mounts */
                ck_assert_str_eq(record->directories[0].container, "side");
                ck_assert_str_eq(record->directories[0].path, "/data/deep/er");
                ck_assert_uint_eq(record->directories[0].made, 2);
                ck_assert_str_eq(record->directories[1].path, "/point/beside");
                ck_assert_uint_eq(record->directories[1].made, 2); /* what it shares with mount points goes with the last */
                ck_assert_uint_eq(record->directories[1].step, RECORD_NO_STEP);
                ck_assert_msg(world_run(&world, new_remove(&world, lazy), NULL, &f) == 0, "%s", f.text);
                check_untouched(&world);
        }
        world_done(&world);
}
END_TEST

/* The executor did its work and the record is not written when the front dies, once, or again before the undo ran; or the executor
 * dies alone, and the front takes it back. */
enum loss { LOST_ONCE, LOST_TWICE, LOST_EXECUTOR };

static void lose_add(enum loss loss) {
        _cleanup_free_ char *before = NULL;
        struct world_task task;
        struct world world;

        if (!begin(&world))
                return;
        before = world_snapshot();
        world_lose_answer(&world, new_add(&world, SIDE), &task);
        ck_assert(exists("/tmp/root/point/beside") && exists("/tmp/root/data/deep/er"));
        switch (loss) {
        case LOST_ONCE:
                world_crash(&world, &task);
                break;
        case LOST_TWICE:
                world_crash_twice(&world, &task);
                break;
        case LOST_EXECUTOR:
                ck_assert_int_eq(world_survive(&world, &task), FAILURE_MOUNT_FAILED);
                world_task_done(&task);
        }
        world_unchanged(before);
        check_untouched(&world);
        add(&world);
        world_done(&world);
}

START_TEST(test_interrupted) {
        lose_add(LOST_ONCE);
}
END_TEST

START_TEST(test_interrupted_twice) {
        lose_add(LOST_TWICE);
}
END_TEST

START_TEST(test_lost) {
        lose_add(LOST_EXECUTOR);
}
END_TEST

/* Another executor has tried it as well, one that was busy and took back what it had made, say. */
static void lose_one_of_two(bool first, enum world_tried other) {
        _cleanup_free_ char *before = NULL;
        struct world_task task;
        struct world world;

        if (!begin(&world))
                return;
        before = world_snapshot();
        world_lose_answer(&world, new_add(&world, SIDE), &task);
        ck_assert(exists("/tmp/root/point/beside") && exists("/tmp/root/data/deep/er"));
        world_have_two_tried(&world, first, other);
        world_crash(&world, &task);
        world_unchanged(before);
        check_untouched(&world);
        add(&world);
        world_done(&world);
}

START_TEST(test_two_have_tried) {
        WORLD_TRIES(lose_one_of_two);
}
END_TEST

/* The tree that the other one took back had an id that is used again by a mount on the tree that is there. */
START_TEST(test_two_have_tried_same_ids) {
        lose_one_of_two(true, WORLD_USED_AGAIN);
        lose_one_of_two(false, WORLD_USED_AGAIN);
}
END_TEST

/* A mount is gone and what was made for it is there: as if who unmounted it had died before the next step. */
START_TEST(test_left_behind) {
        static const char *const gone[] = {POD_A "/side/rootfs/point/a", POD_A "/side/rootfs/point/b", POD_A "/side/rootfs/lone/a",
                                           POD_A "/side/rootfs/lone/b"};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;

        if (!begin(&world))
                return;
        for (unsigned i = 0; i < 16; i++) {
                const bool lazy = i & 8;

                add(&world);
                ck_assert_int_eq(umount2(gone[i & 3], 0), 0);
                if (i & 4) {
                        ck_assert_msg(world_collect(&world, UUID_A, lazy, &f) == 0, "%s", f.text);
                        check_untouched(&world);
                        ck_assert_int_eq(world_create(&world, NULL, UUID_A, NULL, POD, &f), 0);
                } else
                        ck_assert_msg(world_run(&world, new_remove(&world, lazy), NULL, &f) == 0, "%s", f.text);
                check_untouched(&world);
        }
        world_done(&world);
}
END_TEST

static struct operation *new_unmount(struct world *world) {
        const struct unmount_arguments arguments = {.container = "side", .target = "/lone/b"};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation = NULL;

        ck_assert_int_eq(operation_new_unmount(&world->pods, &world_root, world_pod(world, UUID_A), &arguments, &operation, &f), 0);
        return operation;
}

static void check_unmounted(struct world *world) {
        ck_assert(!exists("/tmp/root/lone/b"));
        ck_assert(exists("/tmp/root/lone/a"));
        ck_assert_ptr_null(pod_find_mount(world_pod(world, UUID_A), "side", "/lone/b"));
}

/* The same for a single mount, in one life of the daemon and from one to the next. */
START_TEST(test_unmounted) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation;
        struct world world;

        if (!begin(&world))
                return;
        add(&world);
        ck_assert_int_eq(umount2(POD_A "/side/rootfs/lone/b", 0), 0);
        ck_assert_msg(world_run(&world, new_unmount(&world), NULL, &f) == 0, "%s", f.text);
        check_unmounted(&world);
        ck_assert_msg(world_run(&world, new_remove(&world, false), NULL, &f) == 0, "%s", f.text);
        check_untouched(&world);

        add(&world);
        operation = new_unmount(&world);
        ck_assert_int_eq(operation_validate(operation, &f), 0);
        ck_assert_int_eq(operation_plan(operation, &f), 0);
        ck_assert_int_eq(operation_intend(operation, &f), 0);
        ck_assert_int_eq(umount2(POD_A "/side/rootfs/lone/b", 0), 0);
        world_stop(&world);
        operation_forget(operation); /* the store is not told */
        world_start(&world);
        world_idle(&world);
        check_unmounted(&world);
        world_done(&world);
}
END_TEST

UNIT_MAIN("added", test_removed, test_interrupted, test_interrupted_twice, test_lost, test_two_have_tried, test_two_have_tried_same_ids, test_left_behind, test_unmounted)
