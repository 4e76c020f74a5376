/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clones, their attributes and propagation, attachment, identity, detaching. */

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kernel/detach.h"
#include "kernel/fscontext.h"
#include "kernel/gift.h"
#include "kernel/identity.h"
#include "kernel/tree.h"
#include "tests/unit/kernel-features.h"
#include "tests/unit/namespace.h"
#include "tests/unit/unit.h"
#include "util/array.h"

static bool begin(void) {
        if (!namespace_enter())
                return false;
        make_directory("/tmp/src");
        make_directory("/tmp/src/sub");
        make_directory("/tmp/dst");
        ck_assert_int_eq(mount("below", "/tmp/src/sub", "tmpfs", 0, NULL), 0);
        return true;
}

static int open_path(const char *path) {
        int fd = open(path, O_PATH | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        return fd;
}

START_TEST(test_clone) {
        _cleanup_close_ int source = -1, mount_fd = -1, target = -1;
        _cleanup_free_ char *before = NULL, *line = NULL;
        uint64_t attributes;

        if (!begin())
                return;
        before = namespace_snapshot();
        source = open_path("/tmp/src");
        target = open_path("/tmp/dst");
        mount_fd = tree_clone(source, true);
        ck_assert_int_ge(mount_fd, 0);
        ck_assert_int_eq(tree_set(mount_fd, true, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME, 0, MS_PRIVATE), 0);
        ck_assert_int_eq(identity_attributes(mount_fd, &attributes), 0);
        ck_assert_uint_eq(attributes, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME);
        namespace_unchanged(before);
        ck_assert_int_eq(tree_attach(mount_fd, target, ""), 0);
        line = namespace_line("/tmp/dst/sub");
        ck_assert_ptr_nonnull(strstr(line, "ro,noatime"));
        ck_assert_int_eq(detach_fd(mount_fd), 0);
        namespace_unchanged(before);
        /* A clone that is closed was never there. */
        (void) close_fd(mount_fd);
        mount_fd = tree_clone(source, false);
        ck_assert_int_ge(mount_fd, 0);
        mount_fd = close_fd(mount_fd);
        namespace_unchanged(before);
}
END_TEST

START_TEST(test_attributes) {
        static const struct {
                uint64_t set, clear, shows;
        } cases[] = {
                {MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV},
                {MOUNT_ATTR_STRICTATIME, 0, MOUNT_ATTR_STRICTATIME},
                {MOUNT_ATTR_NODIRATIME, 0, MOUNT_ATTR_NODIRATIME},
                {MOUNT_ATTR_NOSYMFOLLOW | MOUNT_ATTR_NOEXEC, 0, MOUNT_ATTR_NOSYMFOLLOW | MOUNT_ATTR_NOEXEC},
        };

        if (!begin())
                return;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_close_ int fd = fscontext_tmpfs(65536, 0, 0755, 0, 0, 0);
                uint64_t attributes;

                ck_assert_int_ge(fd, 0);
                ck_assert_int_eq(tree_set(fd, false, cases[i].set, cases[i].clear, 0), 0);
                ck_assert_int_eq(identity_attributes(fd, &attributes), 0);
                ck_assert_uint_eq(attributes, cases[i].shows);
                ck_assert_int_eq(tree_set(fd, false, 0, cases[i].set, 0), 0);
                ck_assert_int_eq(identity_attributes(fd, &attributes), 0);
                ck_assert_uint_eq(attributes, 0);
        }
}
END_TEST

/* The ids of a detached mount are those that it keeps. */
START_TEST(test_identity) {
        _cleanup_close_ int fd = -1, target = -1;
        _cleanup_free_ char *line = NULL, *text = NULL;
        struct features features;
        struct identity detached, attached, recycled;
        uint32_t mount_id;

        if (!begin())
                return;
        features = unit_features();
        fd = fscontext_tmpfs(65536, 0, 0755, 0, 0, 0);
        target = open_path("/tmp/dst");
        ck_assert_int_eq(identity_read(fd, "", features.unique_id, &detached), 0);
        ck_assert_int_eq(identity_mount_id(fd, &mount_id), 0);
        ck_assert(detached.mount_root && S_ISDIR(detached.mode));
        ck_assert_int_eq(tree_attach(fd, target, ""), 0);
        ck_assert_int_eq(identity_read(AT_FDCWD, "/tmp/dst", features.unique_id, &attached), 0);
        ck_assert_uint_eq(attached.key, detached.key);
        ck_assert_uint_eq(attached.device, detached.device);
        ck_assert_int_eq(identity_read(AT_FDCWD, "/tmp/dst", false, &recycled), 0);
        ck_assert_uint_eq(recycled.key, mount_id);
        line = namespace_line("/tmp/dst");
        ck_assert_int_gt(asprintf(&text, "%u ", mount_id), 0);
        ck_assert_int_eq(strncmp(line, text, strlen(text)), 0);
        ck_assert_int_eq(identity_read(AT_FDCWD, "/tmp/src/none", features.unique_id, &attached), -ENOENT);
        ck_assert_int_eq(identity_read(AT_FDCWD, "/tmp/src", features.unique_id, &attached), 0);
        ck_assert(!attached.mount_root);
}
END_TEST

