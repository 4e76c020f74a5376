/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The door again, for steps on layers: whatever a captured front says, an id is the name of a directory and nothing else, and a
 * mount has the attributes and options that layers have. */

#include "plan/layer.h"
#include "tests/unit/executor/refusals.h"

static struct job *good_layer(void) {
        struct job *job = new_job(false);
        struct step *step = job_add(job, STEP_LAYER_MAKE);

        ck_assert_ptr_nonnull(step);
        job->caller.root = true;
        job->caller.uid = 0;
        job->uuid[0] = 0;
        set(&step->target, "sha256.0-a_B");
        step->serial = 7;
        return job;
}

START_TEST(test_layers) {
        static const enum step_kind kinds[] = {STEP_LAYER_MAKE, STEP_LAYER_RETIRE, STEP_LAYER_PURGE, STEP_LAYER_ADOPT, STEP_LAYER_CLEAR};
        static const char *const bad[] = {"", ".", "..", "a/b", "/", ".new-7", "-a", "_a", "a b", "\xc3\xa4", "a\n"};
        char long_id[] = "1234567890123456789012345678901234567890123456789012345678901234"
                         "12345678901234567890123456789012345678901234567890123456789012345";

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                _cleanup_(job_freep) struct job *good_one = good_layer();
                uint32_t step;

                good_one->steps[0].kind = kinds[i];
                ck_assert_msg(door_check(good_one, &step, &f) == 0, "%s", f.text);
                for (size_t j = 0; j < ELEMENTSOF(bad); j++)
                        REFUSE(good_layer, "a layer's id is none", job->steps[0].kind = kinds[i]; set(&job->steps[0].target, bad[j]));
                REFUSE(good_layer, "a layer's id is none", job->steps[0].kind = kinds[i]; set(&job->steps[0].target, long_id));
                REFUSE(good_layer, "without a number", job->steps[0].kind = kinds[i]; job->steps[0].serial = 0);
                REFUSE(good_layer, "in no pod", job->steps[0].kind = kinds[i]; strcpy(job->uuid, UUID));
                REFUSE(good_layer, "alone", job->steps[0].kind = kinds[i]; ck_assert_ptr_nonnull(job_add(job, STEP_LAYER_MAKE)));
                REFUSE(good_layer, "alone", job->steps[0].kind = kinds[i]; job->n_fds = 1);
                REFUSE(good_layer, "flags", job->steps[0].kind = kinds[i]; job->steps[0].flags = STEP_RECURSIVE);
        }
}
END_TEST

static void add_mapping(struct id_mapping **list, size_t *n, uint32_t container, uint32_t host, uint32_t size) {
        struct id_mapping *mapping = array_append(list, n);

        *mapping = (struct id_mapping){.container_id = container, .host_id = host, .size = size};
}

static struct job *good_mount(void) {
        struct job *job = good_layer();
        struct step *step = &job->steps[0];

        step->kind = STEP_LAYER_MOUNT;
        step->attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY;
        step->propagation = MS_SHARED;
        ck_assert_int_eq(strv_append(&step->stubs, "below"), 0);
        ck_assert_int_eq(strv_append(&step->stubs, "base"), 0);
        add_option(step, "context", "system_u:object_r:container_file_t:s0");
        step->idmap.given = true;
        add_mapping(&step->idmap.uids, &step->idmap.n_uids, 0, 1000, 1);
        add_mapping(&step->idmap.gids, &step->idmap.n_gids, 0, 1000, 1);
        return job;
}

static void add_many(struct job *job, unsigned n) {
        while (strv_length(job->steps[0].stubs) < n)
                ck_assert_int_eq(strv_append(&job->steps[0].stubs, "more"), 0);
}

static void make_writable(struct job *job) {
        job->steps[0].flags = STEP_LAYER_WRITABLE;
        job->steps[0].attr_set &= ~(uint64_t) MOUNT_ATTR_RDONLY;
}

