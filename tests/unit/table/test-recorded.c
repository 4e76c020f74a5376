/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tables of hosts as they are in the wild, before and after a change: containers, snaps, a container's own view
 * (recorded/record made these three, the kernel wrote them), subvolumes of btrfs, network file systems with automounts
 * (written by hand). Read by the project's own reader, with what the diff says.
 */

#include <fcntl.h>
#include <linux/mount.h>

#include "tests/unit/table/made.h"
#include "tests/unit/unit.h"

static const char *recorded_directory(void) {
        return getenv("srcdir") ?: ".";
}

/* Reads a recording into the table; every line must have become an entry. */
static void read_recorded(struct table *table, const char *name, size_t n_lines, struct changes *ret) {
        _cleanup_free_ struct entry **entries = NULL;
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -1;
        size_t n;

        ck_assert_int_gt(
                asprintf(&path, "%s/tests/unit/table/recorded/%s.mountinfo", recorded_directory(), name), 0);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        ck_assert_msg(fd >= 0, "%s cannot be opened", path);
        ck_assert_int_eq(reading_take_mountinfo(fd, &entries, &n), 0);
        ck_assert_uint_eq(n, n_lines);
        ck_assert_int_eq(table_replace(table, entries, n, ret), 0);
        ck_assert_uint_eq(table_size(table), n_lines);
}

/* All hang together below one root: whose parent is not in the table, and every other's is. */
static void check_tree(const struct table *table) {
        _cleanup_free_ struct entry **entries = NULL, **subtree = NULL;
        struct entry *root = table_at(table, "/");
        size_t n, n_subtree;

        ck_assert_ptr_nonnull(root);
        ck_assert_ptr_null(root->parent);
        ck_assert_int_eq(table_below(table, "/", &entries, &n), 0);
        ck_assert_int_eq(table_subtree(table, root, &subtree, &n_subtree), 0);
        ck_assert_uint_eq(n, table_size(table));
        ck_assert_uint_eq(n_subtree, n);
        for (size_t i = 0; i < n; i++) {
                ck_assert_ptr_eq(table_get(table, entries[i]->id), entries[i]);
                if (entries[i] == root)
                        continue;
                ck_assert_ptr_nonnull(entries[i]->parent);
                ck_assert_uint_eq(entries[i]->parent->id, entries[i]->parent_id);
        }
}

/* The changes in words, a line each. */
static char *told(const struct changes *changes) {
        static const char *const words[] = {
                [CHANGE_MOUNTED] = "mounted",
                [CHANGE_UNMOUNTED] = "unmounted",
                [CHANGE_MOVED] = "moved",
                [CHANGE_REMOUNTED] = "remounted",
        };
        char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);

        ck_assert_ptr_nonnull(file);
        for (size_t i = 0; i < changes->n_items; i++)
                fprintf(file, "%s %u %s\n", words[changes->items[i].kind], changes->items[i].entry->id,
                        changes->items[i].entry->point);
        ck_assert_int_eq(fclose(file), 0);
        return text;
}

/* From one recording to the next; the tables are the caller's to look at. */
static void check(const char *before, size_t n_before, const char *after, size_t n_after, const char *expected,
        struct table **ret_before, struct table **ret_after) {
        _cleanup_changes_ struct changes first = {}, again = {}, all = {}, then = {};
        _cleanup_free_ char *text = NULL;

        *ret_before = table_new();
        *ret_after = table_new();
        read_recorded(*ret_before, before, n_before, &first);
        ck_assert_uint_eq(first.n_items, n_before);
        check_tree(*ret_before);
        read_recorded(*ret_before, before, n_before, &again);
        ck_assert_uint_eq(again.n_items, 0);

        read_recorded(*ret_after, before, n_before, &all);
        read_recorded(*ret_after, after, n_after, &then);
        check_tree(*ret_after);
        text = told(&then);
        ck_assert_str_eq(text, expected);
}

#define SANDBOXES "/run/containerd/io.containerd.grpc.v1.cri/sandboxes"
#define TASKS "/run/containerd/io.containerd.runtime.v2.task/k8s.io"
#define KUBELET "/var/lib/kubelet/pods/5d6f3a90-2c1f-4a0e-9a11-7c40f2a1b00"
#define VOLUME "/volumes/kubernetes.io~projected/kube-api-access-"

/*
 * One pod of containers went and another came, whose mounts got the ids and the devices of the former: where there
 * are no unique ids, nothing tells them from mounts that were moved. The namespaces' own are told apart by their roots.
 */
START_TEST(test_containers) {
        _cleanup_(table_freep) struct table *before = NULL, *after = NULL;
        const struct entry *entry;

        check("containers-before", 17, "containers-after", 17,
                "unmounted 96 /run/netns/cni-5d6f3a90-2c1f-4a0e-9a11-7c40f2a1b001\n"
                "remounted 106 " KUBELET "2" VOLUME "beta\n"
                "moved 108 " SANDBOXES "/beta/kept\n"
                "moved 95 " KUBELET "3" VOLUME "gamma\n"
                "mounted 96 /run/netns/cni-5d6f3a90-2c1f-4a0e-9a11-7c40f2a1b003\n"
                "moved 97 " SANDBOXES "/gamma/shm\n"
                "moved 100 " TASKS "/gamma-pause/rootfs\n"
                "moved 105 " TASKS "/gamma-app/rootfs\n"
                "remounted 105 " TASKS "/gamma-app/rootfs\n",
                &before, &after);
        entry = table_at(before, TASKS "/beta-app/rootfs");
        ck_assert_str_eq(entry->type, "overlay");
        ck_assert_ptr_nonnull(strstr(entry->options, ",workdir=/var/lib/containerd/"));
        ck_assert_ptr_eq(entry->parent, table_at(before, "/run"));
        entry = table_at(before, "/run/netns/cni-5d6f3a90-2c1f-4a0e-9a11-7c40f2a1b001");
        ck_assert_str_eq(entry->type, "nsfs");
        ck_assert_str_eq(entry->root, "net:[4026532195]");
        ck_assert_ptr_eq(entry->parent, table_at(before, "/run/netns"));
        ck_assert_ptr_null(table_at(after, SANDBOXES "/beta/shm"));
        ck_assert_uint_eq(table_at(after, SANDBOXES "/beta/kept")->id, 108);
        ck_assert_uint_eq(table_at(after, KUBELET "2" VOLUME "beta")->attributes, MOUNT_ATTR_RDONLY);
}
END_TEST

