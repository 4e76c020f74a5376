/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Taking away: by id, never another mount, never through a symlink; gone already is success, busy is told. */

#include <sys/wait.h>

#include "kernel/identity.h"
#include "tests/unit/executor/hands.h"

static struct job_result pod, bound;

/* A pod with a bind at /data and one at /made/here, whose mount point was made. */
static bool begin(const char *without) {
        struct job *job;
        struct step *step;

        if (!hands_begin(without))
                return false;
        pod = make_pod();
        job = new_job(true);
        add_bind(job, "/tmp/src", "/data");
        step = add_bind(job, "/tmp/src", "/made/here");
        step->create = STEP_CREATE_AS_CALLER;
        step->cover_id = executor.features.unique_id ? pod.steps[1].id : pod.steps[1].mount_id;
        bound = run(job);
        ck_assert_done(bound);
        return true;
}

static struct step *add_unmount(struct job *job, const struct step_result *made, const char *path, bool lazy) {
        struct step *step = job_add(job, lazy ? STEP_DETACH : STEP_UNMOUNT);

        step->target = strdup(path);
        step->id = made->id;
        step->mount_id = made->mount_id;
        step->device = made->device;
        step->made = made->made;
        step->made_file = made->made_file;
        return step;
}

static struct job_result unmount_one(const struct step_result *made, const char *path, bool lazy) {
        struct job *job = new_job(true);

        add_unmount(job, made, path, lazy);
        return run(job);
}

static void collect(bool lazy) {
        _cleanup_job_result_ struct job_result result = {};
        struct job *job = new_job(true);

        if (!lazy) {
                add_unmount(job, &bound.steps[0], "main/rootfs/data", false);
                add_unmount(job, &bound.steps[1], "main/rootfs/made/here", false);
                add_unmount(job, &pod.steps[1], "main/rootfs", false);
        } else
                add_unmount(job, &bound.steps[1], "main/rootfs/made/here", true);
        add_unmount(job, &pod.steps[0], "", lazy);
        ck_assert_ptr_nonnull(job_add(job, STEP_REMOVE_POD));
        result = run(job);
        ck_assert_done(result);
        ck_assert(!exists(POD));
        ck_assert(!exists("/tmp/root/made"));
        ck_assert_uint_eq(namespace_count("/tmp/run/pods"), 0);
}

START_TEST(test_collect) {
        if (begin(NULL))
                collect(false);
}
END_TEST

START_TEST(test_collect_lazily) {
        if (begin(NULL))
                collect(true);
}
END_TEST

START_TEST(test_collect_old_kernel) {
        if (begin("unique-id,statmount,detached-attach"))
                collect(false);
}
END_TEST

static void gone_is_success(void) {
        _cleanup_job_result_ struct job_result first = {}, second = {}, third = {};

        ck_assert_int_eq(umount2(ROOTFS "/data", 0), 0);
        first = unmount_one(&bound.steps[0], "main/rootfs/data", false);
        ck_assert_done(first);
        /* Another mount is there now: it is not ours to take. */
        ck_assert_int_eq(mount("foreign", ROOTFS "/data", "tmpfs", 0, NULL), 0);
        second = unmount_one(&bound.steps[0], "main/rootfs/data", false);
        ck_assert_done(second);
        ck_assert_uint_eq(namespace_count(ROOTFS "/data "), 1);
        ck_assert_int_eq(umount2(POD, MNT_DETACH), 0);
        third = unmount_one(&bound.steps[1], "main/rootfs/made/here", true);
        ck_assert_done(third);
}

START_TEST(test_gone) {
        if (begin(NULL))
                gone_is_success();
}
END_TEST

START_TEST(test_gone_mountinfo) {
        if (begin("statmount"))
                gone_is_success();
}
END_TEST