START_TEST(test_mount) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *good = good_mount(), *writable = good_mount(), *longest = good_mount();
        uint32_t step;

        ck_assert_msg(door_check(good, &step, &f) == 0, "%s", f.text);
        make_writable(writable);
        add_many(writable, JOB_LAYERS_MAX);
        ck_assert_msg(door_check(writable, &step, &f) == 0, "%s", f.text);
        add_many(longest, JOB_LAYERS_MAX - 1);
        ck_assert_msg(door_check(longest, &step, &f) == 0, "%s", f.text);
        REFUSE(good_mount, "too many others", add_many(job, JOB_LAYERS_MAX));
        REFUSE(good_mount, "too many others", make_writable(job); add_many(job, JOB_LAYERS_MAX + 1));
        REFUSE(good_mount, "on what is no layer", set(&job->steps[0].stubs[1], "../base"));
        REFUSE(good_mount, "on what is no layer", set(&job->steps[0].stubs[0], ".base-removing-7"));
        REFUSE(good_mount, "on what is no layer", set(&job->steps[0].stubs[0], job->steps[0].target));
        REFUSE(good_mount, "attributes", job->steps[0].attr_set &= ~(uint64_t) MOUNT_ATTR_NOSUID);
        REFUSE(good_mount, "attributes", job->steps[0].attr_set &= ~(uint64_t) MOUNT_ATTR_NODEV);
        REFUSE(good_mount, "attributes", job->steps[0].attr_set &= ~(uint64_t) MOUNT_ATTR_RDONLY);
        REFUSE(good_mount, "attributes", job->steps[0].flags = STEP_LAYER_WRITABLE);
        REFUSE(good_mount, "attributes", job->steps[0].attr_clear = MOUNT_ATTR_NOEXEC);
        REFUSE(good_mount, "propagation", job->steps[0].propagation = 0);
        REFUSE(good_mount, "propagation", job->steps[0].propagation = MS_SLAVE);
        REFUSE(good_mount, "flags", job->steps[0].flags = STEP_STACK);
        REFUSE(good_mount, "without a number", job->steps[0].serial = 0);
        REFUSE(good_mount, "a layer's id is none", set(&job->steps[0].target, ".."));
        REFUSE(good_mount, "alone", job->n_fds = 1);
}
END_TEST

START_TEST(test_options) {
        REFUSE(good_mount, "for root", job->caller.root = false; job->caller.uid = 1000);
        REFUSE(good_mount, "no label", add_option(&job->steps[0], "context", "x"));
        REFUSE(good_mount, "no label", set(&job->steps[0].options[0].name, "upperdir"));
        REFUSE(good_mount, "no label", set(&job->steps[0].options[0].name, "redirect_dir"));
        REFUSE(good_mount, "no label", free(job->steps[0].options[0].value); job->steps[0].options[0].value = NULL);
        REFUSE(good_mount, "no label", job->steps[0].options[0].fd = 0);
        REFUSE(good_mount, "stands on none", strv_free(job->steps[0].stubs); job->steps[0].stubs = NULL);
        REFUSE(good_mount, "an id mapping", job->steps[0].idmap.n_uids = 0);
        REFUSE(good_mount, "an id mapping", job->steps[0].idmap.uids[0].size = 0);
        REFUSE(good_mount, "an id mapping", job->steps[0].userns.kind = STEP_SOURCE_FD);
        REFUSE(good_mount, "maps no ids", job->caller.root = false);
}
END_TEST

static struct job *good_unmount(void) {
        struct job *job = good_layer();

        job->steps[0].kind = STEP_LAYER_UNMOUNT;
        job->steps[0].id = 5;
        return job;
}

