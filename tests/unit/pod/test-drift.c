/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Drift: made records against made tables, and against real mounts in a mount namespace of the test's own. */

#include <sys/stat.h>

#include "pod/drift.h"
#include "tests/unit/namespace.h"
#include "tests/unit/table/made.h"
#include "tests/unit/unit.h"

#define DIRECTORY "/run/podmount/pods/u"

static char *containers[] = {"main", "side.car", NULL};

static struct record_mount record(uint32_t mount_id, char *container, char *target) {
        return (struct record_mount){
                .id = mount_id,
                .mount_id = mount_id,
                .container = container,
                .target = target,
                .device = 1000 + mount_id,
        };
}

static struct entry *entry_with(struct entry *entry, uint64_t attributes, unsigned propagation) {
        entry->attributes = attributes;
        entry->propagation = propagation;
        return entry;
}

/* A pod of a tree (2), a root (3) and a mount (4) at /data of main. */
#define MADE_MOUNTS                                                                                                    \
        { record(2, "", ""), record(3, "main", "/"), record(4, "main", "/data") }
#define MADE_TREE made_entry(1, 1, "/"), made_entry(2, 1, DIRECTORY)
#define MADE_ROOT made_entry(3, 2, DIRECTORY "/main/rootfs")
#define MADE_DATA made_entry(4, 3, DIRECTORY "/main/rootfs/data")

struct judged {
        struct drift *drifts;
        size_t n;
};

static void judged_done(struct judged *judged) {
        drifts_free(judged->drifts, judged->n);
}

static void judge(struct record_mount *mounts, size_t n_mounts, const struct table *table, const char *directory,
        struct judged *ret) {
        const struct record_pod pod = {.containers = containers, .mounts = mounts, .n_mounts = n_mounts};

        ck_assert_int_eq(drift_judge(&pod, table, table, directory, &ret->drifts, &ret->n), 0);
}

static void check(
        const struct drift *drift, enum drift_kind kind, uint64_t id, const char *container, const char *target) {
        ck_assert_int_eq(drift->kind, kind);
        ck_assert_uint_eq(drift->id, id);
        ck_assert_str_eq(drift->container, container);
        ck_assert_str_eq(drift->target, target);
        ck_assert_ptr_nonnull(drift->detail);
}

START_TEST(test_none) {
        struct record_mount mounts[] = MADE_MOUNTS;
        _cleanup_(table_freep) struct table *table = table_new();
        _cleanup_(judged_done) struct judged judged = {};

        made_fill(table, MADE_TREE, MADE_ROOT, MADE_DATA, made_entry(5, 1, "/run/podmount/pods/u2"));
        judge(mounts, ELEMENTSOF(mounts), table, DIRECTORY, &judged);
        ck_assert_uint_eq(judged.n, 0);
}
END_TEST

START_TEST(test_missing) {
        struct record_mount mounts[] = MADE_MOUNTS;
        _cleanup_(table_freep) struct table *table = table_new();
        _cleanup_(judged_done) struct judged judged = {};

        made_fill(table, MADE_TREE, MADE_ROOT);
        judge(mounts, ELEMENTSOF(mounts), table, DIRECTORY, &judged);
        ck_assert_uint_eq(judged.n, 1);
        check(&judged.drifts[0], DRIFT_MISSING, 4, "main", "/data");
}
END_TEST

/* The recycled id is there, but it is another mount: of another device, with another unique id, outside the pod, or in
 * another container. */
START_TEST(test_recycled) {
        for (unsigned variant = 0; variant < 5; variant++) {
                struct record_mount mounts[] = MADE_MOUNTS;
                _cleanup_(table_freep) struct table *table = table_new();
                _cleanup_(judged_done) struct judged judged = {};
                struct entry *entry = variant == 2   ? made_entry(4, 1, "/elsewhere")
                                      : variant == 4 ? made_entry(4, 3, DIRECTORY "/side.car/rootfs/data")
                                                     : MADE_DATA;

                if (variant == 0)
                        entry->device = 4711;
                if (variant == 1 || variant == 3) {
                        mounts[2].id = 1ULL << 31;
                        entry->unique_id = (1ULL << 31) + (variant == 1);
                }
                made_fill(table, MADE_TREE, MADE_ROOT, entry);
                judge(mounts, ELEMENTSOF(mounts), table, DIRECTORY, &judged);
                if (variant == 3) { /* the same unique id: no drift */
                        ck_assert_uint_eq(judged.n, 0);
                        continue;
                }
                ck_assert_uint_eq(judged.n, variant == 2 ? 1 : 2);
                check(&judged.drifts[0], DRIFT_MISSING, mounts[2].id, "main", "/data");
                if (variant != 2)
                        check(&judged.drifts[1], DRIFT_EXTRA, entry->unique_id ?: 4, variant == 4 ? "side.car" : "main",
                                "/data");
        }
}
END_TEST

