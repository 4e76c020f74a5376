/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Plans: which steps come out of which wanted mounts, and what may be done about each target. */

#include "plan/plan.h"

#include <errno.h>

#include "tests/unit/unit.h"
#include "wanted-build.h"

static const struct plan_pod *pod(char *const *fd_names) {
        static gid_t groups[] = {7, 8};
        static const struct job_caller caller = {.uid = 1000, .gid = 100, .groups = groups, .n_groups = 2};
        static struct plan_pod made;

        made = (struct plan_pod) {.job = 42, .uuid = WANTED_UUID, .owner = 1000, .owner_group = 100, .caller = &caller,
                .fd_names = fd_names};
        return &made;
}

static struct job *create(const struct wanted *wanted, char *const *fd_names) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_free_ uint8_t *data = NULL;
        struct job *job = NULL;
        size_t size;

        ck_assert_int_eq(plan_create(pod(fd_names), wanted, &job, &f), 0);
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

static void check_create(const struct job *job, const char *target, enum step_create want_create, uint32_t cover_step,
        uint64_t cover_id) {
        const struct step *step = find(job, "main", target);

        ck_assert_msg(step->create == want_create, "%s: create is %d", target, step->create);
        ck_assert_msg(step->cover_step == cover_step, "%s: cover is step %u", target, step->cover_step);
        ck_assert_msg(step->cover_id == cover_id, "%s: cover is %lu", target, (unsigned long) step->cover_id);
}

