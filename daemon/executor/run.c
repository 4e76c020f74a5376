/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs the steps of a job in order. A job that builds or mounts is all or nothing: when a step fails, what was made is
 * taken back in reverse. A job that unmounts stops at the failure and keeps what is done, but for what its steps have mounted
 * again then (restore.h). */

#include "executor/cgroup.h"
#include "executor/enter.h"
#include "executor/link.h"
#include "executor/mapping.h"
#include "executor/points.h"
#include "executor/prepare.h"
#include "executor/private.h"
#include "executor/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "kernel/detach.h"
#include "kernel/resolve.h"
#include "kernel/tree.h"
#include "util/array.h"
#include "util/log.h"
#include "util/path.h"
#include "util/text.h"

static int run_step(struct run *run, size_t step) {
        static int (*const hands[_STEP_KIND_MAX])(struct run *run, size_t step) = {
                [STEP_TREE] = hand_tree,
                [STEP_CONTAINER] = hand_tree,
                [STEP_ROOT] = hand_root,
                [STEP_BIND] = hand_bind,
                [STEP_FILESYSTEM] = hand_filesystem,
                [STEP_IMAGE] = hand_image,
                [STEP_OVERLAY] = hand_overlay,
                [STEP_MASK] = hand_mask,
                [STEP_READONLY] = hand_mask,
                [STEP_MKDIR] = hand_mkdir,
                [STEP_UNMAKE] = hand_unmake,
                [STEP_REMOUNT] = hand_remount,
                [STEP_PUBLISH] = hand_publish,
                [STEP_JOIN] = hand_publish,
                [STEP_UNMOUNT] = hand_unmount,
                [STEP_DETACH] = hand_unmount,
                [STEP_REMOVE_POD] = hand_remove_pod,
                [STEP_FIND] = hand_find,
                [STEP_EXAMINE] = hand_examine,
                [STEP_OPEN_TREE] = hand_open_tree,
                [STEP_IDENTIFY] = hand_identify,
                [STEP_ENTER] = hand_enter,
                [STEP_SEEK] = hand_seek,
                [STEP_WITHDRAW] = hand_withdraw,
                [STEP_LAYER_MAKE] = hand_layer_make,
                [STEP_LAYER_RETIRE] = hand_layer_retire,
                [STEP_LAYER_MOUNT] = hand_layer_mount,
                [STEP_LAYER_UNMOUNT] = hand_layer_unmount,
                [STEP_LAYER_PURGE] = hand_layer_purge,
                [STEP_LAYER_APPLY] = hand_layer_apply,
                [STEP_LAYER_MERGE] = hand_layer_merge,
                [STEP_LAYER_ADOPT] = hand_layer_adopt,
                [STEP_LAYER_CLEAR] = hand_layer_clear,
                [STEP_IMAGE_READ] = hand_image_read,
                [STEP_IMAGE_BLOB] = hand_image_blob,
                [STEP_LAYER_DIFF] = hand_layer_read,
                [STEP_LAYER_CHANGES] = hand_layer_read,
                [STEP_LAYER_SIZE] = hand_layer_read,
                [STEP_LAYER_OPEN] = hand_layer_open,
                [STEP_PIN] = hand_pin,
                [STEP_HOLDERS] = hand_holders,
                [STEP_GC_PROGRAM] = hand_gc_program,
                [STEP_LINK] = hand_link,
                [STEP_UNLINK] = hand_unlink,
                [STEP_CGROUP_MAKE] = hand_cgroup_make,
                [STEP_CGROUP_REMOVE] = hand_cgroup_remove,
        };
        enum step_kind kind = run->job->steps[step].kind;

        return kind < _STEP_KIND_MAX && hands[kind] ? hands[kind](run, step) : -EINVAL;
}

static void forget_step(struct step_result *result) {
        *result = (struct step_result){};
}

void run_unmake(int directory, const char *rest, bool file) {
        int r = resolve_unmake(directory, rest, file);

        if (r < 0 && r != -EBUSY)
                r = resolve_unmake(directory, rest, file);
        if (r < 0 && r != -EBUSY)
                (void) log_errno(LOG_WARNING, r, "remove %s, which was made for a mount; it may stay", rest);
}

