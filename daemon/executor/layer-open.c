/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_LAYER_OPEN: a clone of what is in a layer, to be read file by file. It cannot be written to through it, and for all but
 * root the kernel has locked that. */

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "executor/layer.h"
#include "executor/run.h"
#include "kernel/gift.h"
#include "kernel/tree.h"
#include "util/log.h"

int hand_layer_open(struct run *run, size_t i) {
        const uint64_t attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int layer = -1, directory = -1, mount = -1;
        int r = layer_open(run, step, &layer), fd;

        if (r != 0)
                return r;
        directory = openat(layer, "diff", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        fd = directory < 0 ? -errno : tree_clone(directory, false);
        if (fd < 0)
                return layer_failed(run, "opening", step->target, fd);
        mount = fd;
        r = tree_set(mount, false, attributes, 0, MS_PRIVATE);
        fd = r < 0 ? r : run->job->caller.root ? TAKE_FD(mount) : gift_lock(mount);
        if (fd < 0)
                return layer_failed(run, "opening", step->target, fd);
        mount = fd;
        /* Opened for reading it outlives its mount, of which nobody changes anything then. */
        fd = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? layer_failed(run, "opening", step->target, -errno) : run_answer_fd(run, fd);
}
