/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An overlay is named its layers while each is a mount of the host or its own detached tree, never one nested in the
 * pod's tree. All its directories are the caller's own. Whoever writes into an upper layer decides what a lower file
 * becomes, and which mode a lower directory has: one of the same name above it replaces it, and the kernel reaches
 * what is in the lower one with our credentials. Over / anybody's own root/ would open root's. */

#include "executor/overlay.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "executor/layered.h"
#include "executor/mapping.h"
#include "executor/prepare.h"
#include "executor/source.h"
#include "executor/staging.h"
#include "kernel/detach.h"
#include "kernel/fscontext.h"
#include "kernel/identity.h"
#include "kernel/resolve.h"
#include "util/array.h"
#include "util/log.h"

#define INHERITED (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW)

static int failed(struct run *run, const struct step *step, const struct fscontext *context, const char *what, int r) {
        const char *words = context->words;
        enum failure_kind kind = r == -ENODEV || r == -E2BIG ? FAILURE_NOT_SUPPORTED : FAILURE_MOUNT_FAILED;

        return run_fail(run, kind, -r, "the overlay of %s: %s%s%s", step->target, what,
                words ? ", the kernel says: " : "", words ? words : "");
}

static int inherited(const struct overlay *overlay, uint64_t *ret) {
        uint64_t all = 0, attributes;
        int r;

        for (size_t i = 0; i <= overlay->n_layers; i++) {
                int fd = i < overlay->n_layers ? overlay->layers[i] : overlay->own_upper ? -1 : overlay->upper;

                if (fd < 0 || (overlay->stubs && i + 1 == overlay->n_layers))
                        continue;
                r = identity_attributes(fd, &attributes);
                if (r < 0)
                        return log_errno(LOG_ERR, r, "look at a layer");
                all |= attributes & INHERITED;
        }
        *ret = all;
        return 0;
}

static int set_directories(
        struct run *run, const struct overlay *overlay, struct fscontext *context, const char **ret_what) {
        bool by_fd = run->executor->features.layer_fd;
        int r;

        *ret_what = "its lower layers are refused";
        r = fscontext_set_layers(
                context, overlay->layers, overlay->n_layers, by_fd, run->executor->features.lowerdir_plus);
        if (r < 0 || overlay->upper < 0)
                return r;
        *ret_what = "its upper directory is refused";
        r = fscontext_set_directory(context, "upperdir", overlay->upper, by_fd);
        if (r < 0)
                return r;
        *ret_what = "its work directory is refused";
        return fscontext_set_directory(context, "workdir", overlay->work, by_fd);
}

/* Of anybody's layers nothing is believed that is written in their xattrs, whatever the module's parameters say, and the
 * word redirect_dir=off, which means "follow" by default. */
static const struct {
        const char *name, *value;
} distrust[] = {{"redirect_dir", "nofollow"}, {"metacopy", "off"}};

static int set_options(const struct run *run, struct fscontext *context, const struct step *step, const char **ret_what) {
        int r = 0;

        for (size_t i = 0; step->kind == STEP_OVERLAY && i < step->n_options && r == 0; i++) {
                *ret_what = step->options[i].name;
                r = fscontext_set(context, step->options[i].name, step->options[i].value);
        }
        for (size_t i = 0; !run->job->caller.root && i < ELEMENTSOF(distrust) && r == 0; i++) {
                *ret_what = distrust[i].name;
                r = fscontext_set(context, distrust[i].name, distrust[i].value);
        }
        return r;
}

/* The kernel leaves this behind, and takes no work directory that has it; it says why in its log alone. */
static bool was_volatile(const struct overlay *overlay) {
        _cleanup_close_ int mark = overlay->work < 0 ? -1 : resolve_beneath(overlay->work, "work/incompat/volatile", true);

        return mark >= 0;
}

