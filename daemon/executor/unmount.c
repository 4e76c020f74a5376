/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_UNMOUNT, STEP_DETACH, STEP_REMOVE_POD: one recorded mount goes, and never another one. Found by its
 * physical path without any symlink, checked by id, unmounted through its parent directory. That it is gone
 * already is success. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "executor/host.h"
#include "executor/private.h"
#include "executor/restore.h"
#include "executor/run.h"
#include "kernel/detach.h"
#include "kernel/identity.h"
#include "kernel/resolve.h"
#include "kernel/submounts.h"
#include "util/log.h"
#include "util/path.h"
#include "util/text.h"

/* Where the mount of a step should be: `parent`, relative to pods/ ("" for pods/ itself) or an absolute one of the host, and
 * the name in it. */
struct place {
        char *parent;
        const char *name;
};

static void place_done(struct place *place) {
        free(place->parent);
}

/* How people call the place, with a slash between both. */
static const char *head_of(const struct run *run, const struct step *step) {
        return step->flags & STEP_HOST ? "" : run->job->uuid;
}

static const char *tail_of(const struct step *step) {
        return step->flags & STEP_HOST ? step->target + 1 : step->target;
}

static int place_on_host(const struct step *step, struct place *ret) {
        const char *name = strrchr(step->target, '/') + 1;
        size_t size = (size_t) (name - step->target);

        ret->parent = strndup(step->target, size > 1 ? size - 1 : 1);
        ret->name = name;
        return ret->parent ? 0 : log_oom();
}

static int place_of(const struct run *run, const struct step *step, struct place *ret) {
        char *path, *slash;

        if (step->flags & STEP_HOST)
                return place_on_host(step, ret);
        if (asprintf(&path, "%s%s%s", run->job->uuid, step->target[0] ? "/" : "", step->target) < 0)
                return log_oom();
        slash = strrchr(path, '/');
        *ret = (struct place){.parent = path, .name = slash ? slash + 1 : run->job->uuid};
        if (slash)
                *slash = 0;
        else
                path[0] = 0;
        return 0;
}

/* Enters the parent directory; the one that the step before entered is not looked up again. It is entered, not held
 * open: the next step may be to unmount what it lies on. */
static int enter(struct run *run, struct place *place) {
        _cleanup_close_ int parent = -1;
        int r;

        if (run->root_name && strcmp(run->root_name, place->parent) == 0)
                return 0;
        run_forget_root(run);
        parent = place->parent[0] == '/' ? host_open(place->parent)
                                         : resolve_beneath(run->pods_fd, place->parent, false);
        if (parent < 0) {
                detach_leave();
                return parent;
        }
        r = detach_enter(parent);
        if (r < 0)
                return r;
        run->root_name = strdup(place->parent);
        return run->root_name ? 0 : log_oom();
}

/* Where a mount without a unique id is looked for: whoever renames directories of the host may take it anywhere. */
static int search_path(const struct run *run, const struct step *step, char **ret) {
        if (!(step->flags & STEP_HOST))
                return resolve_where(run->pods_fd, ret);
        *ret = strdup("/");
        return *ret ? 0 : log_oom();
}

/* The mount is not topmost at its place. Gone altogether: that is what was wanted. */
static int elsewhere(struct run *run, const struct step *step, bool something_there) {
        _cleanup_free_ char *below = NULL;
        int r = search_path(run, step, &below);

        if (r == 0)
                r = submounts_find(
                        step->id, step->mount_id, step->device, below, run->executor->features.statmount);
        if (r <= 0)
                return r;
        if (something_there)
                return run_fail(run, FAILURE_BUSY, 0, "another mount covers %s/%s; unmount that first", head_of(run, step),
                        tail_of(step));
        return run_fail(run, FAILURE_NO_SUCH_MOUNT, 0,
                "the mount recorded at %s/%s is mounted elsewhere by now, a directory above it was renamed; see "
                "podmountctl show",
                head_of(run, step), tail_of(step));
}

