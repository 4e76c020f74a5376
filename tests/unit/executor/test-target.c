/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Targets in a living pod: symlinks, files, what may be made and where, places in proc. */

#include "tests/unit/executor/hands.h"

static uint64_t cover;

static bool begin(void) {
        struct job_result pod;

        if (!hands_begin(NULL))
                return false;
        pod = make_pod();
        cover = executor.features.unique_id ? pod.steps[1].id : pod.steps[1].mount_id;
        job_result_done(&pod);
        return true;
}

static struct job_result bind_one(
        bool root, const char *source, const char *target, enum step_create create, uint32_t flags) {
        struct job *job = new_job(root);
        struct step *step = add_bind(job, source, target);

        step->create = create;
        step->cover_id = cover;
        step->flags = flags;
        return run(job);
}

#define ck_assert_refused(kind, words, ...)                                                                            \
        do {                                                                                                           \
                _cleanup_free_ char *_before = namespace_snapshot();                                                   \
                _cleanup_job_result_ struct job_result _result = bind_one(__VA_ARGS__);                                \
                                                                                                                       \
                ck_assert_failed(_result, kind, words);                                                                \
                namespace_unchanged(_before);                                                                          \
        } while (0)

START_TEST(test_symlinks) {
        _cleanup_job_result_ struct job_result first = {}, second = {};

        if (!begin())
                return;
        first = bind_one(true, "/tmp/src", "/link", STEP_CREATE_NEVER, 0);
        ck_assert_done(first);
        ck_assert(exists(ROOTFS "/data/hello"));
        ck_assert_int_eq(umount2(ROOTFS "/data", 0), 0);
        /* ".." above the root stays in it. */
        second = bind_one(true, "/tmp/src", "/up", STEP_CREATE_NEVER, 0);
        ck_assert_done(second);
        ck_assert(exists(ROOTFS "/data/hello"));
}
END_TEST

START_TEST(test_escapes) {
        if (!begin())
                return;
        ck_assert_int_eq(mount("proc", ROOTFS "/proc", "proc", 0, NULL), 0);
        ck_assert_int_eq(symlink("/proc/self/root", ROOTFS "/out"), 0);
        ck_assert_int_eq(symlink("loop", ROOTFS "/loop"), 0);
        ck_assert_refused(FAILURE_ESCAPES_ROOT, "magic link", true, "/tmp/src", "/out", STEP_CREATE_NEVER, 0);
        ck_assert_refused(FAILURE_ESCAPES_ROOT, "magic link", true, "/tmp/src", "/out/etc", STEP_CREATE_AS_CALLER, 0);
        ck_assert_refused(FAILURE_ESCAPES_ROOT, "ELOOP", true, "/tmp/src", "/loop", STEP_CREATE_NEVER, 0);
        /* A symlink into proc gets no further than the name of the place does. */
        ck_assert_int_eq(symlink("/proc/sys", ROOTFS "/sysctl"), 0);
        ck_assert_refused(
                FAILURE_INVALID_TARGET, "proc file system", true, "/tmp/src", "/sysctl", STEP_CREATE_NEVER, 0);
        ck_assert_refused(FAILURE_INVALID_ARGS, "refused at the executor's door", true, "/tmp/src", "/proc/sys",
                STEP_CREATE_NEVER, 0);
}
END_TEST

START_TEST(test_proc_file) {
        _cleanup_job_result_ struct job_result result = {};

        if (!begin())
                return;
        ck_assert_int_eq(mount("proc", ROOTFS "/proc", "proc", 0, NULL), 0);
        result = bind_one(true, "/tmp/src/hello", "/proc/uptime", STEP_CREATE_NEVER, 0);
        ck_assert_done(result);
}
END_TEST

START_TEST(test_kinds) {
        if (!begin())
                return;
        ck_assert_refused(FAILURE_INVALID_TARGET, "is a file where a directory is needed", true, "/tmp/src",
                "/etc/file", STEP_CREATE_NEVER, 0);
        ck_assert_refused(FAILURE_INVALID_TARGET, "is a directory where a file is needed", true, "/tmp/src/hello",
                "/etc", STEP_CREATE_NEVER, 0);
        ck_assert_refused(FAILURE_INVALID_TARGET, "a file where a directory is needed", true, "/tmp/src", "/etc/file/x",
                STEP_CREATE_AS_CALLER, 0);
        ck_assert_refused(FAILURE_INVALID_TARGET, "does not exist", true, "/tmp/src", "/none", STEP_CREATE_NEVER, 0);
        ck_assert_refused(FAILURE_INVALID_TARGET, "does not exist", true, "/tmp/src", "/none", STEP_CREATE_STUB, 0);
        ck_assert(!exists("/tmp/root/none"));
}
END_TEST

