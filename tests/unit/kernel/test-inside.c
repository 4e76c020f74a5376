/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The mount namespaces of others: named, found again, mounted in and unmounted from; locks that their root cannot undo. */

#include "kernel/inside.h"

#include "kernel/gift.h"
#include "kernel/identity.h"
#include "kernel/namespaces.h"
#include "kernel/resolve.h"
#include "kernel/tree.h"
#include "tests/unit/dweller.h"
#include "tests/unit/kernel-features.h"

#define NOBODY ((UINT64_C(1) << 31) + 1) /* the id of a mount of the first moment of the boot */

/* Everything but the dweller: a source, a file in it, places to mount on. */
static bool begin(void) {
        if (!namespace_enter())
                return false;
        if (!unit_features().namespace_ids) {
                unit_skip("no ids of mount namespaces here");
                return false;
        }
        make_directory("/tmp/src");
        make_file("/tmp/src/hello", "hello\n");
        make_directory("/tmp/place");
        make_file("/tmp/file", "");
        return true;
}

static int clone_of(const char *path, uint64_t attributes) {
        _cleanup_close_ int source = open(path, O_PATH | O_CLOEXEC);
        int mount = tree_clone(source, false);

        ck_assert_int_ge(mount, 0);
        ck_assert_int_eq(tree_set(mount, false, attributes, 0, MS_PRIVATE), 0);
        return mount;
}

/* A place as the dweller's namespace has it. */
static int place_in(const struct dweller *dweller, const char *path) {
        _cleanup_close_ int root = inside_root(dweller->namespace);
        int fd = resolve_in_root(root, path);

        ck_assert_int_ge(root, 0);
        ck_assert_int_ge(fd, 0);
        return fd;
}

static uint64_t id_of(int mount) {
        struct identity identity;

        ck_assert_int_eq(identity_read(mount, "", true, &identity), 0);
        return identity.key;
}

START_TEST(test_named) {
        _cleanup_close_ int own = -1, net = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC),
                            found = -1, first = open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC);
        struct dweller dweller, other;
        uint64_t id, mine, theirs;

        if (!begin())
                return;
        own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC); /* that of the test */
        dweller = dweller_start(false, 0, NULL, true);
        other = dweller_start(true, 0, NULL, true);
        ck_assert_int_eq(inside_id(own, &mine), 0);
        ck_assert_int_eq(inside_id(dweller.namespace, &id), 0);
        ck_assert_int_eq(inside_id(other.namespace, &theirs), 0);
        ck_assert(id != mine && id != theirs && mine != theirs);
        ck_assert_int_lt(inside_id(net, &id), 0);
        ck_assert_int_eq(inside_id(dweller.namespace, &id), 0);

        ck_assert_int_eq(inside_is_host(own), 1);
        ck_assert(first < 0 || inside_is_host(first) == 1); /* not seen by a root without all capabilities */
        ck_assert_int_eq(inside_is_host(dweller.namespace), 0);
        ck_assert_int_eq(inside_is_foreign(dweller.namespace), 0);
        ck_assert_int_eq(inside_is_foreign(other.namespace), 1);

        found = inside_find(id);
        ck_assert_int_ge(found, 0);
        ck_assert_int_eq(inside_id(found, &theirs), 0);
        ck_assert_uint_eq(id, theirs);
        ck_assert_int_eq(inside_find(mine), -EPERM);
        ck_assert_int_eq(inside_look(id, NOBODY), INSIDE_MISSING);
        (void) close(found);
        found = -1;
        dweller_end(&other); /* it has a copy of all our fds */
        dweller_end(&dweller);
        ck_assert_int_eq(inside_find(id), -ENOENT);
        ck_assert_int_eq(inside_look(id, NOBODY), INSIDE_GONE);
}
END_TEST