int overlay_mount(struct run *run, size_t i, const struct overlay *overlay, int *ret_mount) {
        const struct step *step = &run->job->steps[i];
        _cleanup_fscontext_ struct fscontext context = FSCONTEXT_INIT;
        const char *what = "it cannot be made";
        uint64_t attributes;
        int r = inherited(overlay, &attributes), mount;

        if (r < 0)
                return r;
        r = fscontext_open(&context, "overlay");
        if (r == 0)
                r = fscontext_set(&context, "source", "overlay");
        if (r == 0)
                r = set_options(run, &context, step, &what);
        if (r == 0)
                r = set_directories(run, overlay, &context, &what);
        if (r < 0)
                return failed(run, step, &context, what, r);
        mount = fscontext_mount(&context, run_attributes(run, step, attributes));
        detach_leave(); /* joined layers were named relative to a working directory */
        if (mount == -EINVAL && was_volatile(overlay))
                return run_fail(run, FAILURE_MOUNT_FAILED, -mount,
                        "the overlay of %s: an overlay with the option volatile has used its work directory, and what is in the upper "
                        "one may not all have been written when the machine or that overlay ended; take new directories, or, if you "
                        "trust the upper one, remove work/incompat in the work directory first",
                        step->target);
        if (mount == -ELOOP) /* it says why in its log alone, too */
                return run_fail(run, FAILURE_MOUNT_FAILED, -mount,
                        "the overlay of %s: one of its directories is named twice, or lies in another of them, by whatever path; name each once, side by side",
                        step->target);
        if (mount < 0)
                return failed(run, step, &context, "making it failed", mount);
        *ret_mount = mount;
        return 0;
}

/* What STEP_OVERLAY has opened. */
struct layers {
        int *fds;
        size_t n, n_staged; /* how many of them are attached in the staging directory */
        int upper, work;
};

static void layers_done(struct layers *layers) {
        for (size_t i = 0; i < layers->n; i++) {
                if (i < layers->n_staged)
                        staging_leave(layers->fds[i]); /* the overlay has its own clone */
                (void) close_fd(layers->fds[i]);
        }
        free(layers->fds);
        (void) close_fd(layers->upper);
        (void) close_fd(layers->work);
}

static int is_empty(int fd, bool *ret) {
        _cleanup_closedir_ DIR *directory = NULL;
        const struct dirent *entry;
        int readable = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (readable < 0)
                return -errno;
        directory = fdopendir(readable);
        if (!directory) {
                int r = -errno;

                (void) close_fd(readable);
                return r;
        }
        *ret = true;
        while ((errno = 0, entry = readdir(directory)))
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        *ret = false;
        return -errno;
}

/* A layer or directory: the caller's own, checked on the fd that the kernel will use. A work directory
 * is empty, too. `which`: INTENT_NO_DIRECTORY for a lower layer. */
static int open_own(struct run *run, size_t i, const struct step_source *source, enum intent_directory which, int *ret_fd) {
        const char *what = which == INTENT_UPPER ? "upper" : which == INTENT_WORK ? "work" : "lower";
        struct stat status;
        bool empty = false;
        int r = which != INTENT_NO_DIRECTORY && (run->job->steps[i].flags & STEP_MAKE_LAYERS)
                        ? prepare_open(run, i, source, which, ret_fd)
                        : source_open(run, source, ret_fd);

        if (r == 0)
                r = source_check_layer(run, source, *ret_fd);
        if (r != 0 || run->job->caller.root)
                return r;
        if (fstat(*ret_fd, &status) < 0)
                return log_errno(LOG_ERR, errno, "fstat an overlay directory");
        if (status.st_uid != run->job->caller.uid)
                return run_fail(run, FAILURE_SOURCE_DENIED, 0,
                        "the overlay's %s directory %s must be owned by the caller", what, source_name(run, source));
        if (which != INTENT_WORK)
                return 0;
        r = is_empty(*ret_fd, &empty);
        if (r < 0)
                return run_fail(run, FAILURE_SOURCE_DENIED, -r, "the overlay's work directory %s cannot be read",
                        source_name(run, source));
        if (!empty)
                return run_fail(run, FAILURE_SOURCE_DENIED, ENOTEMPTY, "the overlay's work directory %s must be empty",
                        source_name(run, source));
        return 0;
}

