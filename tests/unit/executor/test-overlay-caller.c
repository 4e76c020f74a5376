/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An overlay that someone who is not root asks for has layers of that caller's alone. */

#include <grp.h>
#include <sys/wait.h>

#include "tests/unit/executor/hands.h"

/* What a process of the caller gets: 0 or the errno of opening the path. */
static int open_as_caller(const char *path, int flags) {
        int status = -1;
        pid_t pid = fork();

        if (pid == 0) {
                if (setgroups(0, NULL) < 0 || setresgid(CALLER, CALLER, CALLER) < 0 || setresuid(CALLER, CALLER, CALLER) < 0)
                        _exit(255);
                _exit(open(path, flags | O_CLOEXEC, 0644) < 0 ? errno : 0);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status));
        return WEXITSTATUS(status);
}

/* The lower layer has secret/file, which only root may reach; the upper one, the caller's, a secret/ for all. */
static void make_layers(void) {
        static const char *const own[] = {"/tmp/upper", "/tmp/upper/secret", "/tmp/work"};

        make_directory("/tmp/lower");
        make_file("/tmp/lower/plain", "for all\n");
        make_directory("/tmp/lower/secret");
        make_file("/tmp/lower/secret/file", "for root\n");
        ck_assert_int_eq(chmod("/tmp/lower/secret", 0700), 0);
        for (size_t i = 0; i < ELEMENTSOF(own); i++) {
                make_directory(own[i]);
                ck_assert_int_eq(chown(own[i], CALLER, CALLER), 0);
        }
        ck_assert_int_eq(open_as_caller("/tmp/lower/secret/file", O_RDONLY), EACCES);
}

/* A pod with the overlay at /data. */
static struct job_result make_overlay(bool root) {
        struct job *job = new_job(root);
        struct step *step;

        add_tree(job);
        add_root(job, "/tmp/root");
        step = add_step(job, STEP_OVERLAY, NULL, "/data");
        step->layers = calloc(1, sizeof(*step->layers));
        step->n_layers = 1;
        step->layers[0] = (struct step_source) {.kind = STEP_SOURCE_PATH, .path = strdup("/tmp/lower")};
        step->upper = (struct step_source) {.kind = STEP_SOURCE_PATH, .path = strdup("/tmp/upper")};
        step->work = (struct step_source) {.kind = STEP_SOURCE_PATH, .path = strdup("/tmp/work")};
        add_publish(job);
        return run(job);
}

START_TEST(test_lower_of_root) {
        _cleanup_job_result_ struct job_result result = {};

        if (!hands_begin(NULL))
                return;
        make_layers();
        result = make_overlay(false);
        ck_assert_failed(result, FAILURE_SOURCE_DENIED, "lower directory /tmp/lower must be owned by the caller");
        ck_assert(!exists(POD));
}
END_TEST

START_TEST(test_own) {
        _cleanup_job_result_ struct job_result result = {};

        if (!hands_begin(NULL))
                return;
        make_layers();
        ck_assert_int_eq(chown("/tmp/lower", CALLER, CALLER), 0);
        result = make_overlay(false);
        ck_assert_done(result);
        ck_assert_int_eq(open_as_caller(ROOTFS "/data/plain", O_RDONLY), 0);
        ck_assert_int_eq(open_as_caller(ROOTFS "/data/new", O_WRONLY | O_CREAT), 0);
        ck_assert(exists("/tmp/upper/new"));
}
END_TEST

/* What the rule is for: root's overlay of the same layers shows everyone what only root could reach. */
START_TEST(test_root) {
        _cleanup_job_result_ struct job_result result = {};

        if (!hands_begin(NULL))
                return;
        make_layers();
        result = make_overlay(true);
        ck_assert_done(result);
        ck_assert_int_eq(chmod(POD, 0755), 0);
        ck_assert_int_eq(open_as_caller(ROOTFS "/data/secret/file", O_RDONLY), 0);
}
END_TEST

UNIT_MAIN("overlay-caller", test_lower_of_root, test_own, test_root)
