/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Steps about cgroups: what the door lets through, and what comes of it in the hierarchies of this machine, below a parent of the
 * test's own. */

#include <sys/wait.h>

#include "kernel/cgroup.h"
#include "tests/unit/executor/refusals.h"

enum { HIERARCHIES_MAX = 32 };

static char parent[64];
static struct cgroup_hierarchy *hierarchies;
static size_t n_hierarchies;
static struct executor_grants grants;

static struct step *add_cgroup(struct job *job, enum step_kind kind, const char *name) {
        struct step *step = job_add(job, kind);

        step->target = strdup(name);
        step->source.kind = STEP_SOURCE_PATH;
        step->source.path = strdup(parent[0] ? parent : "/pods");
        return step;
}

static struct job *made(void) {
        struct job *job = new_job(true);

        add_tree(job);
        add_root(job, "/tmp/root");
        (void) add_cgroup(job, STEP_CGROUP_MAKE, "one");
        (void) add_cgroup(job, STEP_CGROUP_MAKE, "two");
        add_publish(job);
        return job;
}

static struct job *again(void) {
        struct job *job = new_job(true);

        for (unsigned i = 0; i < 2; i++)
                add_cgroup(job, STEP_CGROUP_MAKE, i ? "two" : "one")->flags = STEP_OPTIONAL;
        return job;
}

static struct job *removed(void) {
        struct job *job = new_job(true);

        (void) add_cgroup(job, STEP_CGROUP_REMOVE, "one");
        (void) add_cgroup(job, STEP_CGROUP_REMOVE, "two");
        return job;
}

START_TEST(test_door) {
        struct job *(*const good[])(void) = {made, again, removed};
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        uint32_t step;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                struct job *job = good[i]();

                ck_assert_int_eq(door_check(job, &step, &f), 0);
                job->steps[made == good[i] ? 2 : 0].source.kind = STEP_SOURCE_NONE;
                set(&job->steps[made == good[i] ? 2 : 0].source.path, NULL);
                ck_assert_int_eq(door_check(job, &step, &f), 0); /* below systemd's unit */
                job_free(job);
        }
        REFUSE_AT(made, 2, "a name of one component", set(&job->steps[2].target, "../x"));
        REFUSE_AT(made, 3, "a name of one component", set(&job->steps[3].target, ".."));
        REFUSE(made, "a name of one component", set(&job->steps[2].target, "a\nb"));
        REFUSE(made, "below no parent", set(&job->steps[2].source.path, "/pods/../system.slice"));
        REFUSE(made, "below no parent", set(&job->steps[2].source.path, "pods"));
        REFUSE(made, "below no parent", set(&job->steps[2].source.path, "/"));
        REFUSE(made, "below no parent", job->steps[2].source.kind = STEP_SOURCE_FD);
        REFUSE(made, "made again", job->steps[2].flags = STEP_OPTIONAL);
        REFUSE(again, "made again", job->steps[0].flags = 0);
        REFUSE(again, "a job of their own", (void) add_bind(job, "/tmp/src", "/data"));
        REFUSE(removed, "a name of one component", set(&job->steps[0].target, "/"));
        REFUSE(removed, "below no parent", set(&job->steps[1].source.path, "/.."));
        REFUSE(removed, "no flags", job->steps[0].flags = STEP_OPTIONAL);
        REFUSE(removed, "do not go together", (void) add_cgroup(job, STEP_CGROUP_MAKE, "x"));
}
END_TEST

/* What the configuration says is all there is. */
START_TEST(test_granted) {
        static const struct {
                bool systemd;
                const char *granted, *asked; /* NULL: the unit */
                bool good;
        } rows[] = {
                {false, "/pods", "/pods", true},
                {false, "/pods", "/pods/x", false},
                {false, "/pods", "/pod", false},
                {false, "/pods", NULL, false},
                {false, "", "/pods", false},
                {true, "/pods", "/pods", false},
                {true, "/pods", NULL, true},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(job_freep) struct job *job = again();
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                struct executor_grants here = {.cgroups_of_systemd = rows[i].systemd};
                uint32_t step = UINT32_MAX;

                grants_set_cgroup_parent(&here, rows[i].granted);
                job->n_steps = 1;
                set(&job->steps[0].source.path, rows[i].asked);
                job->steps[0].source.kind = rows[i].asked ? STEP_SOURCE_PATH : STEP_SOURCE_NONE;
                ck_assert_msg(door_check_cgroups(job, &here, &step, &f) == (rows[i].good ? 0 : (int) FAILURE_INVALID_TARGET), "%zu", i);
                ck_assert_uint_eq(step, rows[i].good ? UINT32_MAX : 0);
                ck_assert_int_ne(door_check_cgroups(job, NULL, &step, &f), 0);
                job->n_steps = 2;
        }
}
END_TEST

/* Whatever is left when a test fails. */
static void clear(void) {
        static const char *const names[] = {"/one/below", "/one", "/two", ""};
        char path[96];

        for (size_t i = 0; i < n_hierarchies; i++) {
                for (size_t j = 0; j < ELEMENTSOF(names); j++) {
                        (void) snprintf(path, sizeof(path), "%s%s", parent + 1, names[j]);
                        (void) unlinkat(hierarchies[i].root, path, AT_REMOVEDIR);
                }
                *strrchr(path, '/') = '\0';
                (void) unlinkat(hierarchies[i].root, path, AT_REMOVEDIR);
        }
}

/* By a child, for a test that fails ends at once. */
static void clear_at_end(void) {
        int fds[2];
        pid_t pid;
        char byte;

        ck_assert_int_eq(pipe(fds), 0);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        (void) close(fds[pid == 0]);
        if (pid > 0)
                return;
        (void) setsid();
        (void) !read(fds[0], &byte, 1);
        clear();
        _exit(0);
}

