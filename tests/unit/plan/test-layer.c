/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Roots that are layers, in plans. */

#include "plan/plan.h"

#include "tests/unit/unit.h"
#include "wanted-build.h"

static const struct job_caller caller = {.uid = 1000, .gid = 100};
static const struct plan_pod pod = {.job = 42, .uuid = WANTED_UUID, .owner = 1000, .owner_group = 100, .caller = &caller};

static struct job *create(const struct wanted *wanted) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ uint8_t *data = NULL;
        struct job *job = NULL;
        size_t size;

        ck_assert_int_eq(plan_create(&pod, wanted, &job, &f), 0);
        ck_assert_int_eq(job_encode(job, &data, &size), 0); /* whatever is planned can be sent */
        return job;
}

static const struct step *find(const struct job *job, const char *container, const char *target) {
        for (size_t i = 0; i < job->n_steps; i++)
                if (job->steps[i].container && job->steps[i].target && strcmp(job->steps[i].container, container) == 0 &&
                        strcmp(job->steps[i].target, target) == 0)
                        return &job->steps[i];
        ck_abort_msg("no step for %s of %s", target, container);
}

static struct wanted_mount *want_layer(struct wanted *wanted, const char *container, const char *id) {
        struct wanted_mount *mount = want_root(wanted, want_container(wanted, container), false);
        struct source *lower = array_append(&mount->lower, &mount->n_lower);

        source_done(&mount->source);
        mount->source = (struct source) {.kind = SOURCE_LAYER, .text = text(id)};
        mount->layer = 7;
        mount->recursive = false;
        *lower = (struct source) {.kind = SOURCE_LAYER, .text = text("base")};
        return mount;
}

/* Mount points are in no layer; what is mounted later may be made on one that is written to. */
START_TEST(test_layers) {
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_(job_freep) struct job *job = NULL;
        const struct step *step;

        want_layer(&wanted, "ro", "top")->attr_set = MOUNT_ATTR_RDONLY;
        want_bind(&wanted, 0, "/data", "/srv/x");
        want_layer(&wanted, "own", "mine")->layer_writable = true;
        want_bind(&wanted, 1, "/data", "/srv/x");
        want_layer(&wanted, "over", "top")->overlay = SPEC_OVERLAY_TMPFS;
        want_bind(&wanted, 2, "/data", "/srv/x");
        job = create(&wanted);
        step = find(job, "ro", "/");
        ck_assert_int_eq(step->source.kind, STEP_SOURCE_LAYER);
        ck_assert_str_eq(step->source.path, "top");
        ck_assert_uint_eq(step->source.id, 7);
        ck_assert_uint_eq(step->n_layers, 1);
        ck_assert_int_eq(step->layers[0].kind, STEP_SOURCE_LAYER);
        ck_assert_str_eq(step->layers[0].path, "base");
        ck_assert_uint_eq(step->flags, 0);
        ck_assert_uint_eq(strv_length(step->stubs), 1);
        ck_assert_int_eq(find(job, "ro", "/data")->create, STEP_CREATE_STUB);
        step = find(job, "own", "/");
        ck_assert_uint_eq(step->flags, STEP_LAYER_WRITABLE);
        ck_assert_str_eq(step->stubs[0], "/data");
        ck_assert_int_eq(find(job, "own", "/data")->create, STEP_CREATE_STUB);
        step = find(job, "over", "/");
        ck_assert_uint_eq(step->flags, STEP_OVERLAY_TMPFS);
        ck_assert(!step->stubs || !step->stubs[0]);
        ck_assert_int_eq(find(job, "over", "/data")->create, STEP_CREATE_FREELY);
}
END_TEST

/* A directory that is wanted for itself is made where it is kept. */
START_TEST(test_directories) {
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_(job_freep) struct job *job = NULL;
        struct wanted_directory *directory;

        want_layer(&wanted, "own", "mine")->layer_writable = true;
        directory = array_append(&wanted.directories, &wanted.n_directories);
        *directory = (struct wanted_directory) {.target = text("/var/x"), .pointer = text("")};
        job = create(&wanted);
        ck_assert_int_eq(find(job, "own", "/var/x")->create, STEP_CREATE_AS_CALLER);
        ck_assert_uint_eq(find(job, "own", "/var/x")->cover_step, 1);
}
END_TEST

UNIT_MAIN("layer", test_layers, test_directories)