/* The recycled id is there, and on a recycled device: type and source tell a tmpfs and what came along from another. */
START_TEST(test_recycled_device) {
        static const struct {
                bool nested, same;
                char *target, *type, *source; /* on record */
                const char *type_seen, *source_seen;
        } rows[] = {
                {false, true, "/data", "tmpfs", "tmpfs", "tmpfs", "tmpfs"},
                {false, true, "/data", "tmpfs", "none", "tmpfs", NULL},
                {false, true, "/data", "bind", "/srv", "tmpfs", "other"},
                {false, true, "/dev", "tmpfs", "dev", "tmpfs", "tmpfs"},
                {true, true, "/data", "proc", "proc", "proc", "proc"},
                {false, false, "/data", "tmpfs", "tmpfs", "tmpfs", "foreign"},
                {false, false, "/data", "tmpfs", "tmpfs", "ramfs", "tmpfs"},
                {true, false, "/data", "proc", "proc", "sysfs", "proc"},
                {true, false, "/data", "proc", "proc", "proc", NULL},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct record_mount mounts[] = MADE_MOUNTS;
                _cleanup_(table_freep) struct table *table = table_new();
                _cleanup_(judged_done) struct judged judged = {};
                struct entry *entry = MADE_DATA;

                mounts[2].nested = rows[i].nested;
                mounts[2].target = rows[i].target;
                mounts[2].type = rows[i].type;
                mounts[2].source = rows[i].source;
                made_texts(entry, &(struct entry_texts){.root = "/",
                                          .point = DIRECTORY "/main/rootfs/data",
                                          .type = rows[i].type_seen,
                                          .source = rows[i].source_seen});
                made_fill(table, MADE_TREE, MADE_ROOT, entry);
                judge(mounts, ELEMENTSOF(mounts), table, DIRECTORY, &judged);
                ck_assert_uint_eq(judged.n, rows[i].same ? 0 : 2);
                if (!rows[i].same) {
                        check(&judged.drifts[0], DRIFT_MISSING, mounts[2].id, "main", "/data");
                        check(&judged.drifts[1], DRIFT_EXTRA, 4, "main", "/data");
                }
        }
}
END_TEST

/* Two mounts of the pod on record with one recycled id: it went from the earlier, which somebody unmounted, to the
 * later. */
START_TEST(test_inherited) {
        struct record_mount mounts[] = {
                record(2, "", ""), record(3, "main", "/"), record(4, "main", "/data"), record(4, "main", "/etc")};
        _cleanup_(table_freep) struct table *table = table_new();
        _cleanup_(judged_done) struct judged judged = {};

        made_fill(table, MADE_TREE, MADE_ROOT, made_entry(4, 3, DIRECTORY "/main/rootfs/etc"));
        judge(mounts, ELEMENTSOF(mounts), table, DIRECTORY, &judged);
        ck_assert_uint_eq(judged.n, 1);
        check(&judged.drifts[0], DRIFT_MISSING, 4, "main", "/data");
}
END_TEST

START_TEST(test_extra) {
        struct record_mount mounts[] = MADE_MOUNTS;
        _cleanup_(table_freep) struct table *table = table_new();
        _cleanup_(judged_done) struct judged judged = {};

        made_fill(table, MADE_TREE, MADE_ROOT, MADE_DATA, made_entry(5, 4, DIRECTORY "/main/rootfs/data/a b"),
                made_entry(6, 2, DIRECTORY "/side.car/rootfs"), made_entry(7, 2, DIRECTORY "/side.car"),
                made_entry(8, 1, DIRECTORY "x/main/rootfs"));
        judge(mounts, ELEMENTSOF(mounts), table, DIRECTORY, &judged);
        ck_assert_uint_eq(judged.n, 3);
        check(&judged.drifts[0], DRIFT_EXTRA, 5, "main", "/data/a b");
        check(&judged.drifts[1], DRIFT_EXTRA, 6, "side.car", "/");
        check(&judged.drifts[2], DRIFT_EXTRA, 7, "", "side.car");
}
END_TEST

