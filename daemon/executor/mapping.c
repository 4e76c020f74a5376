/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whose ids they are, the user namespace that holds them, and the mount. */

#include "executor/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "executor/source.h"
#include "executor/staging.h"
#include "kernel/subids.h"
#include "kernel/tree.h"
#include "kernel/userns.h"
#include "util/array.h"
#include "util/log.h"

/* A user namespace of this job's. */
struct mapping {
        uint32_t fd;        /* that came with the job, or UINT32_MAX… */
        struct idmap idmap; /* …and its maps; or the mappings that it was made for */
        int userns;
};

void mapping_end(struct run *run) {
        for (size_t i = 0; i < run->n_mappings; i++) {
                (void) close_fd(run->mappings[i].userns);
                idmap_done(&run->mappings[i].idmap);
        }
        free(run->mappings);
        run->mappings = NULL;
        run->n_mappings = 0;
}

static bool same_list(const struct id_mapping *a, size_t n_a, const struct id_mapping *b, size_t n_b) {
        if (n_a != n_b)
                return false;
        for (size_t i = 0; i < n_a; i++)
                if (a[i].container_id != b[i].container_id || a[i].host_id != b[i].host_id || a[i].size != b[i].size)
                        return false;
        return true;
}

static const struct mapping *find(const struct run *run, const struct step *step) {
        uint32_t fd = step->userns.kind == STEP_SOURCE_FD ? step->userns.fd : UINT32_MAX;

        for (size_t i = 0; i < run->n_mappings; i++) {
                const struct mapping *mapping = &run->mappings[i];

                if (mapping->fd != fd)
                        continue;
                if (fd != UINT32_MAX ||
                        (same_list(mapping->idmap.uids, mapping->idmap.n_uids, step->idmap.uids, step->idmap.n_uids) &&
                                same_list(mapping->idmap.gids, mapping->idmap.n_gids, step->idmap.gids,
                                        step->idmap.n_gids)))
                        return mapping;
        }
        return NULL;
}

static int check_side(struct run *run, const struct step *step, const char *file, const char *what, uint32_t own,
        const struct id_mapping *list, size_t n) {
        _cleanup_free_ struct id_range *ranges = NULL;
        uint32_t foreign;
        size_t n_ranges;
        int r = subids_read(file, run->job->caller.uid, own, &ranges, &n_ranges);

        if (r < 0)
                return r;
        if (idmap_is_within(list, n, ranges, n_ranges, &foreign))
                return 0;
        return run_fail(run, FAILURE_SOURCE_DENIED, 0,
                "the id mapping of %s names the %s %" PRIu32 ", which is neither the caller's nor in its ranges of %s; "
                "map other ids, on both sides",
                step->target, what, foreign, file);
}

static bool is_of_layer(const struct step *step) {
        return step->kind == STEP_LAYER_MOUNT || (step->kind == STEP_ROOT && step->source.kind == STEP_SOURCE_LAYER);
}

/* What is on the disk of a layer belongs to nobody on the host: whose ids those are is the layer's own matter. */
static int check_own_layer(struct run *run, const struct step *step, const struct idmap *idmap) {
        _cleanup_idmap_ struct idmap seen = {};
        int r = idmap_copy(idmap, &seen);

        if (r < 0)
                return log_oom();
        for (size_t i = 0; i < seen.n_uids; i++)
                seen.uids[i].container_id = seen.uids[i].host_id;
        for (size_t i = 0; i < seen.n_gids; i++)
                seen.gids[i].container_id = seen.gids[i].host_id;
        r = check_side(run, step, "/etc/subuid", "uid", run->job->caller.uid, seen.uids, seen.n_uids);
        return r != 0 ? r : check_side(run, step, "/etc/subgid", "gid", run->job->caller.gid, seen.gids, seen.n_gids);
}