START_TEST(test_propagation) {
        _cleanup_close_ int source = -1, fd = -1, target = -1;
        _cleanup_free_ char *line = NULL, *own = NULL;

        if (!begin())
                return;
        ck_assert_int_eq(mount(NULL, "/tmp/src/sub", NULL, MS_SHARED, NULL), 0);
        source = open_path("/tmp/src/sub");
        target = open_path("/tmp/dst");
        fd = tree_clone(source, false);
        ck_assert_int_eq(tree_set(fd, false, 0, 0, MS_PRIVATE), 0);
        ck_assert_int_eq(tree_set(fd, false, 0, 0, MS_SHARED), 0);
        ck_assert_int_eq(tree_attach(fd, target, ""), 0);
        line = namespace_line("/tmp/dst");
        own = namespace_line("/tmp/src/sub");
        ck_assert_ptr_nonnull(strstr(line, "shared:"));
        ck_assert_int_ne(atoi(strstr(line, "shared:") + 7), atoi(strstr(own, "shared:") + 7));
}
END_TEST

START_TEST(test_refusals) {
        _cleanup_close_ int fd = -1, target = -1, tree = -1;
        int pipes[2];

        if (!begin())
                return;
        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
        ck_assert_int_eq(tree_clone(pipes[0], false), -EINVAL);
        ck_assert_int_eq(mount(NULL, "/tmp/src/sub", NULL, MS_UNBINDABLE, NULL), 0);
        fd = open_path("/tmp/src/sub");
        ck_assert_int_eq(tree_clone(fd, false), -EINVAL);
        make_file("/tmp/file", "");
        target = open_path("/tmp/file");
        tree = fscontext_tmpfs(65536, 0, 0755, 0, 0, 0);
        ck_assert_int_eq(tree_attach(tree, target, ""), -EINVAL);
        /* Neither side follows a symlink. */
        ck_assert_int_eq(symlink("/tmp/dst", "/tmp/link"), 0);
        (void) close_fd(target);
        target = open_path("/tmp");
        ck_assert_int_lt(tree_attach(tree, target, "link"), 0);
        ck_assert_ptr_null(namespace_line("/tmp/dst"));
}
END_TEST

START_TEST(test_detach) {
        _cleanup_close_ int parent = -1, busy = -1;

        if (!begin())
                return;
        parent = open_path("/tmp/src");
        ck_assert_int_eq(detach_enter(parent), 0);
        ck_assert_int_eq(detach_name("none", false), -ENOENT);
        busy = open_path("/tmp/src/sub");
        ck_assert_int_eq(detach_name("sub", false), -EBUSY);
        busy = close_fd(busy);
        ck_assert_int_eq(symlink("sub", "/tmp/src/link"), 0);
        ck_assert_int_eq(detach_name("link", false), -EINVAL);
        ck_assert_int_eq(detach_name("sub", false), 0);
        ck_assert_int_eq(detach_name("sub", false), -EINVAL);
        ck_assert_int_eq(mount("below", "/tmp/src/sub", "tmpfs", 0, NULL), 0);
        busy = open_path("/tmp/src/sub");
        ck_assert_int_eq(detach_name("sub", true), 0);
        ck_assert_uint_eq(namespace_count("/tmp/src/sub"), 0);
        detach_leave();
        ck_assert_int_eq(umount2("/tmp", MNT_DETACH), 0);
}
END_TEST

static _Atomic size_t first; /* that was begun, and is not done */

static void note_first(size_t i, void *userdata _unused_) {
        first = i;
}

