/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The directories of layers: made and retired by one rename each, both again without harm, and removed in portions. */

#include <dirent.h>
#include <fcntl.h>

#include "executor/layer.h"
#include "tests/unit/executor/hands.h"

static bool begin(void) {
        if (!hands_begin(NULL))
                return false;
        make_directory("/tmp/layers");
        executor.layers_fd = open("/tmp/layers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ck_assert_int_ge(executor.layers_fd, 0);
        return true;
}

static struct job_result layer_step(enum step_kind kind, const char *id, uint64_t serial) {
        struct job *job = job_new();
        struct step *step = job_add(job, kind);

        ck_assert_ptr_nonnull(step);
        step->target = strdup(id);
        step->serial = serial;
        return run(job);
}

static void done(enum step_kind kind, const char *id, uint64_t serial) {
        _cleanup_job_result_ struct job_result result = layer_step(kind, id, serial);

        ck_assert_done(result);
}

static enum failure_kind fails(enum step_kind kind, const char *id, uint64_t serial) {
        _cleanup_job_result_ struct job_result result = layer_step(kind, id, serial);

        return result.failure;
}

static bool there(const char *path) {
        return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static unsigned count(const char *path) {
        DIR *directory = opendir(path);
        unsigned n = 0;

        ck_assert_ptr_nonnull(directory);
        while (readdir(directory))
                n++;
        (void) closedir(directory);
        return n - 2;
}

START_TEST(test_made) {
        struct stat st;

        if (!begin())
                return;
        done(STEP_LAYER_MAKE, "a", 7);
        done(STEP_LAYER_MAKE, "a", 7); /* its executor had died before it answered */
        ck_assert_uint_eq(count("/tmp/layers"), 1);
        ck_assert_uint_eq(count("/tmp/layers/a"), 3);
        ck_assert_int_eq(stat("/tmp/layers/a/diff", &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0755);
        ck_assert_int_eq(stat("/tmp/layers/a", &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0700);
        ck_assert_int_eq(fails(STEP_LAYER_MAKE, "a", 8), FAILURE_LAYER_EXISTS);
        ck_assert_uint_eq(count("/tmp/layers"), 1);
        make_file("/tmp/layers/a/diff/file", "x");
        ck_assert_int_eq(fails(STEP_LAYER_MAKE, "a", 8), FAILURE_LAYER_EXISTS);
        ck_assert(there("/tmp/layers/a/diff/file"));
}
END_TEST

/* What an executor that died in the middle has left is in nobody's way. */
START_TEST(test_half_made) {
        if (!begin())
                return;
        make_directory("/tmp/layers/.new-7");
        make_directory("/tmp/layers/.new-7/diff");
        done(STEP_LAYER_MAKE, "a", 7);
        ck_assert_uint_eq(count("/tmp/layers"), 1);
        ck_assert_uint_eq(count("/tmp/layers/a"), 3);
        make_directory("/tmp/layers/.new-9");
        make_directory("/tmp/layers/.new-9/diff");
        done(STEP_LAYER_RETIRE, "b", 9); /* there was never one of this name */
        done(STEP_LAYER_PURGE, "b", 9);
        ck_assert_uint_eq(count("/tmp/layers"), 1);
}
END_TEST

START_TEST(test_retired) {
        if (!begin())
                return;
        done(STEP_LAYER_MAKE, "a", 7);
        done(STEP_LAYER_RETIRE, "a", 8); /* another one's */
        ck_assert(there("/tmp/layers/a"));
        done(STEP_LAYER_RETIRE, "a", 7);
        ck_assert(!there("/tmp/layers/a"));
        ck_assert(there("/tmp/layers/.a-removing-7/diff"));
        done(STEP_LAYER_MAKE, "a", 9);
        done(STEP_LAYER_RETIRE, "a", 7); /* once more, and the new one stays */
        ck_assert(there("/tmp/layers/a"));
        done(STEP_LAYER_PURGE, "a", 7);
        done(STEP_LAYER_PURGE, "a", 7);
        ck_assert_uint_eq(count("/tmp/layers"), 1);
        ck_assert(there("/tmp/layers/a/meta"));
}
END_TEST

/* Somebody who has root's directory has root; links all the same lead nowhere. */
START_TEST(test_links) {
        if (!begin())
                return;
        make_directory("/tmp/precious");
        make_file("/tmp/precious/file", "x");
        ck_assert_int_eq(symlink("/tmp/precious", "/tmp/layers/a"), 0);
        ck_assert_int_eq(symlink("/tmp/precious", "/tmp/layers/.b-removing-7"), 0);
        ck_assert_int_ne(fails(STEP_LAYER_MAKE, "a", 7), FAILURE_NONE);
        ck_assert_int_ne(fails(STEP_LAYER_PURGE, "b", 7), FAILURE_NONE);
        done(STEP_LAYER_MAKE, "c", 8);
        ck_assert_int_eq(symlink("/tmp/precious", "/tmp/layers/c/diff/link"), 0);
        ck_assert_int_eq(symlink("/tmp/precious/file", "/tmp/layers/c/diff/file"), 0);
        done(STEP_LAYER_RETIRE, "c", 8);
        done(STEP_LAYER_PURGE, "c", 8);
        ck_assert(there("/tmp/precious/file"));
}
END_TEST

/* Portions end, each leaves less, and what is deep is no different. */
START_TEST(test_portions) {
        size_t budget, portions = 0;
        int where, r;

        if (!begin())
                return;
        make_directory("/tmp/layers/t");
        where = open("/tmp/layers/t", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (unsigned i = 0; i < 5000; i++) { /* 10,000 bytes of path */
                int below;

                ck_assert_int_eq(mkdirat(where, "d", 0), 0);
                ck_assert_int_eq(mkdirat(where, "1", 0700), 0); /* the name that a number has */
                below = openat(where, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                ck_assert_int_ge(below, 0);
                (void) close_fd(where);
                where = below;
        }
        (void) close_fd(where);
        do {
                budget = 1000;
                r = layer_clear(executor.layers_fd, "t", &budget);
                ck_assert_uint_lt(++portions, 100);
        } while (r > 0);
        ck_assert_int_eq(r, 0);
        ck_assert_uint_gt(portions, 5);
        ck_assert(!there("/tmp/layers/t"));
        budget = 1;
        ck_assert_int_eq(layer_clear(executor.layers_fd, "t", &budget), 0);
}
END_TEST

START_TEST(test_more) {
        _cleanup_job_result_ struct job_result first = {};
        char path[64];

        if (!begin())
                return;
        done(STEP_LAYER_MAKE, "a", 7);
        for (unsigned i = 0; i < 10000; i++) {
                (void) snprintf(path, sizeof(path), "/tmp/layers/a/diff/%u", i);
                make_file(path, "");
        }
        done(STEP_LAYER_RETIRE, "a", 7);
        first = layer_step(STEP_LAYER_PURGE, "a", 7);
        ck_assert_int_eq(first.failure, FAILURE_NONE);
        ck_assert_uint_eq(first.steps[0].attributes, PURGE_MORE);
        ck_assert(there("/tmp/layers/.a-removing-7"));
        {
                _cleanup_job_result_ struct job_result second = layer_step(STEP_LAYER_PURGE, "a", 7);

                ck_assert_done(second);
                ck_assert_uint_eq(second.steps[0].attributes, PURGE_DONE);
        }
        ck_assert_uint_eq(count("/tmp/layers"), 0);
}
END_TEST

START_TEST(test_mount_point) {
        int mount;

        if (!begin())
                return;
        done(STEP_LAYER_MAKE, "a", 7);
        make_directory("/tmp/layers/a/diff/point");
        mount = fscontext_tmpfs(65536, 0, 0755, 0, 0, 0);
        ck_assert_int_ge(mount, 0);
        ck_assert_int_eq(move_mount(mount, "", AT_FDCWD, "/tmp/layers/a/diff/point", MOVE_MOUNT_F_EMPTY_PATH), 0);
        make_file("/tmp/layers/a/diff/point/file", "x");
        done(STEP_LAYER_RETIRE, "a", 7);
        ck_assert_int_eq(fails(STEP_LAYER_PURGE, "a", 7), FAILURE_BUSY);
        ck_assert_int_eq(faccessat(mount, "file", F_OK, 0), 0);
        (void) close_fd(mount);
}
END_TEST

static struct job *mount_job(const char *id, uint64_t serial, bool writable, const char *below) {
        struct job *job = job_new();
        struct step *step = job_add(job, STEP_LAYER_MOUNT);

        ck_assert_ptr_nonnull(step);
        job->caller.root = true;
        step->target = strdup(id);
        step->serial = serial;
        step->propagation = MS_PRIVATE;
        step->attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (writable ? 0 : MOUNT_ATTR_RDONLY);
        step->flags = writable ? STEP_LAYER_WRITABLE : 0;
        if (below)
                ck_assert_int_eq(strv_append(&step->stubs, below), 0);
        return job;
}

static struct job_result unmount_layer(const char *id, uint64_t serial, const struct step_result *made) {
        struct job *job = job_new();
        struct step *step = job_add(job, STEP_LAYER_UNMOUNT);

        ck_assert_ptr_nonnull(step);
        step->target = strdup(id);
        step->serial = serial;
        step->id = made->id;
        step->mount_id = made->mount_id;
        step->device = made->device;
        return run(job);
}

/* As the keeper leaves them: layers on a mount of their own that allows less than they do. */
static bool begin_mounts(void) {
        if (!begin())
                return false;
        ck_assert_int_eq(mkdir("/tmp/run/layers", 0711), 0);
        done(STEP_LAYER_MAKE, "base", 1);
        make_file("/tmp/layers/base/diff/file", "of base");
        done(STEP_LAYER_MAKE, "top", 2);
        return true;
}

START_TEST(test_bind) {
        _cleanup_job_result_ struct job_result made = {}, again = {}, gone = {}, twice = {};
        struct stat st;

        if (!begin_mounts())
                return;
        made = run(mount_job("base", 1, false, NULL));
        ck_assert_done(made);
        ck_assert(there("/tmp/run/layers/base/file"));
        ck_assert_int_eq(open("/tmp/run/layers/base/new", O_WRONLY | O_CREAT, 0600), -1);
        ck_assert_int_eq(errno, EROFS);
        again = run(mount_job("base", 1, false, NULL));
        ck_assert_int_eq(again.failure, FAILURE_TARGET_IN_USE);
        gone = unmount_layer("base", 1, &made.steps[0]);
        ck_assert_done(gone);
        ck_assert_int_eq(stat("/tmp/run/layers/base", &st), -1);
        twice = unmount_layer("base", 1, &made.steps[0]);
        ck_assert_done(twice);
}
END_TEST

START_TEST(test_overlay) {
        _cleanup_job_result_ struct job_result made = {}, busy = {}, gone = {};
        int fd;

        if (!begin_mounts())
                return;
        made = run(mount_job("top", 2, true, "base"));
        ck_assert_done(made);
        ck_assert_int_eq(unlink("/tmp/run/layers/top/file"), 0);
        make_file("/tmp/run/layers/top/new", "x");
        ck_assert(there("/tmp/layers/top/diff/new") && there("/tmp/layers/base/diff/file"));
        fd = open("/tmp/run/layers/top/new", O_RDONLY | O_CLOEXEC);
        busy = unmount_layer("top", 2, &made.steps[0]);
        ck_assert_int_eq(busy.failure, FAILURE_BUSY);
        ck_assert(there("/tmp/run/layers/top/new"));
        (void) close_fd(fd);
        gone = unmount_layer("top", 2, &made.steps[0]);
        ck_assert_done(gone);
        ck_assert(!there("/tmp/run/layers/top"));
}
END_TEST

/* What fails leaves nothing: no mount, no mount point. */
START_TEST(test_no_mount) {
        static const struct {
                const char *id;
                uint64_t serial;
                const char *below;
        } rows[] = {{"top", 3, "base"}, {"none", 7, NULL}, {"top", 2, "none"}};

        if (!begin_mounts())
                return;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_job_result_ struct job_result result = run(mount_job(rows[i].id, rows[i].serial, false, rows[i].below));

                ck_assert_int_eq(result.failure, FAILURE_NO_SUCH_LAYER);
                ck_assert_uint_eq(count("/tmp/run/layers"), 0);
        }
}
END_TEST

/* Another mount in the place is nobody's to take away. */
START_TEST(test_other_mount) {
        _cleanup_job_result_ struct job_result made = {}, refused = {};
        int mount;

        if (!begin_mounts())
                return;
        made = run(mount_job("base", 1, false, NULL));
        ck_assert_done(made);
        mount = fscontext_tmpfs(65536, 0, 0755, 0, 0, 0);
        ck_assert_int_ge(mount, 0);
        ck_assert_int_eq(move_mount(mount, "", AT_FDCWD, "/tmp/run/layers/base", MOVE_MOUNT_F_EMPTY_PATH), 0);
        refused = unmount_layer("base", 1, &made.steps[0]);
        ck_assert_int_eq(refused.failure, FAILURE_BUSY);
        ck_assert(!there("/tmp/run/layers/base/file"));
        (void) close_fd(mount);
}
END_TEST

START_TEST(test_none) {
        if (!hands_begin(NULL))
                return;
        ck_assert_int_eq(fails(STEP_LAYER_MAKE, "a", 7), FAILURE_NOT_SUPPORTED);
        ck_assert_int_eq(fails(STEP_LAYER_RETIRE, "a", 7), FAILURE_NOT_SUPPORTED);
        ck_assert_int_eq(fails(STEP_LAYER_PURGE, "a", 7), FAILURE_NOT_SUPPORTED);
}
END_TEST

/* Of a store that the keeper has not opened, or that is none, the door knows nothing: the hand refuses it; and a layer whose directory says another number
 * than the store's records. */
START_TEST(test_in_stores) {
        _cleanup_job_result_ struct job_result made = {};

        if (!begin())
                return;
        make_directory("/tmp/store");
        make_directory("/tmp/store/base");
        make_directory("/tmp/store/base/diff");
        make_file("/tmp/store/base/meta", "number=7\n");
        executor.n_stores = 2;
        executor.stores[0] = -1;
        executor.stores[1] = open("/tmp/store", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        made = layer_step(STEP_LAYER_OPEN, "2:7:base", 7);
        ck_assert_done(made);
        for (const char *const *id = (const char *const[]) {"1:7:base", "3:7:base", "16:7:base", "17:7:base", "4294967295:7:base", NULL}; *id; id++) {
                _cleanup_job_result_ struct job_result result = layer_step(STEP_LAYER_OPEN, *id, 7);

                ck_assert_failed(result, FAILURE_INVALID_ARGS, "a layer in a store that is none");
                ck_assert_ptr_null(result.fd);
        }
        ck_assert_int_eq(fails(STEP_LAYER_OPEN, "2:8:base", 8), FAILURE_NO_SUCH_LAYER);
        ck_assert_int_eq(fails(STEP_LAYER_OPEN, "2:7:other", 7), FAILURE_NO_SUCH_LAYER);
        (void) close_fd(executor.stores[1]);
        executor.n_stores = 0;
}
END_TEST

UNIT_MAIN("layer", test_made, test_half_made, test_retired, test_links, test_portions, test_more, test_mount_point, test_bind, test_overlay, test_no_mount, test_other_mount, test_none, test_in_stores)