START_TEST(test_snaps) {
        _cleanup_(table_freep) struct table *before = NULL, *after = NULL;
        const struct entry *entry;

        check("snaps-before", 7, "snaps-after", 7,
                "unmounted 203 /snap/lxd/28373\n"
                "mounted 206 /snap/lxd/29351\n",
                &before, &after);
        entry = table_at(after, "/snap/firefox/43 37");
        ck_assert_str_eq(entry->source, "/dev/loop4");
        ck_assert(entry->superblock_readonly);
        ck_assert_uint_eq(entry->attributes, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV);
        ck_assert_uint_eq(table_at(after, "/run/snapd/ns")->propagation, 0);
        ck_assert_uint_eq(table_at(after, "/run/snapd/ns")->device, table_at(after, "/run")->device);
}
END_TEST

/* Files bound over files, one of them deleted since, and mounts in all kinds of propagation. */
START_TEST(test_container) {
        _cleanup_(table_freep) struct table *before = NULL, *after = NULL;

        check("container-before", 21, "container-after", 19,
                "unmounted 203 /etc/resolv.conf\n"
                "unmounted 218 /srv/both/sub\n"
                "unmounted 217 /srv/shared/sub\n"
                "remounted 208 /proc/bus\n"
                "remounted 213 /srv/slave\n"
                "remounted 215 /srv/private\n"
                "remounted 219 /srv/slave/sub\n"
                "mounted 203 /etc/resolv.conf\n",
                &before, &after);
        ck_assert_str_eq(table_at(before, "/etc/mtab")->root, "/etc/a (deleted)//deleted");
        ck_assert_str_eq(table_at(before, "/proc/keys")->root, "/null");
        ck_assert_uint_eq(table_at(before, "/srv/shared")->propagation, ENTRY_SHARED);
        ck_assert_uint_eq(table_at(before, "/srv/slave")->propagation, ENTRY_SLAVE);
        ck_assert_uint_eq(table_at(before, "/srv/slave")->master_group, table_at(before, "/srv/shared")->peer_group);
        ck_assert_uint_eq(table_at(before, "/srv/both")->propagation, ENTRY_SHARED | ENTRY_SLAVE);
        ck_assert_uint_eq(table_at(before, "/srv/unbindable")->propagation, ENTRY_UNBINDABLE);
        ck_assert_uint_eq(table_at(after, "/srv/slave")->propagation, 0);
        ck_assert_uint_eq(table_at(after, "/srv/private")->propagation, ENTRY_SHARED);
        ck_assert_ptr_null(table_at(after, "/srv/shared/sub"));
        ck_assert_ptr_nonnull(table_at(after, "/srv/slave/sub")); /* its parent had lost the master */
}
END_TEST

/* All of one device: only the root tells one subvolume from another that got its id. */
START_TEST(test_btrfs) {
        _cleanup_(table_freep) struct table *before = NULL, *after = NULL;

        check("btrfs-before", 10, "btrfs-after", 10,
                "unmounted 71 /var/lib/docker/btrfs\n"
                "remounted 46 /opt\n"
                "mounted 71 /var/mnt/before update\n"
                "moved 88 /opt/photos\n",
                &before, &after);
        ck_assert_str_eq(table_at(before, "/")->root, "/@/.snapshots/1/snapshot");
        ck_assert_str_eq(table_at(before, "/home/user/Photos 2019")->root, "/@/home/user/Old photos");
        ck_assert_ptr_eq(table_at(before, "/home/user/Photos 2019")->parent, table_at(before, "/home"));
        ck_assert_ptr_null(table_at(after, "/home/user/Photos 2019"));
        ck_assert_str_eq(table_at(after, "/var/mnt/before update")->root, "/@/.snapshots/2/snapshot");
}
END_TEST

START_TEST(test_network) {
        _cleanup_(table_freep) struct table *before = NULL, *after = NULL;

        check("network-before", 10, "network-after", 10,
                "unmounted 140 /mnt/ssh\n"
                "remounted 123 /net/filer/big data\n"
                "moved 120 /home/bob\n"
                "remounted 120 /home/bob\n"
                "mounted 150 /proc/sys/fs/binfmt_misc\n",
                &before, &after);
        ck_assert_str_eq(table_at(before, "/net/filer/big data")->source, "filer:/export/big data");
        ck_assert_str_eq(table_at(before, "/home/ann")->parent->type, "autofs");
        ck_assert_str_eq(table_at(before, "/mnt/windows")->source, "//server/share one");
        ck_assert_str_eq(table_at(before, "/mnt/ssh")->type, "fuse.sshfs");
        ck_assert_str_eq(table_at(before, "/proc/sys/fs/binfmt_misc")->type, "autofs");
        ck_assert_str_eq(table_at(after, "/proc/sys/fs/binfmt_misc")->type, "binfmt_misc"); /* on its trigger */
        ck_assert_ptr_null(table_at(after, "/mnt/ssh"));
}
END_TEST

UNIT_MAIN("recorded", test_containers, test_snaps, test_container, test_btrfs, test_network)