static int open_layers(struct run *run, size_t index, struct layers *layers) {
        const struct step *step = &run->job->steps[index];
        int r = 0;

        layers->fds = calloc(step->n_layers > 0 ? step->n_layers : 1, sizeof(*layers->fds));
        if (!layers->fds)
                return log_oom();
        for (size_t i = 0; i < step->n_layers && r == 0; i++) {
                layers->fds[i] = -1;
                layers->n = i + 1;
                r = open_own(run, index, &step->layers[i], INTENT_NO_DIRECTORY, &layers->fds[i]);
        }
        if (r == 0 && step->upper.kind != STEP_SOURCE_NONE) {
                r = open_own(run, index, &step->upper, INTENT_UPPER, &layers->upper);
                if (r == 0)
                        r = open_own(run, index, &step->work, INTENT_WORK, &layers->work);
        }
        return r;
}

/* Replaces the lower layers by clones with mapped ids. */
static int map_layers(struct run *run, size_t step, struct layers *layers) {
        for (size_t i = 0; run->job->steps[step].idmap.given && i < layers->n; i++) {
                bool staged = false;
                int mount, r = mapping_layer(run, step, &run->job->steps[step].layers[i], layers->fds[i], &mount, &staged);

                if (r != 0)
                        return r;
                (void) close_fd(layers->fds[i]);
                layers->fds[i] = mount;
                layers->n_staged += staged;
        }
        return 0;
}

/* The lower layers with one more below all of them, or, to look into what the caller's own ones show, with the upper one on top. */
static int more_layers(const struct layers *layers, int top, int bottom, int **ret, size_t *ret_n) {
        int *fds = calloc(layers->n + 2, sizeof(*fds));
        size_t n = 0;

        if (!fds)
                return log_oom();
        if (top >= 0)
                fds[n++] = top;
        for (size_t i = 0; i < layers->n; i++)
                fds[n++] = layers->fds[i];
        if (bottom >= 0)
                fds[n++] = bottom;
        *ret = fds;
        *ret_n = n;
        return 0;
}

/* What the overlay will show, which nobody can write to: it tells which mount points are missing. */
static int look_into(struct layered *on, const struct layers *layers, bool *ret_needed) {
        _cleanup_free_ int *fds = NULL;
        struct overlay look = {.upper = -1, .work = -1};
        int r = more_layers(layers, layers->upper, -1, &fds, &look.n_layers);

        look.layers = fds;
        if (r == 0)
                r = overlay_mount(on->run, on->index, &look, &on->clone);
        if (r == 0)
                r = layered_stubs(on, ret_needed);
        on->clone = close_fd(on->clone); /* the upper directory has one user at a time */
        return r;
}

/* Missing mount points come from a layer below all others, so that no layer is written to and what it has stays as it is. A
 * layer that hides what is below it, by whiteouts, hides them, too: then the mount that needs one says so. */
static int mount_with_stubs(struct run *run, size_t i, const struct layers *layers, int *ret_mount) {
        _cleanup_(layered_done) struct layered on = LAYERED_INIT(run, i);
        struct overlay overlay = {.layers = layers->fds, .n_layers = layers->n, .upper = layers->upper, .work = layers->work};
        struct overlay stubbed = {.stubs = true, .upper = layers->upper, .work = layers->work};
        bool room = layers->n + (layers->upper >= 0) < JOB_LAYERS_MAX, needed = false;
        _cleanup_free_ int *fds = NULL;
        int r = 0;

        if (on.step->stubs && on.step->stubs[0] && room)
                r = look_into(&on, layers, &needed);
        if (r == 0 && on.made_stub) {
                r = more_layers(layers, -1, on.tmpfs, &fds, &stubbed.n_layers);
                stubbed.layers = fds;
                if (r == 0)
                        r = overlay_mount(run, i, &stubbed, ret_mount);
                if (r <= 0 || needed)
                        return r;
                run_forgive(run);
                r = 0;
        }
        return r == 0 ? overlay_mount(run, i, &overlay, ret_mount) : r;
}

int hand_overlay(struct run *run, size_t i) {
        _cleanup_(layers_done) struct layers layers = {.upper = -1, .work = -1};
        _cleanup_close_ int mount = -1;
        int r = run_check_labels(run, &run->job->steps[i]);

        if (r == 0)
                r = open_layers(run, i, &layers);
        if (r == 0)
                r = map_layers(run, i, &layers);
        if (r == 0)
                r = mount_with_stubs(run, i, &layers, &mount);
        return r == 0 ? run_place(run, i, &mount) : r;
}
