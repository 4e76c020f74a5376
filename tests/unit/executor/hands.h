/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Runs jobs in the test's own process, in a mount namespace of its own with a runtime directory and a root file system
 * to clone. Jobs are built with the add_…() functions below, one step each.
 */

#include <sys/mman.h>
#include <sys/socket.h>

#include "executor/door.h"
#include "executor/executor.h"
#include "executor/run.h"
#include "kernel/fscontext.h"
#include "kernel/resolve.h"
#include "tests/unit/kernel-features.h"
#include "tests/unit/namespace.h"
#include "tests/unit/unit.h"
#include "util/array.h"
#include "util/log.h"

#define UUID "11111111-2222-3333-4444-555555555555"
#define POD "/tmp/run/pods/" UUID
#define ROOTFS POD "/main/rootfs"

enum {
        CALLER = 12345,
        CHILD_SLOT = 1, /* of an executor beside the test's own hands: each cleans the staging directory of its slot when it starts */
};

static struct executor executor;

/* /tmp/run (runtime directory), /tmp/root (etc/, etc/file, data/, link -> data, out -> /proc/1/root), /tmp/src. */
static _unused_ bool hands_begin(const char *without) {
        int fd;

        if (!namespace_enter())
                return false;
        umask(0);
        make_directory("/tmp/run");
        ck_assert_int_eq(mkdir("/tmp/run/pods", 0711), 0);
        make_directory("/tmp/root");
        make_directory("/tmp/root/etc");
        make_directory("/tmp/root/data");
        make_directory("/tmp/root/proc");
        make_file("/tmp/root/etc/file", "of the root\n");
        ck_assert_int_eq(symlink("data", "/tmp/root/link"), 0);
        ck_assert_int_eq(symlink("/../../data", "/tmp/root/up"), 0);
        make_directory("/tmp/src");
        make_file("/tmp/src/hello", "hello\n");
        fd = memfd_create("intent", MFD_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        executor = (struct executor){.runtime_fd = open("/tmp/run", O_PATH | O_CLOEXEC), .layers_fd = -1};
        executor.pods_fd = resolve_beneath(executor.runtime_fd, "pods", true);
        ck_assert_int_ge(executor.pods_fd, 0);
        ck_assert_int_eq(features_probe(without ?: unit_without(), &executor.features), 0);
        ck_assert_int_eq(intent_map(fd, &executor.intent), 0);
        (void) close_fd(fd);
        return true;
}

/* An executor beside the test's own hands, in the same place; *ret_front is the front's end of its socket. Does without what they do without. */
static _unused_ pid_t start_executor(int *ret_front) {
        int pair[2], intent = memfd_create("intent", MFD_CLOEXEC);
        pid_t child;

        ck_assert_int_ge(intent, 0);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        child = fork();
        if (child == 0) {
                const struct executor_setup setup = {.slot = CHILD_SLOT,
                        .socket = pair[1],
                        .intent_fd = intent,
                        .runtime_fd = executor.runtime_fd,
                        .layers_fd = -1,
                        .without = unit_without()};

                log_set_level(LOG_CRIT); /* its refusals are what is wanted */
                _exit(executor_main(&setup));
        }
        ck_assert_int_gt(child, 0);
        (void) close_fd(pair[1]);
        (void) close_fd(intent);
        *ret_front = pair[0];
        return child;
}

static struct job *new_job(bool root) {
        static uint64_t id = 1;
        struct job *job = job_new();

        ck_assert_ptr_nonnull(job);
        job->id = id++;
        strcpy(job->uuid, UUID);
        job->owner = job->owner_group = CALLER;
        job->caller = (struct job_caller){.root = root, .uid = root ? 0 : CALLER, .gid = root ? 0 : CALLER, .brought_max = 2};
        ck_assert_int_eq(strv_append(&job->containers, "main"), 0);
        return job;
}

static struct step *add_step(struct job *job, enum step_kind kind, const char *source, const char *target) {
        struct step *step = job_add(job, kind);

        ck_assert_ptr_nonnull(step);
        step->container = strdup("main");
        step->target = strdup(target);
        step->propagation = MS_SHARED;
        if (source) {
                step->source.kind = STEP_SOURCE_PATH;
                step->source.path = strdup(source);
        }
        return step;
}

static _unused_ struct step *add_tree(struct job *job) {
        struct step *step = job_add(job, STEP_TREE);

        step->size = 1024 * 1024;
        step->propagation = MS_SHARED;
        return step;
}

static _unused_ struct step *add_root(struct job *job, const char *source) {
        return add_step(job, STEP_ROOT, source, "/");
}

static _unused_ struct step *add_bind(struct job *job, const char *source, const char *target) {
        return add_step(job, STEP_BIND, source, target);
}

static _unused_ struct step *add_fs(struct job *job, const char *type, const char *target) {
        struct step *step = add_step(job, STEP_FILESYSTEM, NULL, target);

        step->type = strdup(type);
        return step;
}

static _unused_ void add_option(struct step *step, const char *name, const char *value) {
        struct step_option *option = array_append(&step->options, &step->n_options);

        option->fd = STEP_NO_FD;
        option->name = strdup(name);
        option->value = value ? strdup(value) : NULL;
}

static _unused_ void add_publish(struct job *job) {
        ck_assert_ptr_nonnull(job_add(job, STEP_PUBLISH));
}

/* Through the door and the hands; frees the job. */
static struct job_result run_fds(struct job *job, const int *fds) {
        struct job_result result = {.job = job->id, .failed_step = UINT32_MAX};
        _cleanup_failure_ struct failure f = FAILURE_INIT;

        result.n_steps = job->n_steps;
        result.steps = calloc(job->n_steps, sizeof(*result.steps));
        if (door_check(job, &result.failed_step, &f) != 0) {
                result.failure = f.kind;
                result.text = TAKE_PTR(f.text);
        } else
                run_job(&executor, job, fds, &result);
        job_free(job);
        return result;
}

static _unused_ struct job_result run(struct job *job) {
        return run_fds(job, NULL);
}

static _unused_ void ck_assert_done(struct job_result result) {
        ck_assert_msg(
                result.failure == FAILURE_NONE, "step %u: %s", result.failed_step, result.text ? result.text : "?");
}

static _unused_ void ck_assert_failed(struct job_result result, enum failure_kind kind, const char *words) {
        ck_assert_msg(result.failure == kind && result.text && strstr(result.text, words),
                "not %d with \"%s\", but %d: %s", kind, words, result.failure, result.text ? result.text : "nothing");
}

/* A published pod with a writable root. */
static _unused_ struct job_result make_pod(void) {
        struct job *job = new_job(true);
        struct job_result result;

        add_tree(job);
        add_root(job, "/tmp/root");
        add_publish(job);
        result = run(job);
        ck_assert_done(result);
        return result;
}