/* A kernel without unique ids has given the recycled one to another mount: that one is not ours to take. */
START_TEST(test_recycled) {
        _cleanup_job_result_ struct job_result other = {}, same = {};
        struct step_result made;

        if (!begin("unique-id,statmount"))
                return;
        made = bound.steps[0];
        ck_assert_uint_eq(made.id, 0);
        made.device++;
        other = unmount_one(&made, "main/rootfs/data", false);
        ck_assert_done(other);
        ck_assert_uint_eq(namespace_count(ROOTFS "/data "), 1);
        made.device--;
        same = unmount_one(&made, "main/rootfs/data", false);
        ck_assert_done(same);
        ck_assert_uint_eq(namespace_count(ROOTFS "/data "), 0);
}
END_TEST

START_TEST(test_busy) {
        _cleanup_job_result_ struct job_result result = {}, again = {}, lazy = {};
        int fd;

        if (!begin(NULL))
                return;
        fd = open(ROOTFS "/data/hello", O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        {
                struct job *job = new_job(true);

                add_unmount(job, &bound.steps[1], "main/rootfs/made/here", false);
                add_unmount(job, &bound.steps[0], "main/rootfs/data", false);
                add_unmount(job, &pod.steps[1], "main/rootfs", false);
                result = run(job);
        }
        ck_assert_failed(result, FAILURE_BUSY, "EBUSY");
        ck_assert_uint_eq(result.failed_step, 1);
        ck_assert(result.steps[0].done && !result.steps[1].done && !result.steps[2].done);
        ck_assert_uint_eq(namespace_count(ROOTFS "/data "), 1);
        (void) close_fd(fd);
        again = unmount_one(&bound.steps[0], "main/rootfs/data", false);
        ck_assert_done(again);
        /* A mount with others on it is busy, too, unless it is an undo. */
        {
                struct job *job = new_job(true);

                ck_assert_int_eq(mount("foreign", ROOTFS "/data", "tmpfs", 0, NULL), 0);
                add_unmount(job, &pod.steps[1], "main/rootfs", false)->flags = STEP_LAZY_BELOW;
                lazy = run(job);
        }
        ck_assert_done(lazy);
        ck_assert_uint_eq(namespace_count(ROOTFS), 0);
}
END_TEST

static struct step *add_restored(struct job *job, const struct step_result *made, const char *path) {
        struct step *step = add_unmount(job, made, path, false);

        step->flags = STEP_RESTORE | STEP_OF_TREE;
        step->propagation = MS_SHARED;
        return step;
}

/* What went before comes back from the clone of the tree, with new ids; a mount point that had been made stays for it. */
static void restored(const char *without) {
        _cleanup_job_result_ struct job_result result = {}, after = {};
        struct job *job;
        int fd;

        if (!begin(without))
                return;
        job = new_job(true);
        fd = open(ROOTFS "/data/hello", O_RDONLY | O_CLOEXEC);
        add_restored(job, &bound.steps[1], "main/rootfs/made/here");
        add_restored(job, &bound.steps[0], "main/rootfs/data");
        result = run(job);
        ck_assert_failed(result, FAILURE_BUSY, "EBUSY");
        ck_assert(strstr(result.text, "could not be") == NULL);
        ck_assert(!result.steps[0].done && result.steps[0].mount_id != 0 && result.steps[1].mount_id == 0);
        ck_assert(executor.features.unique_id ? result.steps[0].id != bound.steps[1].id : result.steps[0].id == 0);
        ck_assert(exists(ROOTFS "/made/here/hello"));
        ck_assert_uint_eq(namespace_count(ROOTFS "/made/here "), 1);
        {
                _cleanup_free_ char *line = namespace_line(ROOTFS "/made/here");

                ck_assert_ptr_nonnull(strstr(line, "shared:"));
        }
        (void) close_fd(fd);
        result.steps[0].device = bound.steps[1].device;
        job = new_job(true);
        add_restored(job, &result.steps[0], "main/rootfs/made/here")->made = bound.steps[1].made;
        add_restored(job, &bound.steps[0], "main/rootfs/data");
        after = run(job);
        ck_assert_done(after);
        ck_assert(!exists("/tmp/root/made"));
}

START_TEST(test_restored) {
        restored(NULL);
}
END_TEST

START_TEST(test_restored_alone) {
        restored("detached-clone");
}
END_TEST

enum { MANY = 100, IN_USE = 60 };

static struct job_result bind_many(void) {
        struct job *job = new_job(true);
        char name[sizeof("/tmp/root/many/") + 10];

        make_directory("/tmp/root/many");
        for (unsigned i = 0; i < MANY; i++) {
                (void) snprintf(name, sizeof(name), "/tmp/root/many/%u", i); /* holds any unsigned */
                make_directory(name);
                add_bind(job, "/tmp/src", name + strlen("/tmp/root"));
        }
        return run(job);
}

static struct job_result unmount_many(const struct job_result *made) {
        struct job *job = new_job(true);
        char path[sizeof("main/rootfs/many/") + 10];

        for (unsigned i = 0; i < MANY; i++) {
                (void) snprintf(path, sizeof(path), "main/rootfs/many/%u", i);
                add_restored(job, &made->steps[i], path);
        }
        return run(job);
}

/* Many in one directory go together; what went before the one that is in use, and beside it, comes back. */
START_TEST(test_together) {
        _cleanup_job_result_ struct job_result made = {}, busy = {}, after = {};
        int fd;

        if (!begin(NULL))
                return;
        made = bind_many();
        ck_assert_done(made);
        ck_assert_uint_eq(namespace_count(ROOTFS "/many/"), MANY);
        fd = open(ROOTFS "/many/60/hello", O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        busy = unmount_many(&made);
        ck_assert_failed(busy, FAILURE_BUSY, "EBUSY");
        ck_assert_uint_eq(busy.failed_step, IN_USE);
        ck_assert_uint_eq(namespace_count(ROOTFS "/many/"), MANY);
        for (unsigned i = 0; i < MANY; i++) {
                ck_assert(!busy.steps[i].done);
                if (busy.steps[i].mount_id == 0)
                        continue;
                ck_assert_uint_ne(i, IN_USE);
                made.steps[i].id = busy.steps[i].id;
                made.steps[i].mount_id = busy.steps[i].mount_id;
        }
        ck_assert_uint_ne(busy.steps[IN_USE - 1].mount_id, 0);
        (void) close_fd(fd);
        /* Somebody has unmounted one of them, and mounted something else there. */
        ck_assert_int_eq(umount2(ROOTFS "/many/20", 0), 0);
        ck_assert_int_eq(mount("foreign", ROOTFS "/many/20", "tmpfs", 0, NULL), 0);
        after = unmount_many(&made);
        ck_assert_done(after);
        ck_assert_uint_eq(namespace_count(ROOTFS "/many/"), 1);
}
END_TEST

/* There is no place to go back to: that is told, with what is busy. */
START_TEST(test_not_restored) {
        _cleanup_job_result_ struct job_result result = {};
        struct step_result above = {};
        struct job *job;
        int fd;

        if (!begin(NULL))
                return;
        job = new_job(true);
        add_option(add_fs(job, "tmpfs", "/data"), "size", "65536");
        job->steps[0].flags = STEP_STACK;
        {
                _cleanup_job_result_ struct job_result stacked = run(job);

                ck_assert_done(stacked);
                above = stacked.steps[0];
        }
        make_directory(ROOTFS "/data/deep");
        ck_assert_int_eq(mount("deep", ROOTFS "/data/deep", "tmpfs", 0, NULL), 0);
        fd = open(ROOTFS "/made/here/hello", O_RDONLY | O_CLOEXEC);
        job = new_job(true);
        {
                struct step_result deep = {};
                struct identity identity;

                ck_assert_int_eq(identity_read(AT_FDCWD, ROOTFS "/data/deep", executor.features.unique_id, &identity), 0);
                deep.id = executor.features.unique_id ? identity.key : 0;
                deep.mount_id = executor.features.unique_id ? 1 : (uint32_t) identity.key;
                add_restored(job, &deep, "main/rootfs/data/deep");
        }
        add_unmount(job, &above, "main/rootfs/data", false); /* not to come back */
        add_unmount(job, &bound.steps[1], "main/rootfs/made/here", false);
        result = run(job);
        ck_assert_failed(result, FAILURE_BUSY, "could not be mounted again, the first of them at main/rootfs/data/deep");
        ck_assert_ptr_nonnull(strstr(result.text, "made/here is in use"));
        ck_assert_uint_eq(result.steps[0].mount_id, 0);
        (void) close_fd(fd);
}
END_TEST

START_TEST(test_covered) {
        _cleanup_job_result_ struct job_result result = {};

        if (!begin(NULL))
                return;
        ck_assert_int_eq(mount("foreign", ROOTFS "/data", "tmpfs", 0, NULL), 0);
        result = unmount_one(&bound.steps[0], "main/rootfs/data", false);
        ck_assert_failed(result, FAILURE_BUSY, "covers");
        ck_assert_uint_eq(namespace_count(ROOTFS "/data "), 2);
}
END_TEST

/* Symlinks on the way lead nowhere, and a renamed directory above is told. */
START_TEST(test_renamed) {
        _cleanup_job_result_ struct job_result result = {}, missing = {};

        if (!begin(NULL))
                return;
        ck_assert_int_eq(mount("victim", "/tmp/src", "tmpfs", 0, NULL), 0);
        ck_assert_int_eq(rename(ROOTFS "/made", ROOTFS "/moved"), 0);
        missing = unmount_one(&bound.steps[1], "main/rootfs/made/here", false);
        ck_assert_failed(missing, FAILURE_NO_SUCH_MOUNT, "mounted elsewhere");
        ck_assert_int_eq(symlink("moved", ROOTFS "/made"), 0);
        result = unmount_one(&bound.steps[1], "main/rootfs/made/here", false);
        ck_assert_failed(result, FAILURE_NO_SUCH_MOUNT, "mounted elsewhere");
        ck_assert_uint_eq(namespace_count(ROOTFS "/moved/here"), 1);
}
END_TEST

START_TEST(test_not_empty) {
        _cleanup_job_result_ struct job_result result = {};

        if (!begin(NULL))
                return;
        make_file("/tmp/root/made/kept", "not ours\n");
        result = unmount_one(&bound.steps[1], "main/rootfs/made/here", false);
        ck_assert_done(result);
        ck_assert(exists("/tmp/root/made/kept"));
        ck_assert(!exists("/tmp/root/made/here"));
}
END_TEST

START_TEST(test_remove_pod) {
        _cleanup_job_result_ struct job_result result = {}, gone = {};
        struct job *job;

        if (!begin(NULL))
                return;
        job = new_job(true);
        ck_assert_ptr_nonnull(job_add(job, STEP_REMOVE_POD));
        result = run(job);
        ck_assert_failed(result, FAILURE_BUSY, "still mounted");
        job = new_job(true);
        strcpy(job->uuid, "99999999-2222-3333-4444-555555555555");
        ck_assert_ptr_nonnull(job_add(job, STEP_REMOVE_POD));
        gone = run(job);
        ck_assert_done(gone);
}
END_TEST

/* A copy in a namespace that was made while the pod lived goes with it: the mount is shared, the directory removed. */
START_TEST(test_copies) {
        int to_child[2], to_parent[2], status;
        pid_t child;
        char byte;

        if (!begin(NULL))
                return;
        ck_assert_int_eq(pipe2(to_child, O_CLOEXEC) | pipe2(to_parent, O_CLOEXEC), 0);
        child = fork();
        if (child == 0) {
                if (unshare(CLONE_NEWNS) < 0 || namespace_count(POD) == 0 || write(to_parent[1], "x", 1) != 1 ||
                        read(to_child[0], &byte, 1) != 1)
                        _exit(2);
                _exit(namespace_count(POD) == 0 ? 0 : 1);
        }
        ck_assert_int_eq(read(to_parent[0], &byte, 1), 1);
        collect(false);
        ck_assert_int_eq(write(to_child[1], "x", 1), 1);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
}
END_TEST

UNIT_MAIN("unmount", test_collect, test_collect_lazily, test_collect_old_kernel, test_gone, test_gone_mountinfo,
        test_recycled, test_busy, test_restored, test_restored_alone, test_together, test_not_restored, test_covered, test_renamed, test_not_empty, test_remove_pod, test_copies)
