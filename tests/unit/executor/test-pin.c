/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_PIN: what the door lets through, whoever sends it, and what comes of it where mounts on the host are. */

#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "spec/spec.h"
#include "tests/unit/executor/refusals.h"

#define PLACES "/tmp/places"
#define PINS "/tmp/run/ns"

static struct job *pins(void) {
        struct job *job = new_job(true);

        job->n_fds = 1;
        for (unsigned i = 0; i < 2; i++) {
                struct step *step = job_add(job, STEP_PIN);

                step->container = strdup(SPEC_HOST);
                step->target = strdup(i ? PINS "/uts" : PINS "/net");
                step->type = strdup(i ? "uts" : "net");
                step->source.kind = STEP_SOURCE_FD;
                step->flags = STEP_HOST;
                step->attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
                step->propagation = MS_PRIVATE;
        }
        return job;
}

static struct job *bind_there(void) {
        struct job *job = new_job(true);
        struct step *step = add_bind(job, "/tmp/src", PINS "/net");

        set(&step->container, SPEC_HOST);
        step->flags |= STEP_HOST;
        return job;
}

static struct job *unmount_there(void) {
        struct job *job = new_job(true);
        struct step *step = job_add(job, STEP_UNMOUNT);

        step->target = strdup(PINS "/net");
        step->flags = STEP_HOST;
        step->id = 5;
        return job;
}

START_TEST(test_door) {
        struct job *good = pins();
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        uint32_t step;

        ck_assert_int_eq(door_check(good, &step, &f), 0);
        job_free(good);
        REFUSE(pins, "a job of their own", (void) add_bind(job, "/tmp/src", "/data"));
        REFUSE(pins, "root of another place", job->caller.root = false; job->caller.uid = 0);
        REFUSE(pins, "a file of the host", job->steps[0].flags = 0);
        REFUSE(pins, "a file of the host", job->steps[0].flags |= STEP_STACK);
        REFUSE(pins, "a file of the host", set(&job->steps[0].container, "main"));
        REFUSE(pins, "a file of the host", set(&job->steps[1].target, PLACES "/../uts"));
        REFUSE(pins, "one of a process's", set(&job->steps[0].type, "time"));
        REFUSE(pins, "one of a process's", set(&job->steps[0].type, "../environ"));
        REFUSE(pins, "one of a process's", job->steps[0].source.kind = STEP_SOURCE_PATH; set(&job->steps[0].source.path, "/proc/1/ns/net"));
        REFUSE(pins, "one of a process's", job->steps[0].source.fd = 1);
        REFUSE(pins, "no mount of the pod", job->steps[0].create = STEP_CREATE_FREELY);
        REFUSE(pins, "other attributes", job->steps[0].attr_set = 0);
        REFUSE(pins, "other attributes", job->steps[0].propagation = MS_SHARED);
}
END_TEST

/* Into the directory for namespaces goes nothing else, and nothing into what is in it. */
START_TEST(test_list) {
        static const struct {
                const char *target;
                bool pin, bind, unmount;
        } rows[] = {
                {PINS "/net", true, false, true},
                {PINS, false, false, false},
                {PINS "/a/b", false, false, false},
                {PINS "x/net", false, false, false},
                {PLACES "/net", true, true, true},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                for (unsigned sort = 0; sort < 3; sort++) {
                        struct job *job = sort == 0 ? pins() : sort == 1 ? bind_there() : unmount_there();
                        bool good = sort == 0 ? rows[i].pin : sort == 1 ? rows[i].bind : rows[i].unmount;
                        _cleanup_failure_ struct failure f = FAILURE_INIT;
                        uint32_t step;

                        job->n_steps = 1 + (sort == 0); /* the second one of those stays where it is */
                        set(&job->steps[0].target, rows[i].target);
                        ck_assert_msg(door_check_host(job, PLACES, PINS, &step, &f) == (good ? 0 : (int) FAILURE_INVALID_TARGET), "%zu %u", i, sort);
                        job_free(job);
                }
}
END_TEST

/* A process with namespaces of its own; its pidfd. */
static int start(pid_t *ret) {
        int ready[2], fd;
        char byte;
        pid_t child;

        ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
        child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
                if (unshare(CLONE_NEWNET | CLONE_NEWUTS) < 0 || write(ready[1], "x", 1) != 1)
                        _exit(1);
                for (;;)
                        (void) pause();
        }
        (void) close(ready[1]);
        ck_assert_int_eq(read(ready[0], &byte, 1), 1);
        (void) close(ready[0]);
        fd = (int) syscall(SYS_pidfd_open, child, 0);
        ck_assert_int_ge(fd, 0);
        *ret = child;
        return fd;
}

/* Files are made for them and go with what is unmounted; where one fails, nothing stays of the others. */
START_TEST(test_bound) {
        _cleanup_free_ char *before = NULL;
        _cleanup_close_ int fd = -1;
        pid_t child;

        if (!hands_begin(NULL))
                return;
        make_directory(PINS);
        before = namespace_snapshot();
        fd = start(&child);
        for (unsigned bad = 0; bad < 2; bad++) {
                _cleanup_job_result_ struct job_result result = {}, end = {};
                struct job *job = pins();

                if (bad)
                        set(&job->steps[1].target, "/tmp/none/uts");
                result = run_fds(job, &fd);
                if (bad) {
                        ck_assert_failed(result, FAILURE_INVALID_TARGET, "make it first");
                        namespace_unchanged(before);
                        ck_assert(!exists(PINS "/net"));
                        continue;
                }
                ck_assert_done(result);
                ck_assert(exists(PINS "/net") && exists(PINS "/uts"));
                job = new_job(true);
                for (unsigned i = 0; i < 2; i++) {
                        struct step *step = job_add(job, i ? STEP_DETACH : STEP_UNMOUNT);

                        step->target = strdup(i ? PINS "/uts" : PINS "/net");
                        step->flags = STEP_HOST;
                        step->id = result.steps[i].id;
                        step->mount_id = result.steps[i].mount_id;
                }
                end = run(job);
                ck_assert_done(end);
                ck_assert(!exists(PINS "/net") && !exists(PINS "/uts"));
        }
        namespace_unchanged(before);
        (void) kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
}
END_TEST

UNIT_MAIN("pin", test_door, test_list, test_bound)