START_TEST(test_unmount) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *good = good_unmount();
        uint32_t step;

        ck_assert_msg(door_check(good, &step, &f) == 0, "%s", f.text);
        REFUSE(good_unmount, "no id", job->steps[0].id = 0);
        REFUSE(good_unmount, "flags", job->steps[0].flags = STEP_LAZY_BELOW);
        REFUSE(good_unmount, "a layer's id is none", set(&job->steps[0].target, "a/b"));
        REFUSE(good_unmount, "in no pod", strcpy(job->uuid, UUID));
}
END_TEST

static struct job *good_root(void) {
        struct job *job = new_job(true);
        struct step *step;

        add_tree(job);
        step = add_root(job, "top");
        step->source = (struct step_source){.kind = STEP_SOURCE_LAYER, .path = TAKE_PTR(step->source.path), .id = 7};
        step->flags = 0;
        step->attr_set = MOUNT_ATTR_RDONLY;
        *(struct step_source *) array_append(&step->layers, &step->n_layers) =
                (struct step_source){.kind = STEP_SOURCE_LAYER, .path = strdup("base")};
        add_option(step, "context", "system_u:object_r:container_file_t:s0");
        add_publish(job);
        return job;
}

static struct job *good_own(void) {
        struct job *job = good_root();

        job->steps[1].flags = STEP_LAYER_WRITABLE;
        job->steps[1].attr_set = 0;
        return job;
}

static void be_user(struct job *job) {
        job->caller.root = false;
        job->caller.uid = job->caller.gid = CALLER;
}

/* A second container whose root is of the same layer. */
static void add_second(struct job *job) {
        struct step *step = job_add(job, STEP_PUBLISH);

        ck_assert_ptr_nonnull(step);
        step = &job->steps[2];
        step->kind = STEP_ROOT;
        step->source = (struct step_source){.kind = STEP_SOURCE_LAYER, .path = strdup("top"), .id = 7};
        step->container = strdup("main");
        step->target = strdup("/");
        step->attr_set = MOUNT_ATTR_RDONLY;
}

START_TEST(test_root) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *good = good_root(), *own = good_own(), *tmpfs = good_own(), *twice = good_root();
        uint32_t step;

        tmpfs->steps[1].flags = STEP_OVERLAY_TMPFS;
        tmpfs->steps[1].size = 65536;
        add_second(twice);
        ck_assert_msg(door_check(good, &step, &f) == 0, "%s", f.text);
        ck_assert_msg(door_check(own, &step, &f) == 0, "%s", f.text);
        ck_assert_msg(door_check(tmpfs, &step, &f) == 0, "%s", f.text);
        ck_assert_msg(door_check(twice, &step, &f) == 0, "%s", f.text);
        REFUSE_AT(good_root, 1, "a layer's id is none", set(&job->steps[1].source.path, "../top"));
        REFUSE_AT(good_root, 1, "a layer's id is none", set(&job->steps[1].source.path, ".top-removing-7"));
        REFUSE_AT(good_root, 1, "without a number", job->steps[1].source.id = 0);
        REFUSE_AT(good_root, 1, "written to", job->steps[1].attr_set = 0);
        REFUSE_AT(good_own, 1, "flags", job->steps[1].flags |= STEP_OVERLAY_TMPFS; job->steps[1].size = 65536);
        REFUSE_AT(good_root, 1, "flags", job->steps[1].flags |= STEP_RECURSIVE);
        REFUSE_AT(good_root, 1, "what is no layer", set(&job->steps[1].layers[0].path, "a/b"));
        REFUSE_AT(good_root, 1, "what is no layer", set(&job->steps[1].layers[0].path, "top"));
        REFUSE_AT(good_root, 1, "what is no layer", job->steps[1].layers[0].kind = STEP_SOURCE_PATH);
        REFUSE_AT(good_root, 1, "its own upper", job->steps[1].upper = (struct step_source){.kind = STEP_SOURCE_PATH, .path = strdup("/x")});
        REFUSE_AT(good_root, 1, "no label", set(&job->steps[1].options[0].name, "lowerdir"));
        REFUSE_AT(good_root, 1, "for root", be_user(job));
        REFUSE_AT(good_own, 1, "one container alone", add_second(job));
        REFUSE_AT(good_root, 1, "none of what layers have", free(job->steps[1].source.path);
                  job->steps[1].source = (struct step_source){.kind = STEP_SOURCE_PATH, .path = strdup("/r")});
        REFUSE_AT(good_root, 2, "nothing else is made of it", (void) job_add(job, STEP_PUBLISH); job->steps[2].kind = STEP_BIND;
                  job->steps[2].source = (struct step_source){.kind = STEP_SOURCE_LAYER, .path = strdup("top"), .id = 7};
                  job->steps[2].container = strdup("main"); job->steps[2].target = strdup("/x"));
}
END_TEST