static int check_own(struct run *run, const struct step *step, const struct idmap *idmap) {
        int r;

        if (is_of_layer(step))
                return check_own_layer(run, step, idmap);
        r = check_side(
                run, step, "/etc/subuid", "uid", run->job->caller.uid, idmap->uids, idmap->n_uids);

        return r != 0 ? r
                      : check_side(run, step, "/etc/subgid", "gid", run->job->caller.gid, idmap->gids, idmap->n_gids);
}

static int read_maps(struct run *run, const struct step *step, int fd, struct idmap *ret) {
        _cleanup_free_ char *uid_map = NULL, *gid_map = NULL;
        int r = userns_read(fd, &uid_map, &gid_map);

        if (r == 0)
                r = idmap_from_lines(uid_map, &ret->uids, &ret->n_uids);
        if (r == 0)
                r = idmap_from_lines(gid_map, &ret->gids, &ret->n_gids);
        if (r < 0)
                return run_fail(run, FAILURE_MOUNT_FAILED, -r, "the maps of the user namespace for %s cannot be read", step->target);
        /* Who has not written them yet could write others than those that are judged here. */
        if (ret->n_uids == 0 || ret->n_gids == 0)
                return run_fail(run, FAILURE_INVALID_ARGS, 0,
                        "the user namespace for %s has no uid_map or no gid_map yet; write both first", step->target);
        return 0;
}

/* A user namespace that the client sent: its own, and of its own ids. */
static int take(struct run *run, const struct step *step, struct mapping *mapping) {
        int fd = run->fds[step->userns.fd], r;
        uid_t owner;

        r = userns_owner(fd, &owner);
        if (r < 0)
                return run_fail(run, FAILURE_INVALID_ARGS, 0,
                        "%s, which maps the ids of %s, is no user namespace, or the host's own; send one of "
                        "/proc/PID/ns/user of a process in another",
                        source_fd_name(run, step->userns.fd), step->target);
        if (!run->job->caller.root && owner != run->job->caller.uid)
                return run_fail(run, FAILURE_SOURCE_DENIED, 0,
                        "the user namespace %s that maps the ids of %s belongs to user %u; the caller maps by its own",
                        source_fd_name(run, step->userns.fd), step->target, (unsigned) owner);
        r = read_maps(run, step, fd, &mapping->idmap);
        if (r == 0 && !run->job->caller.root)
                r = check_own(run, step, &mapping->idmap);
        if (r != 0)
                return r;
        mapping->userns = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return mapping->userns < 0 ? log_errno(LOG_ERR, errno, "duplicate a user namespace") : 0;
}

static int make(struct run *run, const struct step *step, struct mapping *mapping) {
        const struct executor_grants *grants = run->executor->grants;
        _cleanup_free_ char *uid_map = NULL, *gid_map = NULL;
        int r = idmap_copy(&step->idmap, &mapping->idmap);

        if (r < 0)
                return log_oom();
        if (!run->job->caller.root && !(grants && grants->foreign_ids)) {
                r = check_own(run, step, &mapping->idmap);
                if (r != 0)
                        return r;
        }
        uid_map = idmap_to_lines(mapping->idmap.uids, mapping->idmap.n_uids);
        gid_map = idmap_to_lines(mapping->idmap.gids, mapping->idmap.n_gids);
        if (!uid_map || !gid_map)
                return log_oom();
        mapping->userns = userns_make(uid_map, gid_map);
        if (mapping->userns >= 0)
                return 0;
        return run_fail(run, FAILURE_MOUNT_FAILED, -mapping->userns,
                "no user namespace can be made for the id mapping of %s%s", step->target,
                mapping->userns == -ENOSPC ? "; see sysctl user.max_user_namespaces" : "");
}