START_TEST(test_head_and_frame) {
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_(job_freep) struct job *job = NULL;
        char *names[] = {text("one"), text("two"), NULL};

        want_root(&wanted, want_container(&wanted, "main"), true);
        want_root(&wanted, want_container(&wanted, "other"), false);
        job = create(&wanted, names);
        ck_assert_uint_eq(job->id, 42);
        ck_assert_str_eq(job->uuid, WANTED_UUID);
        ck_assert_uint_eq(job->owner, 1000);
        ck_assert_uint_eq(job->owner_group, 100);
        ck_assert_uint_eq(job->caller.n_groups, 2);
        ck_assert_uint_eq(job->caller.groups[1], 8);
        ck_assert_uint_eq(job->n_fds, 2);
        ck_assert_str_eq(job->containers[1], "other");
        ck_assert_uint_eq(job->n_steps, 4);
        ck_assert_int_eq(job->steps[0].kind, STEP_TREE);
        ck_assert_uint_ge(job->steps[0].size, 1 << 20);
        ck_assert_uint_eq(job->steps[0].attr_set, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
        ck_assert_uint_eq(job->steps[0].propagation, MS_SHARED);
        ck_assert_uint_eq(job->steps[0].wanted, UINT32_MAX);
        ck_assert_int_eq(job->steps[1].kind, STEP_ROOT);
        ck_assert_uint_eq(job->steps[1].wanted, 0);
        ck_assert_str_eq(job->steps[2].container, "other");
        ck_assert_int_eq(job->steps[3].kind, STEP_PUBLISH);
        free(names[0]);
        free(names[1]);
}
END_TEST

START_TEST(test_private_tree) {
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_(job_freep) struct job *job = NULL;

        want_root(&wanted, want_container(&wanted, "main"), true)->propagation = MS_PRIVATE;
        job = create(&wanted, NULL);
        ck_assert_uint_eq(job->steps[0].propagation, MS_PRIVATE);
}
END_TEST

/* The mounts that every container has, and a few of the caller's. */
static void want_usual(struct wanted *wanted) {
        want(wanted, WANTED_FILESYSTEM, 0, "/proc", "proc");
        want(wanted, WANTED_FILESYSTEM, 0, "/dev", "tmpfs");
        want(wanted, WANTED_FILESYSTEM, 0, "/dev/pts", "devpts");
        want(wanted, WANTED_FILESYSTEM, 0, "/sys", "sysfs");
        want(wanted, WANTED_FILESYSTEM, 0, "/sys/fs/cgroup", "cgroup2");
        want_bind(wanted, 0, "/data", "/srv/data");
        want_bind(wanted, 0, "/data/inner", "/srv/inner");
        want_bind(wanted, 0, "/devil", "/srv/devil"); /* not below /dev */
        want(wanted, WANTED_FILESYSTEM, 0, "/ro", "tmpfs")->attr_set = MOUNT_ATTR_RDONLY;
        want_bind(wanted, 0, "/ro/x", "/srv/x");
}

static void check_usual(const struct job *job, enum step_create on_root, uint32_t root_cover) {
        check_create(job, "/proc", on_root, root_cover, 0);
        check_create(job, "/dev", on_root, root_cover, 0);
        check_create(job, "/dev/pts", STEP_CREATE_FREELY, 3, 0);
        check_create(job, "/sys/fs/cgroup", STEP_CREATE_NEVER, STEP_NO_COVER, 0);
        check_create(job, "/data", on_root, root_cover, 0);
        check_create(job, "/data/inner", STEP_CREATE_NEVER, STEP_NO_COVER, 0);
        check_create(job, "/devil", on_root, root_cover, 0);
        check_create(job, "/ro/x", STEP_CREATE_STUB, STEP_NO_COVER, 0);
        ck_assert_str_eq(find(job, "main", "/ro")->stubs[0], "/ro/x"); /* made before it becomes read-only */
}

START_TEST(test_readonly_root) {
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_(job_freep) struct job *job = NULL;
        static const char *const stubs[] = {"/proc", "/dev", "/sys", "/data", "/devil", "/ro"};

        want_root(&wanted, want_container(&wanted, "main"), true);
        want_usual(&wanted);
        job = create(&wanted, NULL);
        check_usual(job, STEP_CREATE_STUB, STEP_NO_COVER);
        ck_assert_uint_eq(strv_length(job->steps[1].stubs), ELEMENTSOF(stubs));
        for (size_t i = 0; i < ELEMENTSOF(stubs); i++)
                ck_assert_str_eq(job->steps[1].stubs[i], stubs[i]);
}
END_TEST

START_TEST(test_writable_root) {
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_(job_freep) struct job *job = NULL;

        want_root(&wanted, want_container(&wanted, "main"), false);
        want_usual(&wanted);
        job = create(&wanted, NULL);
        check_usual(job, STEP_CREATE_AS_CALLER, 1);
        ck_assert_ptr_null(job->steps[1].stubs);
}
END_TEST

START_TEST(test_overlay_root) {
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_(job_freep) struct job *job = NULL;
        struct wanted_mount *root = want_root(&wanted, want_container(&wanted, "main"), false);

        root->overlay = SPEC_OVERLAY_TMPFS;
        root->overlay_size = 12345;
        want_usual(&wanted);
        job = create(&wanted, NULL);
        check_usual(job, STEP_CREATE_FREELY, 1);
        ck_assert_uint_eq(job->steps[1].flags, STEP_OVERLAY_TMPFS);
        ck_assert_uint_eq(job->steps[1].size, 12345);
}
END_TEST

START_TEST(test_readonly_overlay_root) {
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_(job_freep) struct job *job = NULL;
        struct wanted_mount *root = want_root(&wanted, want_container(&wanted, "main"), true);

        root->overlay = SPEC_OVERLAY_TMPFS;
        root->overlay_size = 12345;
        want_bind(&wanted, 0, "/data", "/srv/data");
        job = create(&wanted, NULL);
        check_create(job, "/data", STEP_CREATE_STUB, STEP_NO_COVER, 0);
        ck_assert_uint_eq(job->steps[1].flags, 0); /* nobody could write to the upper layer */
        ck_assert_uint_eq(job->steps[1].size, 0);
        ck_assert_str_eq(job->steps[1].stubs[0], "/data");
}
END_TEST

/* With many mounts the covers are indexed: the answers are the same. */
START_TEST(test_many_mounts) {
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_(job_freep) struct job *job = NULL;

        want_root(&wanted, want_container(&wanted, "main"), false);
        want_usual(&wanted);
        for (unsigned i = 0; i < 500; i++) {
                char target[64];

                (void) snprintf(target, sizeof(target), "/dev/many/%u", i);
                want_bind(&wanted, 0, target, "/srv/many");
        }
        job = create(&wanted, NULL);
        check_usual(job, STEP_CREATE_AS_CALLER, 1);
        check_create(job, "/dev/many/499", STEP_CREATE_FREELY, 3, 0);
}
END_TEST

START_TEST(test_later_mount_hides) {
        for (unsigned many = 0; many < 2; many++) {
                _cleanup_wanted_ struct wanted wanted = {};
                _cleanup_(job_freep) struct job *job = NULL;

                want_root(&wanted, want_container(&wanted, "main"), true);
                for (unsigned i = 0; i < many * 20; i++)
                        want_bind(&wanted, 0, "/b", "/srv");
                want(&wanted, WANTED_FILESYSTEM, 0, "/a/b", "tmpfs");
                want_bind(&wanted, 0, "/a", "/srv/a");
                want_bind(&wanted, 0, "/a/b/c", "/srv/c"); /* on /a, not on the hidden tmpfs */
                job = create(&wanted, NULL);
                check_create(job, "/a/b/c", STEP_CREATE_NEVER, STEP_NO_COVER, 0);
        }
}
END_TEST

START_TEST(test_containers_apart) {
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_(job_freep) struct job *job = NULL;
        size_t second;

        want_root(&wanted, want_container(&wanted, "main"), false);
        want(&wanted, WANTED_FILESYSTEM, 0, "/x", "tmpfs");
        second = want_container(&wanted, "second");
        want_root(&wanted, second, true);
        want_bind(&wanted, second, "/x/y", "/srv/y");
        job = create(&wanted, NULL);
        ck_assert_int_eq(find(job, "second", "/x/y")->create, STEP_CREATE_STUB);
        ck_assert_str_eq(find(job, "second", "/")->stubs[0], "/x/y");
}
END_TEST

START_TEST(test_deferred) {
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_(job_freep) struct job *job = NULL;

        want_root(&wanted, want_container(&wanted, "main"), true);
        want(&wanted, WANTED_FILESYSTEM, 0, "/proc", "proc")->deferred = true;
        want(&wanted, WANTED_FILESYSTEM, 0, "/proc/inner", "proc")->deferred = true;
        want_bind(&wanted, 0, "/data", "/srv/data");
        job = create(&wanted, NULL);
        ck_assert_uint_eq(job->n_steps, 4);
        ck_assert_str_eq(job->steps[1].stubs[0], "/proc"); /* mounted later, on a root that takes nothing then */
        ck_assert_str_eq(job->steps[1].stubs[1], "/data"); /* none below another that waits */
        ck_assert_uint_eq(find(job, "main", "/data")->wanted, 3);
}
END_TEST

START_TEST(test_step_of_each_field) {
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_(job_freep) struct job *job = NULL;
        char *names[] = {text("work"), text("data"), NULL};
        struct wanted_mount *mount;
        const struct step *step;

        want_root(&wanted, want_container(&wanted, "main"), false)->recursive = true;
        mount = want_bind(&wanted, 0, "/data", "fd:data");
        mount->recursive = mount->attr_recursive = mount->propagation_recursive = true;
        mount->attr_set = MOUNT_ATTR_RDONLY;
        mount->attr_clear = MOUNT_ATTR_NOEXEC;
        mount->attr_set_below = MOUNT_ATTR_NODEV;
        mount->attr_clear_below = MOUNT_ATTR_NOSUID;
        mount->propagation = MS_SLAVE;
        mount = want(&wanted, WANTED_FILESYSTEM, 0, "/tmp", "tmpfs");
        mount->source.text = text("scratch");
        *array_append(&mount->data, &mount->n_data) = (struct data_option) {text("size"), text("1m")};
        *array_append(&mount->data, &mount->n_data) = (struct data_option) {text("noswap"), NULL};
        mount = want(&wanted, WANTED_OVERLAY, 0, "/over", "overlay");
        *array_append(&mount->lower, &mount->n_lower) = (struct source) {SOURCE_PATH, text("/l1")};
        *array_append(&mount->lower, &mount->n_lower) = (struct source) {SOURCE_PATH, text("/l2")};
        mount->upper = (struct source) {SOURCE_PATH, text("/up")};
        mount->work = (struct source) {SOURCE_FD, text("work")};

        job = create(&wanted, names);
        ck_assert_uint_eq(job->steps[1].flags, STEP_RECURSIVE);
        step = find(job, "main", "/data");
        ck_assert_uint_eq(step->flags, STEP_RECURSIVE | STEP_ATTR_RECURSIVE | STEP_PROPAGATION_RECURSIVE);
        ck_assert_int_eq(step->source.kind, STEP_SOURCE_FD);
        ck_assert_uint_eq(step->source.fd, 1);
        ck_assert_uint_eq(step->attr_set, MOUNT_ATTR_RDONLY);
        ck_assert_uint_eq(step->attr_clear, MOUNT_ATTR_NOEXEC);
        ck_assert_uint_eq(step->attr_set_below, MOUNT_ATTR_NODEV);
        ck_assert_uint_eq(step->attr_clear_below, MOUNT_ATTR_NOSUID);
        ck_assert_uint_eq(step->propagation, MS_SLAVE);
        step = find(job, "main", "/tmp");
        ck_assert_str_eq(step->type, "tmpfs");
        ck_assert_int_eq(step->source.kind, STEP_SOURCE_NONE);
        ck_assert_str_eq(step->source.path, "scratch");
        ck_assert_uint_eq(step->n_options, 2);
        ck_assert_str_eq(step->options[0].value, "1m");
        ck_assert_ptr_null(step->options[1].value);
        step = find(job, "main", "/over");
        ck_assert_int_eq(step->kind, STEP_OVERLAY);
        ck_assert_uint_eq(step->n_layers, 2);
        ck_assert_str_eq(step->layers[1].path, "/l2");
        ck_assert_str_eq(step->upper.path, "/up");
        ck_assert_uint_eq(step->work.fd, 0);
        free(names[0]);
        free(names[1]);
}
END_TEST

START_TEST(test_unknown_fd) {
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct job *job = NULL;

        want_root(&wanted, want_container(&wanted, "main"), true);
        want_bind(&wanted, 0, "/a", "/srv/a"); /* has a stub by then */
        want_bind(&wanted, 0, "/data", "fd:nobody");
        ck_assert_int_eq(plan_create(pod(NULL), &wanted, &job, &f), FAILURE_INVALID_ARGS);
        ck_assert_str_eq(f.text,
                "/mounts/0: The source fd:nobody of /data names no file descriptor of this call; "
                "send one by that name.");
        ck_assert_ptr_null(job);
}
END_TEST

START_TEST(test_too_many_layers) {
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct wanted_mount *mount;
        struct job *job = NULL;

        want_root(&wanted, want_container(&wanted, "main"), true);
        mount = want(&wanted, WANTED_OVERLAY, 0, "/over", "overlay");
        for (size_t i = 0; i <= JOB_LAYERS_MAX; i++)
                *array_append(&mount->lower, &mount->n_lower) = (struct source) {SOURCE_PATH, text("/l")};
        ck_assert_int_eq(plan_create(pod(NULL), &wanted, &job, &f), FAILURE_INVALID_OPTION);
        ck_assert_ptr_nonnull(strstr(f.text, "501 lower layers"));
}
END_TEST

static struct wanted_mount *want_overlay(struct wanted *wanted, const char *target, bool upper, bool readonly) {
        struct wanted_mount *mount = want(wanted, WANTED_OVERLAY, 0, target, "overlay");

        *array_append(&mount->lower, &mount->n_lower) = (struct source) {SOURCE_PATH, text("/l1")};
        *array_append(&mount->lower, &mount->n_lower) = (struct source) {SOURCE_PATH, text("/l2")};
        if (upper) {
                mount->upper = (struct source) {SOURCE_PATH, text("/up")};
                mount->work = (struct source) {SOURCE_PATH, text("/work")};
        }
        mount->attr_set = readonly ? MOUNT_ATTR_RDONLY : 0;
        return mount;
}

/* Stubs where nobody can write: without an upper directory, or read-only. */
START_TEST(test_overlay_stubs) {
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_(job_freep) struct job *job = NULL;
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;

        want_root(&wanted, want_container(&wanted, "main"), true);
        want_overlay(&wanted, "/bare", false, false);
        want_bind(&wanted, 0, "/bare/a/b", "/srv/a");
        want_overlay(&wanted, "/ro", true, true);
        want_bind(&wanted, 0, "/ro/a", "/srv/a");
        want_overlay(&wanted, "/rw", true, false);
        want_bind(&wanted, 0, "/rw/a", "/srv/a");
        job = create(&wanted, NULL);
        ck_assert_uint_eq(strv_length(find(job, "main", "/bare")->stubs), 1);
        ck_assert_str_eq(find(job, "main", "/bare")->stubs[0], "/bare/a/b");
        ck_assert_str_eq(find(job, "main", "/ro")->stubs[0], "/ro/a");
        ck_assert(!find(job, "main", "/rw")->stubs || !find(job, "main", "/rw")->stubs[0]);
        check_create(job, "/bare/a/b", STEP_CREATE_STUB, STEP_NO_COVER, 0);
        check_create(job, "/ro/a", STEP_CREATE_STUB, STEP_NO_COVER, 0);
        ck_assert_int_eq(find(job, "main", "/rw/a")->create, STEP_CREATE_AS_CALLER);
        ck_assert_int_eq(job_encode(job, &data, &size), 0);
}
END_TEST

START_TEST(test_mount) {
        static const struct plan_present present[] = {
                {"main", "/", 100, PLAN_GROUND_CALLER},
                {"other", "/", 200, PLAN_GROUND_FREELY},
                {"main", "/dev", 101, PLAN_GROUND_FREELY},
                {"main", "/ro", 102, PLAN_GROUND_NEVER},
                {"main", "/later", 0, PLAN_GROUND_FREELY}, /* deferred: not there */
        };
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *job = NULL;

        want_container(&wanted, "main");
        want_bind(&wanted, 0, "/a", "/srv/a");
        want_bind(&wanted, 0, "/dev/x", "/srv/x");
        want_bind(&wanted, 0, "/ro/x", "/srv/x");
        want(&wanted, WANTED_FILESYSTEM, 0, "/t", "tmpfs");
        want_bind(&wanted, 0, "/t/x", "/srv/x");
        want_bind(&wanted, 0, "/later/x", "/srv/x");
        ck_assert_int_eq(plan_mount(pod(NULL), &wanted, present, ELEMENTSOF(present), false, &job, &f), 0);
        ck_assert_uint_eq(job->n_steps, 6);
        check_create(job, "/a", STEP_CREATE_AS_CALLER, STEP_NO_COVER, 100);
        check_create(job, "/dev/x", STEP_CREATE_FREELY, STEP_NO_COVER, 101);
        check_create(job, "/ro/x", STEP_CREATE_NEVER, STEP_NO_COVER, 0);
        check_create(job, "/t/x", STEP_CREATE_FREELY, 3, 0);
        check_create(job, "/later/x", STEP_CREATE_AS_CALLER, STEP_NO_COVER, 100);
        ck_assert_uint_eq(job->steps[0].flags, 0);
        ck_assert_uint_eq(job->steps[5].wanted, 5);
}
END_TEST

START_TEST(test_mount_stacked_and_unknown) {
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *job = NULL;
        _cleanup_(job_freep) struct job *none = NULL;

        want_container(&wanted, "main");
        want_bind(&wanted, 0, "/a", "/srv/a");
        ck_assert_int_eq(plan_mount(pod(NULL), &wanted, NULL, 0, true, &job, &f), 0);
        ck_assert_uint_eq(job->steps[0].flags, STEP_STACK);
        check_create(job, "/a", STEP_CREATE_NEVER, STEP_NO_COVER, 0);
        want_root(&wanted, 0, true);
        ck_assert_int_eq(plan_mount(pod(NULL), &wanted, NULL, 0, false, &none, &f), -EINVAL);
}
END_TEST

static const struct plan_doomed doomed[] = {
        {.id = 5, .mount_id = 15, .device = 25, .path = "main/rootfs/a b", .made = 2, .made_file = true},
        {.id = 4, .mount_id = 14, .path = "main/rootfs", .kept = true, .of_tree = true, .propagation = MS_SHARED},
        {.id = 3, .mount_id = 13, .path = ""},
};

START_TEST(test_unmount) {
        for (int lazy = 0; lazy < 2; lazy++) {
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                _cleanup_(job_freep) struct job *job = NULL;

                ck_assert_int_eq(plan_unmount(pod(NULL), doomed, 2, lazy, &job, &f), 0);
                ck_assert_uint_eq(job->n_steps, 2);
                ck_assert_int_eq(job->steps[0].kind, lazy ? STEP_DETACH : STEP_UNMOUNT);
                ck_assert_str_eq(job->steps[0].target, "main/rootfs/a b");
                ck_assert_uint_eq(job->steps[0].id, 5);
                ck_assert_uint_eq(job->steps[0].mount_id, 15);
                ck_assert_uint_eq(job->steps[0].device, 25);
                ck_assert_uint_eq(job->steps[0].made, 2);
                ck_assert(job->steps[0].made_file && !job->steps[1].made_file);
        }
}
END_TEST

START_TEST(test_collect) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *strict = NULL, *lazy = NULL, *empty = NULL;

        ck_assert_int_eq(plan_collect(pod(NULL), doomed, 3, NULL, 0, false, &strict, &f), 0);
        ck_assert_uint_eq(strict->n_steps, 4);
        ck_assert_int_eq(strict->steps[2].kind, STEP_UNMOUNT);
        ck_assert_str_eq(strict->steps[2].target, "");
        ck_assert_uint_eq(strict->steps[0].flags, 0);
        ck_assert_uint_eq(strict->steps[1].flags, STEP_RESTORE | STEP_OF_TREE);
        ck_assert_uint_eq(strict->steps[1].propagation, MS_SHARED);
        ck_assert_int_eq(strict->steps[3].kind, STEP_REMOVE_POD);

        ck_assert_int_eq(plan_collect(pod(NULL), doomed, 3, NULL, 0, true, &lazy, &f), 0);
        ck_assert_uint_eq(lazy->n_steps, 3); /* main/rootfs goes with the tree */
        ck_assert_int_eq(lazy->steps[0].kind, STEP_DETACH);
        ck_assert_str_eq(lazy->steps[0].target, "main/rootfs/a b"); /* leaves a mount point behind */
        ck_assert_str_eq(lazy->steps[1].target, "");
        ck_assert_int_eq(lazy->steps[2].kind, STEP_REMOVE_POD);
        for (size_t i = 0; i < lazy->n_steps; i++)
                ck_assert_uint_eq(lazy->steps[i].flags | lazy->steps[i].propagation, 0);

        ck_assert_int_eq(plan_collect(pod(NULL), NULL, 0, NULL, 0, false, &empty, &f), 0);
        ck_assert_uint_eq(empty->n_steps, 1);
}
END_TEST

