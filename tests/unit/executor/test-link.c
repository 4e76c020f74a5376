/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_LINK and STEP_UNLINK: what the door lets through, whoever sends it, and what comes of it in network namespaces of the test's own. */

#include <errno.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kernel/confine.h"
#include "kernel/link.h"
#include "tests/unit/executor/refusals.h"

#define NS "/tmp/run/ns"
#define MARK "podmount:" UUID ":main:"

static struct step *add_link(struct job *job, enum step_kind kind, const char *name, const char *type, const char *peer) {
        struct step *step = job_add(job, kind);

        ck_assert_ptr_nonnull(step);
        step->container = strdup("main");
        step->target = strdup(name);
        step->type = strdup(type);
        if (peer)
                ck_assert_int_eq(strv_append(&step->stubs, peer), 0);
        return step;
}

/* With a pod. */
static struct job *made(void) {
        struct job *job = new_job(false);

        (void) add_tree(job);
        (void) add_link(job, STEP_LINK, "eth0", "veth", "host0");
        add_publish(job);
        return job;
}

/* For a process: one that is moved, one that is made there, and one of the host's. */
static struct job *entering(void) {
        struct job *job = new_job(true);

        job->n_fds = 1;
        add_link(job, STEP_LINK, "eth0", "veth", "host0")->flags = STEP_LINK_MOVE;
        (void) add_link(job, STEP_LINK, "br0", "bridge", NULL);
        add_link(job, STEP_LINK, "lent0", "", NULL)->flags = STEP_LINK_MOVE;
        for (size_t i = 0; i < job->n_steps; i++)
                job->steps[i].source.kind = STEP_SOURCE_FD;
        return job;
}

static struct job *leaving(void) {
        struct job *job = new_job(true);

        add_link(job, STEP_UNLINK, "lent0", "", NULL)->flags = STEP_LINK_MOVE;
        (void) add_link(job, STEP_UNLINK, "br0", "bridge", NULL);
        (void) add_link(job, STEP_UNLINK, "eth0", "veth", "host0");
        return job;
}

START_TEST(test_door) {
        struct job *(*const good[])(void) = {made, entering, leaving};

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                _cleanup_(job_freep) struct job *job = good[i]();
                _cleanup_failure_ struct failure f = FAILURE_INIT;
                uint32_t step;

                ck_assert_msg(door_check(job, &step, &f) == 0, "%zu: %s", i, f.text);
        }
        REFUSE_AT(made, 1, "in no container", set(&job->steps[1].container, ".."));
        REFUSE_AT(made, 1, "the name of an interface", set(&job->steps[1].target, "a/b"));
        REFUSE_AT(made, 1, "the name of an interface", set(&job->steps[1].target, "lo"));
        REFUSE_AT(made, 1, "the name of an interface", set(&job->steps[1].target, "0123456789abcdef"));
        REFUSE_AT(made, 1, "the kind of an interface", set(&job->steps[1].type, "../veth"));
        REFUSE_AT(made, 1, "no name of its own", set(&job->steps[1].stubs[0], "eth0"));
        REFUSE_AT(made, 1, "no name of its own", ck_assert_int_eq(strv_append(&job->steps[1].stubs, "more"), 0));
        REFUSE_AT(made, 1, "nothing else has", set(&job->steps[1].type, "dummy"));
        REFUSE_AT(made, 1, "is no mount", job->steps[1].id = 1);
        REFUSE_AT(made, 1, "has no index", job->steps[1].mount_id = 1);
        REFUSE_AT(made, 1, "moved to a process", job->steps[1].flags = STEP_LINK_MOVE);
        REFUSE_AT(made, 1, "before the pod appears", job->steps[1].source.kind = STEP_SOURCE_FD; job->n_fds = 1; job->steps[1].flags = STEP_LINK_MOVE);
        REFUSE_AT(made, 1, "the host's or a process's", job->steps[1].source.kind = STEP_SOURCE_PATH; set(&job->steps[1].source.path, "/proc/1/ns/net"));
        REFUSE_AT(entering, 0, "the host's or a process's", job->steps[0].source.fd = 1);
        REFUSE_AT(entering, 0, "a veth is made on the host", job->steps[0].flags = 0);
        REFUSE_AT(entering, 2, "root's to lend", job->caller.root = false);
        REFUSE_AT(entering, 2, "is of a kind", job->steps[2].flags = 0);
        REFUSE_AT(entering, 0, "a job of their own", (void) add_bind(job, "/tmp/src", "/data"));
        REFUSE_AT(leaving, 0, "is never removed", job->steps[0].flags = 0);
}
END_TEST

START_TEST(test_list) {
        _cleanup_(job_freep) struct job *job = entering(), *others = made(), *back = leaving();
        _cleanup_failure_ struct failure f = FAILURE_INIT;
        uint32_t step = 0;

        ck_assert_int_eq(door_check_interfaces(job, "x lent0 y", &step, &f), 0);
        ck_assert_int_eq(door_check_interfaces(others, "", &step, &f), 0);
        ck_assert_int_eq(door_check_interfaces(back, "", &step, &f), 0); /* what is away comes back, whatever the list has become */
        ck_assert_int_eq(door_check_interfaces(job, "lent lent01", &step, &f), FAILURE_NOT_SUPPORTED);
        ck_assert_uint_eq(step, 2);
}
END_TEST

