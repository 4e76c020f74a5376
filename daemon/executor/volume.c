/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where volumes are, is named by podmount alone, but on a tmpfs whose root is the pod owner's, who can rename there. So
 * nothing on the way may be a symlink, and what is found is the recorded mount or nothing. */

#include "executor/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "executor/filesystem.h"
#include "kernel/identity.h"
#include "kernel/mountinfo.h"
#include "kernel/resolve.h"
#include "kernel/statmount.h"
#include "kernel/visit.h"
#include "spec/spec.h"
#include "util/log.h"

static bool makes(const struct step *step, const char *name) {
        return step->container && strcmp(step->container, SPEC_VOLUMES) == 0 && step->target &&
               strcmp(step->target + 1, name) == 0;
}

/* The index of the step, or SIZE_MAX. */
static size_t find(const struct run *run, const struct step_source *source) {
        if (source->kind != STEP_SOURCE_VOLUME || source->id != 0)
                return SIZE_MAX;
        for (size_t i = 0; i < run->job->n_steps; i++)
                if (makes(&run->job->steps[i], source->path))
                        return i;
        return SIZE_MAX;
}

const struct hand *volume_made(const struct run *run, const struct step_source *source) {
        size_t step = find(run, source);

        return step == SIZE_MAX ? NULL : &run->hands[step];
}

static bool is_server(const char *type) {
        return type && (strcmp(type, "fuse") == 0 || strncmp(type, "fuse.", strlen("fuse.")) == 0 || strcmp(type, "9p") == 0);
}

struct look {
        uint64_t id;
        bool served;
        uint64_t attributes;
};

static int look_at_line(const struct mountinfo_line *line, void *userdata) {
        struct look *look = userdata;

        if (line->id != look->id)
                return 0;
        look->served = is_server(line->type);
        look->attributes = mountinfo_attributes(line->options_mount);
        return 0;
}

static int look_in_mountinfo(const struct run *run, uint64_t id, uint64_t *ret) {
        _cleanup_close_ int fd = run->own.namespace >= 0 ? away_mountinfo() : open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        struct look look = {.id = id};
        size_t skipped;
        int r = fd < 0 ? log_errno(LOG_ERR, fd == -1 ? errno : fd, "open mountinfo") : mountinfo_read(fd, look_at_line, &look, &skipped);

        *ret = look.attributes;
        return r < 0 ? r : look.served;
}

int volume_is_served(const struct run *run, const struct step_source *source, uint64_t *ret) {
        _cleanup_(statmount_freep) struct statmount *statmount = NULL;
        struct statmount_line line;
        size_t step = find(run, source);
        int r;

        if (source->kind != STEP_SOURCE_VOLUME)
                return 0;
        if (step != SIZE_MAX) {
                *ret = run->result->steps[step].attributes;
                return server_is_one(&run->job->steps[step]);
        }
        if (!run->executor->features.statmount)
                return look_in_mountinfo(run, source->id, ret);
        statmount = statmount_new();
        r = statmount ? statmount_read(statmount, source->id, &line) : -ENOMEM;
        if (r < 0)
                return log_errno(LOG_ERR, r, "look at a volume");
        *ret = line.attributes | (line.superblock_flags & MS_RDONLY ? MOUNT_ATTR_RDONLY : 0);
        return is_server(line.type);
}

size_t volume_count(const struct job *job) {
        size_t n = 0;

        for (size_t i = 0; i < job->n_steps; i++)
                n += job->steps[i].container && strcmp(job->steps[i].container, SPEC_VOLUMES) == 0;
        return n;
}

int volume_open(struct run *run, const struct step_source *source, int *ret_fd) {
        const size_t step = find(run, source);
        const bool building = step != SIZE_MAX;
        const uint64_t key = building ? run_key(run, step) : source->id;
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -1;
        struct identity identity;
        int r;

        if (asprintf(&path, "%s%s" SPEC_VOLUMES "/rootfs/%s", building ? "" : run->job->uuid, building ? "" : "/",
                    source->path) < 0) {
                path = NULL;
                return log_oom();
        }
        fd = resolve_beneath(building ? run->tree : run->pods_fd, path, false);
        r = fd < 0 ? fd : identity_read(fd, "", run->executor->features.unique_id, &identity);
        if (r == 0 && (!identity.mount_root || identity.key != key || key == 0))
                r = -ENOENT;
        if (r < 0)
                return run_fail(run, FAILURE_NO_SUCH_SOURCE, -r,
                        "volume %s of the pod is not where podmount put it; see the pod's drift with podmountctl show",
                        source->path);
        *ret_fd = TAKE_FD(fd);
        return 0;
}