static void check_unmake(const struct step *step, const char *target, uint32_t made) {
        ck_assert_int_eq(step->kind, STEP_UNMAKE);
        ck_assert_str_eq(step->source.path, "/srv");
        ck_assert_str_eq(step->target, target);
        ck_assert_uint_eq(step->made, made);
}

START_TEST(test_unmake) {
        static const struct plan_directory directories[] = {{.root = "/srv", .path = "/a/b", .made = 2},
                                                            {.root = "/srv", .path = "/w", .made = 1, .work = true}};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *job = NULL, *alone = NULL;

        ck_assert_int_eq(plan_remove_container(pod(NULL), doomed, 1, false, &job, &f), 0);
        ck_assert_int_eq(plan_unmake(pod(NULL), directories, 2, &job), 0);
        ck_assert_int_eq(plan_unmake_first(pod(NULL), directories, 1, &job), 0);
        ck_assert_uint_eq(job->n_steps, 6);
        check_unmake(&job->steps[0], "/a/b", 2);
        ck_assert_int_eq(job->steps[1].kind, STEP_UNMOUNT);
        check_unmake(&job->steps[2], "/a/b", 2);
        check_unmake(&job->steps[3], "/w/index", 1);
        check_unmake(&job->steps[4], "/w/work", 1);
        check_unmake(&job->steps[5], "/w", 1);
        ck_assert_int_eq(plan_unmake_first(pod(NULL), NULL, 0, &alone), 0);
        ck_assert_uint_eq(alone->n_steps, 0);
}
END_TEST

