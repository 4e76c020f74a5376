/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a dry run shows: steps with what takes them back, the tree, what is deferred. */

#include "plan/plan.h"

#include <json-c/json.h>

#include "tests/unit/unit.h"
#include "util/json.h"
#include "wanted-build.h"

static const struct plan_pod pod = {.job = 1, .uuid = WANTED_UUID};

static struct json_object *show(const struct job *job, const struct wanted *wanted) {
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        struct json_object *object = NULL;
        _cleanup_free_ char *plan = NULL;

        ck_assert_int_eq(plan_to_json(job, wanted, &plan), 0);
        ck_assert_int_eq(json_parse(plan, strlen(plan), &object, &f), 0);
        return object;
}

/* "steps/0/undo" */
static struct json_object *at(struct json_object *object, const char *path) {
        _cleanup_free_ char *copy = text(path);
        char *rest = copy, *word;

        while ((word = strsep(&rest, "/"))) {
                if (json_object_is_type(object, json_type_array))
                        object = json_object_array_get_idx(object, strtoul(word, NULL, 10));
                else
                        object = json_object_object_get(object, word);
        }
        return object;
}

static void check(struct json_object *object, const char *path, const char *want_text) {
        const char *have = json_object_get_string(at(object, path));

        if (!want_text)
                ck_assert_msg(!have, "%s is %s", path, have);
        else
                ck_assert_msg(have && strcmp(have, want_text) == 0, "%s is %s", path, have ? have : "not there");
}

START_TEST(test_create) {
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *job = NULL;
        _cleanup_json_ struct json_object *plan = NULL;
        struct wanted_mount *mount;

        want_root(&wanted, want_container(&wanted, "main"), false);
        want(&wanted, WANTED_FILESYSTEM, 0, "/dev", "tmpfs");
        want(&wanted, WANTED_FILESYSTEM, 0, "/dev/pts", "devpts");
        mount = want_bind(&wanted, 0, "/dev/ü \"x\"", "/srv/data");
        ck_assert_int_eq(strv_append(&mount->options, "ro"), 0);
        mount = want(&wanted, WANTED_FILESYSTEM, 0, "/proc", "proc");
        mount->deferred = true;
        mount->name_space = WANTED_NAMESPACE_PID;
        mount = want(&wanted, WANTED_OVERLAY, 0, "/over", "overlay");
        *array_append(&mount->lower, &mount->n_lower) = (struct source) {SOURCE_FD, text("layer")};
        mount->upper = (struct source) {SOURCE_PATH, text("/up")};
        ck_assert_int_eq(strv_append(&wanted.warnings, "process is not applied."), 0);
        {
                char *names[] = {text("layer"), NULL};
                struct plan_pod with_fds = pod;

                with_fds.fd_names = names;
                ck_assert_int_eq(plan_create(&with_fds, &wanted, &job, &f), 0);
                free(names[0]);
        }

        plan = show(job, &wanted);
        check(plan, "steps/0/step", "tree");
        check(plan, "steps/0/undo", "close-tree");
        check(plan, "steps/0/container", NULL);
        check(plan, "steps/1/step", "root");
        check(plan, "steps/1/undo", "close-tree");
        check(plan, "steps/1/target", "/");
        check(plan, "steps/1/source", "/srv/root");
        check(plan, "steps/2/step", "filesystem");
        check(plan, "steps/2/mount-point", "created-as-caller");
        check(plan, "steps/2/undo", "close-tree, remove-mount-point");
        check(plan, "steps/3/mount-point", "created");
        check(plan, "steps/3/undo", "close-tree");
        check(plan, "steps/4/step", "bind");
        check(plan, "steps/4/target", "/dev/ü \"x\"");
        check(plan, "steps/4/options/0", "ro");
        check(plan, "steps/5/step", "overlay");
        check(plan, "steps/5/lower/0", "fd:layer");
        check(plan, "steps/5/upper", "/up");
        check(plan, "steps/6/step", "publish");
        check(plan, "steps/6/undo", "detach, remove-mount-point");
        check(plan, "tree/0/container", "main");
        check(plan, "tree/0/mounts/0/target", "/dev");
        check(plan, "tree/0/mounts/0/mounts/0/target", "/dev/pts");
        check(plan, "tree/0/mounts/0/mounts/1/target", "/dev/ü \"x\"");
        check(plan, "tree/0/mounts/1/target", "/over");
        check(plan, "tree/1", NULL);
        check(plan, "deferred/0/target", "/proc");
        check(plan, "deferred/0/namespace", "pid");
        check(plan, "warnings/0", "process is not applied.");
}
END_TEST

