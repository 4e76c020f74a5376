/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every step of a job of twelve mounts fails in turn: afterwards the mount table and the sources are as they were. */

#include <ftw.h>

#include "tests/unit/executor/hands.h"

enum { MOUNTS = 12 };

static char *listing;

static int list_one(const char *path, const struct stat *status, int type _unused_, struct FTW *ftw _unused_) {
        char *longer;

        ck_assert_int_gt(
                asprintf(&longer, "%s%s %o %u\n", listing ? listing : "", path, status->st_mode, status->st_uid), 0);
        free(listing);
        listing = longer;
        return 0;
}

/* What is below the sources and the runtime directory's pods; the caller frees it. */
static char *files_snapshot(void) {
        ck_assert_int_eq(nftw("/tmp/root", list_one, 16, FTW_PHYS), 0);
        ck_assert_int_eq(nftw("/tmp/src", list_one, 16, FTW_PHYS), 0);
        ck_assert_int_eq(nftw("/tmp/run/pods", list_one, 16, FTW_PHYS), 0);
        return TAKE_PTR(listing);
}

/* Twelve mounts: binds of directories and files, file systems, some on others, mount points made in all ways. */
static void add_mounts(struct job *job, uint32_t cover, uint64_t cover_id) {
        static const struct {
                const char *type, *source, *target;
                bool on_last;
        } mounts[MOUNTS] = {
                {NULL, "/tmp/src", "/data", false},
                {NULL, "/tmp/src/hello", "/etc/file", false},
                {"tmpfs", NULL, "/one/two", false},
                {NULL, "/tmp/src/hello", "/one/two/three/four", true},
                {"devpts", NULL, "/pts", false},
                {NULL, "/tmp/src", "/five", false},
                {"mqueue", NULL, "/six", false},
                {"tmpfs", NULL, "/seven", false},
                {"tmpfs", NULL, "/seven/eight", true},
                {NULL, "/tmp/src", "/seven/eight/nine", true},
                {NULL, "/tmp/src/hello", "/ten", false},
                {"sysfs", NULL, "/sys", false},
        };

        for (size_t i = 0; i < MOUNTS; i++) {
                uint32_t last = (uint32_t) job->n_steps - 1;
                struct step *step = mounts[i].type ? add_fs(job, mounts[i].type, mounts[i].target)
                                                   : add_bind(job, mounts[i].source, mounts[i].target);

                if (mounts[i].type && strcmp(mounts[i].type, "tmpfs") == 0)
                        add_option(step, "size", "65536");
                step->propagation = i % 3 == 1 ? MS_PRIVATE : MS_SHARED;
                step->create = mounts[i].on_last ? STEP_CREATE_FREELY : STEP_CREATE_AS_CALLER;
                step->cover_step = mounts[i].on_last ? last : cover;
                step->cover_id = mounts[i].on_last ? 0 : cover_id;
        }
}

/* Makes a step impossible, each kind at another place. */
static void sabotage(struct step *step, unsigned way) {
        if (step->kind == STEP_BIND && way == 0) {
                free(step->source.path);
                step->source.path = strdup("/tmp/nothing");
        } else if (step->kind == STEP_FILESYSTEM && step->n_options > 0 && way == 0) {
                free(step->type); /* good for the door, a hierarchy of nothing for the kernel */
                free(step->options[0].name);
                free(step->options[0].value);
                step->type = strdup("cgroup");
                step->options[0] = (struct step_option){.name = strdup("none")};
        } else {
                free(step->target);
                step->target = strdup("/etc/file/below");
        }
}

static void fail_each_created(unsigned way) {
        _cleanup_free_ char *before = namespace_snapshot(), *files = files_snapshot();

        for (uint32_t i = 2; i < 2 + MOUNTS; i++) {
                _cleanup_job_result_ struct job_result result = {};
                _cleanup_free_ char *files_now = NULL;
                struct job *job = new_job(true);

                add_tree(job);
                add_root(job, "/tmp/root");
                add_mounts(job, 1, 0);
                add_publish(job);
                sabotage(&job->steps[i], way);
                result = run(job);
                ck_assert_int_ne(result.failure, FAILURE_NONE);
                ck_assert_uint_eq(result.failed_step, i);
                ck_assert_ptr_nonnull(result.text);
                for (size_t j = 0; j < result.n_steps; j++)
                        ck_assert(!result.steps[j].done);
                namespace_unchanged(before);
                files_now = files_snapshot();
                ck_assert_str_eq(files_now, files);
        }
}

START_TEST(test_create) {
        if (!hands_begin(NULL))
                return;
        fail_each_created(0);
        fail_each_created(1);
}
END_TEST

START_TEST(test_create_staged) {
        _cleanup_job_result_ struct job_result result = {};

        if (!hands_begin("detached-attach"))
                return;
        result = make_pod(); /* the staging mount stays: it is there before the snapshot */
        ck_assert_int_eq(umount2(POD, MNT_DETACH), 0);
        ck_assert_int_eq(rmdir(POD), 0);
        fail_each_created(0);
        fail_each_created(1);
}
END_TEST

static void fail_each_live(unsigned way, uint64_t cover) {
        _cleanup_free_ char *before = namespace_snapshot(), *files = files_snapshot();

        for (uint32_t i = 0; i < MOUNTS; i++) {
                _cleanup_job_result_ struct job_result result = {};
                _cleanup_free_ char *files_now = NULL;
                struct job *job = new_job(true);

                add_mounts(job, STEP_NO_COVER, cover);
                sabotage(&job->steps[i], way);
                result = run(job);
                ck_assert_int_ne(result.failure, FAILURE_NONE);
                ck_assert_uint_eq(result.failed_step, i);
                namespace_unchanged(before);
                files_now = files_snapshot();
                ck_assert_str_eq(files_now, files);
        }
}

START_TEST(test_live) {
        _cleanup_job_result_ struct job_result pod = {}, result = {};
        struct job *job;
        uint64_t cover;

        if (!hands_begin(NULL))
                return;
        pod = make_pod();
        cover = executor.features.unique_id ? pod.steps[1].id : pod.steps[1].mount_id;
        fail_each_live(0, cover);
        fail_each_live(1, cover);
        job = new_job(true);
        add_mounts(job, STEP_NO_COVER, cover);
        result = run(job);
        ck_assert_done(result);
        ck_assert(exists(ROOTFS "/seven/eight/nine/hello"));
}
END_TEST

/* Nobody but the pod's owner sees a mount point that was made for a mount that failed: also when the caller made it. */
START_TEST(test_caller) {
        _cleanup_job_result_ struct job_result result = {};
        _cleanup_free_ char *before = NULL, *files = NULL, *files_now = NULL;
        struct job *job;

        if (!hands_begin(NULL))
                return;
        ck_assert_int_eq(chown("/tmp/root", CALLER, CALLER), 0);
        before = namespace_snapshot();
        files = files_snapshot();
        job = new_job(false);
        add_tree(job);
        add_root(job, "/tmp/root");
        for (unsigned i = 0; i < 2; i++) {
                struct step *step =
                        add_bind(job, i == 0 ? "/tmp/src" : "/tmp/nothing", i == 0 ? "/mine/deep" : "/data");

                step->create = STEP_CREATE_AS_CALLER;
                step->cover_step = 1;
        }
        add_publish(job);
        result = run(job);
        ck_assert_failed(result, FAILURE_NO_SUCH_SOURCE, "/tmp/nothing");
        namespace_unchanged(before);
        files_now = files_snapshot();
        ck_assert_str_eq(files_now, files);
}
END_TEST

UNIT_MAIN("undo", test_create, test_create_staged, test_live, test_caller)