/* Removes what podmount had made of the mount point, from the deepest up. */
static void remove_made(struct run *run, const struct step *step) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int base = -1;
        char *rest;

        if (step->made == 0 || step->made > resolve_count(step->target))
                return;
        path = text_format("%s/%s", run->job->uuid, step->target);
        if (!path)
                path = text_format("%s/%s", run->job->uuid, step->target);
        if (!path)
                return (void) log_oom();
        rest = path + strlen(path);
        for (uint32_t i = 0; i < step->made; i++)
                do
                        rest--;
                while (*rest != '/');
        *rest++ = 0;
        base = resolve_beneath(run->pods_fd, path, false);
        if (base < 0 && base != -ENOENT)
                base = resolve_beneath(run->pods_fd, path, false); /* as run_unmake() does */
        if (base >= 0)
                run_unmake(base, rest, step->made_file);
}

static int unmount_failed(struct run *run, const struct step *step, int r) {
        switch (-r) {
        case EBUSY:
                return run_fail(run, FAILURE_BUSY, -r,
                        "the mount at %s/%s is in use; stop what uses it, or unmount lazily", head_of(run, step),
                        tail_of(step));
        case EINVAL:
        case ENOENT:
                return elsewhere(run, step, false);
        default:
                return run_fail(run, FAILURE_MOUNT_FAILED, -r, "unmounting %s/%s failed", head_of(run, step), tail_of(step));
        }
}

static int unmount_at(struct run *run, size_t i, const char *name) {
        const struct step *step = &run->job->steps[i];
        bool lazy = step->kind == STEP_DETACH || (step->flags & STEP_LAZY_BELOW);
        bool unique = run->executor->features.unique_id && step->id != 0;
        struct identity identity;
        int r = identity_read(AT_FDCWD, name, unique, &identity);

        if (r == -ENOENT)
                return elsewhere(run, step, false);
        if (r < 0)
                return run_fail(run, FAILURE_MOUNT_FAILED, -r, "looking at %s/%s failed", head_of(run, step), tail_of(step));
        /* Two mounts have one recycled id one after the other: what was to go is gone. */
        if (!unique && identity.key == step->mount_id && step->device != 0 && step->device != identity.device)
                return 0;
        if (identity.key != (unique ? step->id : step->mount_id) || !identity.mount_root)
                return elsewhere(run, step, identity.mount_root);
        r = step->flags & STEP_RESTORE ? restore_keep(run, i, name, &identity) : 0;
        if (r != 0)
                return r;
        r = detach_name(name, lazy);
        return r < 0 ? unmount_failed(run, step, r) : 0;
}

static bool hangs_below(const struct step *step, const struct step *top) {
        size_t size = strlen(top->target);

        if ((step->flags | top->flags) & STEP_HOST)
                return false;
        return strncmp(step->target, top->target, size) == 0 &&
               (size == 0 ? step->target[0] != 0 : step->target[size] == '/');
}

/* What hides a mount point, or who renames a directory above it all the time, does not keep a tree from being detached:
 * the mount goes with it. */
static bool is_left(struct run *run, size_t i) {
        const struct job *job = run->job;

        for (size_t j = i + 1; job->steps[i].kind == STEP_DETACH && j < job->n_steps; j++)
                if (job->steps[j].kind == STEP_DETACH && hangs_below(&job->steps[i], &job->steps[j]))
                        return true;
        return false;
}

/* Whether all that was left is gone with this one: what somebody had moved away is not. */
static int check_left(struct run *run, size_t i) {
        int r = 0;

        for (size_t j = 0; j < i && r == 0 && !is_left(run, i); j++) {
                if (!run->hands[j].left || !hangs_below(&run->job->steps[j], &run->job->steps[i]))
                        continue;
                run->hands[j].left = false;
                r = elsewhere(run, &run->job->steps[j], false);
                if (r == 0)
                        r = run_warn(run, "The mount point %s that podmount had made stays: it could not be reached",
                                run->job->steps[j].target);
        }
        return r;
}

static int try_unmount(struct run *run, size_t i, struct place *place) {
        int r = enter(run, place);

        if (r == -ENOMEM)
                return r;
        return r < 0 ? elsewhere(run, &run->job->steps[i], false) : unmount_at(run, i, place->name);
}

/* Whether it may be unmounted at the same time as others: by its id, with nothing of its own to keep or to remove. What is gone by the time
 * that one of them turns out to be busy is mounted again. */