START_TEST(test_attributes) {
        struct record_mount mounts[] = MADE_MOUNTS;
        _cleanup_(table_freep) struct table *table = table_new();
        struct entry *data;

        mounts[2].attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID;
        made_fill(table, MADE_TREE, MADE_ROOT, entry_with(MADE_DATA, MOUNT_ATTR_NOSUID, 0));
        data = table_get(table, 4);
        for (unsigned variant = 0; variant < 4; variant++) {
                _cleanup_(judged_done) struct judged judged = {};
                static const char *const now[] = {"ro -> rw", NULL, NULL, "nosuid -> suid"};

                /* read-only by the mount or by its file system are the same to who looks */
                data->superblock_readonly = variant == 1 || variant == 3;
                data->attributes = (variant == 2 ? MOUNT_ATTR_RDONLY : 0) | (variant == 3 ? 0 : MOUNT_ATTR_NOSUID);
                judge(mounts, ELEMENTSOF(mounts), table, DIRECTORY, &judged);
                ck_assert_uint_eq(judged.n, now[variant] ? 1 : 0);
                if (!now[variant])
                        continue;
                check(&judged.drifts[0], DRIFT_CHANGED, 4, "main", "/data");
                ck_assert_str_eq(judged.drifts[0].detail, now[variant]);
        }
}
END_TEST

START_TEST(test_propagation) {
        static const struct {
                uint64_t wanted;
                unsigned is;
                bool drift;
        } rows[] = {
                {MS_SHARED, ENTRY_SHARED, false},
                {MS_SHARED, 0, true},
                {MS_PRIVATE, 0, false},
                {MS_PRIVATE, ENTRY_SHARED, true},
                {MS_PRIVATE, ENTRY_SLAVE, true},
                {MS_SLAVE, ENTRY_SLAVE, false},
                {MS_SLAVE, 0, false}, /* a slave that has lost its master */
                {MS_SLAVE, ENTRY_SHARED, true},
                {MS_UNBINDABLE, ENTRY_UNBINDABLE, false},
                {MS_UNBINDABLE, 0, true},
                {0, ENTRY_SHARED, false},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct record_mount mounts[] = MADE_MOUNTS;
                _cleanup_(table_freep) struct table *table = table_new();
                _cleanup_(judged_done) struct judged judged = {};

                mounts[2].propagation = rows[i].wanted;
                made_fill(table, MADE_TREE, MADE_ROOT, entry_with(MADE_DATA, 0, rows[i].is));
                judge(mounts, ELEMENTSOF(mounts), table, DIRECTORY, &judged);
                ck_assert_msg(judged.n == rows[i].drift, "row %zu", i);
                if (rows[i].drift)
                        check(&judged.drifts[0], DRIFT_CHANGED, 4, "main", "/data");
        }
}
END_TEST

START_TEST(test_cover) {
        for (unsigned variant = 0; variant < 2; variant++) {
                struct record_mount mounts[] = {record(2, "", ""), record(3, "main", "/"), record(4, "main", "/data"),
                        record(5, "main", "/data")};
                _cleanup_(table_freep) struct table *table = table_new();
                _cleanup_(judged_done) struct judged judged = {};

                made_fill(table, MADE_TREE, MADE_ROOT, MADE_DATA, made_entry(5, 4, DIRECTORY "/main/rootfs/data"));
                judge(mounts, variant == 0 ? 4 : 3, table, DIRECTORY, &judged);
                ck_assert_uint_eq(judged.n, variant == 0 ? 0 : 2); /* stacked by ourselves; by another */
                if (variant == 0)
                        continue;
                check(&judged.drifts[0], DRIFT_CHANGED, 4, "main", "/data");
                ck_assert_ptr_nonnull(strstr(judged.drifts[0].detail, "covered by mount 5 (tmpfs)"));
                check(&judged.drifts[1], DRIFT_EXTRA, 5, "main", "/data");
        }
}
END_TEST