static bool begin(void) {
        if (!hands_begin(NULL))
                return false;
        ck_assert_int_eq(cgroup_hierarchies(&hierarchies, &n_hierarchies), 0);
        if (n_hierarchies == 0) {
                unit_skip("no cgroup hierarchy is mounted");
                return false;
        }
        ck_assert_uint_le(n_hierarchies, HIERARCHIES_MAX);
        (void) snprintf(parent, sizeof(parent), "/podmount-unit-%ld/below", (long) getpid());
        grants = (struct executor_grants) {};
        grants_set_cgroup_parent(&grants, parent);
        executor.grants = &grants;
        clear_at_end();
        return true;
}

/* In how many hierarchies it is. */
static size_t count(const char *name) {
        _cleanup_free_ char *path = NULL;
        size_t n = 0;

        ck_assert_int_gt(asprintf(&path, "%s/%s", parent + 1, name), 0);
        for (size_t i = 0; i < n_hierarchies; i++)
                n += faccessat(hierarchies[i].root, path, F_OK, 0) == 0;
        return n;
}

static int in(size_t hierarchy, const char *name, int (*do_it)(int, const char *)) {
        _cleanup_free_ char *path = NULL;

        ck_assert_int_gt(asprintf(&path, "%s%s%s", parent + 1, *name ? "/" : "", name), 0);
        return do_it(hierarchies[hierarchy].root, path);
}

static int make(int root, const char *path) {
        return mkdirat(root, path, 0755);
}

static int unmake(int root, const char *path) {
        return unlinkat(root, path, AT_REMOVEDIR);
}

/* The parent goes, for nothing is left in it. */
static void end(void) {
        for (size_t i = 0; i < n_hierarchies; i++) {
                ck_assert_int_eq(in(i, "", unmake), 0);
                *strrchr(parent, '/') = '\0';
                ck_assert_int_eq(in(i, "", unmake), 0);
                parent[strlen(parent)] = '/';
        }
        cgroup_hierarchies_free(hierarchies, n_hierarchies);
}

static void collect(void) {
        struct job *job = removed();
        _cleanup_job_result_ struct job_result result = run(job);

        ck_assert_done(result);
        ck_assert_uint_eq(result.steps[0].attributes, CGROUP_GONE);
        ck_assert_uint_eq(count("one") + count("two"), 0);
}

/* They are there with the pod, what is missing is made again, and removing what is gone is no failure. */
START_TEST(test_made) {
        _cleanup_job_result_ struct job_result result = {}, second = {};

        if (!begin())
                return;
        result = run(made());
        ck_assert_done(result);
        ck_assert_uint_eq(result.steps[2].made, n_hierarchies);
        ck_assert_str_eq(result.texts[0], parent);
        ck_assert_uint_eq(count("one"), n_hierarchies);
        ck_assert_uint_eq(count("two"), n_hierarchies);
        ck_assert_int_eq(in(0, "one", unmake), 0);
        second = run(again());
        ck_assert_done(second);
        ck_assert_uint_eq(second.steps[0].made, 1);
        ck_assert_uint_eq(second.steps[1].made, 0);
        ck_assert_uint_eq(count("one"), n_hierarchies);
        collect();
        collect();
        end();
}
END_TEST

/* One of that name is there: nothing of it stays, and somebody else's does. */
START_TEST(test_undone) {
        if (!begin())
                return;
        for (unsigned foreign = 0; foreign < 2; foreign++) {
                _cleanup_job_result_ struct job_result result = {};
                struct job *job = made();

                if (foreign)
                        ck_assert_int_eq(in(n_hierarchies - 1, "two", make), 0);
                else
                        set(&job->steps[3].target, "one"); /* which is there by then */
                result = run(job);
                ck_assert_failed(result, FAILURE_TARGET_IN_USE, "choose another name");
                ck_assert_uint_eq(result.failed_step, 3);
                ck_assert_uint_eq(result.steps[2].made, 0);
                ck_assert_uint_eq(count("one"), 0);
                ck_assert_uint_eq(count("two"), foreign);
        }
        ck_assert_int_eq(in(n_hierarchies - 1, "two", unmake), 0);
        end();
}
END_TEST

/* One with another below it stays; the job is done all the same, and says so. */
START_TEST(test_busy) {
        _cleanup_job_result_ struct job_result result = {}, left = {}, elsewhere = {};

        if (!begin())
                return;
        result = run(made());
        ck_assert_done(result);
        ck_assert_int_eq(in(0, "one/below", make), 0);
        left = run(removed());
        ck_assert_done(left);
        ck_assert_uint_eq(left.steps[0].attributes, CGROUP_LEFT);
        ck_assert_uint_eq(left.steps[1].attributes, CGROUP_GONE);
        ck_assert_uint_eq(strv_length(left.warnings), 1);
        ck_assert_ptr_nonnull(strstr(left.warnings[0], "cgroup one stays"));
        ck_assert_uint_eq(count("one"), 1);
        ck_assert_int_eq(in(0, "one/below", unmake), 0);
        grants_set_cgroup_parent(&grants, "/other");
        elsewhere = run(removed());
        ck_assert_done(elsewhere);
        ck_assert_uint_eq(elsewhere.steps[0].attributes, CGROUP_LEFT);
        ck_assert_uint_eq(count("one"), 1);
        grants_set_cgroup_parent(&grants, parent);
        collect();
        end();
}
END_TEST

UNIT_MAIN("cgroup", test_door, test_granted, test_made, test_undone, test_busy)
