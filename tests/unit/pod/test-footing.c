/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a target stands on is looked at before an operation is planned, and nothing else is. */

#include <sys/mount.h>

#include "pod/footing.h"
#include "tests/unit/kernel-features.h"
#include "tests/unit/pod/world.h"

static bool begin(struct world *world) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        if (!unit_features().statmount) {
                unit_skip("no statmount here");
                return false;
        }
        if (!world_begin(world))
                return false;
        ck_assert_msg(world_create(world, NULL, UUID_A, NULL, SPEC(BIND("/tmp/src", "/data")), &f) == 0, "%s", f.text);
        ck_assert_int_eq(world_sync(world), 0);
        world_idle(world);
        ck_assert_int_eq(pod_get_state(world_pod(world, UUID_A)), POD_READY);
        return true;
}

static const struct entry *entry_of(struct world *world, const char *container, const char *target) {
        const struct record_mount *mount = pod_find_mount(world_pod(world, UUID_A), container, target);

        ck_assert_ptr_nonnull(mount);
        return table_get_unique(world->pods.table, mount->id);
}

/* mount(2) changes propagation without a word to anybody. */
static void make_private(const char *path) {
        ck_assert_int_eq(mount(NULL, path, NULL, MS_PRIVATE, NULL), 0);
}

/* Up to the plan, before an executor hears of it. */
static void plan_bind(struct world *world, const char *target) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct operation *operation = world_new_bind(world, UUID_A, "/tmp/src/sub", target, false);

        world->n_looked_at = 0;
        ck_assert_int_eq(operation_validate(operation, &f), 0);
        ck_assert_msg(operation_plan(operation, &f) == 0, "%s", f.text);
        operation_free(operation);
}

START_TEST(test_what_the_target_stands_on) {
        struct world world;

        if (!begin(&world))
                return;
        make_private(ROOTFS_A);
        make_private(ROOTFS_A "/data");
        plan_bind(&world, "/mnt");
        ck_assert_uint_eq(world.n_looked_at, 1);
        ck_assert_uint_eq(entry_of(&world, "main", "/")->propagation, 0);
        ck_assert_uint_ne(entry_of(&world, "main", "/data")->propagation, 0);
        world_idle(&world); /* and it is drift when the pod is free */
        ck_assert_int_eq(pod_get_state(world_pod(&world, UUID_A)), POD_DEGRADED);
        plan_bind(&world, "/data/sub");
        ck_assert_uint_eq(world.n_looked_at, 2);
        ck_assert_uint_eq(entry_of(&world, "main", "/data")->propagation, 0);
        world_done(&world);
}
END_TEST

START_TEST(test_the_tree) {
        struct world world;

        if (!begin(&world))
                return;
        make_private(POD_A);
        ck_assert_int_eq(footing_look_tree(&world.pods, world_pod(&world, UUID_A)), 0);
        ck_assert_uint_eq(entry_of(&world, "", "")->propagation, 0);
        world_done(&world);
}
END_TEST

/* Of many targets, in any order, those records that are above one, by whole components. */
START_TEST(test_many) {
        static char targets[][16] = {"/mnt/x/y", "/data-b", "/data/sub", "/run", "/data-a/z", "/mnt"};
        static char name[] = "main", side[] = "side", beside[] = "/datasub";
        char *containers[] = {name, NULL};
        struct wanted_mount mounts[ELEMENTSOF(targets)] = {};
        struct wanted wanted = {.containers = containers, .mounts = mounts, .n_mounts = ELEMENTSOF(targets)};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct world world;

        if (!begin(&world))
                return;
        for (size_t i = 0; i < ELEMENTSOF(targets); i++)
                mounts[i].target = targets[i];
        ck_assert_int_eq(world_bind(&world, UUID_A, "/tmp/src/sub", "/etc", NULL, &f), 0);
        world.n_looked_at = 0;
        ck_assert_int_eq(footing_look(&world.pods, world_pod(&world, UUID_A), &wanted), 0);
        ck_assert_uint_eq(world.n_looked_at, 2); /* the root and /data; not /etc */
        mounts[2].target = beside;
        world.n_looked_at = 0;
        ck_assert_int_eq(footing_look(&world.pods, world_pod(&world, UUID_A), &wanted), 0);
        ck_assert_uint_eq(world.n_looked_at, 1);
        containers[0] = side;
        world.n_looked_at = 0;
        ck_assert_int_eq(footing_look(&world.pods, world_pod(&world, UUID_A), &wanted), 0);
        ck_assert_uint_eq(world.n_looked_at, 0);
        world_done(&world);
}
END_TEST

UNIT_MAIN("footing", test_what_the_target_stands_on, test_the_tree, test_many)
