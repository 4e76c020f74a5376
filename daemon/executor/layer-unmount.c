/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_LAYER_UNMOUNT: the mount of a layer goes from its place, and never another one. That it is gone already is success. */

#include <errno.h>
#include <fcntl.h>

#include "executor/layer.h"
#include "kernel/detach.h"
#include "kernel/identity.h"
#include "kernel/resolve.h"
#include "util/log.h"

/* In the directory that layers are mounted in. */
static int unmount_here(struct run *run, const struct step *step) {
        bool unique = run->executor->features.unique_id && step->id != 0;
        struct identity identity;
        int r = identity_read(AT_FDCWD, step->target, unique, &identity);

        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return log_errno(LOG_ERR, r, "look at layers/%s", step->target);
        if (!identity.mount_root)
                return 0;
        if (identity.key != (unique ? step->id : step->mount_id) || (!unique && step->device != 0 && step->device != identity.device))
                return run_fail(run, FAILURE_BUSY, 0, "another mount covers layers/%s in the runtime directory; unmount that first", step->target);
        r = detach_name(step->target, false);
        if (r == -EBUSY)
                return run_fail(run, FAILURE_BUSY, -r, "layer %s is in use where it is mounted; stop what uses it", step->target);
        if (r < 0 && r != -EINVAL && r != -ENOENT)
                return run_fail(run, FAILURE_MOUNT_FAILED, -r, "unmounting layer %s failed", step->target);
        return 0;
}

int hand_layer_unmount(struct run *run, size_t i) {
        const struct step *step = &run->job->steps[i];
        _cleanup_close_ int directory = resolve_beneath(run->executor->runtime_fd, "layers", true);
        int r;

        if (directory < 0) {
                r = directory;
                directory = -1;
                return log_errno(LOG_ERR, r, "open layers/ in the runtime directory");
        }
        r = detach_enter(directory);
        if (r < 0)
                return log_errno(LOG_ERR, r, "enter layers/ in the runtime directory");
        r = unmount_here(run, step);
        detach_leave();
        /* That takes copies in other mount namespaces away, too. It stays where something else is mounted. */
        if (r == 0)
                run_unmake(directory, step->target, false);
        return r;
}