START_TEST(test_readonly_root) {
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *job = NULL;
        _cleanup_json_ struct json_object *plan = NULL;

        want_root(&wanted, want_container(&wanted, "main"), true);
        want_bind(&wanted, 0, "/data", "/srv/data");
        ck_assert_int_eq(plan_create(&pod, &wanted, &job, &f), 0);
        plan = show(job, &wanted);
        check(plan, "steps/1/stubs/0", "/data");
        check(plan, "steps/2/mount-point", "stub");
        check(plan, "steps/2/undo", "close-tree");
}
END_TEST

START_TEST(test_mount) {
        static const struct plan_present present[] = {
                {"main", "/", 100, PLAN_GROUND_CALLER},
                {"main", "/dev", 101, PLAN_GROUND_FREELY},
                {"main", "/ro", 102, PLAN_GROUND_NEVER},
        };
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *job = NULL;
        _cleanup_json_ struct json_object *plan = NULL;

        want_container(&wanted, "main");
        want_bind(&wanted, 0, "/a", "/srv");
        want_bind(&wanted, 0, "/dev/a", "/srv");
        want_bind(&wanted, 0, "/ro/a", "/srv");
        ck_assert_int_eq(plan_mount(&pod, &wanted, present, ELEMENTSOF(present), false, &job, &f), 0);
        plan = show(job, &wanted);
        check(plan, "steps/0/undo", "detach, remove-mount-point");
        check(plan, "steps/1/undo", "detach, remove-mount-point");
        check(plan, "steps/2/undo", "detach");
        check(plan, "steps/2/mount-point", "existing");
        check(plan, "tree/2/target", "/ro/a");
}
END_TEST

START_TEST(test_teardown) {
        static const struct plan_doomed doomed[] = {{.id = 5, .path = "main/rootfs/a"}, {.id = 4, .path = ""}};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *job = NULL;
        _cleanup_json_ struct json_object *plan = NULL;

        ck_assert_int_eq(plan_collect(&pod, doomed, 2, NULL, 0, false, &job, &f), 0);
        ck_assert_ptr_nonnull(job_add(job, STEP_IDENTIFY));
        ck_assert_ptr_nonnull(job_add(job, STEP_DETACH));
        plan = show(job, NULL);
        check(plan, "steps/0/step", "unmount");
        check(plan, "steps/0/target", "main/rootfs/a");
        check(plan, "steps/2/step", "remove-pod");
        check(plan, "tree/0", NULL);
        for (size_t i = 0; i < job->n_steps; i++)
                ck_assert_str_eq(plan_undo(job, &job->steps[i]), "none");
}
END_TEST

/* A tree nested deeper than parsers take comes out whole all the same. */
START_TEST(test_deep) {
        _cleanup_wanted_ struct wanted wanted = {};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        _cleanup_(job_freep) struct job *job = NULL;
        _cleanup_json_ struct json_object *plan = NULL;
        struct json_object *level;
        char target[512] = "";
        unsigned depth = 0;

        want_root(&wanted, want_container(&wanted, "main"), false);
        for (unsigned i = 0; i < 100; i++) {
                strcat(target, "/d");
                want(&wanted, WANTED_FILESYSTEM, 0, target, "tmpfs");
        }
        ck_assert_int_eq(plan_create(&pod, &wanted, &job, &f), 0);
        plan = show(job, &wanted);
        level = at(plan, "tree");
        while (json_object_array_length(level) == 1) {
                level = json_object_object_get(json_object_array_get_idx(level, 0), "mounts");
                depth++;
        }
        ck_assert_uint_eq(depth, PLAN_TREE_DEPTH_MAX);
        ck_assert_uint_eq(json_object_array_length(level), 101 - PLAN_TREE_DEPTH_MAX);
}
END_TEST

UNIT_MAIN("plan-json", test_create, test_readonly_root, test_mount, test_teardown, test_deep)