static void check_mounting(bool userns) {
        _cleanup_free_ char *before = namespace_snapshot(), *here = get_current_dir_name(), *there = NULL;
        struct dweller dweller = dweller_start(userns, 0, NULL, true);
        int mount = clone_of("/tmp/src", MOUNT_ATTR_RDONLY), target = place_in(&dweller, "/tmp/place"), wrong = open("/tmp/place", O_PATH);
        uint64_t id = id_of(mount), namespace;
        bool attached;

        ck_assert_int_eq(inside_id(dweller.namespace, &namespace), 0);
        ck_assert_int_eq(inside_attach(dweller.namespace, mount, wrong), -EINVAL); /* a place of another namespace */
        ck_assert_int_eq(inside_attach(dweller.namespace, mount, target), 0);
        ck_assert_int_eq(dweller_do(&dweller, dweller_finds, "/tmp/place/hello"), 0);
        ck_assert(!exists("/tmp/place/hello"));
        ck_assert_int_eq(inside_look(namespace, id), INSIDE_THERE);
        ck_assert_int_eq(inside_propagate(dweller.namespace, mount, false, MS_SHARED), 0);
        (void) close(target);

        /* in use, covered, and then away */
        ck_assert_int_eq(inside_unmount(dweller.namespace, id, false), -EBUSY);
        (void) close(mount);
        mount = clone_of("/tmp/src", 0);
        target = place_in(&dweller, "/tmp/place");
        ck_assert_int_eq(inside_attach(dweller.namespace, mount, target), 0);
        (void) close(target);
        ck_assert_int_eq(inside_unmount(dweller.namespace, id, true), -ESTALE);
        ck_assert_int_eq(inside_detach(dweller.namespace, mount), 0);
        (void) close(mount);
        ck_assert_int_eq(inside_unmount(dweller.namespace, id, false), 0);
        ck_assert_int_eq(inside_unmount(dweller.namespace, id, false), -ENOENT);
        ck_assert_int_eq(inside_look(namespace, id), INSIDE_MISSING);

        /* a file, replaced */
        mount = clone_of("/tmp/src/hello", 0);
        target = place_in(&dweller, "/tmp/file");
        ck_assert_int_eq(inside_attach(dweller.namespace, mount, target), 0);
        id = id_of(mount);
        (void) close(target);
        target = place_in(&dweller, "/tmp/file");
        (void) close(mount);
        mount = clone_of("/tmp/src/hello", 0);
        if (tree_has_beneath()) {
                ck_assert_int_eq(inside_replace(dweller.namespace, mount, target, &attached), 0);
                ck_assert(attached);
                ck_assert_int_eq(inside_look(namespace, id), INSIDE_MISSING);
                ck_assert_int_eq(inside_look(namespace, id_of(mount)), INSIDE_THERE);
                ck_assert_int_eq(inside_detach(dweller.namespace, mount), 0);
        }
        (void) close(target);
        (void) close(mount);
        (void) close(wrong);

        there = get_current_dir_name();
        ck_assert_str_eq(there, here); /* as before each visit */
        dweller_end(&dweller);
        namespace_unchanged(before);
}

START_TEST(test_mounting) {
        if (!begin())
                return;
        check_mounting(false);
        check_mounting(true);
}
END_TEST

/* What is attached in the dweller's namespace would appear here, too. */
START_TEST(test_shared) {
        _cleanup_free_ char *before = NULL;
        _cleanup_close_ int clone = -1, target = -1;
        struct dweller dweller;
        bool attached;

        if (!begin())
                return;
        ck_assert_int_eq(mount_setattr(AT_FDCWD, "/tmp", 0, &(struct mount_attr) {.propagation = MS_SHARED}, sizeof(struct mount_attr)), 0);
        ck_assert_int_eq(mount("/tmp/src", "/tmp/src", NULL, MS_BIND, NULL), 0);
        before = namespace_snapshot();
        dweller = dweller_start(false, 0, NULL, false);
        clone = clone_of("/tmp/src", 0);
        target = place_in(&dweller, "/tmp/place");
        ck_assert_int_eq(inside_attach(dweller.namespace, clone, target), -EREMOTE);
        (void) close(target);
        target = place_in(&dweller, "/tmp/src");
        ck_assert_int_eq(inside_replace(dweller.namespace, clone, target, &attached), -EREMOTE);
        ck_assert(!attached);
        namespace_unchanged(before);
        dweller_end(&dweller);
}
END_TEST

