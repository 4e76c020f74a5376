/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One more container of a pod: attached at once or not at all, and taken away as a whole or mounted again. */

#include <sys/wait.h>

#include "tests/unit/executor/hands.h"

enum { STEPS = 6 };

static struct job *new_side(void) {
        struct job *job = new_job(true);

        free(job->containers[0]);
        job->containers[0] = strdup("side");
        return job;
}

static struct step *of_side(struct step *step) {
        free(step->container);
        step->container = strdup("side");
        return step;
}

/* STEP_CONTAINER, a root, three mounts, STEP_JOIN. */
static struct job *side_job(void) {
        struct job *job = new_side();
        struct step *step = job_add(job, STEP_CONTAINER);

        step->size = 65536;
        step->propagation = MS_SHARED;
        (void) of_side(step);
        (void) of_side(add_root(job, "/tmp/root"));
        (void) of_side(add_bind(job, "/tmp/src", "/data"));
        step = of_side(add_fs(job, "tmpfs", "/made/here"));
        step->create = STEP_CREATE_AS_CALLER;
        step->cover_step = 1;
        add_option(step, "size", "65536");
        step = of_side(add_bind(job, "/tmp/src/hello", "/etc/file"));
        step->propagation = MS_PRIVATE;
        (void) of_side(job_add(job, STEP_JOIN));
        return job;
}

/* What each step needs to fail at. */
static void sabotage(struct job *job, size_t i) {
        struct step *step = &job->steps[i];

        switch (i) {
        case 0:
                step->size = 1; /* a tmpfs of a page takes no directory but its own: the door lets it through */
                ck_assert_int_eq(symlink("/etc", POD "/side"), 0);
                break;
        case 1:
        case 2:
        case 4:
                free(step->source.path);
                step->source.path = strdup("/tmp/nothing");
                break;
        case 3:
                free(step->target);
                step->target = strdup("/etc/file/below");
                break;
        default:
                ck_assert_int_eq(symlink("/etc", POD "/side"), 0);
        }
}

static void fail_each(void) {
        for (size_t i = 0; i < STEPS; i++) {
                _cleanup_free_ char *before = namespace_snapshot();
                _cleanup_job_result_ struct job_result result = {};
                struct job *job = side_job();

                sabotage(job, i);
                result = run(job);
                ck_assert_int_ne(result.failure, FAILURE_NONE);
                if (i > 0)
                        ck_assert_uint_eq(result.failed_step, i);
                (void) unlink(POD "/side");
                namespace_unchanged(before);
                ck_assert(!exists(POD "/side"));
                ck_assert(!exists("/tmp/root/made"));
        }
}

static void add_unmount(struct job *job, const struct step_result *made, const char *path, uint32_t n_made) {
        struct step *step = job_add(job, STEP_UNMOUNT);

        step->flags = STEP_RESTORE;
        step->target = strdup(path);
        step->id = made->id;
        step->mount_id = made->mount_id;
        step->made = n_made;
}

/* As creating one says it of a directory in a mount point, which has to be there as long as that may have to come back. */
static void add_unmake(struct job *job, const char *path, uint32_t made) {
        struct step *step = job_add(job, STEP_UNMAKE);

        step->source.kind = STEP_SOURCE_PATH;
        step->source.path = strdup("/tmp/root");
        step->target = strdup(path);
        step->made = made;
}

static struct job_result remove_side(const struct job_result *made) {
        struct job *job = new_job(true);

        add_unmount(job, &made->steps[4], "side/rootfs/etc/file", 0);
        add_unmount(job, &made->steps[3], "side/rootfs/made/here", 1); /* the rest was made for itself */
        add_unmount(job, &made->steps[2], "side/rootfs/data", 0);
        add_unmount(job, &made->steps[1], "side/rootfs", 0);
        add_unmount(job, &made->steps[0], "side", 1);
        add_unmake(job, "/made/for/itself", 2);
        add_unmake(job, "/made", 1);
        return run(job);
}

static void add_and_remove(const char *without) {
        _cleanup_job_result_ struct job_result pod = {}, made = {}, result = {}, again = {};
        int fd;

        if (!hands_begin(without))
                return;
        pod = make_pod();
        made = run(side_job()); /* the staging mount, where one is needed, is there from now on */
        ck_assert_done(made);
        ck_assert(exists(POD "/side/rootfs/data/hello"));
        ck_assert_uint_eq(made.steps[5].made, 1);
        make_file(POD "/side/rootfs/made/here/kept", "kept\n");
        make_directory("/tmp/root/made/for");
        make_directory("/tmp/root/made/for/itself");

        fd = open(POD "/side/rootfs/data", O_PATH | O_CLOEXEC);
        result = remove_side(&made);
        ck_assert_failed(result, FAILURE_BUSY, "side/rootfs/data");
        ck_assert_uint_eq(result.failed_step, 2);
        ck_assert(exists(POD "/side/rootfs/made/here/kept"));
        ck_assert(result.steps[1].mount_id != 0 && !result.steps[1].done);
        ck_assert(result.steps[3].mount_id == 0);
        (void) close_fd(fd);
        ck_assert(exists("/tmp/root/made/for/itself"));

        made.steps[3].id = result.steps[1].id;
        made.steps[3].mount_id = result.steps[1].mount_id;
        made.steps[4].id = result.steps[0].id;
        made.steps[4].mount_id = result.steps[0].mount_id;
        again = remove_side(&made);
        ck_assert_done(again);
        ck_assert(!exists(POD "/side"));
        ck_assert(!exists("/tmp/root/made"));
        ck_assert(exists(ROOTFS "/etc/file"));
        fail_each();
}

START_TEST(test_join) {
        add_and_remove(NULL);
}
END_TEST

START_TEST(test_join_staged) {
        add_and_remove("detached-attach,detached-layers");
}
END_TEST

START_TEST(test_door) {
        struct job *jobs[] = {side_job(), side_job(), side_job(), new_job(true)};
        struct step *step;

        free(jobs[0]->steps[5].container);
        jobs[0]->steps[5].container = strdup("main"); /* joins as another */
        free(jobs[1]->steps[2].container);
        jobs[1]->steps[2].container = strdup("main"); /* mounts into another */
        jobs[2]->n_steps--;                           /* is never attached */
        free(jobs[2]->steps[5].container);
        step = job_add(jobs[3], STEP_DETACH);
        step->target = strdup("side");
        step->id = 1;
        step->flags = STEP_RESTORE;
        for (size_t i = 0; i < ELEMENTSOF(jobs); i++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                uint32_t at;

                ck_assert_int_eq(door_check(jobs[i], &at, &f), FAILURE_INVALID_ARGS);
                job_free(jobs[i]);
        }
}
END_TEST

UNIT_MAIN("join", test_join, test_join_staged, test_door)
