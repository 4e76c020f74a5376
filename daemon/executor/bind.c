/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_BIND: a clone of a source at a target, or an overlay of it (layered.c). */

#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "executor/enter.h"
#include "executor/layered.h"
#include "executor/mapping.h"
#include "executor/pin.h"
#include "executor/source.h"
#include "executor/target.h"
#include "util/log.h"

/* What an overlay is asked for. A device, socket or FIFO takes no writes itself: its clone will do. */
static int make_layered(struct layered *bind, int *ret_mount) {
        struct stat status;
        bool directory;
        int r = source_is_directory(bind->run, bind->index, &directory);

        if (r != 0)
                return r;
        if (directory)
                return layered_make(bind, ret_mount);
        if (bind->step->stubs && bind->step->stubs[0])
                return run_fail(bind->run, FAILURE_INVALID_TARGET, ENOTDIR,
                        "%s of container %s is a file, and %s lies below it", bind->step->target,
                        bind->step->container, bind->step->stubs[0]);
        if (fstat(bind->source, &status) < 0)
                return log_errno(LOG_ERR, errno, "fstat a source");
        return S_ISREG(status.st_mode) ? layered_file(bind, ret_mount) : 0;
}

static int bind_make(struct layered *bind, int *ret_mount) {
        const struct step *step = bind->step;
        bool file_copied = false;
        int r = 0;

        if ((step->flags & STEP_OVERLAY_TMPFS) || (step->stubs && step->stubs[0])) {
                r = make_layered(bind, ret_mount);
                if (r != 0)
                        return r;
                r = *ret_mount >= 0 ? source_is_directory(bind->run, bind->index, &file_copied) : 0;
                file_copied = *ret_mount >= 0 && !file_copied;
                if (r != 0)
                        return r;
                if (*ret_mount >= 0 && !file_copied)
                        return run_share(bind->run, bind->index, *ret_mount);
        }
        if (*ret_mount < 0)
                *ret_mount = TAKE_FD(bind->clone);
        return run_dress(bind->run, bind->index, *ret_mount, bind->recursive && !file_copied);
}

int hand_bind(struct run *run, size_t step) {
        _cleanup_(layered_done) struct layered bind = LAYERED_INIT(run, step);
        _cleanup_close_ int mount = -1, target = -1;
        bool directory;
        int r = pin_is_meant(&run->job->steps[step]) ? pin_clone(run, step, &bind.clone)
                                                     : source_clone(run, step, &bind.clone, &bind.recursive);

        bind.source = run->hands[step].source;
        if (r == 0 && ((run->job->steps[step].flags & STEP_BENEATH) || run->namespace >= 0) && run->brought_unknown)
                r = run_fail(run, FAILURE_NOT_SUPPORTED, 0,
                        "the source of %s is a detached mount, and how many mounts lie below it shows when it is "
                        "attached, which is too late here; unmount the old one and mount this one",
                        run->job->steps[step].target);
        if (r == 0)
                r = mapping_apply(run, step, &run->job->steps[step].source, bind.clone, bind.recursive);
        if (r == 0)
                r = bind_make(&bind, &mount);
        if (r == 0 && run->namespace >= 0)
                r = enter_lock(run, step, &mount);
        if (r == 0 && run->namespace >= 0 && run->namespace_foreign)
                r = run_share(run, step, mount); /* the clone is private again */
        if (r == 0)
                r = run_note(run, step, mount, &directory);
        if (r == 0 && bind.clone < 0 && bind.step->idmap.given) /* it is the clone, and no overlay or copy of it */
                run->result->steps[step].attributes |= MOUNT_ATTR_IDMAP;
        if (r == 0)
                r = target_open(run, step, !directory, &target);
        if (r == 0)
                r = run_attach(run, step, &mount, target);
        if (r == 0 && run->hands[step].attached)
                r = source_count(run, run->hands[step].mount, 0);
        if (r == 0 && run->namespace >= 0 && bind.recursive)
                r = enter_tell_brought(run, step);
        run->hands[step].source = close_fd(run->hands[step].source);
        return r;
}