static struct wanted_mount *want_volume(struct wanted *wanted, size_t container, const char *target, const char *name) {
        struct wanted_mount *mount = want(wanted, WANTED_BIND, container, target, "bind");

        mount->source = (struct source) {.kind = SOURCE_VOLUME, .text = text(name)};
        return mount;
}

/* On the pod's own tmpfs, before all else; what may be made on a bind of one depends on what it is. */
START_TEST(test_volumes) {
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_(job_freep) struct job *job = NULL;
        const struct step *step;

        want(&wanted, WANTED_FILESYSTEM, WANTED_VOLUMES, "/cache", "tmpfs");
        want_bind(&wanted, WANTED_VOLUMES, "/proc", "/srv/data");
        want_root(&wanted, want_container(&wanted, "main"), true);
        want_volume(&wanted, 0, "/own", "cache")->own_volume = true;
        want_bind(&wanted, 0, "/own/below", "/srv/x");
        want_volume(&wanted, 0, "/ro", "cache")->attr_set = MOUNT_ATTR_RDONLY;
        want_bind(&wanted, 0, "/ro/below", "/srv/x");
        want_volume(&wanted, 0, "/else", "proc");
        want_bind(&wanted, 0, "/else/below", "/srv/x");
        job = create(&wanted, NULL);
        ck_assert_uint_eq(strv_length(job->containers), 2);
        ck_assert_str_eq(job->containers[1], SPEC_VOLUMES);
        for (size_t i = 1; i < 3; i++) {
                ck_assert_str_eq(job->steps[i].container, SPEC_VOLUMES);
                ck_assert_int_eq(job->steps[i].create, STEP_CREATE_FREELY);
                ck_assert_uint_eq(job->steps[i].cover_step, 0);
        }
        ck_assert_int_eq(job->steps[3].kind, STEP_ROOT);
        ck_assert_uint_eq(strv_length(job->steps[3].stubs), 3);
        step = find(job, "main", "/own");
        ck_assert_int_eq(step->source.kind, STEP_SOURCE_VOLUME);
        ck_assert_str_eq(step->source.path, "cache");
        ck_assert_uint_eq(step->source.id, 0);
        check_create(job, "/own/below", STEP_CREATE_FREELY, 4, 0);
        check_create(job, "/ro/below", STEP_CREATE_NEVER, STEP_NO_COVER, 0);
        check_create(job, "/else/below", STEP_CREATE_NEVER, STEP_NO_COVER, 0);
        step = find(job, "main", "/ro");
        ck_assert(!step->stubs || !step->stubs[0]); /* nothing between the container and what it shares */
}
END_TEST

