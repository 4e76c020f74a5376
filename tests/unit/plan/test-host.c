/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Mounts on the host in plans: behind all that the pod itself is made of, and first when it goes. */

#include "plan/plan.h"

#include "tests/unit/unit.h"
#include "wanted-build.h"

static const struct job_caller caller = {.uid = 1000, .gid = 100};
static const struct plan_pod pod = {.job = 42, .uuid = WANTED_UUID, .owner = 1000, .owner_group = 100, .caller = &caller};

static void build(struct wanted *wanted) {
        size_t container = want_container(wanted, "main");

        want_root(wanted, container, false);
        want_bind(wanted, container, "/data", "/srv/data");
        want_bind(wanted, WANTED_HOST, "/srv/places/one", "/srv/data");
        want(wanted, WANTED_FILESYSTEM, WANTED_HOST, "/srv/places/two", "tmpfs");
}

START_TEST(test_create) {
        static const enum step_kind kinds[] = {STEP_TREE, STEP_ROOT, STEP_BIND, STEP_PUBLISH, STEP_BIND, STEP_FILESYSTEM};
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_(job_freep) struct job *job = NULL, *same = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;

        build(&wanted);
        ck_assert_int_eq(plan_create(&pod, &wanted, &job, &f), 0);
        ck_assert_uint_eq(job->n_steps, ELEMENTSOF(kinds));
        ck_assert_uint_eq(strv_length(job->containers), 1); /* there is no place for them in the tree */
        for (size_t i = 0; i < job->n_steps; i++) {
                const struct step *step = &job->steps[i];

                ck_assert_int_eq(step->kind, kinds[i]);
                ck_assert_uint_eq(step->flags & STEP_HOST, i > 3 ? STEP_HOST : 0);
                if (i <= 3)
                        continue;
                ck_assert_str_eq(step->container, SPEC_HOST);
                ck_assert_int_eq(step->create, STEP_CREATE_NEVER);
                ck_assert_uint_eq(step->wanted, i - 2);
                ck_assert_str_eq(plan_undo(job, step), "detach");
        }
        ck_assert_str_eq(job->steps[5].target, "/srv/places/two");
        job->steps[5].flags |= STEP_MAKE_LAYERS; /* an overlay's */
        ck_assert_str_eq(plan_undo(job, &job->steps[5]), "detach, remove-directories");
        job->steps[5].flags &= ~(uint32_t) STEP_MAKE_LAYERS;
        ck_assert_int_eq(job_encode(job, &data, &size), 0);
        ck_assert_int_eq(job_decode(data, size, &same), 0);
        ck_assert_uint_eq(same->steps[4].flags & STEP_HOST, STEP_HOST);
}
END_TEST

START_TEST(test_shown) {
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_(job_freep) struct job *job = NULL;
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ char *text_of_it = NULL;

        build(&wanted);
        ck_assert_int_eq(plan_create(&pod, &wanted, &job, &f), 0);
        ck_assert_int_eq(plan_to_json(job, &wanted, &text_of_it), 0);
        ck_assert_ptr_nonnull(strstr(text_of_it, "\"container\": \".host\""));
        ck_assert_ptr_nonnull(strstr(text_of_it, "\"target\": \"/srv/places/two\""));
}
END_TEST

/* Strictly and lazily alike: detaching the tree takes none of them along. */
START_TEST(test_collect) {
        static const struct plan_doomed doomed[] = {
                {.id = 7, .mount_id = 17, .path = "/srv/places/two", .host = true, .kept = true},
                {.id = 5, .mount_id = 15, .path = "main/rootfs"},
                {.id = 4, .mount_id = 14, .path = ""},
        };

        for (unsigned lazy = 0; lazy < 2; lazy++) {
                _cleanup_(job_freep) struct job *job = NULL;
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                _cleanup_free_ uint8_t *data = NULL;
                size_t size;

                ck_assert_int_eq(plan_collect(&pod, doomed, 3, NULL, 0, lazy, &job, &f), 0);
                ck_assert_uint_eq(job->n_steps, lazy ? 3 : 4);
                ck_assert_int_eq(job->steps[0].kind, lazy ? STEP_DETACH : STEP_UNMOUNT);
                ck_assert_uint_eq(job->steps[0].flags, STEP_HOST | (lazy ? 0 : STEP_RESTORE));
                ck_assert_str_eq(job->steps[0].target, "/srv/places/two");
                ck_assert_uint_eq(job->steps[1].flags, 0);
                ck_assert_int_eq(job_encode(job, &data, &size), 0);
        }
}
END_TEST

UNIT_MAIN("host", test_create, test_shown, test_collect)
