/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The door again, for gc programs: nobody's program runs as root by the front's word. */

#include "tests/unit/executor/refusals.h"

static struct job *good(void) {
        struct job *job = new_job(false);
        struct step *step = job_add(job, STEP_GC_PROGRAM);

        ck_assert_ptr_nonnull(step);
        job->owner = job->caller.uid = 1000;
        job->owner_group = job->caller.gid = 100;
        set(&step->container, "main");
        set(&step->target, "/usr/lib/gc");
        return job;
}

START_TEST(test_shape) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *good_one = good();
        uint32_t step;

        ck_assert_msg(door_check(good_one, &step, &f) == 0, "%s", f.text);
        good_one->steps[0].flags = STEP_GC_DEBUG | STEP_GC_LISTED;
        ck_assert_int_eq(door_check(good_one, &step, &f), 0);
        REFUSE_AT(good, 0, "runs alone", ck_assert_ptr_nonnull(job_add(job, STEP_GC_PROGRAM)));
        REFUSE_AT(good, 0, "runs alone", job->n_fds = 1);
        REFUSE_AT(good, 0, "for a pod", job->uuid[0] = 0);
        REFUSE_AT(good, 0, "name", set(&job->steps[0].container, "a/.."));
        REFUSE_AT(good, 0, "absolute path", set(&job->steps[0].target, "gc"));
        REFUSE_AT(good, 0, "absolute path", set(&job->steps[0].target, "/usr/../gc"));
        REFUSE_AT(good, 0, "absolute path", set(&job->steps[0].target, "/"));
        REFUSE_AT(good, 0, "as the pod's owner", job->caller.uid = 0);
        REFUSE_AT(good, 0, "as the pod's owner", job->caller.gid = 0);
        REFUSE_AT(good, 0, "another place", job->owner = job->caller.uid = 0; job->caller.root = false);
        REFUSE_AT(good, 0, "flag", job->steps[0].flags = STEP_HOST);
        REFUSE_AT(good, 0, "as root", job->steps[0].flags = STEP_GC_REGISTRY);
        REFUSE_AT(good, 0, "as root", job->steps[0].flags = STEP_GC_REGISTRY; job->caller.uid = job->caller.gid = 0);
        REFUSE_AT(good, 0, "as root", job->steps[0].flags = STEP_GC_REGISTRY; job->caller.uid = 0; job->caller.root = true);
        REFUSE_AT(good, 0, "flag", job->steps[0].flags = STEP_GC_REGISTRY | STEP_GC_LISTED; job->caller.uid = job->caller.gid = 0; job->caller.root = true);
}
END_TEST

static void expect(const struct job *job, const char *programs, const char *registry, bool in_pods, bool in_root_pods, const char *words) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        int r = door_check_gc(job, programs, registry, in_pods, in_root_pods, &f);

        if (!words) {
                ck_assert_msg(r == 0, "%s", f.text);
                return;
        }
        ck_assert_int_eq(r, FAILURE_NOT_SUPPORTED);
        ck_assert_msg(strstr(f.text, words) != NULL, "\"%s\" is not in: %s", words, f.text);
}

START_TEST(test_grants) {
        _cleanup_(job_freep) struct job *job = good(), *other = new_job(false);

        expect(job, "", "/usr/bin/registry", true, false, NULL);
        expect(job, "", "/usr/bin/registry", false, true, "GcInPods=");
        job->owner = job->caller.uid = 0;
        job->caller.root = true;
        expect(job, "", "/usr/bin/registry", true, true, NULL);
        expect(job, "", "/usr/bin/registry", true, false, "GcInRootPods=");
        expect(job, "/usr/lib/gc", "/usr/bin/registry", true, false, "GcInRootPods="); /* it is the pod's all the same */
        job->steps[0].flags = STEP_GC_LISTED;
        expect(job, "/usr/bin/x /usr/lib/gc", "/usr/bin/registry", false, false, NULL);
        expect(job, "/usr/lib/gc/x /usr/lib", "/usr/bin/registry", true, true, "GcPrograms=");
        expect(job, "", "/usr/bin/registry", true, true, "GcPrograms=");
        job->steps[0].flags = STEP_GC_REGISTRY;
        expect(job, "/usr/lib/gc", "/usr/bin/registry", true, true, "RegistryProgram=");
        expect(job, "", "/usr/lib/gc", false, false, NULL);
        ck_assert_ptr_nonnull(job_add(other, STEP_FIND));
        expect(other, "", "/usr/bin/registry", false, false, NULL);
}
END_TEST

UNIT_MAIN("door-gc", test_shape, test_grants)