static struct entry *peer(struct entry *entry, uint64_t group, dev_t device) {
        entry->propagation = ENTRY_SHARED;
        entry->peer_group = group;
        entry->device = device;
        return entry;
}

/* Where a mount went, what hides it from above, whose copy it is, and that its source has no name any more. */
START_TEST(test_words) {
        struct record_mount mounts[] = {record(2, "", ""), record(3, "main", "/"), record(4, "main", "/data/a"),
                record(5, "main", "/moved"), record(6, "main", "/old")};
        _cleanup_(table_freep) struct table *table = table_new();
        _cleanup_(judged_done) struct judged judged = {};
        struct entry *old = made_entry(6, 3, DIRECTORY "/main/rootfs/old");

        made_texts(old, &(struct entry_texts){.root = "/srv/old//deleted",
                                .point = DIRECTORY "/main/rootfs/old",
                                .type = "tmpfs",
                                .options = "rw"});
        old->superblock_readonly = true;
        made_fill(table, MADE_TREE, peer(MADE_ROOT, 70, 1003), made_entry(4, 3, DIRECTORY "/main/rootfs/data/a"),
                made_entry(5, 1, "/elsewhere"), old, made_entry(7, 3, DIRECTORY "/main/rootfs/data"),
                peer(made_entry(8, 3, DIRECTORY "/main/rootfs/x"), 71, 2000), peer(made_entry(9, 1, "/copy/x"), 71, 2000));
        judge(mounts, ELEMENTSOF(mounts), table, DIRECTORY, &judged);
        ck_assert_uint_eq(judged.n, 5);
        check(&judged.drifts[0], DRIFT_CHANGED, 4, "main", "/data/a");
        ck_assert_str_eq(judged.drifts[0].detail, "covered by mount 7 (tmpfs) at " DIRECTORY "/main/rootfs/data above it");
        check(&judged.drifts[1], DRIFT_MISSING, 5, "main", "/moved");
        check(&judged.drifts[2], DRIFT_CHANGED, 6, "main", "/old");
        ck_assert_str_eq(judged.drifts[2].detail,
                "its file system rw -> ro; its source was deleted and lives on in this mount alone");
        check(&judged.drifts[3], DRIFT_EXTRA, 7, "main", "/data");
        ck_assert_str_eq(judged.drifts[3].detail, "foreign mount of tmpfs");
        check(&judged.drifts[4], DRIFT_EXTRA, 8, "main", "/x");
        ck_assert_str_eq(judged.drifts[4].detail, "propagated from mount 9 (tmpfs) at /copy/x");
}
END_TEST

START_TEST(test_deferred) {
        struct record_mount mounts[] = {record(2, "", ""), record(3, "main", "/"), record(0, "main", "/proc")};
        _cleanup_(table_freep) struct table *table = table_new();
        _cleanup_(judged_done) struct judged judged = {};

        mounts[2].deferred = true;
        made_fill(table, MADE_TREE, MADE_ROOT);
        judge(mounts, ELEMENTSOF(mounts), table, DIRECTORY, &judged);
        ck_assert_uint_eq(judged.n, 0);
}
END_TEST

/* Without the tree everything is missing, and what someone put in its place is extra. */
START_TEST(test_no_tree) {
        struct record_mount mounts[] = MADE_MOUNTS;
        _cleanup_(table_freep) struct table *table = table_new();
        _cleanup_(judged_done) struct judged judged = {};

        made_fill(table, made_entry(1, 1, "/"), made_entry(9, 1, DIRECTORY "/main/rootfs/x"));
        judge(mounts, ELEMENTSOF(mounts), table, DIRECTORY, &judged);
        ck_assert_uint_eq(judged.n, 4);
        check(&judged.drifts[0], DRIFT_MISSING, 2, "", "");
        check(&judged.drifts[1], DRIFT_MISSING, 3, "main", "/");
        check(&judged.drifts[2], DRIFT_MISSING, 4, "main", "/data");
        check(&judged.drifts[3], DRIFT_EXTRA, 9, "main", "/x");
}
END_TEST

