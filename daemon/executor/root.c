/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* STEP_ROOT: a container's root at <container>/rootfs: a clone of the source, or an overlay of it (layered.c). The source
 * stays as it is in each case. */

#include <errno.h>
#include <sys/mount.h>

#include "executor/layered.h"
#include "executor/mapping.h"
#include "executor/source.h"
#include "util/log.h"

static int root_make(struct layered *root, int *ret_mount) {
        int r = layered_make(root, ret_mount);

        if (r != 0)
                return r;
        if (*ret_mount >= 0)
                return run_share(root->run, root->index, *ret_mount);
        *ret_mount = TAKE_FD(root->clone);
        return run_dress(root->run, root->index, *ret_mount, root->recursive);
}

int hand_root(struct run *run, size_t i) {
        _cleanup_(layered_done) struct layered root = LAYERED_INIT(run, i);
        _cleanup_close_ int mount = -1;
        bool directory;
        int target, r = source_is_directory(run, i, &directory);

        if (r != 0)
                return r;
        if (!directory)
                return run_fail(run, FAILURE_NO_SUCH_SOURCE, ENOTDIR,
                        "the root of container %s, %s, is not a directory", root.step->container,
                        source_name(&root.step->source));
        root.source = run->hands[i].source;
        r = source_clone(run, i, &root.clone, &root.recursive);
        if (r == 0)
                r = mapping_apply(run, i, &root.step->source, root.clone, root.recursive);
        if (r == 0)
                r = root_make(&root, &mount);
        if (r == 0)
                r = run_note(run, i, mount, NULL);
        if (r == 0 && root.clone < 0 && root.step->idmap.given) /* the clone is the root, and not a layer of it */
                run->result->steps[i].attributes |= MOUNT_ATTR_IDMAP;
        if (r == 0)
                r = run_container_root(run, root.step->container, &target);
        if (r == 0)
                r = run_attach(run, i, &mount, target);
        run_forget_root(run);
        run->hands[i].source = close_fd(run->hands[i].source);
        return r;
}
