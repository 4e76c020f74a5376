/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_EXAMINE: what a path of a container or of the host lies on, looked at through an fd that was opened with the
 * caller's rights. */

#include <errno.h>
#include <sys/stat.h>

#include "executor/run.h"
#include "executor/source.h"
#include "kernel/block.h"
#include "kernel/mounted.h"
#include "kernel/resolve.h"
#include "util/array.h"
#include "util/log.h"

static int open_failed(struct run *run, const struct step *step, int r) {
        const char *path = step->target, *container = step->container;

        switch (-r) {
        case ENOENT:
        case ENOTDIR:
        case ENAMETOOLONG:
                return run_fail(run, FAILURE_NO_SUCH_SOURCE, -r, "%s does not exist in container %s", path, container);
        case ETIMEDOUT:
                return run_fail(run, FAILURE_TIMED_OUT, -r,
                        "%s in container %s did not answer in time; see whether its file system is alive", path, container);
        default:
                return run_fail(run, FAILURE_SOURCE_DENIED, -r,
                        "%s in container %s cannot be reached by the caller; it needs search permission on each directory of "
                        "the path, which follows no magic link", path, container);
        }
}

/* *ret_root: the container's root directory, the run's; -1 on the host. */
static int open_path(struct run *run, const struct step *step, int *ret_root, int *ret_fd) {
        struct step_source source = {.kind = STEP_SOURCE_PATH, .path = step->target};
        int r, fd;

        *ret_root = -1;
        if (!*step->container)
                return source_open(run, &source, ret_fd);
        r = run_container_root(run, step->container, ret_root);
        if (r != 0)
                return r;
        fd = source_open_in(run, *ret_root, step->target);
        if (fd < 0)
                return open_failed(run, step, fd);
        *ret_fd = fd;
        return 0;
}

static int read_block(dev_t device, struct block *ret) {
        _cleanup_close_ int sysfs = resolve_source("/sys");
        int r = sysfs < 0 ? sysfs : block_read(sysfs, device, ret);

        if (r == -ENOMEM)
                return log_oom();
        if (r < 0)
                (void) log_errno(LOG_WARNING, r, "look a block device up in /sys"); /* then it has no name */
        return 0;
}

/* What is special to the host's devices: nodes anywhere, and in a devtmpfs, or what is mounted in one, all but regular
 * files. */
static bool is_host_device(const struct mounted *mounted) {
        return S_ISCHR(mounted->mode) || S_ISBLK(mounted->mode) ||
               (mounted->devices && mounted->mode != 0 && !S_ISREG(mounted->mode));
}

int hand_examine(struct run *run, size_t i) {
        const struct features *features = &run->executor->features;
        const struct step *step = &run->job->steps[i];
        _cleanup_mounted_ struct mounted mounted = {};
        _cleanup_block_ struct block block = {};
        _cleanup_close_ int fd = -1;
        int root, r = open_path(run, step, &root, &fd);

        if (r != 0)
                return r;
        r = mounted_read(fd, root, features->unique_id, features->statmount, &mounted);
        if (r == -ENOENT)
                return run_fail(run, FAILURE_NO_SUCH_SOURCE, 0,
                        "%s lies on a mount that was unmounted meanwhile; ask again", step->target);
        if (r < 0)
                return log_errno(LOG_ERR, r, "look at the mount of a path");
        r = read_block(mounted.device, &block);
        if (r < 0)
                return r;

        const char *const texts[_EXAMINE_TEXT_MAX] = {
                [EXAMINE_POINT] = mounted.point,
                [EXAMINE_SOURCE] = mounted.source,
                [EXAMINE_TYPE] = mounted.type,
                [EXAMINE_NODE] = block.node,
                [EXAMINE_MAPPER] = block.mapper,
        };

        for (size_t j = 0; j < ELEMENTSOF(texts); j++)
                if (strv_append(&run->result->texts, texts[j] ? texts[j] : "") < 0)
                        return log_oom();
        run->result->steps[i].id = mounted.id;
        run->result->steps[i].device = mounted.device;
        run->result->steps[i].attributes = (mounted.system ? EXAMINE_SYSTEM_MOUNT : 0U) |
                                           (is_host_device(&mounted) ? EXAMINE_HOST_DEVICE : 0U);
        return 0;
}
