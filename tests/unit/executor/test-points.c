/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mount points that somebody removes while a pod is built on them, as the end of another pod on the same root does: the pod
 * is there with all its mounts or not at all. */

#include <sys/wait.h>

#include "tests/unit/executor/hands.h"

enum { MANY = 400, TRIES = 200, HITS = 3 };

static struct step *add_tmpfs(struct job *job, const char *target, enum step_create create, uint32_t cover) {
        struct step *step = add_fs(job, "tmpfs", target);

        step->create = create;
        step->cover_step = cover;
        return step;
}

/* A mount at /data, on a root that others write to, then many that take a while; `deep`: and one on the first. */
static struct job *new_pod(bool deep) {
        struct job *job = new_job(true);

        add_tree(job);
        add_root(job, "/tmp/root");
        add_tmpfs(job, "/data", STEP_CREATE_AS_CALLER, 1);
        add_tmpfs(job, "/etc", STEP_CREATE_AS_CALLER, 1);
        for (unsigned i = 0; i < MANY; i++) {
                char target[32];

                (void) snprintf(target, sizeof(target), "/etc/%u", i); /* fits: a number */
                add_tmpfs(job, target, STEP_CREATE_FREELY, 3);
        }
        if (deep)
                add_tmpfs(job, "/data/deep", STEP_CREATE_FREELY, 2);
        add_publish(job);
        return job;
}

/* Waits until the job has mounted at /data and goes on, and removes that. Exits with 0 when it could. */
static pid_t start_remover(int intent_fd, uint64_t id) {
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        while (pid == 0) {
                struct intent_mount *mounts = NULL;
                uint64_t job = 0;
                size_t n = 0;

                if (intent_read(intent_fd, &job, &mounts, &n) == 1 && job == id && n > 5)
                        _exit(rmdir("/tmp/root/data") == 0 ? 0 : 1);
                free(mounts);
        }
        return pid;
}

/* Whether the directory was removed in time. */
static bool build(int intent_fd, bool deep) {
        _cleanup_job_result_ struct job_result result = {};
        _cleanup_free_ char *before = namespace_snapshot();
        struct job *job = new_pod(deep);
        pid_t pid = start_remover(intent_fd, job->id);
        int status;

        result = run(job);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        if (WEXITSTATUS(status) == 0) {
                ck_assert_failed(result, FAILURE_BUSY, "/data");
                namespace_unchanged(before);
                ck_assert(!exists(POD));
                ck_assert_int_eq(mkdir("/tmp/root/data", 0755), 0);
                return true;
        }
        ck_assert_done(result);
        ck_assert_uint_eq(namespace_count(ROOTFS "/data"), deep ? 2 : 1);
        ck_assert_int_eq(umount2(POD, MNT_DETACH), 0);
        ck_assert_int_eq(rmdir(POD), 0);
        return false;
}

static void build_often(bool deep) {
        _cleanup_close_ int fd = memfd_create("intent", MFD_CLOEXEC);
        unsigned hits = 0;

        ck_assert_int_ge(fd, 0);
        if (!hands_begin(NULL))
                return;
        if (!executor.features.detached_attach || !executor.features.statmount) {
                unit_skip("mounts are not put onto a tree that nobody sees, or cannot be asked for by id");
                return;
        }
        executor.intent = intent_free(executor.intent);
        ck_assert_int_eq(intent_map(fd, &executor.intent), 0);
        for (unsigned i = 0; i < TRIES && hits < HITS; i++)
                hits += build(fd, deep);
        ck_assert_uint_eq(hits, HITS);
}

START_TEST(test_lost) {
        build_often(false);
}
END_TEST

START_TEST(test_lost_on_the_way) {
        build_often(true);
}
END_TEST

UNIT_MAIN("points", test_lost, test_lost_on_the_way)