static int ready(struct run *run, const struct step *step, const struct mapping **ret) {
        struct mapping *mapping;
        int r;

        *ret = find(run, step);
        if (*ret)
                return 0;
        mapping = array_append(&run->mappings, &run->n_mappings);
        if (!mapping)
                return log_oom();
        *mapping = (struct mapping){.fd = UINT32_MAX - 1, .userns = -1}; /* found by nobody until it is whole */
        r = step->userns.kind == STEP_SOURCE_FD ? take(run, step, mapping) : make(run, step, mapping);
        if (r != 0)
                return r;
        mapping->fd = step->userns.kind == STEP_SOURCE_FD ? step->userns.fd : UINT32_MAX;
        *ret = mapping;
        return 0;
}

/* Being able to open a directory is not owning it: behind a mapping that does not know its group, another part of its
 * mode would hold for the caller than before. */
static int check_owner(struct run *run, const struct step_source *source, const struct idmap *idmap, int mount) {
        struct stat status;

        if (run->job->caller.root)
                return 0;
        if (fstat(mount, &status) < 0)
                return log_errno(LOG_ERR, errno, "look at a source");
        if (idmap_has(idmap->uids, idmap->n_uids, status.st_uid) && idmap_has(idmap->gids, idmap->n_gids, status.st_gid))
                return 0;
        return run_fail(run, FAILURE_SOURCE_DENIED, 0,
                "source %s belongs to user %u and group %u, which the id mapping does not name; anyone but root maps "
                "what belongs to itself",
                source_name(run, source), (unsigned) status.st_uid, (unsigned) status.st_gid);
}

/* Which it was is found out by the one mount alone, which is given up in any case: older kernels clone no detached one. */
static int map_failed(struct run *run, const struct step *step, const struct step_source *source, int mount, int userns,
        bool recursive, int r) {
        bool below = recursive && r == -EINVAL && tree_idmap(mount, false, userns) == 0;

        if (r == -EPERM)
                return run_fail(run, FAILURE_NOT_SUPPORTED, -r,
                        "the ids of %s for %s cannot be mapped: it is mapped already, or its file system is of another user "
                        "namespace",
                        source_name(run, source), step->target);
        return run_fail(run, r == -EINVAL ? FAILURE_NOT_SUPPORTED : FAILURE_MOUNT_FAILED, -r,
                "the ids of %s%s for %s cannot be mapped: %s", below ? "a mount below " : "", source_name(run, source),
                step->target, r == -EINVAL ? "this kernel's file system knows no id mapping" : "the kernel refuses");
}

int mapping_apply(struct run *run, size_t i, const struct step_source *source, int mount, bool recursive) {
        const struct step *step = &run->job->steps[i];
        const struct mapping *mapping;
        int r;

        if (!step->idmap.given)
                return 0;
        r = ready(run, step, &mapping);
        if (r == 0 && !is_of_layer(step))
                r = check_owner(run, source, &mapping->idmap, mount);
        if (r != 0)
                return r;
        recursive = recursive && step->idmap.recursive;
        r = tree_idmap(mount, recursive, mapping->userns);
        return r < 0 ? map_failed(run, step, source, mount, mapping->userns, recursive, r) : 0;
}

int mapping_layer(
        struct run *run, size_t i, const struct step_source *source, int layer, int *ret_mount, bool *ret_staged) {
        _cleanup_close_ int mount = tree_clone(layer, false);
        bool staged = !run->executor->features.detached_layers;
        int r;

        if (mount < 0)
                return run_fail(run, mount == -EPERM ? FAILURE_SOURCE_DENIED : FAILURE_MOUNT_FAILED, -mount,
                        "layer %s cannot be cloned", source_name(run, source));
        r = tree_set(mount, false, 0, 0, MS_PRIVATE);
        if (r < 0)
                return run_fail(run, FAILURE_MOUNT_FAILED, -r, "layer %s cannot be cut from its peers", source_name(run, source));
        r = mapping_apply(run, i, source, mount, false);
        if (r == 0 && staged)
                r = staging_attach(run, mount, "mapped");
        if (r != 0)
                return r;
        *ret_mount = TAKE_FD(mount);
        *ret_staged = staged;
        return 0;
}