/* What is before a step moves what it lies on. */
START_TEST(test_inside) {
        static const struct plan_inside there[] = {{.id = 5, .namespace = 9}, {.id = 6, .namespace = 9, .deep = true},
                                                   {.id = 7, .namespace = 9, .nested = true}};
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *job = NULL, *look = NULL, *collect = NULL, *lazy = NULL;
        const struct plan_doomed own = {.id = 4, .path = ""};
        char data_name[] = "data", there_name[] = "there", *names[] = {data_name, there_name, NULL};
        size_t main = want_container(&wanted, "main");
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;

        want(&wanted, WANTED_FILESYSTEM, main, "/srv", "tmpfs");
        want_bind(&wanted, main, "/srv/made", "/tmp");
        ck_assert_int_eq(plan_mount(pod(names), &wanted, NULL, 0, false, &job, &f), 0);
        ck_assert_int_eq(plan_enter(pod(names), "main", "nobody", 0, &job, &f), FAILURE_INVALID_ARGS);
        ck_assert_int_eq(plan_enter(pod(names), "main", "there", 9, &job, &f), 0);
        ck_assert_uint_eq(job->n_steps, 3);
        ck_assert_int_eq(job->steps[0].kind, STEP_ENTER);
        ck_assert_uint_eq(job->steps[0].source.fd, 1);
        ck_assert_uint_eq(job->steps[0].namespace, 9);
        check_create(job, "/srv", STEP_CREATE_NEVER, STEP_NO_COVER, 0);
        check_create(job, "/srv/made", STEP_CREATE_FREELY, 1, 0);
        ck_assert_int_eq(job_encode(job, &data, &size), 0);

        ck_assert_int_eq(plan_seek(pod(names), there, 2, false, &look), 0);
        ck_assert_uint_eq(look->n_steps, 2);
        ck_assert_uint_eq(look->steps[1].id, 6);
        ck_assert_uint_eq(look->steps[1].namespace, 9);

        ck_assert_int_eq(plan_collect(pod(NULL), &own, 1, NULL, 0, false, &collect, &f), 0);
        ck_assert_int_eq(plan_withdraw(pod(NULL), there, 3, false, &collect), 0);
        ck_assert_uint_eq(collect->n_steps, 5);
        ck_assert_int_eq(collect->steps[0].kind, STEP_UNMOUNT); /* what can be taken back comes first */
        ck_assert_uint_eq(collect->steps[1].id, 7);
        ck_assert_uint_eq(collect->steps[1].flags, STEP_OPTIONAL);
        ck_assert_uint_eq(collect->steps[2].id, 6);
        ck_assert_uint_eq(collect->steps[2].flags, STEP_RECURSIVE);
        ck_assert_uint_eq(collect->steps[3].id, 5);
        ck_assert_uint_eq(collect->steps[3].flags, 0);
        ck_assert_int_eq(collect->steps[4].kind, STEP_REMOVE_POD);
        ck_assert_int_eq(plan_withdraw(pod(NULL), there, 3, true, &lazy), 0);
        ck_assert_uint_eq(lazy->steps[0].flags, STEP_LAZY_BELOW | STEP_OPTIONAL);
        ck_assert_uint_eq(lazy->steps[1].flags, STEP_LAZY_BELOW);
}
END_TEST

UNIT_MAIN("plan", test_head_and_frame, test_private_tree, test_readonly_root, test_writable_root, test_overlay_root,
        test_readonly_overlay_root, test_many_mounts, test_later_mount_hides, test_containers_apart, test_deferred,
        test_step_of_each_field, test_unknown_fd, test_too_many_layers, test_mount, test_mount_stacked_and_unknown,
        test_unmount, test_collect, test_unmake, test_volumes, test_inside, test_overlay_stubs)