static struct job *good_apply(void) {
        struct job *job = good_layer();
        struct step *step = &job->steps[0];

        step->kind = STEP_LAYER_APPLY;
        step->source = (struct step_source) {.kind = STEP_SOURCE_FD, .fd = 0};
        step->size = step->id = 1;
        step->flags = STEP_LAYER_BASE;
        job->n_fds = 1;
        return job;
}

static struct job *good_apply_on(const char *below) {
        struct job *job = good_apply();
        struct step_source *layer = array_append(&job->steps[0].layers, &job->steps[0].n_layers);

        *layer = (struct step_source) {.kind = STEP_SOURCE_LAYER, .path = strdup(below)};
        job->steps[0].flags = 0;
        return job;
}

static struct job *good_apply_high(void) {
        return good_apply_on("low");
}

/* A tar is one fd, and what it may become has limits. */
START_TEST(test_apply) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *good_one = good_apply();
        uint32_t step;

        ck_assert_msg(door_check(good_one, &step, &f) == 0, "%s", f.text);
        good_one->steps[0].flags = STEP_LAYER_WRITABLE | STEP_LAYER_BASE;
        ck_assert_msg(door_check(good_one, &step, &f) == 0, "%s", f.text);
        job_free(good_one);
        good_one = good_apply_high();
        ck_assert_msg(door_check(good_one, &step, &f) == 0, "%s", f.text);
        REFUSE(good_apply, "a layer's id is none", set(&job->steps[0].target, ".apply"));
        REFUSE(good_apply, "alone", job->n_fds = 0);
        REFUSE(good_apply, "alone", job->n_fds = 2);
        REFUSE(good_apply, "came along", job->steps[0].source.kind = STEP_SOURCE_NONE);
        REFUSE(good_apply, "came along", job->steps[0].source.kind = STEP_SOURCE_PATH; set(&job->steps[0].source.path, "/etc/passwd"));
        REFUSE(good_apply, "limit", job->steps[0].size = 0);
        REFUSE(good_apply, "limit", job->steps[0].id = 0);
        REFUSE(good_apply, "on neither", job->steps[0].flags = 0);
        REFUSE(good_apply_high, "on none and on others", job->steps[0].flags = STEP_LAYER_BASE);
        REFUSE(good_apply_high, "on itself", set(&job->steps[0].layers[0].path, job->steps[0].target));
        REFUSE(good_apply_high, "what is none", set(&job->steps[0].layers[0].path, "../x"));
        REFUSE(good_apply_high, "what is none", job->steps[0].layers[0].kind = STEP_SOURCE_PATH);
        REFUSE(good_apply_high, "what is none", job->steps[0].upper = (struct step_source) {.kind = STEP_SOURCE_PATH, .path = strdup("/x")});
        REFUSE(good_apply, "mapped", job->steps[0].idmap.given = true);
        REFUSE(good_apply, "mapping", job->steps[0].flags |= STEP_LAYER_WRITABLE; job->steps[0].idmap.given = true);
}
END_TEST

static struct job *good_merge(void) {
        struct job *job = good_layer();