/* All of them together, as far as the first that is not what was meant; and the directory is nobody's when they are gone. */
START_TEST(test_detach_many) {
        enum { MANY = 200, ODD = 150, ROUNDS = 10, MANY_AT_ONCE = 16 };
        struct detach_item items[MANY];
        char names[MANY][sizeof("4294967295")];
        struct features features;

        if (!begin())
                return;
        ck_assert_int_eq(features_probe(NULL, &features), 0);
        if (!features.unique_id)
                return unit_skip("no unique ids of mounts");
        for (unsigned round = 0; round < ROUNDS; round++) {
                _cleanup_close_ int parent = -1;

                ck_assert_int_eq(mount("many", "/tmp/dst", "tmpfs", 0, NULL), 0);
                parent = open_path("/tmp/dst");
                ck_assert_int_eq(detach_enter(parent), 0);
                parent = close_fd(parent);
                for (unsigned i = 0; i < MANY; i++) {
                        struct identity identity;

                        (void) snprintf(names[i], sizeof(names[i]), "%u", i); /* holds any unsigned */
                        ck_assert_int_eq(mkdir(names[i], 0755), 0);
                        ck_assert_int_eq(mount("/tmp/src", names[i], NULL, MS_BIND, NULL), 0);
                        ck_assert_int_eq(identity_read(AT_FDCWD, names[i], true, &identity), 0);
                        items[i] = (struct detach_item){.name = names[i], .id = identity.key + (i == ODD)};
                }
                first = MANY;
                detach_many(items, MANY, note_first, NULL);
                ck_assert_uint_le(first, ODD + MANY_AT_ONCE);
                for (unsigned i = 0; i <= ODD; i++)
                        ck_assert(items[i].gone == (i < ODD) && (i == ODD || items[i].identity.key == items[i].id));
                for (unsigned i = 0; i < MANY; i++)
                        ck_assert_int_eq(umount2(names[i], 0), items[i].gone ? -1 : 0);
                detach_leave();
                ck_assert_int_eq(umount2("/tmp/dst", 0), 0);
        }
}
END_TEST

/* Features: those that can be had, fewer when taken away, none by a wrong name. */
START_TEST(test_features) {
        _cleanup_strv_ char **all = NULL, **none = NULL;
        _cleanup_free_ char *before = NULL;
        struct features features;

        if (!begin())
                return;
        before = namespace_snapshot();
        ck_assert_int_eq(features_probe(NULL, &features), 0);
        ck_assert_int_eq(features_names(&features, &all), 0);
        namespace_unchanged(before);
        for (size_t i = 0; all[i]; i++) {
                struct features fewer;
                _cleanup_strv_ char **names = NULL;

                ck_assert_int_eq(features_probe(all[i], &fewer), 0);
                ck_assert_int_eq(features_names(&fewer, &names), 0);
                ck_assert_uint_lt(strv_length(names), strv_length(all));
                for (size_t j = 0; names[j]; j++)
                        ck_assert_str_ne(names[j], all[i]);
        }
        ck_assert_int_eq(
                features_probe("unique-id,statmount,detached-attach,detached-clone,detached-layers,beneath,lowerdir-plus,layer-fd,proc-pidns,namespace-ids",
                        &features),
                0);
        ck_assert_int_eq(features_names(&features, &none), 0);
        ck_assert_uint_eq(strv_length(none), 0);
        ck_assert_int_eq(features_probe("unique", &features), -EINVAL);
}
END_TEST

/* What the clone's new owner can do to it, in namespaces of its own: 0, or what mount_setattr(2) and umount2(2) said. */
static void attack(int mount_fd, int errors[static 3]) {
        _cleanup_close_ int target = -1;

        (void) tree_set(mount_fd, true, 0, 0, MS_PRIVATE);
        errors[0] = tree_set(mount_fd, false, 0, MOUNT_ATTR_RDONLY, 0);
        errors[1] = tree_set(mount_fd, true, 0, MOUNT_ATTR_NODEV, 0);
        target = open_path("/tmp/dst");
        errors[2] = tree_attach(mount_fd, target, "") < 0 || umount2("/tmp/dst/sub", MNT_DETACH) < 0 ? -errno : 0;
}

START_TEST(test_gift) {
        int *errors = mmap(NULL, sizeof(*errors) * 3, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        _cleanup_close_ int root = -1, gift = -1;
        _cleanup_free_ char *before = NULL;
        pid_t pid;
        int status;

        ck_assert_ptr_ne(errors, MAP_FAILED);
        if (!begin())
                return;
        ck_assert_int_eq(mount("/tmp/src", "/tmp/src", NULL, MS_BIND | MS_REC, NULL), 0);
        root = open_path("/tmp/src");
        ck_assert_int_eq(tree_set(root, true, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, 0, 0), 0);
        (void) close_fd(root);
        root = open_path("/tmp");
        before = namespace_snapshot();
        ck_assert_int_eq(gift_clone(root, "/src/nowhere"), -ENOENT);
        gift = gift_clone(root, "/../src");
        if (gift == -EUSERS || gift == -ENOSPC) {
                unit_skip("there are no user namespaces");
                return;
        }
        ck_assert_int_ge(gift, 0);
        namespace_unchanged(before);
        pid = fork();
        if (pid == 0) {
                if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
                        _exit(1);
                attack(gift, errors);
                _exit(0);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        ck_assert_int_eq(errors[0], -EPERM);
        ck_assert_int_eq(errors[1], -EPERM);
        ck_assert_int_eq(errors[2], -EINVAL);
        namespace_unchanged(before);
        (void) munmap(errors, sizeof(*errors) * 3);
}
END_TEST

UNIT_MAIN(
        "tree", test_gift, test_clone, test_attributes, test_identity, test_propagation, test_refusals, test_detach, test_detach_many, test_features)