/* A process with a network namespace of its own; its pidfd. */
static int start(pid_t *ret) {
        int ready[2], fd;
        char byte;
        pid_t child;

        ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
        child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
                if (unshare(CLONE_NEWNET) < 0 || write(ready[1], "x", 1) != 1)
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

/* 0 where there is none. */
static uint32_t index_of(pid_t pid, const char *name) {
        _cleanup_(link_space_closep) struct link_space *space = NULL;
        _cleanup_close_ int fd = -1;
        struct link_info info = {};
        char path[64];
        int r;

        (void) snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
        fd = pid ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        ck_assert_int_eq(link_space_open(fd, &space), 0);
        r = strlen(name) < LINK_NAME_SIZE ? link_find(space, name, &info) : link_find_marked(space, name, &info);
        ck_assert(r == 0 || r == -ENODEV);
        return info.index;
}

static void make_lent(void) {
        _cleanup_(link_space_closep) struct link_space *space = NULL;

        ck_assert_int_eq(link_space_open(-1, &space), 0);
        ck_assert_int_eq(link_make(space, "lent0", "veth", "far0", -1), 0);
}

/* All that can be done, and the failure of the last step, which takes back all before it. */
START_TEST(test_done) {
        _cleanup_close_ int fd = -1;
        uint32_t lent, eth;
        pid_t child;

        if (!hands_begin(NULL))
                return;
        ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
        make_directory(NS);
        fd = start(&child);
        make_lent();
        lent = index_of(0, "lent0");
        {
                _cleanup_job_result_ struct job_result result = run(made());

                ck_assert_done(result);
                eth = index_of(0, "eth0");
                ck_assert_uint_eq(result.steps[1].attributes, eth);
        }
        ck_assert_uint_ne(eth, 0);
        ck_assert_uint_eq(index_of(0, MARK "eth0"), eth);
        ck_assert_uint_eq(index_of(0, MARK "host0"), index_of(0, "host0"));
        for (unsigned bad = 2; bad-- > 0;) {
                struct job *job = entering();
                _cleanup_job_result_ struct job_result result = {};

                job->steps[0].mount_id = eth;
                if (bad)
                        set(&job->steps[2].target, "none0");
                result = run_fds(job, &fd);
                if (bad)
                        ck_assert_failed(result, FAILURE_NO_SUCH_SOURCE, "no network interface none0");
                else
                        ck_assert_done(result);
                ck_assert_uint_eq(index_of(0, "eth0"), bad ? eth : 0);
                ck_assert_uint_eq(index_of(0, "lent0"), bad ? lent : 0);
                ck_assert_int_eq(index_of(child, "br0") != 0, !bad);
                ck_assert_int_eq(index_of(child, "eth0") != 0, !bad);
                ck_assert_int_eq(exists(NS "/link-" UUID "-main"), !bad);
        }
        {
                _cleanup_job_result_ struct job_result result = run(leaving());

                ck_assert_done(result);
        }
        ck_assert_uint_ne(index_of(0, "lent0"), 0);
        ck_assert_uint_eq(index_of(0, MARK "lent0"), 0);
        ck_assert_uint_eq(index_of(0, "host0"), 0);
        ck_assert_uint_eq(index_of(child, "br0"), 0);
        ck_assert_uint_eq(index_of(child, "eth0"), 0);
        ck_assert(!exists(NS "/link-" UUID "-main"));
        (void) kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
}
END_TEST

/* What has the name, and even the mark, and another index, is somebody else's. */
START_TEST(test_another) {
        if (!hands_begin(NULL))
                return;
        ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
        make_directory(NS);
        for (unsigned wrong = 2; wrong-- > 0;) {
                _cleanup_job_result_ struct job_result created = run(made()), result = {};
                struct job *job = new_job(true);

                if (wrong == 1) {
                        ck_assert_done(created);
                        add_link(job, STEP_UNLINK, "eth0", "veth", "host0")->mount_id = index_of(0, "eth0") + 100;
                } else {
                        ck_assert_failed(created, FAILURE_TARGET_IN_USE, "host0");
                        (void) add_link(job, STEP_UNLINK, "eth0", "veth", "host0");
                }
                result = run(job);
                ck_assert_done(result);
                ck_assert_int_eq(result.warnings != NULL, wrong == 1);
                ck_assert_int_eq(index_of(0, "eth0") != 0, wrong == 1);
        }
}
END_TEST

/* Who is not an executor speaks to no link. */
START_TEST(test_sockets) {
        pid_t pid = fork();
        int status;

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                int pair[2];

                if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || confine_sockets() < 0)
                        _exit(1);
                if (socket(AF_NETLINK, SOCK_RAW, 0) >= 0 || errno != EAFNOSUPPORT || socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EAFNOSUPPORT)
                        _exit(2);
                if (socket(AF_UNIX, SOCK_STREAM, 0) < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
                        _exit(3);
                _exit(0);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", (unsigned) status);
}
END_TEST

UNIT_MAIN("link", test_door, test_list, test_done, test_another, test_sockets)
