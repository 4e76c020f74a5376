/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where mounts were first seen: what the record takes down of it, what counts as moved, and who a mount with a recycled
 * id is. Made records against made tables. */

#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "pod/drift.h"
#include "pod/sight.h"
#include "tests/unit/table/made.h"
#include "tests/unit/unit.h"

#define DIRECTORY "/run/podmount/pods/u"
#define ROOTFS DIRECTORY "/main/rootfs"

static char *containers[] = {"main", NULL};

struct pod_made {
        struct record_mount mounts[3];
        struct record_pod record;
        struct table *table;
};

static struct record_mount record(uint32_t id, char *container, char *target) {
        return (struct record_mount){.id = id, .mount_id = id, .container = container, .target = target, .device = 1000 + id};
}

/* A pod of a tree (2), a root (3) and a bind (4) at /data; the bind's entry is at `point` and shows `root`. */
static void made_begin(struct pod_made *made, uint64_t unique, const char *point, const char *root) {
        struct entry *tree = made_entry(2, 1, DIRECTORY), *top = made_entry(3, 2, ROOTFS), *data = made_entry(4, 3, point);

        *made = (struct pod_made){.mounts = {record(2, "", ""), record(3, "main", "/"), record(4, "main", "/data")}};
        made->record = (struct record_pod){.containers = containers, .mounts = made->mounts, .n_mounts = 3};
        made->table = table_new();
        made_texts(data, &(struct entry_texts){.root = root, .point = point, .type = "ext4", .options = "rw"});
        if (unique) {
                struct entry *entries[] = {tree, top, data};

                for (unsigned i = 0; i < ELEMENTSOF(entries); i++) {
                        entries[i]->unique_id = unique + i;
                        made->mounts[i].id = unique + i;
                }
        }
        made_fill(made->table, made_entry(1, 1, "/"), tree, top, data);
}

/* The bind is elsewhere now. */
static void made_move(struct pod_made *made, const char *point, const char *root) {
        struct entry *data = made_entry(4, 3, point), *tree = made_entry(2, 1, DIRECTORY), *top = made_entry(3, 2, ROOTFS);

        made_texts(data, &(struct entry_texts){.root = root, .point = point, .type = "ext4", .options = "rw"});
        tree->unique_id = table_get(made->table, 2)->unique_id;
        top->unique_id = table_get(made->table, 3)->unique_id;
        data->unique_id = table_get(made->table, 4)->unique_id;
        made_fill(made->table, made_entry(1, 1, "/"), tree, top, data);
}

static void made_end(struct pod_made *made) {
        for (size_t i = 0; i < ELEMENTSOF(made->mounts); i++) {
                free(made->mounts[i].fs_options);
                free(made->mounts[i].root);
                free(made->mounts[i].point);
        }
        table_free(made->table);
}

/* What the drift of the bind says; NULL for none. The text is the caller's. */
static char *detail(const struct pod_made *made, enum drift_kind kind) {
        struct drift *drifts = NULL;
        char *text = NULL;
        size_t n = 0;

        ck_assert_int_eq(drift_judge(&made->record, made->table, made->table, DIRECTORY, &drifts, &n), 0);
        for (size_t i = 0; i < n && !text; i++)
                if (strcmp(drifts[i].target, "/data") == 0) {
                        ck_assert_int_eq(drifts[i].kind, kind);
                        text = strdup(drifts[i].detail);
                }
        drifts_free(drifts, n);
        return text;
}

#define check_detail(made, kind, expected)                                                                            \
        do {                                                                                                          \
                _cleanup_free_ char *_text = detail((made), (kind));                                                  \
                                                                                                                      \
                ck_assert_pstr_eq(_text, (expected));                                                                 \
        } while (0)

