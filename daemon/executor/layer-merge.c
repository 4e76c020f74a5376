/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * STEP_LAYER_MERGE: after STEP_LAYER_APPLY, for a layer that has content: what the tar has made is put over that. It takes both
 * in one mount, so another worker does it, which sees the layer's directory and nothing else, and no byte of the tar.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <unistd.h>

#include "executor/layer.h"
#include "executor/merge-private.h"
#include "executor/worker.h"
#include "plan/layer.h"
#include "util/log.h"

#define CAPABILITY(name) (UINT64_C(1) << (name))

enum {
        MEMORY_MAX = 768 * 1024 * 1024,         /* of a worker: one number for each file with several names */
        FILES_MAX = 2 * MERGE_DEPTH_MAX + 64, /* for each directory on the way down there are two */
};

static int open_in(const char *name, int flags) {
        int fd = open(name, flags | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

/* The worker ends when this does, and closes what it has. */
static int work(struct worker *worker, const int *fds _unused_, void *userdata) {
        const struct step *step = userdata;
        const struct merge_setup setup = {
                .old = open_in("/diff", O_RDONLY | O_DIRECTORY),
                .new = open_in("/" LAYER_APPLY "/diff", O_RDONLY | O_DIRECTORY),
                .opaque = open_in("/" LAYER_APPLY "/opaque", O_RDWR),
                .notes = open_in("/" LAYER_APPLY "/notes", O_RDWR),
                .base = step->flags & STEP_LAYER_BASE,
                .bytes_max = step->size,
                .inodes_max = step->id,
                .bytes_figure = APPLY_WRITTEN,
                .inodes_figure = APPLY_INODES,
        };

        if (setup.old < 0 || setup.new < 0 || setup.opaque < 0 || setup.notes < 0)
                return worker_fail(worker, FAILURE_MOUNT_FAILED, 0, "what is to be put over each other cannot be opened");
        return merge_trees(worker, &setup);
}

int hand_layer_merge(struct run *run, size_t i) {
        struct step *step = &run->job->steps[i];
        _cleanup_close_ int layer = -1;
        /* What overlayfs and root have written down beside files is for CAP_SYS_ADMIN to copy; what else that allows, the worker's filter refuses. */
        struct worker_setup setup = {
                .name = "podmount-merge",
                .capabilities = CAPABILITY(CAP_CHOWN) | CAPABILITY(CAP_DAC_OVERRIDE) | CAPABILITY(CAP_DAC_READ_SEARCH) | CAPABILITY(CAP_FOWNER) |
                                CAPABILITY(CAP_FSETID) | CAPABILITY(CAP_SETFCAP) | CAPABILITY(CAP_SYS_ADMIN),
                .files_max = FILES_MAX,
                .memory_max = MEMORY_MAX,
                .work = work,
                .userdata = step,
        };
        int channel, r = layer_open(run, step, &layer);

        if (r != 0)
                return r;
        setup.root = layer;
        r = worker_start(&setup, &channel);
        return r < 0 ? r : run_answer_fd(run, channel);
}
