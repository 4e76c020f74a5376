/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is spared of mount points that are to be removed: two pods, whose roots are mounts of made tables. */

#include "pod/pods.h"
#include "pod/sharing.h"
#include "tests/unit/table/made.h"
#include "tests/unit/unit.h"

#define SOURCE "/srv/root"

enum {
        ROOT = 10, OTHER_ROOT = 20, TARGET = 11, /* mounts */
        DEVICE = 77, OTHER_DEVICE = 88,
};

/* A pod with a writable root of SOURCE, and with a mount at /a/b in a running container, which only the other one has. */
struct made_pod {
        char uuid[2], container[5], slash[2], target[5], source[sizeof(SOURCE)];
        struct record_mount root, inside;
        struct record_pod record;
        struct pod pod;
};

static void make(struct made_pod *made, struct pods *pods, const char *uuid, uint32_t root, uint64_t device) {
        *made = (struct made_pod) {.container = "main", .slash = "/", .target = "/a/b", .source = SOURCE};
        strcpy(made->uuid, uuid);
        made->root = (struct record_mount) {
                .id = root, .mount_id = root, .device = device, .ground_caller = true, .container = made->container,
                .target = made->slash, .source = made->source, .type = made->container};
        made->inside = (struct record_mount) {.container = made->container, .target = made->target};
        made->record = (struct record_pod) {.uuid = made->uuid, .mounts = &made->root, .n_mounts = 1, .inside = &made->inside};
        made->pod.record = &made->record;
        ck_assert_int_eq(map_put(pods->by_uuid, made->uuid, &made->pod), 0);
}

static struct entry *root_of(uint32_t id, uint64_t device, const char *type, const char *point) {
        struct entry *entry = made_entry(id, 1, point);

        entry->device = device;
        made_texts(entry, &(struct entry_texts) {.root = SOURCE, .point = point, .type = type, .options = "rw"});
        return entry;
}

/* Of /a/b/c/d all four directories were made: how many may go? The other pod's root is on `device`, `type` is that of both. */
static uint32_t spared(bool there, bool other_there, bool used, uint64_t device, const char *type) {
        struct plan_directory directory = {.root = SOURCE, .path = "/a/b/c/d", .made = 4};
        struct plan_directory layer = {.root = "/", .path = "/a/b/c/d", .made = 4};
        struct plan_doomed doomed = {.mount_id = TARGET, .made = 4};
        struct pods pods = {.by_uuid = map_new(MAP_KEY_STRING), .table = table_new()};
        struct plan_directory both[] = {directory, layer};
        struct made_pod one, other;

        make(&one, &pods, "1", ROOT, DEVICE);
        make(&other, &pods, "2", OTHER_ROOT, device);
        other.record.n_inside = used;
        made_fill(pods.table, made_entry(1, 1, "/"), there ? root_of(ROOT, DEVICE, type, "/p/1") : made_entry(91, 1, "/x"),
                other_there ? root_of(OTHER_ROOT, device, type, "/p/2") : made_entry(92, 1, "/y"),
                made_entry(TARGET, there ? ROOT : 1, "/p/1/a/b/c/d"));
        ck_assert_int_eq(sharing_spare(&pods, &one.pod, NULL, &doomed, 1, both, ELEMENTSOF(both)), 0);
        ck_assert_uint_eq(both[1].made, 4); /* no root, but the host's own */
        if (there)
                ck_assert_uint_eq(doomed.made, both[0].made);
        (void) map_free(pods.by_uuid);
        (void) table_free(pods.table);
        return both[0].made;
}

START_TEST(test_in_use) {
        ck_assert_uint_eq(spared(true, true, true, DEVICE, "ext4"), 2);
        ck_assert_uint_eq(spared(true, true, true, OTHER_DEVICE, "ext4"), 4);
        ck_assert_uint_eq(spared(true, true, false, DEVICE, "ext4"), 4);
}
END_TEST

/* Who unmounted a root has left what is in running containers. */
START_TEST(test_root_is_gone) {
        ck_assert_uint_eq(spared(false, true, true, DEVICE, "ext4"), 0);
        ck_assert_uint_eq(spared(true, false, true, DEVICE, "ext4"), 0);
        ck_assert_uint_eq(spared(false, false, true, DEVICE, "ext4"), 0);
        ck_assert_uint_eq(spared(false, false, true, OTHER_DEVICE, "ext4"), 0);
        ck_assert_uint_eq(spared(false, true, true, OTHER_DEVICE, "ext4"), 4);
        ck_assert_uint_eq(spared(true, false, true, OTHER_DEVICE, "ext4"), 4);
        ck_assert_uint_eq(spared(false, true, false, DEVICE, "ext4"), 4);
}
END_TEST

/* There st_dev, which the record has, is another number than the file system's. */
START_TEST(test_subvolumes) {
        ck_assert_uint_eq(spared(true, true, true, OTHER_DEVICE, "btrfs"), 4);
        ck_assert_uint_eq(spared(false, true, true, OTHER_DEVICE, "btrfs"), 0);
        ck_assert_uint_eq(spared(true, false, true, OTHER_DEVICE, "btrfs"), 0);
        ck_assert_uint_eq(spared(true, false, true, 0, "ext4"), 0); /* it is not on record */
}
END_TEST

UNIT_MAIN("sharing", test_in_use, test_root_is_gone, test_subvolumes)