START_TEST(test_plain_place) {
        struct pod_made made;
        bool urgent;

        made_begin(&made, 1ULL << 40, ROOTFS "/data", "/srv");
        ck_assert_int_eq(drift_sight(&made.record, made.table, made.table, &urgent), 0); /* nothing to write down */
        ck_assert(made.mounts[2].seen && !made.mounts[2].unsaved);
        ck_assert_ptr_null(made.mounts[2].point);
        ck_assert_ptr_null(made.mounts[2].root);
        check_detail(&made, DRIFT_CHANGED, NULL);
        made_move(&made, ROOTFS "/mnt/other", "/srv");
        check_detail(&made, DRIFT_CHANGED, "moved to /mnt/other");
        ck_assert_int_eq(drift_sight(&made.record, made.table, made.table, &urgent), 1); /* so that a restart knows */
        ck_assert_str_eq(made.mounts[2].point, "main/rootfs/data");
        ck_assert(made.mounts[2].unsaved);
        check_detail(&made, DRIFT_CHANGED, "moved to /mnt/other");
        made_move(&made, ROOTFS "/data", "/renamed");
        check_detail(&made, DRIFT_CHANGED, NULL);
        made_end(&made);
}
END_TEST

START_TEST(test_links) {
        struct pod_made made;
        bool urgent;

        made_begin(&made, 1ULL << 40, ROOTFS "/real", "/srv");
        check_detail(&made, DRIFT_CHANGED, NULL); /* not seen yet */
        ck_assert_int_eq(drift_sight(&made.record, made.table, made.table, &urgent), 1);
        ck_assert_str_eq(made.mounts[2].point, "main/rootfs/real");
        ck_assert_int_eq(drift_sight(&made.record, made.table, made.table, &urgent), 0);
        check_detail(&made, DRIFT_CHANGED, NULL);
        made_move(&made, ROOTFS "/data", "/srv");
        check_detail(&made, DRIFT_CHANGED, "moved to /data");
        made_end(&made);
}
END_TEST

/* As after a restart: what is on record stays, what is not is the first sight. */
START_TEST(test_restart) {
        struct pod_made made;
        bool urgent;

        made_begin(&made, 1ULL << 40, ROOTFS "/elsewhere", "/srv");
        made.mounts[2].point = strdup("main/rootfs/data");
        ck_assert_int_eq(drift_sight(&made.record, made.table, made.table, &urgent), 0);
        check_detail(&made, DRIFT_CHANGED, "moved to /elsewhere");
        made_end(&made);
}
END_TEST