        job->steps[0].kind = STEP_LAYER_MERGE;
        job->steps[0].flags = STEP_LAYER_BASE;
        return job;
}

/* No fd, and nothing but a layer; no limit is none. */
START_TEST(test_merge) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *good_one = good_merge();
        uint32_t step;

        ck_assert_msg(door_check(good_one, &step, &f) == 0, "%s", f.text);
        REFUSE(good_merge, "a layer's id is none", set(&job->steps[0].target, ".."));
        REFUSE(good_merge, "without a number", job->steps[0].serial = 0);
        REFUSE(good_merge, "alone", job->n_fds = 1);
        REFUSE(good_merge, "flags", job->steps[0].flags |= STEP_LAYER_WRITABLE);
        REFUSE(good_merge, "flags", job->steps[0].mount_id = 1);
}
END_TEST

static struct job *good_stored(void) {
        struct job *job = good_mount();

        set(&job->steps[0].target, "1:7:top");
        set(&job->steps[0].stubs[0], "2:9:below");
        set(&job->steps[0].stubs[1], "1:3:top");
        return job;
}

static struct job *good_read(void) {
        struct job *job = good_layer();

        job->steps[0].kind = STEP_LAYER_SIZE;
        set(&job->steps[0].target, "16:7:top");
        return job;
}

static void add_beside(struct job *job, unsigned n) {
        struct step *step = &job->steps[0];

        while (step->n_layers < n)
                *(struct step_source *) array_append(&step->layers, &step->n_layers) = (struct step_source) {.kind = STEP_SOURCE_LAYER, .path = strdup("other")};
}

/* What is below a layer that is read is merged, and the layer is not: so it may be a read-write one with as many below as there may be. */
START_TEST(test_read_long) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *longest = good_read();
        uint32_t step;

        add_many(longest, JOB_LAYERS_MAX);
        add_beside(longest, JOB_LAYERS_BESIDE_MAX);
        ck_assert_msg(door_check(longest, &step, &f) == 0, "%s", f.text);
        REFUSE(good_read, "too many others", add_many(job, JOB_LAYERS_MAX + 1));
        REFUSE(good_read, "beside what is none", add_beside(job, JOB_LAYERS_BESIDE_MAX + 1));
        REFUSE(good_apply_high, "beside what is none", add_beside(job, JOB_LAYERS_MAX + 1));
}
END_TEST

static struct step_option *add_beside_idmap(struct job *job, const char *text) {
        struct step_option *option = array_append(&job->steps[0].options, &job->steps[0].n_options);

        ck_assert_ptr_nonnull(option);
        *option = (struct step_option) {.name = strdup(PLAN_READ_IDMAP), .value = strdup(text), .fd = STEP_NO_FD};
        return option;
}

#define BESIDE_IDMAP "uids=0-100000-65536;gids=0-100000-65536"

static struct job *good_mapped_beside(void) {
        struct job *job = good_read();

        add_beside(job, 1);
        (void) add_beside_idmap(job, BESIDE_IDMAP);
        return job;
}

START_TEST(test_read_mapped_beside) {
        static const char *const bad[] = {"", "x", "uids=0-1-1", "uids=0-1-0;gids=0-1-1", "uids=@0-1-1;gids=0-1-1", "uids=0-1-2#1-5-2;gids=0-1-1"};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *good = good_mapped_beside();
        uint32_t step;

        ck_assert_msg(door_check(good, &step, &f) == 0, "%s", f.text);
        REFUSE(good_read, "no id mapping of the layer beside", (void) add_beside_idmap(job, BESIDE_IDMAP));
        REFUSE(good_mapped_beside, "no id mapping of the layer beside", (void) add_beside_idmap(job, BESIDE_IDMAP));
        REFUSE(good_mapped_beside, "no id mapping of the layer beside", set(&job->steps[0].options[0].name, "context"));
        REFUSE(good_mapped_beside, "no id mapping of the layer beside", set(&job->steps[0].options[0].value, NULL));
        REFUSE(good_mapped_beside, "the root of another place", job->caller.root = false; job->caller.uid = 0);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                REFUSE(good_mapped_beside, "that is none", set(&job->steps[0].options[0].value, bad[i]));
}
END_TEST