static bool is_simple(const struct step *step) {
        return step->kind == STEP_UNMOUNT && step->flags == (STEP_RESTORE | STEP_OF_TREE) && step->id != 0 && step->made == 0;
}

/* Of mounts in one directory none lies on another, but where several are at one name; those are told apart by their ids. */
static size_t count_beside(const struct job *job, size_t i) {
        const struct step *first = &job->steps[i];
        const char *slash = strrchr(first->target, '/');
        const size_t size = slash ? (size_t) (slash - first->target) + 1 : 0;
        size_t n = 0;

        for (const struct step *step = first; step < job->steps + job->n_steps; step++, n++)
                if (!is_simple(step) || strncmp(step->target, first->target, size) != 0 || step->target[size] == '\0' || strchr(step->target + size, '/'))
                        break;
        return n;
}

static void note_gone(struct run *run, size_t i, const struct detach_item *item) {
        if (!item->gone)
                return;
        run->hands[i].ahead = run->result->steps[i].done = true;
        restore_note(run, i, &item->identity);
}

static void note_begun(size_t i, void *userdata) {
        const struct run *run = userdata;

        intent_at(run->executor->intent, (uint32_t) (run->ahead_from + i));
}

/* Unmounts what is in the directory of a step, together. What does not go is for its own turn, and says then why. */
static void unmount_beside(struct run *run, size_t i, struct place *place) {
        enum { WORTH_IT = 64 };
        _cleanup_free_ struct detach_item *items = NULL;
        size_t n;

        if (i < run->ahead || run->job->private || !run->executor->features.unique_id)
                return;
        n = count_beside(run->job, i);
        run->ahead_from = i;
        run->ahead = i + n;
        if (n < WORTH_IT || !restore_keep_tree(run) || enter(run, place) < 0)
                return;
        items = calloc(n, sizeof(*items));
        if (!items)
                return (void) log_oom();
        for (size_t j = 0; j < n; j++) {
                const struct step *step = &run->job->steps[i + j];
                const char *slash = strrchr(step->target, '/');

                items[j] = (struct detach_item) {.name = slash ? slash + 1 : step->target, .id = step->id};
        }
        detach_many(items, n, note_begun, run);
        for (size_t j = 0; j < n; j++)
                note_gone(run, i + j, &items[j]);
        intent_at(run->executor->intent, (uint32_t) i);
}

int hand_unmount(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        _cleanup_(place_done) struct place place = {};
        int r;

        if (private_is_gone(run) && !(step->flags & STEP_HOST))
                return 0;
        r = place_of(run, step, &place);
        if (r < 0)
                return r;
        unmount_beside(run, i, &place);
        r = run->hands[i].ahead ? 0 : try_unmount(run, i, &place);
        if (r > 0 && is_left(run, i)) { /* its mount point would stay: what failed then may not fail again */
                run_forgive(run);
                r = try_unmount(run, i, &place);
        }
        if (r > 0 && is_left(run, i)) {
                run->hands[i].left = true;
                run_forgive(run);
                return 0;
        }
        if (r == 0 && step->kind == STEP_DETACH)
                r = check_left(run, i);
        if (r == 0 && !(step->flags & STEP_RESTORE))
                remove_made(run, step);
        if (r == 0 && (step->flags & STEP_HOST))
                host_leave_point(run, i);
        return r;
}

int hand_remove_pod(struct run *run, size_t i _unused_) {
        run_forget_root(run);
        detach_leave();
        if (run->job->private)
                return private_unpin(run);
        if (unlinkat(run->pods_fd, run->job->uuid, AT_REMOVEDIR) == 0 || errno == ENOENT)
                return 0;
        if (errno == EBUSY)
                return run_fail(run, FAILURE_BUSY, errno, "something is still mounted at pods/%s; see podmountctl tree",
                        run->job->uuid);
        if (errno == ENOTEMPTY)
                return run_fail(run, FAILURE_BUSY, errno,
                        "pods/%s is not empty although nothing is mounted there; remove what is in it", run->job->uuid);
        return run_fail(run, FAILURE_MOUNT_FAILED, errno, "pods/%s cannot be removed", run->job->uuid);
}