/* Takes back one step of a living pod, or what a step of a new one left outside the tree. */
void run_undo_step(struct run *run, size_t step) {
        struct hand *hand = &run->hands[step];

        if (hand->attached) {
                int r = run->namespace >= 0 ? enter_detach(run, hand->mount) : detach_fd(hand->mount);

                if (r < 0 && r != -EINVAL) /* EINVAL: somebody else unmounted it already */
                        (void) log_errno(LOG_WARNING, r, "undo step %zu of job %" PRIu64, step, run->job->id);
                hand->attached = false;
        }
        hand->mount = close_fd(hand->mount);
        if (hand->base >= 0)
                run_unmake(hand->base, hand->rest, hand->file);
        hand->base = close_fd(hand->base);
        prepare_undo(run, step);
        link_undo(run, step);
        forget_step(&run->result->steps[step]);
        cgroup_undo(run, step);
}

/* A detached tree that is closed stays together as long as an fd is on any of it, so that what is mounted on a mount
 * point would still cover it: it is looked at through a clone without those mounts. */
static void uncover_bases(struct run *run) {
        for (size_t i = 0; i < run->job->n_steps; i++) {
                int clone = run->hands[i].base >= 0 ? tree_clone(run->hands[i].base, false) : -1;

                if (clone < 0)
                        continue;
                (void) close_fd(run->hands[i].base);
                run->hands[i].base = clone;
        }
}

bool run_is_in_tree(const struct run *run, const struct step *step) {
        return run->tree >= 0 && !(step->flags & STEP_HOST);
}

/* What is on the host came last, when the tree stood. */
static void undo_host(struct run *run) {
        for (size_t i = run->job->n_steps; i > 0; i--)
                if (run->job->steps[i - 1].flags & STEP_HOST)
                        run_undo_step(run, i - 1);
}

static void undo(struct run *run) {
        run_forget_root(run);
        undo_host(run);
        private_undo(run);
        if (run->tree >= 0 && !run->staged && !run->published)
                uncover_bases(run);
        if (run->tree >= 0 && (run->staged || run->published)) {
                int r = detach_fd(run->tree);

                if (r < 0 && r != -EINVAL)
                        (void) log_errno(LOG_WARNING, r, "undo the tree of job %" PRIu64, run->job->id);
        }
        run->tree = close_fd(run->tree);
        for (size_t i = run->job->n_steps; i > 0; i--)
                run_undo_step(run, i - 1);
        if (run->made_pod_directory)
                (void) unlinkat(run->pods_fd, run->job->uuid, AT_REMOVEDIR); /* not there: all the better */
}

static bool unmounts(const struct job *job) {
        enum step_kind kind = job->n_steps > 0 ? job->steps[0].kind : STEP_IDENTIFY;

        return kind == STEP_UNMOUNT || kind == STEP_DETACH || kind == STEP_UNMAKE ||
               kind == STEP_REMOVE_POD || kind == STEP_WITHDRAW || kind == STEP_UNLINK ||
               kind == STEP_LAYER_UNMOUNT || kind == STEP_CGROUP_REMOVE;
}

static int run_begin(struct run *run) {
        size_t n = run->job->n_steps;

        run->hands = calloc(n > 0 ? n : 1, sizeof(*run->hands));
        if (!run->hands)
                return log_oom();
        for (size_t i = 0; i < n; i++)
                run->hands[i] = (struct hand){.source = -1, .mount = -1, .base = -1};
        intent_begin(run->executor->intent, run->job->id);
        return private_begin(run);
}

static void run_end(struct run *run) {
        run_forget_root(run);
        run->opener = opener_free(run->opener);
        mapping_end(run);
        prepare_end(run);
        cgroup_end(run);
        run->tree = close_fd(run->tree);
        run->kept = close_fd(run->kept);
        run->namespace = close_fd(run->namespace);
        run->namespace_root = close_fd(run->namespace_root);
        for (size_t i = 0; run->hands && i < run->job->n_steps; i++) {
                struct hand *hand = &run->hands[i];

                hand->source = close_fd(hand->source);
                hand->mount = close_fd(hand->mount);
                hand->base = close_fd(hand->base);
                free(hand->rest);
        }
        free(run->hands);
        if (unmounts(run->job))
                detach_leave();
        private_end(run);
        intent_end(run->executor->intent);
}

/* Whatever failed then may not fail again. */
static int fail_lost(struct run *run) {
        _cleanup_free_ char *text = TAKE_PTR(run->failure.text);

        failure_clear(&run->failure);
        return run_fail(run, FAILURE_BUSY, 0, "a mount point was removed meanwhile, and the mount on it with it; try again (%s)",
                text ?: "");
}