static struct job *good_open_stored(void) {
        struct job *job = good_read();

        job->steps[0].kind = STEP_LAYER_OPEN;
        return job;
}

static struct job *good_stored_root(void) {
        struct job *job = good_root();

        set(&job->steps[1].source.path, "1:7:top");
        set(&job->steps[1].layers[0].path, "2:3:top");
        return job;
}

/* A layer of an additional store is mounted and read, by the one text that names it, and is never written to. */
START_TEST(test_stores) {
        static const enum step_kind changing[] = {STEP_LAYER_MAKE, STEP_LAYER_RETIRE, STEP_LAYER_PURGE, STEP_LAYER_APPLY, STEP_LAYER_MERGE, STEP_LAYER_ADOPT,
                                                  STEP_LAYER_CLEAR, STEP_LAYER_UNMOUNT};
        static const char *const bad[] = {"1:7", "1:7:", ":7:top", "1::top", "0:7:top", "01:7:top", "1:07:top", "+1:7:top", "1:7:../x", "1:7:2:8:top",
                                          "4294967296:7:top", "1:18446744073709551616:top", "-1:7:top", "1: 7:top", "x:7:top"};
        struct job *(*const good_ones[])(void) = {good_stored, good_read, good_open_stored, good_stored_root};

        for (size_t i = 0; i < ELEMENTSOF(good_ones); i++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                _cleanup_(job_freep) struct job *job = good_ones[i]();
                uint32_t step;

                ck_assert_msg(door_check(job, &step, &f) == 0, "%zu: %s", i, f.text);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                REFUSE(good_stored, "a layer's id is none", set(&job->steps[0].target, bad[i]));
                REFUSE(good_stored, "on what is no layer", set(&job->steps[0].stubs[0], bad[i]));
                REFUSE(good_read, "a layer's id is none", set(&job->steps[0].target, bad[i]));
                REFUSE(good_stored_root, "a layer's id is none", set(&job->steps[1].source.path, bad[i]));
                REFUSE(good_stored_root, "what is no layer", set(&job->steps[1].layers[0].path, bad[i]));
                REFUSE(good_apply_high, "what is none", set(&job->steps[0].layers[0].path, bad[i]));
        }
        for (size_t i = 0; i < ELEMENTSOF(changing); i++) {
                REFUSE(good_layer, "a layer's id is none", job->steps[0].kind = changing[i]; set(&job->steps[0].target, "1:7:top");
                       job->n_fds = changing[i] == STEP_LAYER_APPLY);
        }
        REFUSE(good_stored, "two numbers", job->steps[0].serial = 8);
        REFUSE(good_read, "two numbers", job->steps[0].serial = 8);
        REFUSE(good_open_stored, "two numbers", job->steps[0].serial = 8);
        REFUSE(good_stored_root, "two numbers", job->steps[1].source.id = 8);
        REFUSE(good_stored, "a layer's id is none", job->steps[0].serial = 0; set(&job->steps[0].target, "1:0:top"));
        REFUSE(good_stored, "without a number", job->steps[0].serial = 0);
        REFUSE(good_stored, "written to", make_writable(job));
        REFUSE(good_stored_root, "written to", job->steps[1].flags = STEP_LAYER_WRITABLE; job->steps[1].attr_set = 0);
        REFUSE(good_stored, "on what is no layer", set(&job->steps[0].stubs[1], "1:7:top"));
}
END_TEST

UNIT_MAIN("door-layers", test_stores, test_read_long, test_read_mapped_beside, test_merge, test_apply, test_layers, test_root, test_mount, test_options, test_unmount)