START_TEST(test_in_use) {
        _cleanup_job_result_ struct job_result first = {}, stacked = {}, failed = {};

        if (!begin())
                return;
        first = bind_one(true, "/tmp/src", "/data", STEP_CREATE_NEVER, 0);
        ck_assert_done(first);
        ck_assert_refused(
                FAILURE_TARGET_IN_USE, "is a mount point already", true, "/tmp/src", "/data", STEP_CREATE_NEVER, 0);
        stacked = bind_one(true, "/tmp/root", "/data", STEP_CREATE_NEVER, STEP_STACK);
        ck_assert_done(stacked);
        ck_assert(exists(ROOTFS "/data/etc"));
        /* Nothing is made on a mount that the plan did not name. */
        failed = bind_one(true, "/tmp/src", "/data/new", STEP_CREATE_AS_CALLER, 0);
        ck_assert_failed(failed, FAILURE_INVALID_TARGET, "lies on a mount that podmount may not modify");
        ck_assert(!exists("/tmp/root/new"));
}
END_TEST

/* A mount point on a writable root is made as the caller, or not at all. */
START_TEST(test_as_caller) {
        _cleanup_job_result_ struct job_result result = {};
        struct stat status;

        if (!begin())
                return;
        ck_assert_refused(FAILURE_INVALID_TARGET, "the caller may not make it", false, "/tmp/src", "/mine",
                STEP_CREATE_AS_CALLER, 0);
        ck_assert(!exists("/tmp/root/mine"));
        ck_assert_int_eq(chown("/tmp/root/data", CALLER, CALLER), 0);
        result = bind_one(false, "/tmp/src/hello", "/data/mine/file", STEP_CREATE_AS_CALLER, 0);
        ck_assert_done(result);
        ck_assert_int_eq(stat("/tmp/root/data/mine", &status), 0);
        ck_assert_uint_eq(status.st_uid, CALLER);
        ck_assert_uint_eq(result.steps[0].made, 2);
        ck_assert(result.steps[0].made_file);
        ck_assert(result.steps[0].attributes & MOUNT_ATTR_NOSUID);
        ck_assert(result.steps[0].attributes & MOUNT_ATTR_NODEV);
}
END_TEST

/* Names that mountinfo escapes and others that people use. */
START_TEST(test_names) {
        static const char *const names[] = {
                "/a b", "/tab\there", "/back\\slash", "/new\nline", "/é✓", "/-", "/...", "/a#b"};

        if (!begin())
                return;
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_job_result_ struct job_result result =
                        bind_one(true, "/tmp/src", names[i], STEP_CREATE_AS_CALLER, 0);
                _cleanup_free_ char *path = NULL;

                ck_assert_done(result);
                ck_assert_int_gt(asprintf(&path, ROOTFS "%s/hello", names[i]), 0);
                ck_assert(exists(path));
        }
}
END_TEST

START_TEST(test_no_container) {
        _cleanup_job_result_ struct job_result result = {};
        struct job *job;

        if (!begin())
                return;
        job = new_job(true);
        free(add_bind(job, "/tmp/src", "/data")->container);
        job->steps[0].container = strdup("other");
        result = run(job);
        ck_assert_failed(result, FAILURE_NO_SUCH_CONTAINER, "other");
        /* The pod's owner may have put a symlink where the container was. */
        ck_assert_int_eq(symlink("/tmp", POD "/other"), 0);
        job_result_done(&result);
        make_directory("/tmp/rootfs");
        job = new_job(true);
        free(add_bind(job, "/tmp/src", "/x")->container);
        job->steps[0].container = strdup("other");
        result = run(job);
        ck_assert_failed(result, FAILURE_NO_SUCH_CONTAINER, "other");
}
END_TEST

UNIT_MAIN("target", test_symlinks, test_escapes, test_proc_file, test_kinds, test_in_use, test_as_caller, test_names,
        test_no_container)