void run_job(struct executor *executor, const struct job *job, const int *fds, struct job_result *result) {
        struct run run = {.executor = executor, .job = job, .fds = fds, .result = result, .tree = -1, .kept = -1,
                .namespace = -1, .namespace_root = -1, .root_fd = -1, .pods_fd = executor->pods_fd, .own = {.namespace = -1, .pods = -1}};
        int r = run_begin(&run);

        for (size_t i = 0; r == 0 && i < job->n_steps; i++) {
                intent_at(executor->intent, (uint32_t) i);
                run.at = &job->steps[i];
                r = run_step(&run, i);
                if (r == 0)
                        result->steps[i].done = true;
                else
                        result->failed_step = run.culprit > 0 ? run.culprit - 1 : (uint32_t) i;
        }
        if (r > 0 && points_lost(&run))
                r = fail_lost(&run);
        if (r != 0 && run.hands && !unmounts(job))
                undo(&run);
        if (run.hands && unmounts(job))
                restore_end(&run, r == 0);
        if (run.hands && r == 0)
                prepare_unmake(&run);
        if (run.hands && r == 0)
                cgroup_remove_all(&run);
        if (r < 0) {
                run.error = -r;
                (void) failure_from_errno(&run.failure, r);
        }
        run_end(&run);
        result->failure = run.failure.kind;
        result->error = run.error;
        result->text = TAKE_PTR(run.failure.text);
}

int run_fail(struct run *run, enum failure_kind kind, int error, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        const char *name = error ? strerrorname_np(error) : NULL, *meaning = error ? strerrordesc_np(error) : NULL;
        va_list arguments;

        va_start(arguments, format);
        text = text_vformat(format, arguments);
        va_end(arguments);
        run->error = error;
        if (name)
                return failure_set(&run->failure, kind, "%s: %s (%s)", text ? text : "", name, meaning ? meaning : "");
        return failure_set(&run->failure, kind, "%s", text ? text : "");
}

int run_warn(struct run *run, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list arguments;

        va_start(arguments, format);
        text = text_vformat(format, arguments);
        va_end(arguments);
        if (!text)
                return log_oom();
        return strv_append(&run->result->warnings, text) < 0 ? log_oom() : 0;
}

int run_answer_fd(struct run *run, int fd) {
        run->result->fd = malloc(sizeof(*run->result->fd));
        if (!run->result->fd) {
                (void) close_fd(fd);
                return log_oom();
        }
        *run->result->fd = fd;
        return 0;
}

void run_forgive(struct run *run) {
        failure_clear(&run->failure);
        run->error = 0;
        run->culprit = 0;
}

int run_opener(struct run *run, struct opener **ret) {
        if (!run->opener) {
                int r = opener_start(&run->job->caller, &run->opener);

                if (r < 0)
                        return r;
        }
        *ret = run->opener;
        return 0;
}

void run_forget_root(struct run *run) {
        run->root_fd = close_fd(run->root_fd);
        free(run->root_name);
        run->root_name = NULL;
}

int run_container_root(struct run *run, const char *container, int *ret_fd) {
        bool building = run->tree >= 0, alone = building && run->job->steps[0].kind == STEP_CONTAINER;
        _cleanup_free_ char *path = NULL;
        int r;

        if (run->namespace_root >= 0) {
                *ret_fd = run->namespace_root;
                return 0;
        }
        if (run->root_name && strcmp(run->root_name, container) == 0) {
                *ret_fd = run->root_fd;
                return 0;
        }
        run_forget_root(run);
        if (asprintf(&path, "%s%s%s%srootfs", building ? "" : run->job->uuid, building ? "" : "/",
                    alone ? "" : container, alone ? "" : "/") < 0) {
                path = NULL;
                return log_oom();
        }
        run->root_name = strdup(container);
        if (!run->root_name)
                return log_oom();
        run->root_fd = resolve_beneath(building ? run->tree : run->pods_fd, path, false);
        if (run->root_fd < 0) {
                r = run->root_fd;
                run->root_fd = -1;
                run_forget_root(run);
                return run_fail(run, FAILURE_NO_SUCH_CONTAINER, -r,
                        "the root of container %s is not where podmount put it; see the pod's drift with podmountctl "
                        "show",
                        container);
        }
        *ret_fd = run->root_fd;
        return 0;
}