START_TEST(test_own_devices) {
        for (unsigned variant = 0; variant < 2; variant++) {
                struct record_mount mounts[] = MADE_MOUNTS;
                _cleanup_(table_freep) struct table *table = table_new();
                _cleanup_(judged_done) struct judged judged = {};
                struct entry *data = MADE_DATA;

                mounts[2].device = 4711; /* st_dev of a subvolume */
                made_texts(data, &(struct entry_texts){.root = "/",
                                         .point = DIRECTORY "/main/rootfs/data",
                                         .type = variant == 0 ? "btrfs" : "ext4",
                                         .options = "rw"});
                made_fill(table, MADE_TREE, MADE_ROOT, data);
                ck_assert_ptr_eq(drift_find_entry(table, &mounts[2]), variant == 0 ? data : NULL);
                judge(mounts, ELEMENTSOF(mounts), table, DIRECTORY, &judged);
                ck_assert_uint_eq(judged.n, variant == 0 ? 0 : 2);
        }
}
END_TEST

static struct record_mount record_real(const struct table *table, const char *point, char *container, char *target) {
        const struct entry *entry = table_at(table, point);

        ck_assert_ptr_nonnull(entry);
        return (struct record_mount){
                .id = (1ULL << 31) + entry->id, /* a unique id that the table cannot know */
                .mount_id = entry->id,
                .container = container,
                .target = target,
                .device = entry->device,
                .attributes = entry->attributes,
                .propagation = MS_PRIVATE,
        };
}

START_TEST(test_real) {
        _cleanup_(watch_freep) struct watch *watch = NULL;
        _cleanup_(table_freep) struct table *table = table_new();
        struct record_mount mounts[3];

        namespace_enter_with_room();
        ck_assert_int_eq(watch_open(WATCH_MOUNTINFO, false, &watch), 0);
        make_directory("/tmp/u");
        ck_assert_int_eq(mount("tree", "/tmp/u", "tmpfs", 0, NULL), 0);
        make_directory("/tmp/u/main");
        make_directory("/tmp/u/main/rootfs");
        ck_assert_int_eq(mount("root", "/tmp/u/main/rootfs", "tmpfs", 0, NULL), 0);
        make_directory("/tmp/u/main/rootfs/data");
        make_directory("/tmp/u/main/rootfs/other");
        ck_assert_int_eq(mount("data", "/tmp/u/main/rootfs/data", "tmpfs", MS_NODEV, NULL), 0);
        made_read(table, watch);
        mounts[0] = record_real(table, "/tmp/u", "", "");
        mounts[1] = record_real(table, "/tmp/u/main/rootfs", "main", "/");
        mounts[2] = record_real(table, "/tmp/u/main/rootfs/data", "main", "/data");
        {
                _cleanup_(judged_done) struct judged judged = {};

                judge(mounts, 3, table, "/tmp/u", &judged);
                ck_assert_uint_eq(judged.n, 0);
        }

        ck_assert_int_eq(mount(NULL, "/tmp/u/main/rootfs", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
        ck_assert_int_eq(
                mount("foreign", "/tmp/u/main/rootfs/other", "tmpfs", 0, NULL), 0); /* first, or it gets the id of… */
        ck_assert_int_eq(umount2("/tmp/u/main/rootfs/data", 0), 0);                 /* …this one */
        ck_assert(watch_take(watch, NULL));
        made_read(table, watch);
        {
                _cleanup_(judged_done) struct judged judged = {};

                judge(mounts, 3, table, "/tmp/u", &judged);
                ck_assert_uint_eq(judged.n, 3);
                check(&judged.drifts[0], DRIFT_CHANGED, mounts[1].id, "main", "/");
                check(&judged.drifts[1], DRIFT_MISSING, mounts[2].id, "main", "/data");
                check(&judged.drifts[2], DRIFT_EXTRA, table_at(table, "/tmp/u/main/rootfs/other")->id, "main",
                        "/other");
        }
}
END_TEST

UNIT_MAIN("drift", test_none, test_missing, test_recycled, test_recycled_device, test_inherited, test_extra, test_attributes,
        test_propagation, test_cover, test_words, test_deferred, test_no_tree, test_own_devices, test_real)