/* A recycled id: another mount of the same device is ours if it is in the same place or shows the same directory. */
START_TEST(test_recycled) {
        static const struct {
                const char *point, *root;
                bool ours;
                const char *told;
        } rows[] = {
                {ROOTFS "/data", "/srv", true, NULL},
                {ROOTFS "/data", "/other", true, "shows /other instead of /srv: renamed, or another mount in its place"},
                {ROOTFS "/data", "/srv//deleted", true, "its source was deleted and lives on in this mount alone"},
                {ROOTFS "/mnt", "/srv", true, "moved to /mnt"},
                {ROOTFS "/mnt", "/srv//deleted", true,
                        "its source was deleted and lives on in this mount alone; moved to /mnt"},
                {ROOTFS "/mnt", "/other", false, "unmounted"},
                {ROOTFS "/mnt", "/srv/sub", false, "unmounted"},
                {ROOTFS "/mnt", "/sr", false, "unmounted"},
                {ROOTFS "/my/data", "/other", false, "unmounted"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct pod_made made;
                bool urgent;

                made_begin(&made, 0, ROOTFS "/data", "/srv");
                ck_assert_int_eq(drift_sight(&made.record, made.table, made.table, &urgent), 3);
                ck_assert_str_eq(made.mounts[2].root, "/srv");
                ck_assert_ptr_null(made.mounts[2].point);
                made_move(&made, rows[i].point, rows[i].root);
                ck_assert_msg(!!drift_find_entry(made.table, &made.mounts[2]) == rows[i].ours, "row %zu", i);
                check_detail(&made, rows[i].ours ? DRIFT_CHANGED : DRIFT_MISSING, rows[i].told);
                made_end(&made);
        }
}
END_TEST

/* The options of a file system of the pod's own, from the first sight on; `nested` and binds are others'. */
START_TEST(test_options) {
        static const struct {
                const char *type, *recorded, *first, *now, *expected;
        } rows[] = {
                {"tmpfs", "tmpfs", "rw,size=64k,mode=755", "rw,size=64k,mode=755", NULL},
                {"tmpfs", "tmpfs", "rw,size=64k,mode=755", "rw,mode=755,inode64,size=64k", NULL},
                {"tmpfs", "tmpfs", "rw,size=64k,mode=755", "rw,size=128k,mode=755", "size=64k -> size=128k"},
                {"tmpfs", "tmpfs", "rw,size=64k,mode=755", "rw,size=64k", "mode=755 -> no mode"},
                {"tmpfs", "tmpfs", "rw,size=64k", "rw,sync,size=64k,uid=5,mode=1", "no sync -> sync; no uid -> uid=5; no mode -> mode=1"},
                {"tmpfs", "tmpfs", "rw,size=64k", "rw", "size=64k -> no size"},
                {"tmpfs", "tmpfs", "rw", "rw,size=64k,nr_inodes=7", NULL}, /* so it is when the host's memory grows */
                {"tmpfs", "tmpfs", "rw,size=64k", "rw,size=64k,huge=always,mpol=local", NULL},
                {"tmpfs", "tmpfs", "rw,sync,lazytime", "rw,lazytime", "sync -> no sync"},
                {"tmpfs", "tmpfs", "rw,size=64k", "rw,size=64", "size=64k -> size=64"},
                {"tmpfs", "tmpfs", "rw,size=64k", "ro,size=64k", NULL}, /* told in other words */
                {"tmpfs", "bind", "rw,size=64k", "rw,size=128k", NULL},
                {"proc", "proc", "rw", "rw,hidepid=invisible,gid=7", "no hidepid -> hidepid=invisible; no gid -> gid=7"},
                {"devpts", "devpts", "rw,gid=5,mode=620", "rw,gid=5,mode=600", "mode=620 -> mode=600"},
                {"ext4", "ext4", "rw,errors=continue", "rw,errors=panic,seclabel", "errors=continue -> errors=panic"},
                {"btrfs", "btrfs", "rw,subvolid=5,subvol=/a", "rw,subvolid=5,subvol=/b", NULL},
                {"overlay", "overlay", "rw,lowerdir=a", "rw,lowerdir=b", NULL},
                {"sysfs", "sysfs", "rw", "rw,anything", NULL},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *recorded = strdup(rows[i].recorded), *text = NULL;
                struct entry *data;
                struct pod_made made;
                bool urgent;

                made_begin(&made, 1ULL << 40, ROOTFS "/data", "/");
                made.mounts[2].type = recorded;
                data = table_get(made.table, 4);
                made_texts(data, &(struct entry_texts){.root = "/", .point = ROOTFS "/data", .type = rows[i].type, .options = rows[i].first});
                ck_assert_int_ge(drift_sight(&made.record, made.table, made.table, &urgent), 0);
                ck_assert(!urgent);
                ck_assert_int_eq(drift_sight(&made.record, made.table, made.table, &urgent), 0);
                check_detail(&made, DRIFT_CHANGED, NULL);
                made_texts(data, &(struct entry_texts){.root = "/", .point = ROOTFS "/data", .type = rows[i].type, .options = rows[i].now});
                data->superblock_readonly = strncmp(rows[i].now, "ro", 2) == 0;
                made.mounts[2].attributes = data->superblock_readonly ? MOUNT_ATTR_RDONLY : 0;
                ck_assert_int_eq(drift_sight(&made.record, made.table, made.table, &urgent), 0);
                text = detail(&made, DRIFT_CHANGED);
                ck_assert_msg((!text && !rows[i].expected) || (text && rows[i].expected && strcmp(text, rows[i].expected) == 0),
                        "row %zu: %s", i, text ?: "nothing");
                made_end(&made);
        }
}
END_TEST

UNIT_MAIN("sight", test_options, test_plain_place, test_links, test_restart, test_recycled)