/* The root of another user namespace can take off neither flags nor what hides something below; without the lock it can. */
START_TEST(test_locked) {
        struct dweller dweller;
        int plain, locked, target;

        if (!begin())
                return;
        make_directory("/tmp/src/below");
        make_file("/tmp/src/below/hidden", "");
        ck_assert_int_eq(mount_setattr(AT_FDCWD, "/tmp", 0, &(struct mount_attr) {.propagation = MS_SHARED}, sizeof(struct mount_attr)), 0);
        ck_assert_int_eq(mount("cover", "/tmp/src/below", "tmpfs", 0, NULL), 0);
        dweller = dweller_start(true, 0, NULL, true);

        plain = clone_of("/tmp/src", MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY);
        target = place_in(&dweller, "/tmp/place");
        ck_assert_int_eq(inside_attach(dweller.namespace, plain, target), 0);
        ck_assert_int_eq(dweller_do(&dweller, dweller_clears_nodev, "/tmp/place"), 0);
        ck_assert_int_eq(inside_detach(dweller.namespace, plain), 0);
        (void) close(target);
        (void) close(plain);

        target = open("/tmp/src", O_PATH | O_CLOEXEC);
        plain = tree_clone(target, true);
        (void) close(target);
        ck_assert_int_ge(plain, 0);
        ck_assert_int_eq(tree_set(plain, true, MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY, 0, MS_PRIVATE), 0);
        locked = gift_lock(plain);
        ck_assert_int_ge(locked, 0);
        ck_assert_int_eq(tree_set(locked, true, 0, 0, MS_SHARED), 0);
        target = place_in(&dweller, "/tmp/place");
        ck_assert_int_eq(inside_attach(dweller.namespace, locked, target), 0);
        ck_assert_int_eq(dweller_do(&dweller, dweller_finds, "/tmp/place/hello"), 0);
        ck_assert_int_eq(dweller_do(&dweller, dweller_clears_nodev, "/tmp/place"), -EPERM);
        ck_assert_int_eq(dweller_do(&dweller, dweller_clears_readonly, "/tmp/place"), -EPERM);
        ck_assert_int_eq(dweller_do(&dweller, dweller_clears_readonly, "/tmp/place/below"), -EPERM);
        ck_assert_int_eq(dweller_do(&dweller, dweller_unmounts, "/tmp/place/below"), -EINVAL);
        ck_assert_int_eq(dweller_do(&dweller, dweller_unmounts, "/tmp/place"), 0); /* the whole of it is its own */
        (void) close(plain);
        (void) close(locked);
        (void) close(target);

        /* a file */
        plain = clone_of("/tmp/src/hello", MOUNT_ATTR_NODEV);
        locked = gift_lock(plain);
        ck_assert_int_ge(locked, 0);
        target = place_in(&dweller, "/tmp/file");
        ck_assert_int_eq(inside_attach(dweller.namespace, locked, target), 0);
        ck_assert_int_eq(dweller_do(&dweller, dweller_clears_nodev, "/tmp/file"), -EPERM);
        dweller_end(&dweller);
}
END_TEST

START_TEST(test_process) {
        _cleanup_close_ int file = open("/dev/null", O_RDONLY | O_CLOEXEC), mount = -1, root = -1;
        struct stat theirs, ours;
        struct dweller dweller;

        if (!begin())
                return;
        dweller = dweller_start(false, 0, "/tmp/src", true);
        ck_assert_int_eq(namespaces_open(file, &mount, &root), -EBADF);
        ck_assert_int_eq(namespaces_open(dweller.pidfd, &mount, &root), 0);
        ck_assert_int_eq(fstat(root, &theirs), 0);
        ck_assert_int_eq(stat("/tmp/src", &ours), 0);
        ck_assert_uint_eq(theirs.st_ino, ours.st_ino);
        ck_assert_int_eq(kill(dweller.pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(dweller.pid, NULL, 0), dweller.pid);
        ck_assert_int_eq(namespaces_open(dweller.pidfd, &mount, &root), -ESRCH);
}
END_TEST

UNIT_MAIN("inside", test_named, test_mounting, test_shared, test_locked, test_process)
